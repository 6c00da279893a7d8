"""A second reader of `.mscn` files, written from docs/format.md alone.

It shares no line with the package, and is slow and simple on purpose: what it can't read, the page
doesn't say. Whatever it refuses raises ``ValueError``.
"""

from __future__ import annotations

from typing import Union

import numpy as np

from tests.reader.bundle import Bundle, read_bundle
from tests.reader.container import File, read_file, require
from tests.reader.corrections import corrected, truth_values
from tests.reader.exact import needs_before, plane
from tests.reader.interpolations import Interpolations
from tests.reader.pyramids import Pyramids
from tests.reader.surfaces import Surfaces
from tests.reader.tiles import Tiles

__all__ = ["Bundle", "File", "Interpolations", "codec", "decode", "read_bundle", "read_file"]


def codec(bundle: Bundle) -> Union[Tiles, Pyramids, Interpolations, Surfaces]:
    """What reads a bundle's blocks."""
    kinds = {"pyramid": Pyramids, "interpolation": Interpolations, "surface": Surfaces}
    return kinds.get(bundle.manifest.get("codec", "tiles"), Tiles)(bundle)


def decode(bundle: Bundle, file: File) -> list[np.ndarray]:
    """Every item's signal ``[.., C]``."""
    manifest = bundle.manifest
    said = [manifest[name] for name in ("modality", "tile_edge", "channels")]
    require(bundle.id[:8] == file.bundle_id, "made with another codec")
    require(said == [file.modality, file.tile_edge, file.code_channels], "not the codec's tiles")
    require(manifest.get("tile_overlap", 0) == file.tile_overlap, "not the codec's overlap")
    most = {*range(1, 5)} if file.modality == "image" else {manifest["channels"]}
    require(most.issuperset(file.channels), "not the codec's channels")
    reader = codec(bundle)
    require(file.error_bound is None or not isinstance(reader, Pyramids), "a pyramid with a bound")
    planes = reader.planes(file)
    if file.error_bound is not None and isinstance(reader, Tiles):
        for item, payload in enumerate(file.residuals or [b""] * len(file.shapes)):
            if planes[item]:
                planes[item] = _within_bound(reader, bundle, payload, planes[item])
    dtype = manifest.get("values", {}).get("dtype", "uint8")
    blocks, known = iter(file.exact_blocks), {}
    for item, shape in enumerate(file.shapes):
        for number, channels in enumerate(file.planes(item)):
            if file.exact[item] >> number & 1:
                payload, whole = next(blocks), (*shape, channels)
                # The plane of the item before, if it is known by itself.
                earlier, size = known.get((item - 1, number), (None, ()))
                before = (
                    plane(earlier, whole, dtype)
                    if needs_before(payload) and size == whole
                    else None
                )
                planes[item].insert(number, plane(payload, whole, dtype, before))
                known[item, number] = payload, whole
    return [np.concatenate(parts, axis=-1) for parts in planes]


def _within_bound(
    reader: Tiles, bundle: Bundle, payload: bytes, planes: list[np.ndarray]
) -> list[np.ndarray]:
    """An item's planes that have tiles, after its residual or grid."""
    signal = np.concatenate(planes, axis=-1)
    if signal.dtype == bool:
        return [truth_values(bundle.prior, payload, signal.shape)]
    return [corrected(reader.tables, payload, signal)]
