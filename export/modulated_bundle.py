"""What a trained modulated codec's bundle holds."""

from __future__ import annotations

from typing import Any, Union

import numpy as np

from mscn_tf.export.bundle import Members
from mscn_tf.export.modulated_functions import GriddedNetwork
from mscn_tf.export.onnx import decoder_graph
from mscn_tf.runtime.container import MAX_SIDE
from mscn_tf.runtime.decoder import DECODER
from mscn_tf.runtime.modality import Modality
from mscn_tf.training.modulated_codec import ModulatedCodecTrainer, inner_arrays, weights_of


def contents(
    trainer: ModulatedCodecTrainer, prior: dict[str, np.ndarray]
) -> tuple[dict[str, Any], Members]:
    """The manifest's own entries, and the members."""
    config, places = trainer.config, trainer.places.numpy()
    weights = weights_of(trainer.fit, places)
    sphere = Modality.named(config.get("modality", "image")).sphere
    network = GriddedNetwork(config.model, weights, len(places), trainer.shape, sphere)
    inner = {**inner_arrays(trainer.fit, places), "places": weights.pop("places")}
    own = {name: config[name] for name in ("tile_overlap",) if name in config}
    if "values" in config:
        own["values"] = config["values"].to_dict()
    manifest = {
        **own,
        # A code of the sphere stands for a whole field, whatever its size.
        "tile_edge": MAX_SIDE if sphere else trainer.shape[0],
        "channels": network.channels,
        "code_size": network.code_size,
        "rate_weight": trainer.prior.rate_weight,
    }
    members: dict[str, Union[bytes, np.ndarray]] = {
        DECODER: decoder_graph(network),
        **_weight_members(weights),
        **{f"inner/{name}": array for name, array in inner.items()},
        **{f"prior/{name}": array for name, array in prior.items()},
    }
    return manifest, members


def _weight_members(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """float32, and of a map, which is the largest by far, int8 rows with a step each.

    That moves an update by a hundredth of itself; encoder and decoder have the same.
    """
    members = {}
    for name, weight in weights.items():
        values = weight
        if name == "map":
            step = np.abs(weight).max(axis=1, keepdims=True).astype(np.float64) / 127 + 1e-30
            values = np.rint(weight / step).astype(np.int8)
            members[f"weights/{name}.step"] = step
        members[f"weights/{name}"] = values
    return members
