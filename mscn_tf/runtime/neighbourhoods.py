"""Places of a grid in the order of `interpolation`, and what is known around each of them.

A grid's first value is known. Level after level, the grid of every 2^k-th row and column gets
those of every 2^(k-1)-th one in three passes: places between four known ones, then places between
two in a column, then those between two in a row. Each has sixteen or twenty known neighbours, none
farther than three places of its level. All values are whole numbers below 2^53, which float64 keeps
exactly. Where a grid has a parent, one that is like it, a share of that is taken off all values
first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
_REACH = 3
_TOGETHER = 2**12  # places that are looked at at once, which stay in the processor's cache


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

    def __init__(self, grid: Grid, number: int, level: int):
        part, apart = PASSES[number], grid.apart(level)
        self.number, self.level, self._part, self._apart = number, level, part, apart
        self.rows = slice(part.row * apart, None, 2 * apart)
        self.columns = slice(part.column * apart, None, 2 * apart)
        values, expected = grid.values[::apart, ::apart], grid.expected(level)
        self._values = grid.around(values - expected if expected is not None else values, apart)
        self._grid, self._steps = grid, grid.steps
        self._sides = [side - 2 * _REACH for side in self._values.shape]
        self.shape = tuple(
            -(-(side - start) // 2) for side, start in zip(self._sides, (part.row, part.column))
        )
        of_pass = 0.0 if expected is None else expected[part.row :: 2, part.column :: 2].ravel()
        self.expected: np.ndarray = np.asarray(of_pass)

    def misses(self, most: int) -> np.ndarray:
        """float64 [n]: how far off cubic interpolation is, where values are known.

        Args:
          most: places that are looked at, about, in rows evenly among all.
        """
        rows, columns = self.shape
        some = range(0, rows, max(1, rows * columns // most))
        _, prediction = self._interpolated(some)
        return self._view(self._values, some, (0, 0)).ravel() - prediction

    def places(self) -> Iterator[Places]:
        """All places, row-major, some rows at a time."""
        (rows, columns), apart = self.shape, self._apart
        self._steps = self._grid.around(self._grid.steps[::apart, ::apart], apart)
        count = max(1, _TOGETHER // columns)
        for first in range(0, rows, count):
            yield self._places(range(first, min(first + count, rows)))

    def _interpolated(self, rows: range) -> tuple[np.ndarray, np.ndarray]:
        """float64 [neighbours, n], around the places of some rows, and [n], predictions."""
        part = self._part
        known = np.empty((len(part.neighbours), len(rows), self.shape[1]))
        for plane, at in zip(known, part.neighbours):
            plane[:] = self._view(self._values, rows, at)
        known = known.reshape(len(known), -1)
        return known, rounded(part.weights @ known, part.bits)

    def _places(self, rows: range) -> Places:
        part, (known, prediction) = self._part, self._interpolated(rows)
        known -= prediction
        size = np.abs(known)
        spread = np.floor(size.sum(0) / len(size)) + np.floor(size[:4].sum(0) / 4)
        spread += _SMALLEST_SPREAD
        octaves = np.searchsorted(_THRESHOLDS, spread, side="right") - 1
        inputs = np.zeros((INPUTS, known.shape[1]), np.float32)
        shares = np.floor(np.divide(known * INPUT_UNIT, spread, out=size), out=size)
        np.clip(shares, -LARGEST_INPUT, LARGEST_INPUT, out=inputs[: len(known)])
        for row, neighbour in zip(inputs[NEIGHBOURS:], part.seen):
            steps = self._view(self._steps, rows, part.neighbours[neighbour])
            row[:] = _STEPS[np.minimum(steps, _LARGEST_STEPS)].ravel()
        np.minimum(octaves * 8 // OCTAVE, LARGEST_FURTHER_INPUT, out=inputs[-2], casting="unsafe")
        inputs[-1] = min(16 * (self._apart.bit_length() - 1), LARGEST_FURTHER_INPUT)
        return Places(prediction, known, spread, octaves, inputs)

    def _view(self, array: np.ndarray, rows: range, at: tuple[int, int]) -> np.ndarray:
        """A neighbour of each place in some rows, ``[rows, columns]``."""
        row, column = at
        # A level of one row, or column, has its neighbours along the other axis alone.
        if self._sides[0] == 1:
            row, column = 0, column + row if column % 2 == 0 else column
        elif self._sides[1] == 1:
            row, column = row + column if row % 2 == 0 else row, 0
        top = _REACH + self._part.row + row
        left = _REACH + self._part.column + column
        below, width = top + 2 * rows.stop - 1, self.shape[1]
        return array[top + 2 * rows.start : below : 2 * rows.step, left : left + 2 * width - 1 : 2]


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
        self._periodic, self._parent = periodic, parent

    def apart(self, level: int) -> int:
        """Rows and columns from one place of a level to the next."""
        return 1 << (self.levels - 1 - level)

    def expected(self, level: int) -> np.ndarray | None:
        """float64, a level's grid: the parent's share of its values; None where it has none."""
        if self._parent is None or not self._parent.shares[level]:
            return None
        apart = self.apart(level)
        return rounded(
            self._parent.values[::apart, ::apart] * self._parent.shares[level], SHARE_BITS
        )

    def visits(self) -> Iterator[Visit]:
        """Every pass of every level, coarsest first. What is coded of one must be written to
        `values` and `steps` before the next.
        """
        height, width = self.values.shape
        for level in range(self.levels):
            apart = self.apart(level)
            for number, part in enumerate(PASSES):
                if part.row * apart < height and part.column * apart < width:
                    yield Visit(self, number, level)

    def around(self, level: np.ndarray, apart: int) -> np.ndarray:
        """A level's grid with three more rows and columns on each side: mirrored, or periodic."""
        periodic = self._periodic and self.values.shape[1] % (2 * apart) == 0
        for axis, side in enumerate(level.shape):
            at = np.arange(-_REACH, side + _REACH)
            if axis and periodic:
                at %= side
            elif side > 1:
                at = np.abs((at + side - 1) % (2 * side - 2) - (side - 1))
            else:
                at[:] = 0
            level = level.take(at, axis)
        return level


def count_levels(shape: Sequence[int]) -> int:
    """Levels of a grid of so many rows and columns."""
    return (max(shape) - 1).bit_length()
