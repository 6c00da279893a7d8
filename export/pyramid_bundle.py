"""What a trained pyramid codec's bundle holds."""

from __future__ import annotations

from typing import Any, Union

import numpy as np

from mscn_tf.export.bundle import Members
from mscn_tf.export.post_filter_graph import post_filter_graph
from mscn_tf.export.whole_numbers import smallest
from mscn_tf.runtime import adaptive_filter, filter_updates
from mscn_tf.runtime.post_filter import GRAPH
from mscn_tf.training.post_filter import PostFilterTrainer
from mscn_tf.training.pyramid import PyramidTrainer
from mscn_tf.training.pyramid_updates import NAMES

_OF_FILTERS = (filter_updates.NAME, adaptive_filter.NAME)  # what pictures say of them
_OF_A_PICTURE = (*NAMES, *_OF_FILTERS)


def contents(
    trainer: Union[PyramidTrainer, PostFilterTrainer], arrays: dict[str, np.ndarray]
) -> tuple[dict[str, Any], Members]:
    """The manifest's own entries, and the members.

    Those of a filter, and what pictures say, stand beside what the codec had that it was trained
    for, but for the directions of a filter that another one replaces; and networks that went on
    from those of a codec stand beside its filter.
    """
    if isinstance(trainer, PostFilterTrainer):
        given = trainer.bundle.manifest
        own = {
            "tile_edge": given.tile_edge,
            "channels": given.channels,
            "rate_weight": given.rate_weight,
        }
        made: dict[str, np.ndarray] = {}
        for folder in ("prior", "weights"):
            kept = trainer.bundle.arrays(folder)
            kept.pop(filter_updates.NAME, None)
            made.update({f"{folder}/{name}": array for name, array in kept.items()})
        for name, array in arrays.items():
            made[f"{'prior' if name in _OF_A_PICTURE else 'filter'}/{name}"] = smallest(array)
        return own, {**made, GRAPH: post_filter_graph()}
    model = trainer.config.model
    manifest = {"tile_edge": model.tile_edge, "channels": 3, "rate_weight": model.rate_weight}
    members = {f"prior/{name}": smallest(array) for name, array in arrays.items()}
    members["weights/colour"] = trainer.colour
    kept = trainer.before.arrays("filter") if trainer.before else {}
    if not trainer.before or not kept:
        return manifest, members
    prior = trainer.before.arrays("prior")
    members.update({f"prior/{name}": prior[name] for name in _OF_FILTERS if name in prior})
    members.update({f"filter/{name}": smallest(array) for name, array in kept.items()})
    return manifest, {**members, GRAPH: post_filter_graph()}
