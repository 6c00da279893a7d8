"""Grids coded by interpolation: each value predicted from coarser ones, its error in whole steps.

As in SZ3 (Zhao et al. 2021, "Optimizing error-bounded lossy compression by dynamic spline
interpolation") a value is predicted from those of a grid twice as coarse, which are decoded already,
and what the prediction lacks is coded in steps of twice the bound. So no value is off by more than
the bound, whatever the prediction says. Here a small network, learned over many variables, corrects
the cubic interpolation and says how far off it is likely to be. All numbers are whole and below 2^53,
in the networks below 2^24, so that every machine makes the same predictions. docs/format.md says all
that a second decoder needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from mscn_tf.runtime import tables
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.tables import LARGEST_SYMBOL, Tables, checked_array

FRACTION = 10  # fractional bits of a step that values are known to
MAGNITUDES = 12  # of neighbours' steps that a network sees
LARGEST_VALUE = 2.0**34  # that arithmetic has room for, in units of 2^-FRACTION steps
OCTAVE = 32  # parts of an octave that spreads are told apart by
INPUT_UNIT = 32  # of differences, in spreads
LARGEST_ACTIVATION = 4095
SHARE_BITS = 10  # fractional bits of a filter's coefficients, and of its share
_LARGEST_INPUT = 127
_LARGEST_SHARE = 4 << SHARE_BITS
_LARGEST_SEEN = 255  # larger numbers of steps look alike to the network
_LARGEST_OCTAVES = 255  # eighths of an octave that a spread may lie above the smallest
_EXACT = 2**24  # whole numbers up to here are exact in float32
_TOGETHER = 2**13  # places that are computed at once
_SMALLEST_SPREAD = 2.0 ** (FRACTION - 2)  # half the bound
_REACH = 3
_MOST_FILTERS = 8


def _offsets(odd: bool) -> list[tuple[int, int]]:
    """Sixteen known neighbours of a place on an edge of the coarse grid, nearest first."""
    near = [(-1, 0), (1, 0), (0, -1), (0, 1)]
    next_ones = [(y, x) for y in (-1, 1) for x in (-2, 2)] + [
        (y, x) for y in (-2, 2) for x in (-1, 1)
    ]
    far = [(-3, 0), (3, 0), (0, -3), (0, 3)]
    corners = [(y, x) for y in (-1, 1) for x in (-1, 1)] if odd else []
    return near + next_ones + far + corners


class Pass(NamedTuple):
    """Places of a level that are coded together: those whose neighbours are known by then.

    Attributes:
      row: of the first place, in the level's grid; places are two rows and columns apart.
      column: likewise.
      neighbours: row and column from a place, of the values that its network sees.
      weights: of those in the cubic interpolation, which add up to ``2^bits``.
      bits: see there.
      seen: numbers of the neighbours whose steps the network sees.
    """

    row: int
    column: int
    neighbours: list[tuple[int, int]]
    weights: np.ndarray
    bits: int
    seen: list[int]


def _centres() -> Pass:
    neighbours = [(y, x) for y in (-1, 1) for x in (-1, 1)]
    neighbours += [(y, x) for y in (-3, -1, 1, 3) for x in (-3, -1, 1, 3) if 3 in (abs(y), abs(x))]
    cubic = {-3: -1, -1: 9, 1: 9, 3: -1}
    weights = np.array([cubic[y] * cubic[x] for y, x in neighbours], np.float64)
    return Pass(1, 1, neighbours, weights, 8, list(range(MAGNITUDES)))


def _edges(row: int, column: int) -> Pass:
    neighbours = _offsets(odd=column == 1)
    weights = np.zeros(len(neighbours))
    weights[:4], weights[12:16] = 9, -1
    seen = [*range(4), *range(16, len(neighbours)), *range(4, 12)][:MAGNITUDES]
    return Pass(row, column, neighbours, weights, 5, seen)


PASSES = (_centres(), _edges(1, 0), _edges(0, 1))
NEIGHBOURS = max(len(part.neighbours) for part in PASSES)
INPUTS = NEIGHBOURS + MAGNITUDES + 2


def _spread_thresholds() -> np.ndarray:
    """float64: the smallest spread of each 32nd of an octave, found in whole numbers."""
    found = []
    for part in range(OCTAVE * 40):
        power = 1 << (part + OCTAVE * (FRACTION - 2))  # (2^(part / 32) * smallest)^32
        low = int(2.0 ** (part / OCTAVE + FRACTION - 2)) - 1
        while low**OCTAVE < power:
            low += 1
        found.append(low)
    return np.array(found, np.float64)


_SPREADS = _spread_thresholds()


def seen_steps() -> np.ndarray:
    """float32 [256]: 8 log2(1 + n), rounded: what the network sees of n steps."""
    return np.rint(8 * np.log2(1 + np.arange(_LARGEST_SEEN + 1))).astype(np.float32)


class Places(NamedTuple):
    """What is known of some places of a pass before their values are.

    Attributes:
      prediction: float64 [n], cubic interpolation.
      spread: float64 [n], above 0: how far the neighbours lie from it.
      octaves: int64 [n], 32nds of an octave that the spread lies above the smallest.
      differences: float64 [n, neighbours], of the neighbours' values from the prediction.
      inputs: float32 [n, INPUTS], whole numbers: what the network sees.
    """

    prediction: np.ndarray
    spread: np.ndarray
    octaves: np.ndarray
    differences: np.ndarray
    inputs: np.ndarray


class Visit(NamedTuple):
    """A pass of a level that is to be coded.

    Attributes:
      number: of the pass.
      places: what is known of its places, row-major.
      rows: slice of the rows they are in.
      columns: slice of their columns.
    """

    number: int
    places: Places
    rows: slice
    columns: slice


class _Net(NamedTuple):
    """The network of a pass, its sums scaled by the powers of two that follow them."""

    first: np.ndarray  # float32 [INPUTS, H1]
    first_bias: np.ndarray  # float32 [H1]
    second: np.ndarray  # float32 [H1, H2]
    second_bias: np.ndarray  # float32 [H2]
    last: np.ndarray  # float32 [H2, 1 + F]
    last_bias: np.ndarray  # float32 [1 + F]
    filters: np.ndarray  # float64 [neighbours, F]

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """float32 [n, 1 + F], whole numbers: of inputs [n, INPUTS]."""
        hidden = np.floor(inputs @ self.first + self.first_bias)
        hidden = np.clip(hidden, 0, LARGEST_ACTIVATION, out=hidden)
        hidden = np.floor(hidden @ self.second + self.second_bias)
        hidden = np.clip(hidden, 0, LARGEST_ACTIVATION, out=hidden)
        return np.floor(hidden @ self.last + self.last_bias)


class Nets:
    """The networks of the three passes: corrections of predictions, and tables.

    Args:
      arrays: by name,
        first: integers [3, INPUTS, H1].
        first_bias: integers [3, H1].
        second: integers [3, H1, H2].
        second_bias: integers [3, H2].
        last: integers [3, H2, 1 + F]: table, and each filter's share.
        last_bias: integers [3, 1 + F].
        filters: integers [3, NEIGHBOURS, F], with `SHARE_BITS` fractional bits: what corrections are
          made of; zero where a pass has fewer neighbours.
        shift: integers [3], fractional bits after each layer.
        octave: integers [1], what a 32nd of an octave of the spread adds to the table.
      count: of tables: indices are less.

    Raises:
      MscnError: the arrays do not fit together.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], count: int):
        ranks = {"first": 3, "first_bias": 2, "second": 3, "second_bias": 2, "last": 3}
        ranks.update(last_bias=2, filters=3, shift=1, octave=1)
        given = {name: checked_array(arrays, name, rank) for name, rank in ranks.items()}
        self._check(given)
        self._largest = count - 1
        self._shift, self._octave = given["shift"].tolist(), int(given["octave"][0])
        self._nets = [self._net(given, number) for number in range(len(PASSES))]

    def _check(self, given: dict[str, np.ndarray]) -> None:
        hidden, last = given["second"].shape[1:]
        filters = given["filters"].shape[2]
        shapes = {
            "first": (len(PASSES), INPUTS, hidden),
            "first_bias": (len(PASSES), hidden),
            "second": (len(PASSES), hidden, last),
            "second_bias": (len(PASSES), last),
            "last": (len(PASSES), last, 1 + filters),
            "last_bias": (len(PASSES), 1 + filters),
            "filters": (len(PASSES), NEIGHBOURS, filters),
            "shift": (3,),
            "octave": (1,),
        }
        for name, shape in shapes.items():
            if given[name].shape != shape:
                raise MscnError(f"prior: {name} has shape {given[name].shape}, not {shape}")
        shift = given["shift"]
        if shift.min() < 1 or shift.max() > 20 or not 0 <= given["octave"][0] < 2**20:
            raise MscnError("prior: shift or octave is out of range")
        if np.abs(given["filters"]).sum(1).max() > _LARGEST_SHARE or filters > _MOST_FILTERS:
            raise MscnError("prior: its filters are too large to be exact")
        largest = np.full(INPUTS, _LARGEST_INPUT)
        largest[NEIGHBOURS:] = _LARGEST_OCTAVES
        sums = (
            (np.abs(given["first"]) * largest[:, None]).sum(1) + np.abs(given["first_bias"]),
            np.abs(given["second"]).sum(1) * LARGEST_ACTIVATION + np.abs(given["second_bias"]),
            np.abs(given["last"]).sum(1) * LARGEST_ACTIVATION + np.abs(given["last_bias"]),
        )
        if max(total.max() for total in sums) + 2 ** (int(shift.max()) - 1) >= _EXACT:
            raise MscnError("prior: its network's sums are too large to be exact")

    def _net(self, given: dict[str, np.ndarray], number: int) -> _Net:
        units = (2.0 ** -self._shift[0], 2.0 ** -self._shift[1])
        # Of the table all bits are kept: the spread's share is added before it is rounded.
        last = np.full(given["last"].shape[2], 2.0 ** (SHARE_BITS - self._shift[2]))
        last[0] = 1.0
        parts = []
        for name, unit, half in (("first", units[0], 0.5), ("second", units[1], 0.5)):
            bias = given[f"{name}_bias"][number] * unit + half
            parts += [given[name][number] * unit, bias]
        parts += [
            given["last"][number] * last,
            given["last_bias"][number] * last + 0.5 * (last < 1),
        ]
        filters = given["filters"][number, : len(PASSES[number].neighbours)].astype(np.float64)
        return _Net(*(part.astype(np.float32) for part in parts), filters)

    def __call__(self, number: int, places: Places) -> tuple[np.ndarray, np.ndarray]:
        """Corrected predictions, float64 [n], and tables, int64 [n], of places of a pass."""
        net = self._nets[number]
        sums = np.empty((len(places.inputs), net.last.shape[1]))
        for first in range(0, len(sums), _TOGETHER):
            sums[first : first + _TOGETHER] = net(places.inputs[first : first + _TOGETHER])
        filtered = _rounded(places.differences @ net.filters, SHARE_BITS)
        shares = np.clip(sums[:, 1:], -_LARGEST_SHARE, _LARGEST_SHARE)
        correction = _rounded((filtered * shares).sum(1), SHARE_BITS)
        table = (sums[:, 0].astype(np.int64) + self._octave * places.octaves) >> self._shift[2]
        return places.prediction + correction, np.clip(table, 0, self._largest)


class Grid:
    """Values of a grid as far as they are known, level after level.

    Args:
      shape: (rows, columns), each at least 1.
      periodic: whether the last column is followed by the first.

    Attributes:
      values: float64 [H, W], in units of 2^-FRACTION steps; the first one is known: 0.
      steps: int64 [H, W]: numbers of steps that were coded, without their signs.
    """

    def __init__(self, shape: tuple[int, int], periodic: bool):
        self.values = np.zeros(shape)
        self.steps = np.zeros(shape, np.int64)
        self._periodic = periodic
        self._seen = seen_steps()

    def visits(self) -> Iterator[Visit]:
        """Every pass of every level, coarsest first; what is known by then must be written."""
        height, width = self.values.shape
        level = max(height - 1, width - 1).bit_length()
        for exponent in range(level - 1, -1, -1):
            apart = 1 << exponent
            for number, part in enumerate(PASSES):
                if part.row * apart < height and part.column * apart < width:
                    rows = slice(part.row * apart, None, 2 * apart)
                    columns = slice(part.column * apart, None, 2 * apart)
                    yield Visit(number, self._places(number, apart), rows, columns)

    def _places(self, number: int, apart: int) -> Places:
        part = PASSES[number]
        known, steps = self._around(self.values, apart), self._around(self.steps, apart)
        # A grid of one row, or column, has its neighbours along the other axis alone.
        flat = [side == 2 * _REACH + 1 for side in known.shape]
        values = np.stack([_view(known, part, flat, *at) for at in part.neighbours], axis=-1)
        prediction = _rounded(values @ part.weights, part.bits)
        values -= prediction[:, None]
        size = np.abs(values)
        spread = np.floor(size.sum(1) / len(part.neighbours)) + np.floor(size[:, :4].sum(1) / 4)
        spread += _SMALLEST_SPREAD
        octaves = np.searchsorted(_SPREADS, spread, side="right") - 1
        inputs = np.zeros((len(values), INPUTS), np.float32)
        shares = np.floor(values * INPUT_UNIT / spread[:, None])
        inputs[:, : values.shape[1]] = np.clip(shares, -_LARGEST_INPUT, _LARGEST_INPUT)
        for column, neighbour in enumerate(part.seen, NEIGHBOURS):
            near = _view(steps, part, flat, *part.neighbours[neighbour])
            inputs[:, column] = self._seen[np.minimum(near, _LARGEST_SEEN)]
        inputs[:, -2] = np.minimum(octaves * 8 // OCTAVE, _LARGEST_OCTAVES)
        inputs[:, -1] = 16 * (apart.bit_length() - 1)
        return Places(prediction, spread, octaves, values, inputs)

    def _around(self, array: np.ndarray, apart: int) -> np.ndarray:
        """The level's grid, with three more rows and columns on each side: mirrored, or periodic."""
        level = array[::apart, ::apart]
        for axis, side in enumerate(level.shape):
            at = np.arange(-_REACH, side + _REACH)
            if axis and self._periodic and array.shape[1] % (2 * apart) == 0:
                at %= side
            elif side > 1:
                at = np.abs((at + side - 1) % (2 * side - 2) - (side - 1))
            else:
                at[:] = 0
            level = level.take(at, axis)
        return level


def _view(array: np.ndarray, part: Pass, flat: list[bool], row: int, column: int) -> np.ndarray:
    """Neighbours [n] of all places of a pass in a level's grid with its margins."""
    if flat[0]:
        row, column = 0, column + row if column % 2 == 0 else column
    elif flat[1]:
        row, column = row + column if row % 2 == 0 else row, 0
    first = (_REACH + part.row + row, _REACH + part.column + column)
    # As many as there are places.
    counts = [
        -(-(side - 2 * _REACH - start) // 2)
        for side, start in zip(array.shape, (part.row, part.column))
    ]
    rows, columns = (slice(at, at + 2 * n - 1, 2) for at, n in zip(first, counts))
    return array[rows, columns].ravel()


def _rounded(values: np.ndarray, bits: int) -> np.ndarray:
    """Whole numbers divided by 2^bits, to the nearest; halves up."""
    return np.floor(values * 2.0**-bits + 0.5)


class Interpolation:
    """Codes grids of numbers with the networks of a codec.

    Args:
      arrays: those of `Nets` and of `Tables`.

    Raises:
      MscnError: the arrays do not fit together.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        self.tables = Tables(arrays)
        self.nets = Nets(arrays, self.tables.count)

    def encode(
        self,
        values: np.ndarray,
        whole: bool = False,
        periodic: bool = False,
        missing: np.ndarray | None = None,
    ) -> tuple[bytes, np.ndarray]:
        """The payload of a grid, and what it decodes to.

        Args:
          values: float64 [H, W], whole numbers in units of 2^-FRACTION steps, the first one near 0, none farther
            from it than `LARGEST_VALUE`.
          whole: whether values are whole numbers of steps, and have to be.
          periodic: whether the last column is followed by the first.
          missing: bool [H, W], where nothing is coded; None: nowhere.

        Returns:
          bytes; float64 [H, W], no more than half a step from ``values`` but where they are missing.
        """
        encoder = tables.RangeEncoder()

        def code(visit: Visit, predicted: np.ndarray, index: np.ndarray, coded: np.ndarray):
            wanted = values[visit.rows, visit.columns].ravel()
            steps = _rounded(wanted - predicted, FRACTION).astype(np.int64)
            steps[~coded] = 0
            self.tables.encode(encoder, steps[coded], index[coded])
            return steps

        known = self.walk(values.shape, code, whole, periodic, missing)
        return tables.seal(encoder), known

    def decode(
        self,
        payload: bytes,
        shape: tuple[int, int],
        whole: bool = False,
        periodic: bool = False,
        missing: np.ndarray | None = None,
    ) -> np.ndarray:
        """float64 [H, W]: what `encode` said that its payload decodes to.

        Raises:
          MscnError: the payload cannot be decoded.
        """
        decoder = tables.unseal(payload)

        def code(visit: Visit, predicted: np.ndarray, index: np.ndarray, coded: np.ndarray):
            steps = np.zeros(len(predicted), np.int64)
            steps[coded] = self.tables.decode(decoder, index[coded])
            return steps

        return self.walk(shape, code, whole, periodic, missing)

    def walk(
        self,
        shape: tuple[int, int],
        code: Callable[[Visit, np.ndarray, np.ndarray, np.ndarray], np.ndarray],
        whole: bool,
        periodic: bool,
        missing: np.ndarray | None,
    ) -> np.ndarray:
        """Values that follow from the steps that ``code`` gives for each pass.

        Args:
          shape: of the grid.
          code: maps a visit, float64 [n] predictions, int64 [n] tables and bool [n], which places are
            coded, to int64 [n] steps, zero where nothing is coded.
          whole: see `encode`.
          periodic: see `encode`.
          missing: see `encode`.
        """
        grid = Grid(shape, periodic)
        for visit in grid.visits():
            predicted, index = self.nets(visit.number, visit.places)
            if whole:
                predicted = _rounded(predicted, FRACTION) * 2.0**FRACTION
            part = grid.values[visit.rows, visit.columns]
            coded = np.ones(part.size, bool)
            if missing is not None:
                coded = ~missing[visit.rows, visit.columns].ravel()
            steps = code(visit, predicted, index, coded)
            found = predicted + steps * 2.0**FRACTION
            np.clip(found, -2 * LARGEST_VALUE, 2 * LARGEST_VALUE, out=found)
            part[:] = found.reshape(part.shape)
            grid.steps[visit.rows, visit.columns] = np.abs(steps).reshape(part.shape)
        return grid.values
