"""Clipping, faster than NumPy's own."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

_TOGETHER = 2**16  # numbers that are clipped at once


@lru_cache(None)
def _filled(value: float) -> np.ndarray:
    return np.full(_TOGETHER, value, np.float32)


def clip(array: np.ndarray, low: float, high: float) -> None:
    """Clips a float32 array in place, whose elements lie one after the other.

    Between two arrays NumPy finds the lower elements three times as fast as from one and a number.
    """
    flat = array.reshape(-1)
    for first in range(0, len(flat), _TOGETHER):
        part = flat[first : first + _TOGETHER]
        np.maximum(part, _filled(low)[: len(part)], out=part)
        np.minimum(part, _filled(high)[: len(part)], out=part)
