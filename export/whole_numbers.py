"""Arrays of whole numbers in as few bytes as hold them."""

from __future__ import annotations

import numpy as np


def smallest(array: np.ndarray) -> np.ndarray:
    """Whole numbers in the smallest type that holds them all; others as they are."""
    if array.dtype.kind != "i":
        return array
    low, high = int(array.min()), int(array.max())
    return array.astype(np.min_scalar_type(min(low, -high - 1)))
