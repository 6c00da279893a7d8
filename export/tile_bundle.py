"""What a trained tile codec's bundle holds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mscn_tf.export.bundle import Members
from mscn_tf.export.onnx import decoder_graph
from mscn_tf.networks.basis import BasisNetwork
from mscn_tf.networks.sphere import SphereNetwork
from mscn_tf.runtime.container import MAX_SIDE
from mscn_tf.runtime.decoder import DECODER
from mscn_tf.training.evaluate import Frozen
from mscn_tf.training.tiles import TileTrainer

# Root mean square errors that storing the weights as whole numbers may add: to values of nominal
# range 1 (58 dB PSNR), and to the features that the sine network sees.
_VALUE_ERROR = 1.25e-3
_FEATURE_ERROR = 1e-2


def _whole_numbers(
    rows: np.ndarray, scale: np.ndarray, error: float, points: int
) -> dict[str, np.ndarray]:
    """int16 rows and their steps, finer for the rows of code elements that vary more.

    Args:
      rows: ``[M, n]``; row i is multiplied by a code element of standard deviation scale[i].
      scale: ``[M]``.
      error: wanted root mean square error of the sum over all rows, at each point.
      points: the n values of a row sum to that error over so many points and channels.
    """
    share = error * np.sqrt(12.0 * points / (len(rows) * rows.shape[1]))
    step = np.maximum(share / scale, np.abs(rows).max(1) / 32767)[:, None]
    return {"": np.round(rows / step).astype(np.int16), ".step": step}


def _weight_members(network: BasisNetwork, scale: np.ndarray) -> dict[str, np.ndarray]:
    points = math.prod(network.tile_shape)
    budgets = {
        "basis": (_VALUE_ERROR, points * network.channels),
        "feature_basis": (_FEATURE_ERROR, points * network.features),
    }
    members = {}
    for name, weight in network.named_weights().items():
        values = weight.numpy().astype(np.float64)
        if name in budgets:
            parts = _whole_numbers(values, scale[: len(values)], *budgets[name])
            members.update({f"weights/{name}{end}": part for end, part in parts.items()})
        else:
            members[f"weights/{name}"] = values.astype(np.float32)
    return members


def _members(trainer: TileTrainer, frozen: Frozen) -> Members:
    codec = trainer.codec
    with trainer.average.swapped_in():
        return {
            DECODER: decoder_graph(codec.network),
            "weights/step_sizes": codec.step_sizes.numpy(),
            **_weight_members(codec.network, frozen.code_scale),
            **{f"prior/{name}": array for name, array in frozen.arrays.items()},
        }


def _manifest(trainer: TileTrainer) -> dict[str, Any]:
    network, config = trainer.codec.network, trainer.config
    optional = {name: config[name] for name in ("tile_overlap",) if name in config}
    if "values" in config:
        optional["values"] = config["values"].to_dict()
    # A code of the sphere stands for a whole field, whatever its size.
    edge = MAX_SIDE if isinstance(network, SphereNetwork) else network.edge
    return {
        **optional,
        "tile_edge": edge,
        "channels": network.channels,
        "code_size": network.code_size,
        "rate_weight": trainer.codec.prior.rate_weight,
    }


def contents(trainer: TileTrainer, frozen: Frozen) -> tuple[dict[str, Any], Members]:
    """The manifest's own entries, and the members; weights are averaged where that was kept."""
    return _manifest(trainer), _members(trainer, frozen)
