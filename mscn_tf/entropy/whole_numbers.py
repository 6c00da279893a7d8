"""Weights of learned networks as whole numbers, for sums that are exact on every machine."""

from __future__ import annotations

import numpy as np

_EXACT = 2**24 - 2**20  # what sums may reach, so that rounding may still be added


def whole_weights(
    real: np.ndarray, inputs: float, largest: float, offsets: float, widest: int = 14
) -> tuple[np.ndarray, int]:
    """Weights as whole numbers, with as many fractional bits as keep all sums exact.

    Args:
      real: ``[..., inputs, outputs]``.
      inputs: unit of an input.
      largest: whole number that an input reaches.
      offsets: what is added to the sums, in real units.
      widest: the most fractional bits.

    Returns:
      whole numbers, and fractional bits of the sums.
    """
    for bits in range(widest, 0, -1):
        whole = np.rint(real * inputs * 2.0**bits)
        if np.abs(whole).sum(-2).max() * largest + offsets * 2.0**bits < _EXACT:
            return whole.astype(np.int32), bits
    raise ValueError("the network's weights are too large to be frozen")
