"""What a trained pyramid codec's bundle holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from mscn_tf.export.bundle import Members
from mscn_tf.export.whole_numbers import smallest
from mscn_tf.training.pyramid import PyramidTrainer


def contents(
    trainer: PyramidTrainer, arrays: dict[str, np.ndarray]
) -> tuple[dict[str, Any], Members]:
    """The manifest's own entries, and the members."""
    model = trainer.config.model
    manifest = {"tile_edge": model.tile_edge, "channels": 3, "rate_weight": model.rate_weight}
    members = {f"prior/{name}": smallest(array) for name, array in arrays.items()}
    return manifest, {"weights/colour": trainer.colour, **members}
