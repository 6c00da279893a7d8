"""Places of a grid in the order of `interpolation`, and what is known around each of them.

A grid's first value is known. Level after level, the grid of every 2^k-th row and column gets
those of every 2^(k-1)-th one in three passes: places between four known ones, then places between
two in a column, then those between two in a row. Each has sixteen or twenty known neighbours, none
farther than three places of its level. All values are whole numbers below 2^53, which float64 keeps
exactly. Where a grid has a parent, one that is like it, a share of that is taken off all values
first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from mscn_tf.runtime.clipping import clip
from mscn_tf.runtime.grid_passes import (
    BEYOND,
    FIRST,
    INPUTS,
    NEIGHBOURS,
    PASSES,
    PLANES,
    Index,
    index_of,
)

FRACTION = 10  # fractional bits of a step that values are known to
LARGEST_VALUE = 2.0**34  # that arithmetic has room for, in units of 2^-FRACTION steps
OCTAVE = 32  # parts of an octave that spreads are told apart by
INPUT_UNIT = 32  # of differences that networks see, in spreads
LARGEST_INPUT = 127  # of a difference
LARGEST_FURTHER_INPUT = 255  # of what else they see
_LARGEST_STEPS = 255  # larger numbers of steps look alike to networks
SMALLEST_SPREAD = 2.0 ** (FRACTION - 2)  # half of the bound
SHARE_BITS = 3  # fractional bits of a parent's share
_TOGETHER = 2**11  # places that are looked at at once, which stay in the processor's cache


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
# What networks see of n 32nds of an octave.
_OCTAVES = np.minimum(np.arange(len(_THRESHOLDS)) * 8 // OCTAVE, LARGEST_FURTHER_INPUT).astype("f4")
SEEN_THRESHOLDS = _THRESHOLDS[:: OCTAVE // 8]  # where what they see rises by one
# And of n steps: 8 log2(1 + n), rounded.
SEEN_STEPS = np.rint(8 * np.log2(1 + np.arange(_LARGEST_STEPS + 1))).astype(np.float32)


def rounded(values: np.ndarray, bits: int) -> np.ndarray:
    """Whole numbers over 2^bits, to the nearest one, halves up: float64, whole."""
    found: np.ndarray = values * 2.0**-bits
    found += 0.5
    return np.floor(found, out=found)


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
        self.shape = tuple(
            -(-(side - start) // 2) for side, start in zip(level.sides, (part.row, part.column))
        )
        expected = level.expected(part.row, part.column)
        self.expected: np.ndarray = np.asarray(0.0 if expected is None else expected.ravel())

    def misses(self, most: int) -> np.ndarray:
        """float64 [.., n]: how far off cubic interpolation is, where values are known.

        Args:
          most: places of a grid that are looked at, about, in rows evenly among all.
        """
        rows, columns = self.shape
        some = range(0, rows, max(1, rows * columns // most))
        _, prediction = self._interpolated(range(self._known.grids), some)
        known = self._known.part(self._part.row, self._part.column)[..., :: some.step, :]
        return known.reshape(*known.shape[:-2], -1) - prediction.reshape(*known.shape[:-2], -1)

    def places(self) -> Iterator[Places]:
        """All places, grid after grid and row-major, some rows or some grids at a time."""
        (rows, columns), grids = self.shape, self._known.grids
        most = max(1, _TOGETHER // (rows * columns))
        together = min(rows, max(1, _TOGETHER // columns))
        for first in range(0, grids, most):
            some = range(first, min(first + most, grids))
            for top in range(0, rows, together):
                yield self._places(some, range(top, min(top + together, rows)))

    def _index(self, grids: range, rows: range) -> tuple[int, Index]:
        """Where planes have neighbours of the places of some rows, from which element on."""
        level, from_first = self._known, range(0, rows.stop - rows.start, rows.step)
        plane = level.plane
        start = (grids.start * PLANES * plane[0] + rows.start) * plane[1]
        return start, index_of(
            self.number, level.single, plane, len(grids), from_first, self.shape[1]
        )

    def _interpolated(self, grids: range, rows: range) -> tuple[np.ndarray, np.ndarray]:
        """float64 [neighbours, n], around the places of some rows, and [n], predictions."""
        start, index = self._index(grids, rows)
        known = self._known.values(self.number)[start:].take(index.known)
        return known, rounded(self._part.weights @ known, self._part.bits)

    def _places(self, grids: range, rows: range) -> Places:
        known, prediction = self._interpolated(grids, rows)
        known -= prediction
        count, size = len(known), np.abs(known)
        spread = np.floor(np.add.reduce(size) / count)
        spread += np.floor(np.add.reduce(size[:4]) / 4)
        spread += SMALLEST_SPREAD
        octaves = _THRESHOLDS.searchsorted(spread, side="right")
        octaves -= 1
        inputs: np.ndarray = np.empty((INPUTS, known.shape[1]), np.float32)
        np.divide(known, spread * (1 / INPUT_UNIT), out=size)
        np.floor(size, out=inputs[:count], casting="same_kind")
        clip(inputs[:count], -LARGEST_INPUT, LARGEST_INPUT)
        inputs[count:NEIGHBOURS] = 0
        start, index = self._index(grids, rows)
        steps = self._known.steps(self.number)[start:]
        steps.take(index.seen, out=inputs[NEIGHBOURS:-2], mode="clip")
        _OCTAVES.take(octaves, out=inputs[-2], mode="clip")
        inputs[-1] = min(16 * (self._known.apart.bit_length() - 1), LARGEST_FURTHER_INPUT)
        return Places(prediction, known, spread, octaves, inputs)


class Parent(NamedTuple):
    """A grid of the same size that is known already, and how much of it to expect.

    Attributes:
      values: float64 [H, W], whole numbers, in the same 2^-FRACTION steps; the first one is 0. Of
        a stack [N, H, W].
      shares: of each level, coarsest first: whole numbers of 2^-SHARE_BITS. Of a stack int64
        [levels, N, 1, 1].
    """

    values: np.ndarray
    shares: Sequence[int] | np.ndarray


class Grid:
    """Values of a grid, or of a stack of them, as far as they are known.

    Args:
      shape: (rows, columns), each at least 1; of a stack [N, rows, columns].
      periodic: whether the last column is followed by the first.
      parent: what values are expected from, besides.

    Attributes:
      values: float64 [.., H, W], whole numbers of 2^-FRACTION steps; the first one is known: 0.
      steps: int64 [.., H, W], numbers of steps that were coded.
      levels: how many there are.
      periodic: whether the last column is followed by the first.
      parent: what values are expected from.
      expects: of each level, whether anything is.
    """

    def __init__(self, shape: Sequence[int], periodic: bool, parent: Parent | None = None):
        self.values = np.zeros(shape)
        self.steps = np.zeros(shape, np.int64)
        self.levels = count_levels(shape[-2:])
        self.periodic, self.parent = periodic, parent
        shares = [0] * self.levels if parent is None else parent.shares
        self.expects = [bool(np.count_nonzero(share)) for share in shares]

    def visits(self) -> Iterator[Visit]:
        """Every pass of every level, coarsest first. What is coded of one must be written to
        `values` and `steps` before the next.
        """
        height, width = self.values.shape[-2:]
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
      single: whether it has but one row, or column.
      grids: in the stack.
      plane: rows and columns of a plane, with what is beyond its sides.
    """

    def __init__(self, grid: Grid, number: int):
        self._grid, self.number = grid, number
        self.apart = apart = 1 << (grid.levels - 1 - number)
        height, width = (-(-side // apart) for side in grid.values.shape[-2:])
        self.grids = math.prod(grid.values.shape[:-2])
        self.sides, self.single = (height, width), (height == 1, width == 1)
        self.plane = (height + 1) // 2 + 2 * BEYOND, (width + 1) // 2 + 2 * BEYOND
        self._periodic = grid.periodic and grid.values.shape[-1] % (2 * apart) == 0
        planes = (self.grids, PLANES, *self.plane)
        self._values, self._steps = np.empty(planes), np.empty(planes, np.float32)
        self._with_values = self._with_steps = 0  # planes

    def _of_plane(self, array: np.ndarray, row: int, column: int) -> np.ndarray:
        """What an array [.., H, W] has at a plane's places."""
        apart = self.apart
        return array[..., row * apart :: 2 * apart, column * apart :: 2 * apart]

    def expected(self, row: int, column: int) -> np.ndarray | None:
        """float64, a plane: the parent's share of its values; None where it has none."""
        parent = self._grid.parent
        if parent is None or not self._grid.expects[self.number]:
            return None
        values = self._of_plane(parent.values, row, column)
        return rounded(values * parent.shares[self.number], SHARE_BITS)

    def part(self, row: int, column: int) -> np.ndarray:
        """float64: a plane's values, less what is expected of them."""
        values = self._of_plane(self._grid.values, row, column)
        expected = self.expected(row, column)
        return values if expected is None else values - expected

    def values(self, number: int) -> np.ndarray:
        """float64 [n]: planes with all that is known before a pass, one after the other."""
        while self._with_values <= number:
            first = FIRST[self._with_values]
            self._go_on(self.part(*first), first, self._values[:, self._with_values])
            self._with_values += 1
        return self._values.reshape(-1)

    def steps(self, number: int) -> np.ndarray:
        """float32 [n]: what networks see of numbers of steps, likewise."""
        while self._with_steps <= number:
            first = FIRST[self._with_steps]
            steps = np.abs(self._of_plane(self._grid.steps, *first))
            self._go_on(
                SEEN_STEPS.take(steps, mode="clip"), first, self._steps[:, self._with_steps]
            )
            self._with_steps += 1
        return self._steps.reshape(-1)

    def _go_on(self, plane: np.ndarray, first: tuple[int, int], out: np.ndarray) -> None:
        """A plane with `BEYOND` more rows and columns on each side: mirrored, or periodic."""
        if 0 in plane.shape:
            return
        rows = _going_on(self.sides[0], first[0], False)
        columns = _going_on(self.sides[1], first[1], self._periodic)
        out[:, : len(rows), : len(columns)] = plane.take(rows, -2).take(columns, -1)


@lru_cache(256)
def _going_on(side: int, first: int, periodic: bool) -> np.ndarray:
    """int64: which places of a plane are its own and those beyond its sides, along an axis.

    Args:
      side: of the level.
      first: place of the level where the plane begins, 0 or 1.
      periodic: whether the level's last place is followed by its first; an even number of them.
    """
    at = np.arange(first - 2 * BEYOND, side + 2 * BEYOND, 2)
    at = at[: len(range(first, side, 2)) + 2 * BEYOND]
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
