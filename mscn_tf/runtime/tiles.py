"""Files whose signals are cut into tiles, each decoded by a network on its own."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from mscn_tf.runtime import residuals, tile_model
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.container import Container, grid
from mscn_tf.runtime.decoder import Decoder
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.grids import axis_names, centres, sphere_grid
from mscn_tf.runtime.manifest import Manifest
from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.occupancy import Occupancy
from mscn_tf.runtime.prior import Prior
from mscn_tf.runtime.scheme import Scheme, Survivors, register
from mscn_tf.runtime.tile_axes import Axis, box_axis, sphere_axis
from mscn_tf.runtime.view import View, join_planes, of_planes, to_bytes

# A run of the decoder makes so many points of a tile at most, and of all tiles together: what
# bounds the memory. On the sphere every point has some hundred functions of its own.
_BOX_POINTS, _SPHERE_POINTS = 2**16, 2**12
SIDES = {"slices": "depth", "rows": "height", "cols": "width"}  # of graphs, by axis
_CHUNK_SAMPLES = 2**16  # of a sound, whose places in tiles are known at once


def _chunks(view: View) -> list[View]:
    """Parts of a view one after the other, where it has one axis and the original size."""
    if len(view.shape) > 1 or view.shape != view.extent:
        return [view]
    (start,), (extent,) = view.start, view.extent
    sides = [min(_CHUNK_SAMPLES, extent - at) for at in range(0, extent, _CHUNK_SAMPLES)]
    starts = range(start, start + extent, _CHUNK_SAMPLES)
    return [replace(view, start=(s,), extent=(n,), shape=(n,)) for s, n in zip(starts, sides)]


@register
class Tiles(Scheme):
    """How files of a tile codec become signals.

    A network gives values at any point, so other sizes than the original are sampled at the
    centres of the new samples; nothing is averaged.

    Attributes:
      prior: the entropy model.
      values: range and type of the signals.
      sphere: whether a code stands for a whole field on the sphere.
    """

    name = "tiles"
    aliases: ClassVar[tuple[str, ...]] = ("basis",)
    tiles_per_block = 256
    lowest_effort = 0  # stops after the inner loop's first step
    keeps_bounds = True
    encoder = "mscn_tf.codec.tile_encoding:TileEncoder"
    trainer = "mscn_tf.training.tiles:tile_trainer"
    contents = "mscn_tf.export.tile_bundle:contents"
    functions = "mscn_tf.export.functions:Functions"

    def __init__(self, bundle: Bundle, threads: int = 1):
        super().__init__(bundle, threads)
        self.prior = Prior(bundle.arrays("prior"))
        if self.prior.coefficients != bundle.manifest.code_size:
            raise MscnError(
                f"bundle {bundle.name}: {self.prior.coefficients} coefficients in the prior, "
                f"{bundle.manifest.code_size} in the manifest"
            )
        self.values = bundle.manifest.values
        self.sphere = Modality.named(bundle.manifest.modality).sphere
        arrays = bundle.arrays("prior") if self.values.dtype == "bool" else {}
        self.occupancy = Occupancy(arrays) if "occupancy_bit" in arrays else None

    @classmethod
    def check_manifest(cls, manifest: Manifest) -> None:
        tile_model.check(manifest)

    @cached_property
    def decoder(self) -> Decoder:
        """The bundle's network; the first use imports ONNX Runtime."""
        return Decoder(self.bundle, self.threads)

    def warm_up(self) -> None:
        self.decoder  # noqa: B018

    def check(self) -> None:
        """Decodes a tile of zeros at a few points."""
        axes = Modality.named(self.bundle.manifest.modality).axes
        grid = [np.linspace(-1.0, 1.0, 2 + axis)[None] for axis in range(axes)]
        self.decoder(np.zeros((1, self.prior.coefficients)), grid, np.array([5.0]))

    def blocks(self, container: Container, symbols: np.ndarray) -> list[bytes]:
        """Those of int32 [tiles, M], of all items one after the other, each row-major."""
        if len(symbols) != container.tiles or len(container.q16) != container.items:
            raise MscnError(
                f"{len(symbols)} rows of symbols and {len(container.q16)} qualities do not fit "
                f"{container.items} items of {container.tiles} tiles"
            )
        payloads = []
        for block in range(-(-container.tiles // container.tiles_per_block)):
            tiles = container.tiles_in(block)
            part = symbols[tiles.start : tiles.stop]
            payloads.append(self.prior.encode(part, container.q16_of(tiles)))
        return payloads

    def reader(self, container: Container) -> _Reader:
        return _Reader(self, container)

    def graph_inputs(self, container: Container, item: int, whole: bool) -> dict[str, np.ndarray]:
        return self.reader(container).graph_inputs(item, whole)

    def joined(self, container: Container, view: View, values: np.ndarray) -> np.ndarray:
        return self.reader(container).joined(view, values)

    def survivors(self, container: Container, item: int) -> Survivors:
        """By element where an item is one tile; else by tile, of three axes summed over the first.

        Rows of 32 elements.
        """
        kept = self.reader(container).symbols(item) != 0
        count, total = int(kept.sum()), kept.size
        tiles = grid(container.shapes[item], container.tile_edge, container.tile_overlap)
        if math.prod(tiles) == 1:
            elements = kept.sum(0)
            places = np.pad(elements, (0, -len(elements) % 32)).reshape(-1, 32)
            return Survivors(places, "by element, 32 a row", count, total)
        places = kept.sum(1).reshape(-1, *tiles).sum(0)
        if places.ndim < 3:
            return Survivors(places, "by tile", count, total)
        return Survivors(places.sum(0), "by tile, summed over the first axis", count, total)


class _Reader:
    """Decodes items of a file; keeps the last block."""

    def __init__(self, tiles: Tiles, container: Container):
        self._tiles, self._container, self._prior = tiles, container, tiles.prior
        self._block, self._symbols, self._q16 = -1, np.empty(0), np.empty(0)

    def block(self, block: int) -> tuple[np.ndarray, np.ndarray]:
        """int32 [n, M] symbols and int64 [n] qualities of a block's tiles."""
        if block != self._block:
            container = self._container
            q16 = container.q16_of(container.tiles_in(block))
            payload = container.blocks[block]
            try:
                self._symbols = self._prior.decode(payload, q16)
            except MscnError as error:
                raise MscnError(f"{container.source}: {error}") from error
            self._q16, self._block = q16, block
        return self._symbols, self._q16

    def symbols(self, item: int) -> np.ndarray:
        """int32 [tiles, M]: an item's quantised codes, tiles row-major."""
        tiles, size = self._container.tiles_of(item), self._container.tiles_per_block
        if not tiles:  # all is exact
            return np.empty((0, self._prior.coefficients), np.int32)
        first, last = tiles.start // size, (tiles.stop - 1) // size
        joined = np.concatenate([self.block(block)[0] for block in range(first, last + 1)])
        return joined[tiles.start - first * size :][: len(tiles)]

    def graph_inputs(self, item: int, whole: bool) -> dict[str, np.ndarray]:
        """As `Scheme.graph_inputs`."""
        container, shape = self._container, self._container.shapes[item]
        names, symbols = axis_names(len(shape)), self.symbols(item)
        known = None
        if self._tiles.sphere:
            known = sphere_grid(shape, container.metadata, container.source)
        if whole:
            tiles = grid(shape, container.tile_edge, container.tile_overlap)
            symbols = symbols.reshape(-1, *tiles, symbols.shape[-1])
            region = (
                _degrees(known, container.source)
                if known
                else [*np.zeros(len(shape)), *shape[::-1]]
            )
            sides = {SIDES[name]: np.array(side, np.int32) for name, side in zip(names, shape)}
            coordinates = {**sides, "region": np.array(region, np.float32)}
        else:
            axes = known or [centres(container.tile_edge)] * len(names)
            coordinates = {
                name: np.tile(axis.astype(np.float32), [len(symbols), 1])
                for name, axis in zip(names, axes)
            }
        quality = np.full(len(symbols), container.q16[item] / 16, np.float32)
        return {"symbols": symbols, **coordinates, "quality": quality}

    def joined(self, view: View, values: np.ndarray) -> np.ndarray:
        """As `Scheme.joined`."""
        container, shape = self._container, view.extent
        edge, overlap = container.tile_edge, container.tile_overlap
        coded = container.coded(view.item)
        tiles = [1] * len(shape) if self._tiles.sphere else grid(shape, edge, overlap)
        ends = shape if self._tiles.sphere else [edge] * len(shape)
        if values.shape[:-1] != (len(coded) * math.prod(tiles), *ends):
            raise MscnError(
                f"{container.source}: values of shape {values.shape} are not those of "
                f"{math.prod(tiles)} tiles of {'x'.join(map(str, ends))} samples"
            )
        if self._tiles.sphere:
            return self._finished(view, list(values.astype(np.float64)))
        axes = [box_axis(0, n, n, edge, overlap, count, edge) for n, count in zip(shape, tiles)]
        planes = values.astype(np.float64).reshape(len(coded), -1, *values.shape[1:])
        sums = np.zeros((len(coded), *shape, values.shape[-1]))
        for number, place in enumerate(np.ndindex(*tiles)):
            spans = [slice(axis.start[i], axis.stop[i]) for axis, i in zip(axes, place)]
            inside = tuple(slice(span.stop - span.start) for span in spans)
            part = planes[:, number][(slice(None), *inside)]
            for along, (axis, i) in enumerate(zip(axes, place)):
                if axis.share is not None:
                    share = axis.share[i, : part.shape[1 + along]]
                    part = part * share.reshape([-1] + [1] * (part.ndim - 2 - along))
            sums[(slice(None), *spans)] += part
        return self._finished(view, list(sums))

    def _finished(self, view: View, planes: list[np.ndarray]) -> np.ndarray:
        """A signal of values ``[.., C]`` of its planes that have tiles."""
        container = self._container
        if Modality.named(self._tiles.bundle.manifest.modality).pixels:
            channels = [container.planes(view.item)[p] for p in container.coded(view.item)]
            planes = [to_bytes(*pair) for pair in zip(planes, channels)]
            return self._corrected(view, np.concatenate(planes, axis=-1))
        return self._corrected(view, self._tiles.values.restore(planes[0]))

    def render(self, views: Sequence[View]) -> list[np.ndarray]:
        """For each view ``[.., C]``: uint8 pictures, or signals of the codec's type.

        Of those planes that have tiles; every item has one.
        """
        container = self._container
        if Modality.named(self._tiles.bundle.manifest.modality).pixels:
            planes = of_planes(container, views)
            channels = [container.planes(v.item)[v.plane] for v in planes]
            outputs = [np.empty((*v.shape, c), np.uint8) for v, c in zip(planes, channels)]

            def store(number: int, place: tuple[slice, ...], values: np.ndarray) -> None:
                outputs[number][place] = to_bytes(values, channels[number])

            self._render(planes, store)
            outputs = join_planes(container, views, outputs)
            return [self._corrected(*pair) for pair in zip(views, outputs)]
        return [self._corrected(*pair) for pair in zip(views, self._numbers(views))]

    def _numbers(self, views: Sequence[View]) -> list[np.ndarray]:
        """For each view ``[.., C]``, in the codec's type; those of long sounds in chunks."""
        if all(math.prod(view.shape) <= _CHUNK_SAMPLES for view in views):
            return self._restored(views)
        channels, dtype = self._container.code_channels, self._tiles.values.dtype
        outputs = [np.empty((*v.shape, channels), dtype) for v in views]
        for view, output in zip(views, outputs):
            at = 0
            for chunk in _chunks(view):
                output[at : at + chunk.shape[0]] = self._restored([chunk])[0]
                at += chunk.shape[0]
        return outputs

    def _restored(self, views: Sequence[View]) -> list[np.ndarray]:
        sums = [np.zeros((*v.shape, self._container.code_channels)) for v in views]

        def add(number: int, place: tuple[slice, ...], values: np.ndarray) -> None:
            sums[number][place] += values

        self._render(views, add)
        return [self._tiles.values.restore(values) for values in sums]

    def _corrected(self, view: View, values: np.ndarray) -> np.ndarray:
        """Values within the file's error bound, where it has one and the size is the original."""
        container = self._container
        if container.error_bound is None or view.shape != view.extent:
            return values
        payload = container.residual(view.item)
        shape = (*container.shapes[view.item], values.shape[-1])
        place = tuple(slice(s, s + e) for s, e in zip(view.start, view.extent))
        try:
            if values.dtype == bool:
                if self._tiles.occupancy is None:
                    raise MscnError("its codec knows no truth values without loss")
                return self._tiles.occupancy.decode(payload, shape)[place]
            if not payload:
                return values
            step, steps = residuals.decode(self._prior.tables, payload, shape)
        except MscnError as error:
            raise MscnError(f"{container.source}: {error}") from error
        return residuals.corrected(values, steps[place], step)

    def _render(
        self,
        views: Sequence[View],
        store: Callable[[int, tuple[slice, ...], np.ndarray], None],
    ) -> None:
        """Hands over the values of all pieces of views, weighted where tiles overlap."""
        container = self._container
        points = _SPHERE_POINTS if self._tiles.sphere else _BOX_POINTS
        axes = [self._axes(view, round(points ** (1 / len(view.shape)))) for view in views]
        tables = [_Table(axis) for axis in zip(*axes)]
        # A job is a tile, a view, and one piece of each axis: [jobs, 2 + axes].
        by_view = []
        for number, (view, cuts) in enumerate(zip(views, axes)):
            counts = [len(axis.tile) for axis in cuts]
            pieces = np.indices(counts).reshape(len(counts), -1)
            tile = np.zeros(pieces.shape[1], np.int64)
            across = grid(container.shapes[view.item], container.tile_edge, container.tile_overlap)
            for axis, count, piece in zip(cuts, across, pieces):
                tile = tile * count + axis.tile[piece]
            tile += container.tiles_of(view.item, view.plane).start
            offset = [[table.first[number]] for table in tables]
            by_view.append(np.stack([tile, np.full(len(tile), number), *(pieces + offset)], axis=1))
        jobs = np.concatenate(by_view)
        jobs = jobs[np.argsort(jobs[:, 0], kind="stable")]
        chunk = max(1, points // math.prod(table.width for table in tables))
        blocks = jobs[:, 0] // container.tiles_per_block
        for block in np.unique(blocks):
            low, high = np.searchsorted(blocks, (block, block + 1))
            coded, q16 = self.block(int(block))
            for begin in range(low, high, chunk):
                part = jobs[begin : min(begin + chunk, high)]
                at = part[:, 0] - block * container.tiles_per_block
                codes = self._prior.dequantise(coded[at], q16[at])
                coordinates = [t.coordinates[part[:, 2 + a]] for a, t in enumerate(tables)]
                values = self._tiles.decoder(codes, coordinates, q16[at] / 16)
                for one, (_, number, *pieces) in zip(values, part.tolist()):
                    place = tuple(slice(*t.span[piece]) for t, piece in zip(tables, pieces))
                    one = one[tuple(slice(s.stop - s.start) for s in place)]
                    for along, (table, piece) in enumerate(zip(tables, pieces)):
                        if table.share is not None:
                            share = table.share[piece, : one.shape[along]]
                            one = one * share.reshape([-1] + [1] * (one.ndim - 1 - along))
                    store(number, place, one)

    def _axes(self, view: View, piece: int) -> list[Axis]:
        container, shape = self._container, self._container.shapes[view.item]
        spans = zip(view.start, view.extent, view.shape)
        if self._tiles.sphere:
            known = sphere_grid(shape, container.metadata, container.source)
            return [sphere_axis(k, *span, piece) for k, span in zip(known, spans)]
        edge, overlap = container.tile_edge, container.tile_overlap
        across = grid(shape, edge, overlap)
        return [box_axis(*span, edge, overlap, tiles, piece) for span, tiles in zip(spans, across)]


def _degrees(known: Sequence[np.ndarray], source: str) -> list[float]:
    """West, north, width and height of a regular grid of latitudes and longitudes, radians.

    Raises:
      MscnError: it isn't regular.
    """
    starts, extents = [], []
    for axis in map(np.degrees, known):
        step = (axis[-1] - axis[0]) / max(len(axis) - 1, 1)
        if np.abs(np.diff(axis) - step).max(initial=0.0) > 1e-3 * abs(step) or len(axis) < 2:
            raise MscnError(f"{source}: its grid isn't regular; decode takes its coordinates")
        starts.append(axis[0] - step / 2)
        extents.append(step * len(axis))
    return [starts[1], starts[0], extents[1], -extents[0]]


class _Table:
    """Pieces of several axes in one table, padded to the longest."""

    def __init__(self, axes: Sequence[Axis]):
        self.first = list(itertools.accumulate((len(axis.tile) for axis in axes), initial=0))
        self.width = max(axis.coordinates.shape[1] for axis in axes)
        self.coordinates = self._joined([axis.coordinates for axis in axes])
        shares = [axis.share for axis in axes if axis.share is not None]
        self.share = self._joined(shares) if shares else None
        starts = np.concatenate([axis.start for axis in axes])
        stops = np.concatenate([axis.stop for axis in axes])
        self.span = np.stack([starts, stops], axis=1).tolist()

    def _joined(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        pad = [np.pad(p, ((0, 0), (0, self.width - p.shape[1])), "edge") for p in parts]
        return np.concatenate(pad)
