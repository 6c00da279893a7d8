"""An interpolation codec's decoder in TensorFlow, from its bundle, exact to the bit.

The range coder, which needs the networks as well, stays outside: it gives the steps that are coded.
All numbers are whole, in digits that float32 holds exactly (`export.digits`).

========  ================================================  ====================================
function  inputs                                            output
========  ================================================  ====================================
decode    ``steps`` int32 [B, H, W], coded ones;            ``values`` float32 [B, H, W, 3],
          ``periodic`` int32 [B], 1 where the last column   digits of each number, lowest first:
          is followed by the first; ``parent`` float32      a field has its first value and, for
          [B, H, W, 3], digits of the grid that it          each 1024, a step more
          follows from (0: none); ``shares`` int32 [B, L],
          of each of its L levels, coarsest first
========  ================================================  ====================================
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from mscn_tf.export import digits
from mscn_tf.export.float_functions import FloatFunctions, check_size, traced
from mscn_tf.export.grid_places import flat, mirrored, spread_out, wrapped
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.digits import BASE, COUNT, split
from mscn_tf.runtime.grid_passes import NEIGHBOURS, PASSES, Pass
from mscn_tf.runtime.grids import axis_names
from mscn_tf.runtime.interpolation import LARGEST_ACTIVATION, LARGEST_SHARE, SHARE_BITS, Net
from mscn_tf.runtime.interpolations import Interpolations
from mscn_tf.runtime.neighbourhoods import (
    FRACTION,
    INPUT_UNIT,
    LARGEST_FURTHER_INPUT,
    LARGEST_INPUT,
    SEEN_STEPS,
    SEEN_THRESHOLDS,
    SMALLEST_SPREAD,
    count_levels,
)
from mscn_tf.runtime.neighbourhoods import SHARE_BITS as PARENT_BITS

_LEVELS = 30  # more than grids have
_PARENT_UNIT, _SHARE_UNIT = BASE * 2.0**-PARENT_BITS, BASE * 2.0**-SHARE_BITS


class _Part(NamedTuple):
    """What tells a pass from others; of several, stacked.

    Attributes:
      start: int32 [2], row and column of its first place in a level.
      ways: int32 [3, n, 2], rows and columns from a place to its neighbours, in levels of many
        rows and columns, of one column, and of one row.
      there: float32 [n], 1; 0 where it has fewer neighbours than others.
      weights: float32 [n], of cubic interpolation.
      unit: float32, 4096 over what the weights add up to.
      seen: int32 [SEEN], the neighbours whose steps networks see.
      first, first_bias, second, second_bias, last, last_bias, filters: as of `Net`.
    """

    start: tf.Tensor
    ways: tf.Tensor
    there: tf.Tensor
    weights: tf.Tensor
    unit: tf.Tensor
    seen: tf.Tensor
    first: tf.Tensor
    first_bias: tf.Tensor
    second: tf.Tensor
    second_bias: tf.Tensor
    last: tf.Tensor
    last_bias: tf.Tensor
    filters: tf.Tensor

    @classmethod
    def of(cls, part: Pass, net: Net) -> _Part:
        """Arrays, of a pass and its network."""
        missing = NEIGHBOURS - len(part.neighbours)
        ways = [_ways(part, *single) for single in ((0, 0), (0, 1), (1, 0))]
        return cls(
            np.array([part.row, part.column], np.int32),
            np.pad(np.array(ways, np.int32), [(0, 0), (0, missing), (0, 0)]),
            np.pad(np.ones(len(part.neighbours), np.float32), [(0, missing)]),
            np.pad(part.weights.astype(np.float32), [(0, missing)]),
            np.float32(BASE * 2.0**-part.bits),
            np.array(part.seen, np.int32),
            *net[:-1],
            np.pad(net.filters.astype(np.float32), [(0, 0), (0, missing)]),
        )


def _ways(part: Pass, one_row: int, one_column: int) -> list[tuple[int, int]]:
    """Rows and columns from a place to its neighbours, in levels that may have but one of them."""
    if one_row:
        return [(0, x + y if x % 2 == 0 else x) for y, x in part.neighbours]
    if one_column:
        return [(y + x if y % 2 == 0 else y, 0) for y, x in part.neighbours]
    return part.neighbours


class InterpolationFunctions(FloatFunctions):
    """The function of the table above, of dynamic batch and size.

    Args:
      bundle: of an interpolation codec.
      size: rows and columns; then for one grid of that size, so that all shapes are fixed.

    Raises:
      MscnError: the bundle lacks something, or the size has another number of axes.
    """

    def __init__(self, bundle: Bundle, size: Sequence[int] | None = None):
        nets = Interpolations(bundle).grids.nets.of_passes
        parts = [_Part.of(part, net) for part, net in zip(PASSES, nets)]
        self._parts = [np.stack(arrays) for arrays in zip(*parts)]
        self.axes, self.holder = axis_names(2), tf.Module()
        check_size(size, len(self.axes), "field", "WIDTHxHEIGHT")
        batch, sides = (1, list(size)) if size else (None, [None, None])
        levels = count_levels(size) if size else None
        self.functions = {
            "decode": traced(
                self._decode,
                tf.TensorSpec([batch, *sides], tf.int32, "steps"),
                tf.TensorSpec([batch], tf.int32, "periodic"),
                tf.TensorSpec([batch, *sides, COUNT], tf.float32, "parent"),
                tf.TensorSpec([batch, levels], tf.int32, "shares"),
            )
        }

    def _decode(
        self, steps: tf.Tensor, periodic: tf.Tensor, parent: tf.Tensor, shares: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        levels, coded = tf.shape(shares)[1], _Coded(steps, periodic)
        parent = tf.transpose(parent, [3, 0, 1, 2])

        def next_pass(number: tf.Tensor, values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            level = number // len(PASSES)
            part = _Part(*(tf.gather(array, number % len(PASSES)) for array in self._parts))
            apart = tf.gather(2 ** np.arange(_LEVELS, dtype=np.int32), levels - 1 - level)
            share = tf.cast(tf.gather(shares, level, axis=1), tf.float32)
            expected = digits.scaled(parent * share[:, None, None], _PARENT_UNIT)
            places = _Places(coded, apart, part)
            predicted = _predicted(places, digits.carried(values - expected))
            found = digits.carried(predicted + places.own(expected + coded.added))
            further = values + places.put(found)
            further.set_shape(values.shape)
            return number + 1, further

        start = (tf.constant(0), tf.zeros_like(parent))
        count = len(PASSES) * levels
        _, values = tf.while_loop(lambda number, _: number < count, next_pass, start)
        return {"values": tf.transpose(values, [1, 2, 3, 0])}


class _Coded:
    """What is coded of grids.

    Attributes:
      shape: int32: how many grids, rows, columns.
      periodic: int32 [B, 1, 1].
      added: float32 [3, B, H, W], digits: what steps add to predictions.
      seen: float32 [B, H, W]: what networks see of steps.
    """

    def __init__(self, steps: tf.Tensor, periodic: tf.Tensor):
        self.shape, self.periodic = tf.unstack(tf.shape(steps)), periodic[:, None, None]
        higher = tf.floor(tf.cast(steps, tf.float32) / BASE)
        lower = steps - tf.cast(higher, tf.int32) * int(BASE)
        both = tf.stack([tf.cast(lower, tf.float32), higher, tf.zeros_like(higher)])
        self.added = digits.carried(both * 2.0**FRACTION)
        self.seen = tf.gather(SEEN_STEPS, tf.minimum(tf.abs(steps), len(SEEN_STEPS) - 1))


class _Places:
    """Places of a pass of a level, and of some that lie beyond its sides, which are dropped."""

    def __init__(self, coded: _Coded, apart: tf.Tensor, part: _Part):
        self.coded, self.apart, self.part = coded, apart, part
        _, height, width = coded.shape
        self._sides = [(side - 1) // apart + 1 for side in (height, width)]
        self._counts = [(side + 1) // 2 for side in self._sides]
        self._own = [
            2 * tf.range(count) + start
            for count, start in zip(self._counts, tf.unstack(part.start))
        ]

    def neighbours(self) -> tf.Tensor:
        """int32 [P, n]: where grids that lie one after the other have the neighbours of places."""
        height, width = self._sides
        one_row, one_column = (tf.cast(tf.equal(side, 1), tf.int32) for side in self._sides)
        ways = tf.gather(self.part.ways, tf.maximum(2 * one_row, one_column))
        rows, columns = (
            own[:, None] + way for own, way in zip(self._own, tf.unstack(ways, axis=1))
        )
        even = tf.equal(self.coded.shape[2] % (2 * self.apart), 0)
        around = self.coded.periodic * tf.cast(even, tf.int32)
        inside = mirrored(columns, width)
        columns = inside + around * (wrapped(columns, width) - inside)
        places = self._places(mirrored(rows, height)[None, :, None], columns[:, None])
        return tf.reshape(places, [-1, NEIGHBOURS])

    def own(self, array: tf.Tensor) -> tf.Tensor:
        """[K, P]: what grids [K, B, H, W] have at the places themselves."""
        rows, columns = (tf.minimum(own, side - 1) for own, side in zip(self._own, self._sides))
        places = self._places(rows[None, :, None], columns[None, None])
        return tf.gather(flat(array), tf.reshape(places, [-1]), axis=1)

    def put(self, values: tf.Tensor) -> tf.Tensor:
        """[3, B, H, W] with values [3, P] at the places, else 0."""
        grids, height, width = self.coded.shape
        values = tf.reshape(values, [COUNT * grids, *self._counts])
        starts = tf.unstack(self.part.start * self.apart)
        whole = spread_out(values, (height, width), starts, [2 * self.apart] * 2)
        return tf.reshape(whole, [COUNT, grids, height, width])

    def _places(self, rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
        """Where grids that lie one after the other have rows and columns of the level's."""
        grids, height, width = self.coded.shape
        first = tf.reshape(tf.range(grids) * height * width, [-1] + [1] * (len(rows.shape) - 1))
        return first + (rows * width + columns) * self.apart


def _predicted(places: _Places, values: tf.Tensor) -> tf.Tensor:
    """Digits [3, P] of predictions, from those of values [3, B, H, W], less what is expected."""
    part, neighbours = places.part, places.neighbours()
    known = tf.gather(flat(values), neighbours, axis=1)
    prediction = digits.scaled(tf.reduce_sum(known * part.weights, -1), part.unit)
    apart = digits.carried(known - prediction[..., None]) * part.there
    spread = _spread(apart, tf.reduce_sum(part.there))
    inputs = [digits.quotient(apart * INPUT_UNIT, spread[..., None], LARGEST_INPUT)]
    inputs.append(
        tf.gather(flat(places.coded.seen[None])[0], tf.gather(neighbours, part.seen, axis=1))
    )
    inputs.append(_octaves(spread)[:, None])
    fineness = 16 * tf.math.log(tf.cast(places.apart, tf.float32)) * (1 / np.log(2))
    fineness = tf.minimum(tf.round(fineness), LARGEST_FURTHER_INPUT)
    inputs.append(fineness * tf.ones_like(inputs[-1]))
    filtered = tf.matmul(apart, part.filters[None], transpose_b=True)
    filtered = digits.scaled(filtered, _SHARE_UNIT) * _shares(part, tf.concat(inputs, 1))
    filtered = tf.reduce_sum(digits.carried(filtered), -1)
    return prediction + digits.scaled(filtered, _SHARE_UNIT)


def _spread(apart: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Digits [3, P]: how large differences [3, P, n] of so many neighbours are."""
    sizes = digits.sizes(apart)
    mean = digits.divided(tf.reduce_sum(sizes, -1), count)
    nearest = digits.divided(tf.reduce_sum(sizes[..., :4], -1), 4.0)
    smallest = np.array([SMALLEST_SPREAD, 0, 0], np.float32)[:, None]
    return digits.carried(mean + nearest + smallest)


def _octaves(spread: tf.Tensor) -> tf.Tensor:
    """float32 [P], whole numbers: what networks see of spreads."""
    thresholds = tf.constant(split(SEEN_THRESHOLDS).T)
    guess = 8 * tf.math.log(digits.about(spread) / SMALLEST_SPREAD) * (1 / np.log(2))
    last = len(SEEN_THRESHOLDS) - 2
    index = tf.cast(tf.clip_by_value(tf.floor(guess), 0.0, float(last)), tf.int32)
    low, high = (tf.gather(thresholds, index + next_, axis=1) for next_ in (0, 1))
    under, over = (digits.about(digits.carried(spread - bound, 1)) for bound in (low, high))
    index += tf.cast(over >= 0, tf.int32) - tf.cast(under < 0, tf.int32)
    return tf.minimum(tf.cast(index, tf.float32), LARGEST_FURTHER_INPUT)


def _shares(part: _Part, inputs: tf.Tensor) -> tf.Tensor:
    """float32 [P, F]: how much of each filter a network adds, of inputs [P, INPUTS]."""
    layers = (
        (part.first, part.first_bias, 0, LARGEST_ACTIVATION),
        (part.second, part.second_bias, 0, LARGEST_ACTIVATION),
        (part.last[1:], part.last_bias[1:], -LARGEST_SHARE, LARGEST_SHARE),
    )
    for weights, bias, low, high in layers:
        sums = tf.matmul(inputs, weights, transpose_b=True) + bias[:, 0]
        inputs = tf.clip_by_value(tf.floor(sums), float(low), float(high))
    return inputs
