"""The network that a manifest of a tile codec describes, checked before it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.layout import MAX_SIDE
from mscn_tf.runtime.manifest import (
    MAX_CHANNELS,
    MAX_CODE,
    Manifest,
    json_object,
    shown,
    whole_number,
)
from mscn_tf.runtime.modality import Modality

_MAX_TILE = 2**22  # values of a tile that a network makes at once
_MAX_TABLE = 2**24  # values of its functions, along an axis or on a modality.sphere
_MAX_GRAM = 2**27  # inner products of spherical harmonics: a gibibyte
MOST_STEPS = 1000
# Entries of a network, all of them whole numbers, and how large they may be.
_NETWORK = {
    "axes": 3,
    "channels": MAX_CHANNELS,
    "code_size": MAX_CODE,
    "coordinate_frequencies": 2**12,
    "depth": 64,
    "edge": MAX_SIDE,
    "feature_code_size": 2**20,
    "feature_frequencies": 2**12,
    "features": 2**12,
    "frequencies": 2**12,
    "width": 2**12,
}


def check(manifest: Manifest) -> None:
    """Before anything as large as it says is made; weights are compared with it later.

    Raises:
      MscnError: its tiles or its network are none of such a codec, or too large.
    """
    check_tile(manifest)
    if manifest.model is not None:
        _check_model(manifest, manifest.model)


def check_tile(manifest: Manifest) -> None:
    """Whatever the network is.

    Raises:
      MscnError: its tiles are too large.
    """
    modality = Modality.named(manifest.modality)
    samples = manifest.tile_edge**modality.axes
    if not modality.sphere and samples * manifest.channels > _MAX_TILE:
        raise MscnError(f"a tile of {samples} samples, more than {_MAX_TILE} values")


def _check_model(manifest: Manifest, model: Mapping[str, Any]) -> None:
    whole_number(model, "steps", MOST_STEPS)
    modality = Modality.named(manifest.modality)
    if (model.get("domain") == "sphere") != modality.sphere:
        raise MscnError(f"domain is {shown(model.get('domain'))}, of a {manifest.modality}")
    network = json_object(model, "network")
    if network is None:
        raise MscnError("model has no network")
    sizes = {
        name: whole_number(network, name, most)
        for name, most in _NETWORK.items()
        if network.get(name) is not None
    }
    wanted = {"channels": manifest.channels, "code_size": manifest.code_size}
    if not modality.sphere:
        wanted.update(edge=manifest.tile_edge, axes=modality.axes)
        sizes.setdefault("axes", 2)
    for name, value in wanted.items():
        if sizes.get(name) != value:
            raise MscnError(f"the network's {name} is {sizes.get(name)}, the codec's {value}")
    frequencies = max(sizes.get(name, 1) for name in _NETWORK if name.endswith("frequencies"))
    rows, columns = _nominal_shape(network) if modality.sphere else (manifest.tile_edge, 1)
    table = rows * (frequencies + 1) ** 2 if modality.sphere else rows * frequencies
    products = (sizes.get("frequencies", 1) + 1) ** 4 if modality.sphere else 0
    if max(table, rows * columns) > _MAX_TABLE or products > _MAX_GRAM:
        raise MscnError(f"a network of {frequencies} frequencies on {rows}x{columns} points")


def _nominal_shape(network: Mapping[str, Any]) -> tuple[int, int]:
    """Rows and columns of the grid that a network of the sphere was trained on."""
    shape = network.get("nominal_shape")
    if not isinstance(shape, list) or len(shape) != 2:
        raise MscnError(f"nominal_shape is {shown(shape)}, not rows and columns")
    rows, columns = (
        whole_number({"nominal_shape": side}, "nominal_shape", 2**12, 2) for side in shape
    )
    return rows, columns
