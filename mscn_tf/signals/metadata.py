"""What all modalities ask of metadata, which may come from a stranger."""

from __future__ import annotations

from typing import Any

import numpy as np

LARGEST = 1e30  # of numbers: products of a few of them are still finite


def numbers(value: Any, *shape: int) -> np.ndarray:
    """float64 of JSON's numbers in lists of such a shape, or of a single one.

    Raises:
      OverflowError, TypeError, ValueError: they are others, or too large.
    """
    flat = [value]
    for _ in shape:
        flat = [one for part in flat for one in part]
    if not all(type(one) in (int, float) for one in flat):  # texts and truth values are no numbers
        raise ValueError("no numbers")
    array = np.array(value, np.float64)
    if array.shape != shape or not (np.abs(array) < LARGEST).all():
        raise ValueError("other numbers")
    return array
