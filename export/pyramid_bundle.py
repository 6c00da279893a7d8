"""What a trained pyramid codec's bundle holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from mscn_tf.export.bundle import Members
from mscn_tf.training.pyramid import PyramidTrainer


def contents(
    trainer: PyramidTrainer, arrays: dict[str, np.ndarray]
) -> tuple[dict[str, Any], Members]:
    """The manifest's own entries, and the members."""
    model = trainer.config.model
    manifest = {"tile_edge": model.tile_edge, "channels": 3, "rate_weight": model.rate_weight}
    members = {f"prior/{name}": _smallest(array) for name, array in arrays.items()}
    return manifest, {"weights/colour": trainer.colour, **members}


def _smallest(array: np.ndarray) -> np.ndarray:
    """Whole numbers in the smallest type that holds them all; others as they are."""
    if array.dtype.kind != "i":
        return array
    low, high = int(array.min()), int(array.max())
    return array.astype(np.min_scalar_type(min(low, -high - 1)))
