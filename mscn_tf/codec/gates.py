"""Gates on the elements of a code, in closed form, and a choice of symbols that looks ahead.

Both weigh squared errors against the entropy model's own bits, relaxed: besides what a symbol
costs itself, its magnitude changes the scales of later ones, and so their bits.
"""

from __future__ import annotations

import numpy as np

from mscn_tf.runtime.prior import Prior
from mscn_tf.runtime.quantiser import TEMPERATURE
from mscn_tf.runtime.tables import LARGEST_SYMBOL

_COOLING = 0.6  # of the temperature, from one step to the next


def gated(
    prior: Prior,
    codes: np.ndarray,
    symbols: np.ndarray,
    q16: np.ndarray,
    rate_weight: float,
    step: int,
) -> np.ndarray:
    """Codes times gates in (0, 1): one half where an element saves just what it costs.

    The gates are the chances of open elements that make expected cost, less temperature times
    entropy, least. The more steps, the lower the temperature.

    Args:
      prior: the entropy model.
      codes: float ``[N, M]``.
      symbols: int32 ``[N, M]``, at whose scales bits are counted.
      q16: integers ``[N]``, quality times 16.
      rate_weight: squared error that a bit is worth, in quantiser steps squared.
      step: 0 for the first.

    Returns:
      float64 ``[N, M]``.
    """
    size = _in_steps(prior, codes, q16)
    kept = np.maximum(np.rint(size), 1).astype(np.int32)
    (bits,) = prior.bits_over_zero(kept[None], symbols, prior.indices(symbols, q16))
    saved = (np.square(size) - rate_weight * bits) / (TEMPERATURE * _COOLING**step)
    return codes / (1 + np.exp(-np.clip(saved, -50, 50)))


def cheapest(
    prior: Prior, codes: np.ndarray, symbols: np.ndarray, q16: np.ndarray, rate_weight: float
) -> np.ndarray:
    """The nearest whole number, the next one towards zero, or zero: whichever costs least.

    Args:
      prior: the entropy model.
      codes: float ``[N, M]``.
      symbols: int32 ``[N, M]``, at whose scales bits are counted and symbols dequantised.
      q16: integers ``[N]``, quality times 16.
      rate_weight: squared error that a bit is worth, in quantiser steps squared.

    Returns:
      int32 ``[N, M]``.
    """
    size = _in_steps(prior, codes, q16)
    nearest = np.rint(size).astype(np.int32)
    sizes = np.stack([np.zeros_like(nearest), np.maximum(nearest - 1, 0), nearest])
    index = prior.indices(symbols, q16)
    errors = np.square(size - prior.tables.dequantise(sizes, np.stack([index] * 3)))
    costs = errors + rate_weight * prior.bits_over_zero(sizes, symbols, index)
    best = np.take_along_axis(sizes, costs.argmin(0)[None], 0)[0]
    return (np.sign(codes) * best).astype(np.int32)


def _in_steps(prior: Prior, codes: np.ndarray, q16: np.ndarray) -> np.ndarray:
    """Magnitudes ``[N, M]`` in quantiser steps, no larger than a symbol can be."""
    return np.minimum(np.abs(codes / prior.steps(q16)), LARGEST_SYMBOL)
