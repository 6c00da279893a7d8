"""Turns a trained codec into the bundle that encoders and decoders load."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np

from mscn_tf.export.bundle import write_bundle
from mscn_tf.export.onnx import decoder_graph
from mscn_tf.networks.basis import BasisNetwork
from mscn_tf.networks.sphere import SphereNetwork
from mscn_tf.runtime.container import MAX_SIDE
from mscn_tf.runtime.files import PathLike
from mscn_tf.runtime.quantiser import QUALITIES
from mscn_tf.training.basis import BasisTrainer
from mscn_tf.training.evaluate import Frozen
from mscn_tf.training.loop import Trainer
from mscn_tf.training.pyramid import PyramidTrainer

# Root mean square errors that storing the weights as whole numbers may add: to values of nominal
# range 1 (58 dB PSNR), and to the features that the sine network sees.
_VALUE_ERROR = 1.25e-3
_FEATURE_ERROR = 1e-2


def _whole_numbers(rows: np.ndarray, scale: np.ndarray, error: float, points: int) -> dict:
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


def _basis_members(trainer: BasisTrainer, frozen: Frozen) -> dict[str, Any]:
    codec = trainer.codec
    with trainer.average.swapped_in():
        return {
            "decoder.onnx": decoder_graph(codec.network),
            "weights/step_sizes": codec.step_sizes.numpy(),
            **_weight_members(codec.network, frozen.code_scale),
            **{f"prior/{name}": array for name, array in frozen.arrays.items()},
        }


def _basis_manifest(trainer: BasisTrainer) -> dict[str, Any]:
    network, config = trainer.codec.network, trainer.config
    own = {name: config[name] for name in ("tile_overlap",) if name in config}
    if "values" in config:
        own["values"] = config["values"].to_dict()
    # A code of the sphere stands for a whole field, whatever its size.
    edge = MAX_SIDE if isinstance(network, SphereNetwork) else network.edge
    return {
        **own,
        "tile_edge": edge,
        "channels": network.channels,
        "code_size": network.code_size,
        "rate_weight": trainer.codec.prior.rate_weight,
    }


def _pyramid_members(trainer: PyramidTrainer, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    whole = {}
    for name, array in arrays.items():
        if array.dtype.kind == "i":  # the smallest kind that holds them all
            low, high = int(array.min()), int(array.max())
            array = array.astype(np.min_scalar_type(min(low, -high - 1)))
        whole[f"prior/{name}"] = array
    return {"weights/colour": trainer.colour, **whole}


def _pyramid_manifest(trainer: PyramidTrainer) -> dict[str, Any]:
    model = trainer.config.model
    return {"tile_edge": model.tile_edge, "channels": 3, "rate_weight": model.rate_weight}


def _public(record: Any) -> Any:
    """A record whose absolute paths have lost their folders, which nobody else has."""
    if isinstance(record, dict):
        return {name: _public(value) for name, value in record.items()}
    if isinstance(record, list):
        return [_public(value) for value in record]
    if isinstance(record, str):
        parts = record.split(",")
        return ",".join(os.path.basename(part) if os.path.isabs(part) else part for part in parts)
    return record


def write_codec_bundle(path: PathLike, trainer: Trainer, frozen: Any, record: Any) -> bytes:
    """Writes a trained codec's bundle and returns its id.

    Args:
      path: where to; ends in ``.mscnb``.
      trainer: trained; its averaged weights are taken where it keeps them.
      frozen: what its ``freeze`` gave.
      record: how it was trained; goes into the manifest as ``training``, absolute paths without
        their folders.

    Raises:
      MscnError: the file can't be written.
    """
    if isinstance(trainer, PyramidTrainer):
        members, own = _pyramid_members(trainer, frozen), _pyramid_manifest(trainer)
    else:
        members, own = _basis_members(trainer, frozen), _basis_manifest(trainer)
    config = trainer.config
    manifest = {
        "name": config.name,
        "codec": config.codec,
        "modality": config.get("modality", "image"),
        "qualities": list(range(1, QUALITIES + 1)),
        "model": config.model.to_dict(),
        "training": _public(record),
        **own,
    }
    return write_bundle(path, manifest, members)
