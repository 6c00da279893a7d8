"""What a trained interpolation codec's bundle holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from mscn_tf.export.bundle import Members
from mscn_tf.export.whole_numbers import smallest
from mscn_tf.runtime.container import MAX_SIDE
from mscn_tf.training.interpolation import InterpolationTrainer


def contents(
    trainer: InterpolationTrainer, arrays: dict[str, np.ndarray]
) -> tuple[dict[str, Any], Members]:
    """The manifest's own entries, and the members."""
    values = trainer.config["values"].to_dict()
    manifest = {"tile_edge": MAX_SIDE, "channels": 1, "values": values}
    return manifest, {f"prior/{name}": smallest(array) for name, array in arrays.items()}
