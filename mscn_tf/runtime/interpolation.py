"""Grids coded by interpolation: each value predicted from coarser ones, its error in whole steps.

As in SZ3 (Zhao et al. 2021, "Optimizing error-bounded lossy compression by dynamic spline
interpolation") a value is predicted from those of a grid twice as coarse, which are known already,
and what the prediction lacks is coded in steps of twice the bound. So no value is off by more than
the bound, whatever the prediction says. Here a small network, learned over many variables, corrects
the cubic interpolation and says how far off it is likely to be. All numbers are whole, below 2^53,
in the network below 2^24, so that every machine makes the same predictions. docs/format.md says all
that a second decoder needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mscn_tf.runtime import tables
from mscn_tf.runtime.clipping import clip
from mscn_tf.runtime.descents import LARGEST_PARENT, count_bytes, pack_shares, unpack_shares
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.grid_passes import INPUTS, NEIGHBOURS, PASSES
from mscn_tf.runtime.input import Input, varint
from mscn_tf.runtime.neighbourhoods import (
    FRACTION,
    LARGEST_FURTHER_INPUT,
    LARGEST_INPUT,
    LARGEST_VALUE,
    Grid,
    Parent,
    Places,
    Visit,
    count_levels,
    rounded,
    step_within,
)
from mscn_tf.runtime.shares import best_shares
from mscn_tf.runtime.tables import Tables, checked_array

LARGEST_ACTIVATION = 4095
SHARE_BITS = 10  # fractional bits of a filter's coefficients, and of its share
LARGEST_SHARE = 4 << SHARE_BITS
_MOST_FILTERS = 8
_WHOLE = 2.0 ** (2 * FRACTION)
_EXACT = 2**24  # whole numbers up to here are exact in float32
#: Maps a visit, predictions float64 [n] and tables int64 [n] to steps int64 [n].
Code = Callable[[Visit, np.ndarray, np.ndarray], np.ndarray]


class Net(NamedTuple):
    """The network of a pass, its sums scaled by the powers of two that follow them."""

    first: np.ndarray  # float32 [H1, INPUTS]
    first_bias: np.ndarray  # float32 [H1, 1]
    second: np.ndarray  # float32 [H2, H1]
    second_bias: np.ndarray  # float32 [H2, 1]
    last: np.ndarray  # float32 [1 + F, H2]
    last_bias: np.ndarray  # float32 [1 + F, 1]
    filters: np.ndarray  # float64 [F, neighbours]

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """float32 [1 + F, n], whole numbers: of inputs [INPUTS, n]."""
        hidden = _floored(self.first, inputs, self.first_bias)
        clip(hidden, 0, LARGEST_ACTIVATION)
        hidden = _floored(self.second, hidden, self.second_bias)
        clip(hidden, 0, LARGEST_ACTIVATION)
        return _floored(self.last, hidden, self.last_bias)


def _floored(weights: np.ndarray, inputs: np.ndarray, bias: np.ndarray) -> np.ndarray:
    sums: np.ndarray = weights @ inputs
    sums += bias
    return np.floor(sums, out=sums)


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
        filters: integers [3, NEIGHBOURS, F], with `SHARE_BITS` fractional bits: what corrections
          are made of; zero where a pass has fewer neighbours.
        shift: integers [3], fractional bits after each layer.
        octave: integers [1], what a 32nd of an octave of the spread adds to the table.
      count: of tables: numbers are less.

    Attributes:
      of_passes: the network of each.

    Raises:
      MscnError: the arrays do not fit together.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], count: int):
        ranks = {"first": 3, "first_bias": 2, "second": 3, "second_bias": 2, "last": 3}
        ranks.update(last_bias=2, filters=3, shift=1, octave=1)
        given = {name: checked_array(arrays, name, rank) for name, rank in ranks.items()}
        _check(given)
        self._largest = count - 1
        self._shift, self._octave = given["shift"].tolist(), int(given["octave"][0])
        self.of_passes = [self._net(given, number) for number in range(len(PASSES))]

    def _net(self, given: dict[str, np.ndarray], number: int) -> Net:
        # Of the table all bits are kept: the spread's share is added before it is rounded.
        last = np.full(given["last"].shape[2], 2.0 ** (SHARE_BITS - self._shift[2]))
        last[0] = 1.0
        units = {"first": 2.0 ** -self._shift[0], "second": 2.0 ** -self._shift[1], "last": last}
        parts = []
        for name, unit in units.items():
            bias = given[f"{name}_bias"][number] * unit + 0.5 * (np.asarray(unit) < 1)
            parts += [(given[name][number] * unit).T, bias[:, None]]
        filters = given["filters"][number, : len(PASSES[number].neighbours)]
        parts = [np.ascontiguousarray(part, np.float32) for part in parts]
        return Net._make([*parts, np.ascontiguousarray(filters.T, np.float64)])

    def __call__(self, visit: Visit) -> tuple[np.ndarray, np.ndarray]:
        """Corrected predictions, float64 [n], and tables, int64 [n], of the places of a pass."""
        parts = [self._of_places(self.of_passes[visit.number], places) for places in visit.places()]
        if len(parts) == 1:
            return parts[0]
        predictions, numbers = zip(*parts)
        return np.concatenate(predictions), np.concatenate(numbers)

    def _of_places(self, net: Net, places: Places) -> tuple[np.ndarray, np.ndarray]:
        sums = net(places.inputs)
        filtered = rounded(net.filters @ places.differences, SHARE_BITS)
        clip(sums[1:], -LARGEST_SHARE, LARGEST_SHARE)
        filtered *= sums[1:]
        correction = rounded(np.add.reduce(filtered), SHARE_BITS)
        correction += places.prediction
        number = self._octave * places.octaves
        number += sums[0].astype(np.int64)
        number >>= self._shift[2]
        np.maximum(number, 0, out=number)
        return correction, np.minimum(number, self._largest, out=number)


def _check(given: dict[str, np.ndarray]) -> None:
    """Raises MscnError where shapes do not fit, or sums would not be exact."""
    passes, (hidden, last) = len(PASSES), given["second"].shape[1:]
    filters = given["filters"].shape[2]
    shapes = {
        "first": (passes, INPUTS, hidden),
        "first_bias": (passes, hidden),
        "second": (passes, hidden, last),
        "second_bias": (passes, last),
        "last": (passes, last, 1 + filters),
        "last_bias": (passes, 1 + filters),
        "filters": (passes, NEIGHBOURS, filters),
        "shift": (3,),
        "octave": (1,),
    }
    for name, shape in shapes.items():
        if given[name].shape != shape:
            raise MscnError(f"prior: {name} has shape {given[name].shape}, not {shape}")
    shift = given["shift"]
    if shift.min() < 1 or shift.max() > 20 or not 0 <= given["octave"][0] < 2**20:
        raise MscnError("prior: shift or octave is out of range")
    if np.abs(given["filters"]).sum(1).max() > LARGEST_SHARE or filters > _MOST_FILTERS:
        raise MscnError("prior: its filters are too large to be exact")
    inputs = np.full(INPUTS, LARGEST_FURTHER_INPUT)
    inputs[:NEIGHBOURS] = LARGEST_INPUT
    largest = {"first": inputs[:, None], "second": LARGEST_ACTIVATION, "last": LARGEST_ACTIVATION}
    sums = [
        (np.abs(given[name]) * most).sum(1) + np.abs(given[f"{name}_bias"])
        for name, most in largest.items()
    ]
    if max(total.max() for total in sums) + 2 ** (int(shift.max()) - 1) >= _EXACT:
        raise MscnError("prior: its network's sums are too large to be exact")


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
        self, values: np.ndarray, periodic: bool = False, parent: Parent | None = None
    ) -> tuple[bytes, Grid]:
        """The payload of a grid, and what it decodes to.

        Args:
          values: float64 [H, W], whole numbers of 2^-FRACTION steps, none larger than
            `LARGEST_VALUE`; the first one is 0.
          periodic: whether the last column is followed by the first.
          parent: what values are expected from, besides.

        Returns:
          bytes; a grid whose values are no more than half a step from ``values``.
        """
        encoder = tables.RangeEncoder()

        def code(visit: Visit, predicted: np.ndarray, index: np.ndarray) -> np.ndarray:
            steps = steps_to(values, visit, predicted)
            self.tables.encode(encoder, steps, index)
            return steps

        grid = self.walk(values.shape, code, periodic, parent)
        return tables.seal(encoder), grid

    def decode(
        self,
        payload: bytes,
        shape: Sequence[int],
        periodic: bool = False,
        parent: Parent | None = None,
    ) -> Grid:
        """What `encode` said that its payload decodes to.

        Raises:
          MscnError: the payload cannot be decoded.
        """
        return self._decoded([payload], shape, periodic, parent)

    def decode_stack(
        self,
        payloads: Sequence[bytes],
        shape: Sequence[int],
        periodic: bool = False,
        parent: Parent | None = None,
    ) -> Grid:
        """A stack of grids of one size, which takes less time than one after the other.

        Raises:
          MscnError: a payload cannot be decoded.
        """
        return self._decoded(payloads, (len(payloads), *shape), periodic, parent)

    def _decoded(
        self, payloads: Sequence[bytes], shape: Sequence[int], periodic: bool, parent: Parent | None
    ) -> Grid:
        decoders = list(map(tables.unseal, payloads))

        def code(visit: Visit, predicted: np.ndarray, index: np.ndarray) -> np.ndarray:
            each = zip(decoders, index.reshape(len(decoders), -1))
            return np.concatenate([self.tables.decode(*one) for one in each], dtype=np.int64)

        return self.walk(shape, code, periodic, parent)

    def encode_within(self, numbers: np.ndarray, bound: int) -> tuple[bytes, np.ndarray]:
        """The payload of whole numbers, of which none is off by more than a bound.

        Args:
          numbers: integers [H, W], within +-2^20; the first one is 0.
          bound: 0 (without loss) to 127.

        Returns:
          bytes; int64 [H, W], what they decode to.
        """
        payload, grid = self.encode(np.rint(numbers * (_WHOLE / _whole_step(bound))))
        return payload, _whole(grid, bound)

    def decode_within(self, payload: bytes, shape: Sequence[int], bound: int) -> np.ndarray:
        """int64 [H, W]: what `encode_within` said that its payload decodes to.

        Raises:
          MscnError: the payload cannot be decoded.
        """
        return _whole(self.decode(payload, shape), bound)

    def step_within(self, bound: float, largest: float) -> np.float32:
        """As `neighbourhoods.step_within`."""
        return step_within(bound, largest)

    def encode_series(self, grids: np.ndarray, step: float) -> bytes:
        """The payloads of grids of one size, each of which may follow from the one before.

        Args:
          grids: float64 [N, H, W], none larger than 2^23 steps.
          step: in their unit.

        Returns:
          bytes of grids none of whose values is off by more than half a step, and what rounding to
          2^-FRACTION steps adds.
        """
        parts, last = [], None
        for grid in np.rint(grids * (2.0**FRACTION / step)):
            first = int(grid[0, 0])
            shares = None if last is None else best_shares(grid - first, last, False)
            parent = Parent(last, shares.of_levels) if shares and shares.pay else None
            payload, known = self.encode(grid - first, parent=parent)
            last = np.clip(known.values, -LARGEST_PARENT, LARGEST_PARENT)
            parts += [varint(2 * abs(first) + (first < 0)), varint(2 * len(payload) + bool(parent))]
            parts += [pack_shares(parent.shares) if parent else b"", payload]
        return b"".join(parts)

    def decode_series(self, data: bytes, shape: Sequence[int], step: float) -> np.ndarray:
        """float64 [N, H, W]: what `encode_series` gave.

        Raises:
          MscnError: it cannot be decoded.
        """
        reader, levels = Input(data, "slices"), count_levels(shape[1:])
        out, last = np.empty(shape), np.empty(0)
        for number, grid in enumerate(out):
            sign, size = reader.varint(), reader.varint()
            parent = None
            if size & 1:
                shares = unpack_shares(reader.take(count_bytes(levels)), levels)
                if not number:
                    raise reader.damaged("a first slice that follows")
                parent = Parent(np.clip(last, -LARGEST_PARENT, LARGEST_PARENT), shares)
            last = self.decode(reader.take(size >> 1), shape[1:], parent=parent).values
            grid[:] = last + (-(sign >> 1) if sign & 1 else sign >> 1)
        if reader.left:
            raise reader.damaged("bytes left over")
        return out * (step * 2.0**-FRACTION)

    def walk(
        self,
        shape: Sequence[int],
        code: Code,
        periodic: bool = False,
        parent: Parent | None = None,
    ) -> Grid:
        """The grid that follows from the steps that ``code`` gives for each pass."""
        grid = Grid(shape, periodic, parent)
        for visit in grid.visits():
            predicted, index = self.nets(visit)
            predicted += visit.expected
            steps = code(visit, predicted, index)
            # Of a damaged payload they may be of any size.
            predicted += steps * 2.0**FRACTION
            np.maximum(predicted, -2 * LARGEST_VALUE, out=predicted)
            np.minimum(predicted, 2 * LARGEST_VALUE, out=predicted)
            values = grid.values[..., visit.rows, visit.columns]
            values[:] = predicted.reshape(values.shape)
            grid.steps[..., visit.rows, visit.columns] = steps.reshape(values.shape)
        return grid


def _whole_step(bound: int) -> int:
    """A step for whole numbers within a bound: over `_WHOLE`, a number of 2^-FRACTION steps.

    Those that are off are so by less than the bound and a half, also where what is wanted had to be
    rounded to a fraction of a step.
    """
    return (2 * bound + 1) * (2**FRACTION - (bound > 0))


def _whole(grid: Grid, bound: int) -> np.ndarray:
    """int64 [H, W]: the whole numbers nearest to a grid's values, of two the lower one."""
    return np.ceil(grid.values * (_whole_step(bound) / _WHOLE) - 0.5).astype(np.int64)


def in_steps(values: np.ndarray, step: float) -> np.ndarray:
    """float64 [H, W], as `Interpolation.encode` takes it: whole numbers of 2^-FRACTION steps.

    Args:
      values: float64 [H, W]; the first one becomes 0.
      step: in their unit.
    """
    return np.rint((values - values[0, 0]) * (2.0**FRACTION / step))


def steps_to(values: np.ndarray, visit: Visit, predicted: np.ndarray) -> np.ndarray:
    """int64 [n]: whole steps from predictions to the values [H, W] of the places of a pass."""
    wanted = values[visit.rows, visit.columns].ravel()
    return rounded(wanted - predicted, FRACTION).astype(np.int64)
