"""Signed distances on a pyramid in three dimensions, coded only near the surface.

Level after level, the grid of every 2^k-th place along each axis gets those of every 2^(k-1)-th one
in three passes, an axis each. A place whose neighbours are near the surface is predicted from up to
28 of them by a learned filter; what the prediction lacks is coded in steps where it is near the
surface itself, as sparse distance fields do (Tang et al. 2018, "Real-time compression and streaming
of 4D performances"). All numbers are whole, below 2^53. docs/format.md says all that a second
decoder needs.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mscn_tf.runtime import tables
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.tables import Tables, checked_array

CELL = 256  # of a distance: a cell of the finest grid
FILTER_BITS = 12  # fractional bits of filters
NEIGHBOURS = 32  # of a place, at most
CLASSES = 3  # of levels: apart by 1, by 2, and by more
CONTEXTS = 5 * 5 * 6 * 3
LARGEST_STEP = 2**13
_HEAD = struct.Struct("<BBH")
COARSEST = 7  # logarithm of how far places are apart at first, at most
BASE_STEP = 16  # steps of the first places
LARGEST_DISTANCE = 2**20
_LARGEST_FILTER = 2**20  # all of a filter's weights
FAR = 8  # apart by more, all places are coded
LOOKED_AT = 2  # times what places are apart: within it predictions are made
_NEAREST = np.array([1, 3, 5, 9])  # doubled sums of the nearest two neighbours' steps,
_ALL = np.array([1, 5, 11, 21])  # of all of them,
_BENDS = np.array([3, 7, 15, 30, 60])  # bends in tenths of a step,
_DEPTHS = np.array([3, 8])  # and distances in tenths of what places are apart, that contexts split


class Head(NamedTuple):
    """What a payload begins with.

    Attributes:
      coarsest: logarithm of how far the first places are apart.
      finest: logarithm of how far the last coded ones are.
      step: of distances, in 256ths of a cell.
    """

    coarsest: int
    finest: int
    step: int

    @classmethod
    def from_bytes(cls, payload: bytes) -> Head:
        """Reads that of a payload.

        Raises:
          MscnError: it is damaged.
        """
        if len(payload) < _HEAD.size:
            raise MscnError("the coded data is cut short; get a fresh copy")
        head = cls(*_HEAD.unpack_from(payload))
        if not head.finest <= head.coarsest <= COARSEST or not 0 < head.step <= LARGEST_STEP:
            raise MscnError("the coded data is damaged (its step); get a fresh copy")
        return head


def head_of(shape: Sequence[int], finest: int, step: int) -> Head:
    """That of a grid, whose first places are two to five along its longest side."""
    return Head(min(max((max(shape) - 1).bit_length() - 2, finest), COARSEST), finest, step)


def _offsets(axis: int) -> list[tuple[int, ...]]:
    """Of a place from its neighbours: the nearest two, the next two along the axis, the others."""
    before = [(-2, -1, 0, 1, 2) if other < axis else (-2, 0, 2) for other in range(3)]
    if axis == 2:
        before = [(-1, 0, 1)] * 3
    ways = []
    for side in (-1, 1):
        for first in before[(axis + 1) % 3]:
            for second in before[(axis + 2) % 3]:
                way = [0, 0, 0]
                way[axis], way[(axis + 1) % 3], way[(axis + 2) % 3] = side, first, second
                ways.append(tuple(way))
    if axis == 2:
        ways += [(x, y, side) for side in (-1, 1) for x, y in ((-2, 0), (2, 0), (0, -2), (0, 2))]
    along = [tuple(reach if i == axis else 0 for i in range(3)) for reach in (-1, 1, -3, 3)]
    return along + sorted(way for way in ways if way not in along)


OFFSETS = [_offsets(axis) for axis in range(3)]


class Group(NamedTuple):
    """Places of a pass that are coded together.

    Attributes:
      number: of their class and axis.
      predicted: int64 ``[n]``.
      contexts: int64 ``[n]``.
      steps: int64 ``[n]``.
      places: int64 ``[3, n]``, in the grid.
    """

    number: int
    predicted: np.ndarray
    contexts: np.ndarray
    steps: np.ndarray
    places: np.ndarray

    def wanted_steps(self, wanted: np.ndarray, dead_zone: float) -> np.ndarray:
        """int64 ``[n]``: whole steps from predictions to a grid, see `SurfacePyramid.encode`."""
        lacking = (wanted[tuple(self.places)] - self.predicted) / self.steps
        coded = np.sign(lacking) * np.floor(np.abs(lacking) + 1 - dead_zone)
        return coded.astype(np.int64)


Code = Callable[[Group], np.ndarray]  # to whole steps, int64 [n]


class Walk:
    """A grid of distances as far as it is known.

    Args:
      shape: of the grid.

    Attributes:
      values: int32 ``[X, Y, Z]``, in 256ths of a cell.
      steps: int32 ``[X, Y, Z]``, what was coded; else 0.
    """

    def __init__(self, shape: Sequence[int]):
        self.values, self.steps = np.zeros(shape, np.int32), np.zeros(shape, np.int32)

    def passes(self, coarsest: int) -> Iterator[tuple[int, int, np.ndarray]]:
        """Each pass: how far places are apart, its axis, and its places int64 ``[3, n]``."""
        for exponent in reversed(range(coarsest)):
            apart = 1 << exponent
            counts = [-(-side // apart) for side in self.values.shape]
            for axis in range(3):
                ways = [np.arange(0, n, 1 if i < axis else 2) for i, n in enumerate(counts)]
                ways[axis] = np.arange(1, counts[axis], 2)
                if len(ways[axis]):
                    grid = np.meshgrid(*ways, indexing="ij")
                    yield apart, axis, np.stack([part.ravel() for part in grid])

    def around(
        self, array: np.ndarray, apart: int, places: np.ndarray, ways: Sequence[Sequence[int]]
    ) -> np.ndarray:
        """int64 ``[len(ways), n]``: neighbours of places, mirrored at the grid's borders."""
        level = array[::apart, ::apart, ::apart]
        found = np.empty((len(ways), places.shape[1]), np.int64)
        for number, way in enumerate(ways):
            at = []
            for place, step, side in zip(places, way, level.shape):
                turned = np.abs(place + step)
                turned = side - 1 - np.abs(side - 1 - turned)
                at.append(np.maximum(turned, 0))
            found[number] = level[tuple(at)]
        return found


class SurfacePyramid:
    """Codes distances with the filters and tables of a codec.

    Args:
      arrays: by name, those of `Tables`, and
        filters: integers [3, 3, 32], of each class of levels and axis, `FILTER_BITS` fractional
          bits, in the order of `OFFSETS`, zero beyond them.
        contexts: integers [9, 450]: the table of each context of a class and an axis.

    Raises:
      MscnError: the arrays do not fit together.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        self.tables = Tables(arrays)
        #: int64 [3, 3, 32], as given.
        self.filters = checked_array(arrays, "filters", 3)
        self._contexts = checked_array(arrays, "contexts", 2)
        if self.filters.shape != (CLASSES, 3, NEIGHBOURS):
            raise MscnError(f"prior: filters has shape {self.filters.shape}")
        if self._contexts.shape != (CLASSES * 3, CONTEXTS):
            raise MscnError(f"prior: contexts has shape {self._contexts.shape}")
        if np.abs(self.filters).sum(2).max() > _LARGEST_FILTER:
            raise MscnError("prior: its filters are too large to be exact")
        if not 0 <= self._contexts.min() <= self._contexts.max() < self.tables.count:
            raise MscnError("prior: a table that there is not")

    def encode(
        self, distances: np.ndarray, head: Head, dead_zone: float
    ) -> tuple[bytes, np.ndarray]:
        """The payload of a grid, and what it decodes to, int32 ``[X, Y, Z]`` as in `Walk`.

        Args:
          distances: float ``[X, Y, Z]``, in cells.
          head: how it is coded.
          dead_zone: shares of a step up to this are coded as zero, then as one more, and so on.
        """
        encoder = tables.RangeEncoder()
        wanted = np.rint(distances.astype(np.float64) * CELL).astype(np.int64)
        limit = LARGEST_DISTANCE // 2
        wanted = np.clip(wanted, -limit, limit)
        base = wanted[first_places(head)]
        first = np.rint(base / (BASE_STEP * head.step)).astype(np.int64)
        last = np.full(first.size, self.tables.count - 1)
        self.tables.encode(encoder, first.ravel(), last)

        def code(group: Group) -> np.ndarray:
            coded = group.wanted_steps(wanted, dead_zone)
            self.tables.encode(encoder, coded, self._contexts[group.number][group.contexts])
            return coded

        walk = self.walk(wanted.shape, head, first, code)
        return _HEAD.pack(*head) + tables.seal(encoder), walk.values

    def decode(self, payload: bytes, shape: Sequence[int]) -> Walk:
        """What `encode` coded.

        Raises:
          MscnError: the payload is damaged.
        """
        head = Head.from_bytes(payload)
        decoder = tables.unseal(payload[_HEAD.size :])
        known = [-(-side // (1 << head.coarsest)) for side in shape]
        count = int(np.prod(known))
        first = self.tables.decode(decoder, np.full(count, self.tables.count - 1))

        def code(group: Group) -> np.ndarray:
            index = self._contexts[group.number][group.contexts]
            return self.tables.decode(decoder, index).astype(np.int64)

        return self.walk(shape, head, first.astype(np.int64).reshape(known), code)

    def walk(self, shape: Sequence[int], head: Head, first: np.ndarray, code: Code) -> Walk:
        """The grid that follows from the first places and the steps that ``code`` gives."""
        walk = Walk(shape)
        walk.steps[first_places(head)] = first
        walk.values[first_places(head)] = _clipped(first * (BASE_STEP * head.step))
        sizes = np.zeros_like(walk.steps)  # of steps, without those of the first places
        for apart, axis, places in walk.passes(head.coarsest):
            whole = tuple(places * apart)
            nearest = walk.around(walk.values, apart, places, OFFSETS[axis][:2])
            values = (nearest[0] + nearest[1]) >> 1
            close = np.flatnonzero((np.abs(values) < LOOKED_AT * apart * CELL) | (apart > FAR))
            number = min(apart.bit_length() - 1, CLASSES - 1)
            predicted, bends = self._predicted(walk, number, axis, apart, places[:, close])
            values[close] = predicted
            if apart >= 1 << head.finest:
                near = (np.abs(predicted) < apart * CELL + CELL // 2) | (apart > FAR)
                near_places, predicted = places[:, close[near]], predicted[near]
                steps = head.step + (head.step * np.maximum(np.abs(predicted) - CELL, 0) // CELL)
                around = walk.around(sizes, apart, near_places, OFFSETS[axis])
                contexts = _contexts(around, apart, predicted, bends[near], steps)
                at = near_places * apart
                coded = code(Group(3 * number + axis, predicted, contexts, steps, at))
                values[close[near]] = _clipped(predicted + coded * steps)
                walk.steps[tuple(at)], sizes[tuple(at)] = coded, np.minimum(np.abs(coded), 2**8)
            walk.values[whole] = values
        return walk

    def _predicted(
        self, walk: Walk, number: int, axis: int, apart: int, places: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """int64 ``[n]`` each: filtered neighbours, and how much the nearest four bend."""
        known = walk.around(walk.values, apart, places, OFFSETS[axis])
        weights = self.filters[number, axis, : len(known)]
        sums = (weights[:, None] * known).sum(0)
        bends = np.abs(known[0] + known[1] - known[2] - known[3]) >> 1
        return _clipped((sums + (1 << FILTER_BITS >> 1)) >> FILTER_BITS), bends


def _contexts(
    coded: np.ndarray, apart: int, predicted: np.ndarray, bends: np.ndarray, steps: np.ndarray
) -> np.ndarray:
    """int64 ``[n]``, below `CONTEXTS`: by what was coded around, the bend and the distance."""
    nearest = np.searchsorted(_NEAREST, 2 * coded[:2].sum(0), side="right")
    around = np.searchsorted(_ALL, 2 * coded.sum(0), side="right")
    bend = np.searchsorted(_BENDS, 10 * bends // steps, side="right")
    depth = np.searchsorted(_DEPTHS, 10 * np.abs(predicted) // (apart * CELL), side="right")
    return ((nearest * 5 + around) * 6 + bend) * 3 + depth


def first_places(head: Head) -> tuple[slice, ...]:
    """Those that are coded before all passes."""
    return (slice(None, None, 1 << head.coarsest),) * 3


def _clipped(values: np.ndarray) -> np.ndarray:
    return np.clip(values, -LARGEST_DISTANCE, LARGEST_DISTANCE)
