"""Whole numbers as digits of 4096, lowest first, which float32 has room for.

So exported graphs, in float32, are as exact as the runtime, whose numbers lie below 2^53.
"""

from __future__ import annotations

import numpy as np

BITS = 12
BASE = 2.0**BITS
COUNT = 3  # of a number's digits


def split(numbers: np.ndarray) -> np.ndarray:
    """float32 ``[.., COUNT]``: digits of whole numbers ``[..]`` within +-2^47, from -2048 to 2047.

    The last one, which takes what is left, is within +-2^23.
    """
    digits, left = [], numbers.astype(np.float64)
    for _ in range(COUNT - 1):
        higher = np.floor(left / BASE + 0.5)
        digits.append(left - BASE * higher)
        left = higher
    return np.stack([*digits, left], -1).astype(np.float32)


def joined(digits: np.ndarray) -> np.ndarray:
    """float64 ``[..]``: the numbers of digits ``[.., COUNT]``."""
    return digits.astype(np.float64) @ BASE ** np.arange(COUNT)
