"""Files whose fields are coded by interpolation, within a bound: from blocks to values."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mscn_tf.runtime import sampling
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.interpolation import Interpolation
from mscn_tf.runtime.manifest import Manifest
from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.neighbourhoods import FRACTION, Grid
from mscn_tf.runtime.scheme import Scheme, Survivors, register
from mscn_tf.runtime.view import View

_HEAD = struct.Struct("<Bff")
_PERIODIC = 1
_SIDE = 64  # of maps of survivors


class Field(NamedTuple):
    """A field as it is coded.

    Attributes:
      first: its first value, float32.
      step: twice the bound, or a little less, float32.
      periodic: whether the last column is followed by the first.
      payload: of the grid of numbers of steps.
    """

    first: np.float32
    step: np.float32
    periodic: bool
    payload: bytes

    @classmethod
    def from_bytes(cls, block: bytes) -> Field:
        """Reads a block.

        Raises:
          MscnError: it is damaged.
        """
        if len(block) < _HEAD.size:
            raise MscnError("the coded data is cut short; get a fresh copy")
        flags, first, step = _HEAD.unpack_from(block)
        if flags > _PERIODIC or not np.isfinite([first, step]).all() or step <= 0:
            raise MscnError("the coded data is damaged (its step); get a fresh copy")
        periodic = bool(flags & _PERIODIC)
        return cls(np.float32(first), np.float32(step), periodic, block[_HEAD.size :])

    def to_bytes(self) -> bytes:
        """The block."""
        return _HEAD.pack(_PERIODIC * self.periodic, self.first, self.step) + self.payload

    def values(self, grid: Grid) -> np.ndarray:
        """float32 [H, W, 1]: what a grid of this field stands for."""
        with np.errstate(over="ignore"):  # numbers of a damaged file may be of any size
            values = float(self.first) + grid.values * (float(self.step) * 2.0**-FRACTION)
            return values.astype(np.float32)[..., None]


@register
class Interpolations(Scheme):
    """How files of an interpolation codec become fields.

    Other sizes than the original are averaged or interpolated, as what is exact is.

    Attributes:
      grids: what codes them.
    """

    name = "interpolation"
    keeps_bounds = True
    any_values = True
    encoder = "mscn_tf.codec.interpolation_encoding:InterpolationEncoder"
    trainer = "mscn_tf.training.interpolation:InterpolationTrainer"
    contents = "mscn_tf.export.interpolation_bundle:contents"
    grids: Interpolation
    no_functions = "each value follows from others by whole numbers, which floats round otherwise"

    def __init__(self, bundle: Bundle, threads: int = 1):
        super().__init__(bundle, threads)
        self.grids = Interpolation(bundle.arrays("prior"))

    @classmethod
    def check_manifest(cls, manifest: Manifest) -> None:
        if Modality.named(manifest.modality).axes != 2 or manifest.channels != 1:
            raise MscnError(f"{manifest.channels} channels of a {manifest.modality}, not fields")
        if manifest.values.dtype != "float32":
            raise MscnError(f"values of {manifest.values.dtype}, not float32")

    def blocks(self, container: Container, symbols: Sequence[Field]) -> list[bytes]:
        """Those of one field after the other."""
        if len(symbols) != container.tiles:
            raise MscnError(f"{len(symbols)} coded fields do not fit {container.tiles}")
        return [field.to_bytes() for field in symbols]

    def reader(self, container: Container) -> _Reader:
        return _Reader(self, container)

    def survivors(self, container: Container, item: int) -> Survivors:
        """By place, or by equal parts of the grid where it is large."""
        steps = self.reader(container).grid(item).steps
        kept = (steps != 0).astype(np.int64)
        for axis, side in enumerate(kept.shape):
            starts = np.unique(np.linspace(0, side, min(side, _SIDE), endpoint=False).astype(int))
            kept = np.add.reduceat(kept, starts, axis)
        return Survivors(kept, "by place", int((steps != 0).sum()), steps.size)


class _Reader:
    """Decodes items of a file; keeps the last one."""

    def __init__(self, scheme: Interpolations, container: Container):
        self._scheme, self._container = scheme, container
        self._item, self._known = -1, (Grid((1, 1), False), np.empty(0))

    def _decoded(self, item: int) -> tuple[Grid, np.ndarray]:
        if item != self._item:
            container = self._container
            try:
                field, shape = self.symbols(item)[0], container.shapes[item]
                if any(container.residuals):
                    raise MscnError("damaged (residuals, which its codec has none of)")
                grid = self._scheme.grids.decode(field.payload, shape, field.periodic)
            except MscnError as error:
                raise MscnError(f"{container.source}: {error}") from error
            self._item, self._known = item, (grid, field.values(grid))
        return self._known

    def grid(self, item: int) -> Grid:
        """An item's numbers of steps, and what they add up to."""
        return self._decoded(item)[0]

    def symbols(self, item: int) -> list[Field]:
        """An item's field, where it isn't exact."""
        tiles = self._container.tiles_of(item)
        return [Field.from_bytes(self._container.blocks[tile]) for tile in tiles]

    def render(self, views: Sequence[View]) -> list[np.ndarray]:
        """float32 ``[h, w, 1]`` for each view."""
        return [
            sampling.resized(self._decoded(view.item)[1], view.start, view.extent, view.shape)
            for view in views
        ]
