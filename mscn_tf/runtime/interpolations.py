"""Files whose fields are coded by interpolation, within a bound: from blocks to values."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mscn_tf.runtime import digits, sampling
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.descents import (
    KEPT_VALUES,
    LARGEST_DISTANCE,
    LONGEST_CHAIN,
    Descent,
    in_steps_of,
)
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.interpolation import Interpolation
from mscn_tf.runtime.manifest import Manifest
from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.neighbourhoods import FRACTION, Grid, Parent, count_levels
from mscn_tf.runtime.scheme import Scheme, Survivors, register
from mscn_tf.runtime.view import View

_HEAD = struct.Struct("<Bff")
_PERIODIC, _FOLLOWS = 1, 2
_SIDE = 64  # of maps of survivors
_TOGETHER = 2**16  # values of fields that are decoded as a stack


class Field(NamedTuple):
    """A field as it is coded.

    Attributes:
      first: its first value, float32.
      step: twice the bound, or a little less, float32.
      periodic: whether the last column is followed by the first.
      payload: of the grid of numbers of steps.
      descent: what it follows from, besides; None: from itself alone.
    """

    first: np.float32
    step: np.float32
    periodic: bool
    payload: bytes
    descent: Descent | None = None

    @classmethod
    def from_bytes(cls, block: bytes, shape: Sequence[int]) -> Field:
        """Reads a block of a field of so many rows and columns.

        Raises:
          MscnError: it is damaged.
        """
        if len(block) < _HEAD.size:
            raise MscnError("the coded data is cut short; get a fresh copy")
        flags, first, step = _HEAD.unpack_from(block)
        if flags > _PERIODIC + _FOLLOWS or not np.isfinite([first, step]).all() or step <= 0:
            raise MscnError("the coded data is damaged (its step); get a fresh copy")
        descent, start = None, _HEAD.size
        if flags & _FOLLOWS:
            levels = count_levels(shape)
            start += Descent.bytes_of(levels)
            descent = Descent.from_bytes(block[_HEAD.size : start], levels)
        periodic = bool(flags & _PERIODIC)
        return cls(np.float32(first), np.float32(step), periodic, block[start:], descent)

    def to_bytes(self) -> bytes:
        """The block."""
        flags = _PERIODIC * self.periodic + _FOLLOWS * (self.descent is not None)
        descent = self.descent.to_bytes() if self.descent else b""
        return _HEAD.pack(flags, self.first, self.step) + descent + self.payload

    def values(self, numbers: np.ndarray) -> np.ndarray:
        """float32 [H, W, 1]: what the numbers of its grid stand for."""
        with np.errstate(over="ignore"):  # numbers of a damaged file may be of any size
            values = float(self.first) + numbers * (float(self.step) * 2.0**-FRACTION)
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
    has_parents = True
    any_values = True
    together = 2**19  # of which many may follow from one another
    encoder = "mscn_tf.codec.interpolation_encoding:InterpolationEncoder"
    trainer = "mscn_tf.training.interpolation:InterpolationTrainer"
    contents = "mscn_tf.export.interpolation_bundle:contents"
    functions = "mscn_tf.export.interpolation_functions:InterpolationFunctions"
    grids: Interpolation

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
        """Those of one field after the other; the file says whether any of them has a parent."""
        if len(symbols) != container.tiles:
            raise MscnError(f"{len(symbols)} coded fields do not fit {container.tiles}")
        container.parents = any(field.descent is not None for field in symbols)
        return [field.to_bytes() for field in symbols]

    def reader(self, container: Container) -> _Reader:
        return _Reader(self, container)

    def graph_inputs(self, container: Container, item: int, whole: bool) -> dict[str, np.ndarray]:
        if whole:
            raise MscnError(f"bundle {self.bundle.name}: fields have decode, and no decode_grid")
        grid = self.reader(container).grid(item)
        if np.abs(grid.steps).max() >= 2**31:
            raise MscnError(f"{container.source}: too many steps for a graph; decode it here")
        parent = grid.parent or Parent(np.zeros_like(grid.values), [0] * grid.levels)
        return {
            "steps": grid.steps.astype(np.int32),
            "periodic": np.array([grid.periodic], np.int32),
            "parent": digits.split(parent.values),
            "shares": np.reshape(parent.shares, (1, grid.levels)).astype(np.int32),
        }

    def joined(self, container: Container, view: View, values: np.ndarray) -> np.ndarray:
        wanted = (1, *view.extent, digits.COUNT)
        if values.shape != wanted:
            raise MscnError(
                f"{container.source}: values of shape {values.shape} are not those of {wanted}"
            )
        (field,) = self.reader(container).symbols(view.item)
        return field.values(digits.joined(values[0]))

    def samples(self, container: Container, view: View) -> int:
        """Of the fields that are decoded for a view, its own among them."""
        return super().samples(container, view) * len(self.reader(container).chain(view.item))

    def needed(self, container: Container) -> set[int]:
        """Parents of fields."""
        if not container.parents:
            return set()
        reader, coded = self.reader(container), filter(container.coded, range(container.items))
        return {parent for item in coded for parent in reader.chain(item)[-2:-1]}

    def survivors(self, container: Container, item: int) -> Survivors:
        """By place, or by equal parts of the grid where it is large."""
        (steps,) = self.reader(container).grid(item).steps
        kept = (steps != 0).astype(np.int64)
        for axis, side in enumerate(kept.shape):
            starts = np.unique(np.linspace(0, side, min(side, _SIDE), endpoint=False).astype(int))
            kept = np.add.reduceat(kept, starts, axis)
        return Survivors(kept, "by place", int((steps != 0).sum()), steps.size)


class _Reader:
    """Decodes items of a file; keeps the last ones, which others may follow."""

    def __init__(self, scheme: Interpolations, container: Container):
        self._scheme, self._container = scheme, container
        self._kept: dict[int, np.ndarray] = {}  # numbers, float64 [H, W]

    def _decoded(self, items: Iterable[int]) -> dict[int, np.ndarray]:
        """float64 [H, W]: items' numbers, and those of items that they follow from.

        Raises:
          MscnError: one can't be decoded.
        """
        try:
            asked = set(items)
            wanted = sorted({member for item in asked for member in self._from_kept(item)})
            known = {item: self._kept[item] for item in wanted if item in self._kept}
            fields = {item: self.symbols(item)[0] for item in wanted if item not in known}
            left = dict(fields)
            while left:
                some = self._ready(left)
                grids = self._stack(some, known)
                for item, numbers in zip(some, grids.values):
                    known[item] = numbers.copy()  # a part would keep all of the stack
                    del left[item]
                if sum(numbers.size for numbers in known.values()) > KEPT_VALUES:
                    needed = asked | {_parent(item, field) for item, field in left.items()}
                    known = {item: known[item] for item in known if item in needed}
        except MscnError as error:
            raise MscnError(f"{self._container.source}: {error}") from error
        self._keep({item: known[item] for item in fields if item in known})
        return known

    def _from_kept(self, item: int) -> list[int]:
        """The chain of an item, from the last one on that is kept."""
        chain = self.chain(item)
        kept = [number for number, member in enumerate(chain) if member in self._kept]
        return chain[kept[-1] :] if kept else chain

    def _ready(self, left: Mapping[int, Field]) -> dict[int, Field]:
        """Fields of one kind whose parents are known, among those that are left."""
        ready: dict[int, Field] = {}
        first = next(iter(left))  # whose parent comes before it
        kind = self._container.shapes[first], left[first].periodic
        for item, field in left.items():
            if len(ready) * math.prod(kind[0]) >= _TOGETHER:
                break
            known = _parent(item, field) not in left
            if known and (self._container.shapes[item], field.periodic) == kind:
                ready[item] = field
        return ready

    def _stack(self, fields: Mapping[int, Field], known: Mapping[int, np.ndarray]) -> Grid:
        """Grids of fields of one kind, whose parents' numbers are known."""
        if any(self._container.residuals):
            raise MscnError("damaged (residuals, which its codec has none of)")
        item = next(iter(fields))
        shape, periodic = self._container.shapes[item], fields[item].periodic
        parent = None
        if any(field.descent for field in fields.values()):
            values = np.zeros((len(fields), *shape))
            shares = np.zeros((count_levels(shape), len(fields), 1, 1), np.int64)
            for number, (item, field) in enumerate(fields.items()):
                if field.descent:
                    before = _parent(item, field)
                    ratio = float(self.symbols(before)[0].step) / float(field.step)
                    values[number] = in_steps_of(known[before], ratio)
                    shares[:, number, 0, 0] = field.descent.shares
            parent = Parent(values, shares)
        payloads = [field.payload for field in fields.values()]
        return self._scheme.grids.decode_stack(payloads, shape, periodic, parent)

    def _keep(self, decoded: Mapping[int, np.ndarray]) -> None:
        """Keeps numbers, and lets go of those that were decoded first, where there are many."""
        kept = self._kept
        kept.update(decoded)
        if not kept:
            return
        size = next(iter(kept.values())).size
        most = max(1, min(LARGEST_DISTANCE, KEPT_VALUES // size)) if self._container.parents else 1
        while len(kept) > most:
            del kept[next(iter(kept))]

    def chain(self, item: int) -> list[int]:
        """The items that one follows from, each from the one before, and itself at the end.

        Raises:
          MscnError: there can be no such chain.
        """
        found = [item]
        for descent in iter(lambda: self._descent(found[0]), None):
            parent, container = found[0] - descent.distance, self._container
            if not container.parents or parent < 0 or not container.coded(parent):
                raise MscnError("damaged (a field follows from none)")
            if container.shapes[parent] != container.shapes[item]:
                raise MscnError("damaged (a field follows from one of another size)")
            if len(found) == LONGEST_CHAIN:
                raise MscnError(f"damaged (more than {LONGEST_CHAIN} fields follow one another)")
            found.insert(0, parent)
        return found

    def _descent(self, item: int) -> Descent | None:
        fields = self.symbols(item)  # none of an exact one
        return fields[0].descent if fields else None

    def grid(self, item: int) -> Grid:
        """A stack of one: an item's numbers of steps, and what they add up to.

        Raises:
          MscnError: it can't be decoded.
        """
        known = self._decoded(self.chain(item)[-2:-1])
        return self._stack({item: self.symbols(item)[0]}, known)

    def symbols(self, item: int) -> list[Field]:
        """An item's field, where it isn't exact."""
        container = self._container
        shape, tiles = container.shapes[item], container.tiles_of(item)
        return [Field.from_bytes(container.blocks[tile], shape) for tile in tiles]

    def render(self, views: Sequence[View]) -> list[np.ndarray]:
        """float32 ``[h, w, 1]`` for each view."""
        decoded = self._decoded(view.item for view in views)
        return [self._rendered(view, decoded[view.item]) for view in views]

    def _rendered(self, view: View, numbers: np.ndarray) -> np.ndarray:
        values = self.symbols(view.item)[0].values(numbers)
        return sampling.resized(values, view.start, view.extent, view.shape)


def _parent(item: int, field: Field) -> int:
    """The item that a field follows from, besides; -1: none."""
    return item - field.descent.distance if field.descent else -1
