"""Places of a grid in the order of `interpolation`, and what is known around each of them.

A grid's first value is known. Level after level, the grid of every 2^k-th row and column gets
those of every 2^(k-1)-th one in three passes: places between four known ones, then places between
two in a column, then those between two in a row. Each has sixteen or twenty known neighbours, none
farther than three places of its level. All values are whole numbers below 2^53, which float64 keeps
exactly. Where a grid has a parent, one that is like it, a share of that is taken off all values
first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

FRACTION = 10  # fractional bits of a step that values are known to
LARGEST_VALUE = 2.0**34  # that arithmetic has room for, in units of 2^-FRACTION steps
OCTAVE = 32  # parts of an octave that spreads are told apart by
INPUT_UNIT = 32  # of differences that networks see, in spreads
LARGEST_INPUT = 127  # of a difference
LARGEST_FURTHER_INPUT = 255  # of what else they see
SEEN = 12  # neighbours whose numbers of steps networks see
_LARGEST_STEPS = 255  # larger numbers of steps look alike to networks
_SMALLEST_SPREAD = 2.0 ** (FRACTION - 2)  # half of the bound
SHARE_BITS = 3  # fractional bits of a parent's share
_BEYOND = 2  # places of a plane that are looked at beyond its sides
_TOGETHER = 2**11  # places that are looked at at once, which stay in the processor's cache
_CLIPPED = 2**16  # numbers that are clipped at once


class Pass(NamedTuple):
    """Places of a level whose neighbours are known by then.

    Attributes:
      row: of the first place, in the level's grid; places are two rows and columns apart.
      column: likewise.
      neighbours: rows and columns from a place, the four nearest first.
      weights: float64, of the neighbours in the cubic interpolation, times ``2^bits``.
      bits: see there.
      seen: numbers of the neighbours whose steps networks see.
    """

    row: int
    column: int
    neighbours: list[tuple[int, int]]
    weights: np.ndarray
    bits: int
    seen: list[int]


def _between_four() -> Pass:
    """Cubic in both directions: (-1, 9, 9, -1) / 16 in each."""
    cubic = {-3: -1.0, -1: 9.0, 1: 9.0, 3: -1.0}
    neighbours = sorted(
        ((y, x) for y in cubic for x in cubic), key=lambda at: at[0] ** 2 + at[1] ** 2
    )
    weights = np.array([cubic[y] * cubic[x] for y, x in neighbours])
    return Pass(1, 1, neighbours, weights, 8, list(range(SEEN)))


def _between_two(row: int, column: int) -> Pass:
    """Cubic along rows and along columns, the mean of both; the last pass knows corners, too."""
    nearest = [(-1, 0), (1, 0), (0, -1), (0, 1)]
    further = [(y, x) for y in (-1, 1) for x in (-2, 2)] + [
        (y, x) for y in (-2, 2) for x in (-1, 1)
    ]
    farthest = [(-3, 0), (3, 0), (0, -3), (0, 3)]
    corners = [(y, x) for y in (-1, 1) for x in (-1, 1)] if column else []
    neighbours = nearest + further + farthest + corners
    weights = np.array([9.0] * 4 + [0.0] * 8 + [-1.0] * 4 + [0.0] * len(corners))
    seen = [*range(4), *range(16, 16 + len(corners)), *range(4, SEEN)][:SEEN]
    return Pass(row, column, neighbours, weights, 5, seen)


PASSES = (_between_four(), _between_two(1, 0), _between_two(0, 1))
NEIGHBOURS = max(len(part.neighbours) for part in PASSES)
INPUTS = NEIGHBOURS + SEEN + 2


class _Lattice(NamedTuple):
    """Up to four neighbours that lie evenly in one plane of every second row and column.

    Attributes:
      first: its number among the neighbours; others follow it.
      plane: its first row and column of the level.
      row: of the first one in its plane, from the place's row in its own.
      column: likewise.
      counts: neighbours along both directions.
      steps: rows and columns of the plane from one to the next, of both directions.
    """

    first: int
    plane: tuple[int, int]
    row: int
    column: int
    counts: tuple[int, int]
    steps: tuple[tuple[int, int], tuple[int, int]]


class _Lattices(NamedTuple):
    """Those of all neighbours, and of those whose steps networks see."""

    known: list[_Lattice]
    seen: list[_Lattice]


@lru_cache(None)
def _lattices_of(number: int, one_row: bool, one_column: bool) -> _Lattices:
    """Those of a pass of a level, which may have but one row or column."""
    part, at = PASSES[number], []
    for row, column in PASSES[number].neighbours:
        # Such a level has its neighbours along the other axis alone.
        if one_row:
            row, column = 0, column + row if column % 2 == 0 else column
        elif one_column:
            row, column = row + column if row % 2 == 0 else row, 0
        at.append((part.row + row, part.column + column))
    return _Lattices(_evenly(at), _evenly([at[neighbour] for neighbour in part.seen]))


def _evenly(at: list[tuple[int, int]]) -> list[_Lattice]:
    """Lattices of neighbours, whose rows and columns in the level count from a place's plane's."""
    found, first = [], 0
    while first < len(at):
        planes = [(row & 1, column & 1) for row, column in at[first:]]
        places = np.array([(row >> 1, column >> 1) for row, column in at[first:]])
        last = places[:4] - places[0]
        for counts in ((2, 2), (1, 2), (1, 1)):
            inner, outer = last[min(1, len(last) - 1)], last[min(2, len(last) - 1)]
            even = [i * outer + j * inner for i in range(counts[0]) for j in range(counts[1])]
            count = len(even)
            if planes[:count] == planes[:1] * count and np.array_equal(last[:count], even):
                break
        steps = (tuple(outer.tolist()), tuple(inner.tolist()))
        row, column = places[0].tolist()
        found.append(_Lattice(first, planes[0], row, column, counts, steps))
        first += count
    return found


def _thresholds() -> np.ndarray:
    """float64: the smallest spread of each 32nd of an octave, found in whole numbers."""
    thresholds = []
    for part in range(OCTAVE * 40):
        power = 1 << (part + OCTAVE * (FRACTION - 2))  # (2^(part / 32) * smallest)^32
        spread = int(2.0 ** (part / OCTAVE + FRACTION - 2)) - 1
        while spread**OCTAVE < power:
            spread += 1
        thresholds.append(spread)
    return np.array(thresholds, np.float64)


_THRESHOLDS = _thresholds()
# What networks see of n steps: 8 log2(1 + n), rounded.
_STEPS = np.rint(8 * np.log2(1 + np.arange(_LARGEST_STEPS + 1))).astype(np.float32)


def rounded(values: np.ndarray, bits: int) -> np.ndarray:
    """Whole numbers over 2^bits, to the nearest one, halves up: float64, whole."""
    return np.floor(values * 2.0**-bits + 0.5)


@lru_cache(None)
def _filled(value: float) -> np.ndarray:
    return np.full(_CLIPPED, value, np.float32)


def clip(array: np.ndarray, low: float, high: float) -> None:
    """Clips a float32 array in place, whose elements lie one after the other.

    Between two arrays NumPy finds the lower elements three times as fast as from one and a number.
    """
    flat = array.reshape(-1)
    for first in range(0, len(flat), _CLIPPED):
        part = flat[first : first + _CLIPPED]
        np.maximum(part, _filled(low)[: len(part)], out=part)
        np.minimum(part, _filled(high)[: len(part)], out=part)


def step_within(bound: float, largest: float) -> np.float32:
    """Steps within which no value is off by more than a bound; 0 or less: there are none.

    Args:
      bound: on errors of decoded float32 values.
      largest: of the values, without its sign.
    """
    # Room for rounding: of values to float32, and to fractions of a step.
    rounding = float(np.spacing(np.float32(largest)))
    room = 2 * (bound - rounding) / (1 + 2.0**-FRACTION)
    return np.nextafter(np.float32(room), np.float32(0))


class Places(NamedTuple):
    """What is known of n places of a pass.

    Attributes:
      prediction: float64 [n], cubic interpolation.
      differences: float64 [neighbours, n], of the neighbours' values from the prediction.
      spread: float64 [n], above 0: how large these are.
      octaves: int64 [n], 32nds of an octave that the spread lies above the smallest one.
      inputs: float32 [INPUTS, n], whole numbers: what networks see.
    """

    prediction: np.ndarray
    differences: np.ndarray
    spread: np.ndarray
    octaves: np.ndarray
    inputs: np.ndarray


class Visit:
    """A pass of a level, about to be coded.

    Attributes:
      number: of the pass.
      level: 0 is the coarsest.
      rows: slice of the grid's rows that its places are in.
      columns: slice of their columns.
      shape: places along both axes.
      expected: float64 [n], what the parent says of its places; without one 0.
    """

    def __init__(self, level: _Level, number: int):
        part, apart = PASSES[number], level.apart
        self.number, self.level, self._part, self._known = number, level.number, part, level
        self.rows = slice(part.row * apart, None, 2 * apart)
        self.columns = slice(part.column * apart, None, 2 * apart)
        self._lattices = _lattices_of(number, *(side == 1 for side in level.sides))
        self.shape = tuple(
            -(-(side - start) // 2) for side, start in zip(level.sides, (part.row, part.column))
        )
        expected = level.expected(part.row, part.column)
        self.expected: np.ndarray = np.asarray(0.0 if expected is None else expected.ravel())

    def misses(self, most: int) -> np.ndarray:
        """float64 [n]: how far off cubic interpolation is, where values are known.

        Args:
          most: places that are looked at, about, in rows evenly among all.
        """
        rows, columns = self.shape
        some = range(0, rows, max(1, rows * columns // most))
        _, prediction = self._interpolated(some)
        known = self._known.part(self._part.row, self._part.column)
        return known[some.start : some.stop : some.step].ravel() - prediction

    def places(self) -> Iterator[Places]:
        """All places, row-major, some rows at a time."""
        rows, columns = self.shape
        count = max(1, _TOGETHER // columns)
        for first in range(0, rows, count):
            yield self._places(range(first, min(first + count, rows)))

    def _interpolated(self, rows: range) -> tuple[np.ndarray, np.ndarray]:
        """float64 [neighbours, n], around the places of some rows, and [n], predictions."""
        part = self._part
        known = np.empty((len(part.neighbours), len(rows) * self.shape[1]))
        self._gather(self._known.values, self._lattices.known, rows, known)
        return known, rounded(part.weights @ known, part.bits)

    def _places(self, rows: range) -> Places:
        known, prediction = self._interpolated(rows)
        known -= prediction
        count = len(known)
        size = np.abs(known)
        spread = np.floor(size.sum(0) / count)
        spread += np.floor(size[:4].sum(0) / 4)
        spread += _SMALLEST_SPREAD
        octaves = np.searchsorted(_THRESHOLDS, spread, side="right") - 1
        inputs = np.empty((INPUTS, known.shape[1]), np.float32)
        np.divide(known, spread * (1 / INPUT_UNIT), out=size)
        np.floor(size, out=inputs[:count], casting="same_kind")
        clip(inputs[:count], -LARGEST_INPUT, LARGEST_INPUT)
        inputs[count:NEIGHBOURS] = 0
        self._gather(self._known.steps, self._lattices.seen, rows, inputs[NEIGHBOURS:-2])
        np.minimum(octaves * 8 // OCTAVE, LARGEST_FURTHER_INPUT, out=inputs[-2], casting="unsafe")
        inputs[-1] = min(16 * (self._known.apart.bit_length() - 1), LARGEST_FURTHER_INPUT)
        return Places(prediction, known, spread, octaves, inputs)

    def _gather(
        self,
        plane_of: Callable[[int, int], np.ndarray],
        lattices: Sequence[_Lattice],
        rows: range,
        out: np.ndarray,
    ) -> None:
        """Puts what planes have at neighbours of the places of some rows into ``out`` [.., n]."""
        for lattice in lattices:
            plane, count = plane_of(*lattice.plane), len(rows)
            down, along = plane.strides
            at = (_BEYOND + lattice.row + rows.start) * down + (_BEYOND + lattice.column) * along
            steps = [row * down + column * along for row, column in lattice.steps]
            shape = (*lattice.counts, count, self.shape[1])
            strides = (*steps, rows.step * down, along)
            view: np.ndarray = np.ndarray(shape, plane.dtype, plane, at, strides)
            out[lattice.first : lattice.first + lattice.counts[0] * lattice.counts[1]].reshape(
                shape
            )[:] = view


class Parent(NamedTuple):
    """A grid of the same size that is known already, and how much of it to expect.

    Attributes:
      values: float64 [H, W], whole numbers, in the same 2^-FRACTION steps; the first one is 0.
      shares: of each level, coarsest first: whole numbers of 2^-SHARE_BITS.
    """

    values: np.ndarray
    shares: Sequence[int]


class Grid:
    """Values of a grid as far as they are known.

    Args:
      shape: (rows, columns), each at least 1.
      periodic: whether the last column is followed by the first.
      parent: what values are expected from, besides.

    Attributes:
      values: float64 [H, W], whole numbers of 2^-FRACTION steps; the first one is known: 0.
      steps: int64 [H, W], numbers of steps that were coded, without their signs.
      levels: how many there are.
    """

    def __init__(self, shape: Sequence[int], periodic: bool, parent: Parent | None = None):
        self.values = np.zeros(shape)
        self.steps = np.zeros(shape, np.int64)
        self.levels = count_levels(shape)
        self.periodic, self.parent = periodic, parent

    def visits(self) -> Iterator[Visit]:
        """Every pass of every level, coarsest first. What is coded of one must be written to
        `values` and `steps` before the next.
        """
        height, width = self.values.shape
        for number in range(self.levels):
            level = _Level(self, number)
            for place, part in enumerate(PASSES):
                if part.row * level.apart < height and part.column * level.apart < width:
                    yield Visit(level, place)


class _Level:
    """What is known of a level's grid, as planes of every second row and column.

    So what surrounds places lies as they do, side by side.

    Args:
      grid: that it is a level of.
      number: 0 is the coarsest.

    Attributes:
      number: the same.
      apart: rows and columns of the grid from one place of the level to the next.
      sides: rows and columns of the level.
    """

    def __init__(self, grid: Grid, number: int):
        self._grid, self.number = grid, number
        self.apart = 1 << (grid.levels - 1 - number)
        self.sides = [-(-side // self.apart) for side in grid.values.shape]
        periodic = grid.periodic and grid.values.shape[1] % (2 * self.apart) == 0
        self._goes_on = (False, periodic)
        self._values: dict[tuple[int, int], np.ndarray] = {}
        self._steps: dict[tuple[int, int], np.ndarray] = {}

    def _places(self, row: int, column: int) -> tuple[slice, slice]:
        apart = self.apart
        return slice(row * apart, None, 2 * apart), slice(column * apart, None, 2 * apart)

    def expected(self, row: int, column: int) -> np.ndarray | None:
        """float64, a plane: the parent's share of its values; None where it has none."""
        parent = self._grid.parent
        if parent is None or not parent.shares[self.number]:
            return None
        share = parent.shares[self.number]
        return rounded(parent.values[self._places(row, column)] * share, SHARE_BITS)

    def part(self, row: int, column: int) -> np.ndarray:
        """float64: a plane's values, less what is expected of them."""
        values, expected = self._grid.values[self._places(row, column)], self.expected(row, column)
        return values if expected is None else values - expected

    def values(self, row: int, column: int) -> np.ndarray:
        """The same, going on beyond the sides; all of the plane must be known by now."""
        key = row, column
        if key not in self._values:
            self._values[key] = self._going_on(self.part(row, column), key)
        return self._values[key]

    def steps(self, row: int, column: int) -> np.ndarray:
        """float32: what networks see of a plane's numbers of steps, likewise."""
        key = row, column
        if key not in self._steps:
            steps = self._grid.steps[self._places(row, column)]
            seen = _STEPS.take(np.minimum(steps, _LARGEST_STEPS))
            self._steps[key] = self._going_on(seen, key)
        return self._steps[key]

    def _going_on(self, plane: np.ndarray, first: tuple[int, int]) -> np.ndarray:
        """A plane with `_BEYOND` more rows and columns on each side: mirrored, or periodic."""
        for axis, of in enumerate(zip(self.sides, first, self._goes_on)):
            plane = plane.take(_going_on(*of), axis)
        return plane


@lru_cache(256)
def _going_on(side: int, first: int, periodic: bool) -> np.ndarray:
    """int64: which places of a plane are its own and those beyond its sides, along an axis.

    Args:
      side: of the level.
      first: place of the level where the plane begins, 0 or 1.
      periodic: whether the level's last place is followed by its first; an even number of them.
    """
    at = np.arange(first - 2 * _BEYOND, side + 2 * _BEYOND, 2)
    at = at[: len(range(first, side, 2)) + 2 * _BEYOND]
    if periodic:
        at %= side
    elif side > 1:
        at = np.abs((at + side - 1) % (2 * side - 2) - (side - 1))
    else:
        at[:] = 0
    return at // 2


def count_levels(shape: Sequence[int]) -> int:
    """Levels of a grid of so many rows and columns."""
    return (max(shape) - 1).bit_length()
