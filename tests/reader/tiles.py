"""docs/format.md, "Codecs of tiles"."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import onnxruntime

from tests.reader.bundle import Bundle
from tests.reader.coder import RangeDecoder, Tables, between, integers
from tests.reader.container import File


def block_symbols(
    payload: bytes, q16: Sequence[int], arrays: Mapping[str, np.ndarray]
) -> np.ndarray:
    """int64 [N, M]: a block of tiles of these qualities."""
    return _decoded(payload, q16, arrays)[0]


def _decoded(
    payload: bytes, q16: Sequence[int], arrays: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """int64 [N, M]: symbols, and their scale indices."""
    band, base, context, magnitude = (
        integers(arrays[name]) for name in ("band", "base", "context", "magnitude")
    )
    tables, coder = Tables(arrays), RangeDecoder(payload)
    symbols = np.zeros((len(q16), len(band)), np.int64)
    scale = np.array([between(base, q) // 16 for q in q16])
    for now in sorted(set(band.tolist())):
        part = band == now
        # What isn't decoded yet has a context of 0.
        seen = magnitude[np.minimum(np.abs(symbols), len(magnitude) - 1)]
        t = (scale[:, part] + seen @ context[part].T + 2**13) // 2**14
        scale[:, part] = np.clip(t, 0, len(tables) - 1)
        index = scale[:, part]
        symbols[:, part] = np.reshape(tables.symbols(coder, index.ravel().tolist()), index.shape)
    return symbols, scale


class Tiles:
    """Signals of a codec of tiles, in their original size and without corrections."""

    def __init__(self, bundle: Bundle):
        self.bundle, self.tables = bundle, Tables(bundle.prior)
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self.network = onnxruntime.InferenceSession(bundle.decoder, options)
        self.inputs = [entry.name for entry in self.network.get_inputs()]

    def symbols(self, file: File) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """int64 [M], symbols of every tile, and their scale indices."""
        q16 = [file.q16[item] for item, _, _ in file.tiles()]
        for block, payload in enumerate(file.blocks):
            first = block * file.tiles_per_block
            own = q16[first : first + file.tiles_per_block]
            yield from zip(*_decoded(payload, own, self.bundle.prior))

    def planes(self, file: File) -> list[list[np.ndarray]]:
        """``[.., C]`` of every plane of every item that has tiles, in its type."""
        planes = [
            {plane: np.zeros((*shape, file.code_channels)) for plane in file.coded(item)}
            for item, shape in enumerate(file.shapes)
        ]
        for (item, plane, corner), coded in zip(file.tiles(), self.symbols(file)):
            self._add(file, item, corner, coded, planes[item][plane])
        return [self._typed(file, item, found) for item, found in enumerate(planes)]

    def _add(
        self,
        file: File,
        item: int,
        corner: tuple[int, ...],
        coded: tuple[np.ndarray, np.ndarray],
        out: np.ndarray,
    ) -> None:
        """Adds what one tile counts."""
        q16, edge, axes = file.q16[item], file.tile_edge, len(corner)
        step = np.exp(between(self.bundle.prior["log_step"], q16) / 16)
        given = {"code": step * self.tables.values(*coded), "quality": np.float64(q16 / 16)}
        within = [
            np.arange(min(edge, n - start)) + 0.5 for n, start in zip(file.shapes[item], corner)
        ]
        if file.modality == "field":
            grid = _sphere(file.shapes[item], file.metadata or {})
        else:
            grid = [2 * u / edge - 1 for u in within]
        given.update(zip(("slices", "rows", "cols")[3 - axes :], grid))
        given = {name: value[None] for name, value in given.items()}
        given.update(self.bundle.weights)
        values = self.network.run(["values"], {name: given[name] for name in self.inputs})[0][0]
        for axis, (u, start, count) in enumerate(zip(within, corner, file.grid(item))):
            share = _share(u, start, count, edge, file.tile_overlap)
            values = values * share.reshape([-1] + [1] * (axes - axis))
        out[tuple(slice(c, c + len(u)) for c, u in zip(corner, within))] += values

    def _typed(self, file: File, item: int, planes: dict[int, np.ndarray]) -> list[np.ndarray]:
        """Values of an item's planes as its type has them."""
        if file.modality == "image":
            return [to_bytes(p, file.planes(item)[number]) for number, p in planes.items()]
        return [self._restored(values) for values in planes.values()]

    def _restored(self, values: np.ndarray) -> np.ndarray:
        said = {"low": 0, "high": 255, "dtype": "uint8", **self.bundle.manifest.get("values", {})}
        low, high, dtype = said["low"], said["high"], said["dtype"]
        if dtype == "bool":
            return values >= 0.5
        values = low + (high - low) * values
        if dtype != "float32":
            values = np.rint(np.clip(np.where(np.isnan(values), high, values), low, high))
        return values.astype(dtype)


def _share(u: np.ndarray, start: int, count: int, edge: int, overlap: int) -> np.ndarray:
    """What a tile counts u samples after its start."""
    stride, share = edge - overlap, np.ones(len(u))
    if overlap and start > 0:
        share = np.minimum(u / overlap, 1)
    if overlap and start < (count - 1) * stride:
        share = share * (1 - np.clip((u - stride) / overlap, 0, 1))
    return share


def _sphere(shape: tuple[int, ...], metadata: Mapping[str, Sequence[float]]) -> list[np.ndarray]:
    """Latitudes and longitudes in radians of rows and columns."""
    height, width = shape
    regular = {
        "latitude": 90 - (np.arange(height) + 0.5) * 180 / height,
        "longitude": (np.arange(width) + 0.5) * 360 / width,
    }
    given = [np.array(metadata.get(name, known), float) for name, known in regular.items()]
    return [degrees * math.pi / 180 for degrees in given]


def to_bytes(values: np.ndarray, channels: int) -> np.ndarray:
    """uint8 ``[h, w, channels]`` of a plane of a picture."""
    values = np.clip(np.where(np.isnan(values), 1.0, values), 0, 1)
    if channels == 1:
        values = (values @ [0.299, 0.587, 0.114])[..., None]
    return np.rint(values * 255).astype(np.uint8)
