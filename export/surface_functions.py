"""A surface codec's decoder in TensorFlow, from its bundle, exact to the bit.

The range coder, which needs the distances as well, stays outside: it gives the steps that are
coded. All numbers are whole and below 2^24, or digits (`export.digits`), so that float32 is exact.

========  ================================================  ====================================
function  inputs                                            output
========  ================================================  ====================================
decode    ``steps`` int32 [B, X, Y, Z], coded ones, 0       ``values`` float32 [B, X, Y, Z, 1],
          where none are; ``step`` int32 [B], their size    distances in cells
          in 256ths of a cell; ``coarsest`` int32 [B],
          the logarithm of how far the first places are
          apart
========  ================================================  ====================================
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from mscn_tf.export import digits
from mscn_tf.export.float_functions import FloatFunctions, check_size, traced
from mscn_tf.export.grid_places import spread_out
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.digits import BASE
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.grids import axis_names
from mscn_tf.runtime.surface_pyramid import (
    BASE_STEP,
    CELL,
    CLASSES,
    COARSEST,
    FAR,
    LARGEST_DISTANCE,
    LOOKED_AT,
    OFFSETS,
)
from mscn_tf.runtime.surfaces import Surfaces

_AXES = 3
_POWERS = 2 ** np.arange(COARSEST + 1, dtype=np.int32)


class SurfaceFunctions(FloatFunctions):
    """The function of the table above, of dynamic batch and size.

    Args:
      bundle: of a surface codec.
      size: samples along each axis; then for one grid of that size, so that all shapes are fixed.

    Raises:
      MscnError: the bundle lacks something, its filters aren't exact in float32, or the size has
        another number of axes.
    """

    def __init__(self, bundle: Bundle, size: Sequence[int] | None = None):
        filters = Surfaces(bundle).pyramid.filters
        if np.abs(filters).sum(2).max() * digits.SMALL >= 2**24:
            raise MscnError(f"bundle {bundle.name}: its filters aren't exact in float32")
        self._filters = filters.astype(np.float32)
        self.axes, self.holder = axis_names(_AXES), tf.Module()
        check_size(size, _AXES, "solid", "WIDTHxHEIGHTxDEPTH")
        batch, sides = (1, list(size)) if size else (None, [None] * _AXES)
        names = {"steps": [batch, *sides], "step": [batch], "coarsest": [batch]}
        signature = (tf.TensorSpec(shape, tf.int32, name) for name, shape in names.items())
        self.functions = {"decode": traced(self._decode, *signature)}

    def _decode(
        self, steps: tf.Tensor, step: tf.Tensor, coarsest: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        coded, size = (tf.cast(given, tf.float32) for given in (steps, step))
        sides = tf.unstack(tf.shape(steps))[1:]
        first = _clipped(coded * (BASE_STEP * size)[:, None, None, None])
        apart = tf.gather(_POWERS, coarsest)[:, None]
        for axis, side in enumerate(sides):
            there = tf.cast(tf.equal(tf.range(side) % apart, 0), tf.float32)
            first *= tf.reshape(there, [-1, *(side if i == axis else 1 for i in range(_AXES))])

        def next_level(exponent: tf.Tensor, values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            filters = tf.gather(self._filters, tf.minimum(exponent, CLASSES - 1))
            known = tf.cast(exponent < coarsest, tf.float32)[:, None]
            for axis in range(_AXES):
                level = _Pass(sides, tf.gather(_POWERS, exponent), axis)
                found = _found(level, filters[axis], values, coded, size[:, None])
                values += level.placed(found * known)
            values.set_shape(first.shape)
            return exponent - 1, values

        start = (tf.constant(COARSEST - 1), first)
        _, values = tf.while_loop(lambda exponent, _: exponent >= 0, next_level, start)
        return {"values": tf.expand_dims(values * (1 / CELL), -1)}


class _Pass:
    """Places of a pass of a level, and of some that lie beyond its sides, which are dropped."""

    def __init__(self, sides: Sequence[tf.Tensor], apart: tf.Tensor, axis: int):
        self._sides, self.apart, self.axis = sides, apart, axis
        self._ends = [(side - 1) // apart for side in sides]
        self._strides = [1 if other < axis else 2 for other in range(_AXES)]
        self._counts = [end // stride + 1 for end, stride in zip(self._ends, self._strides)]
        self._own = [
            stride * tf.range(count) + int(other == axis)
            for other, (stride, count) in enumerate(zip(self._strides, self._counts))
        ]

    def neighbours(self, grids: tf.Tensor) -> tf.Tensor:
        """[B, P, n]: what grids [B, X, Y, Z] have around places, mirrored at their borders."""
        ways = np.array(OFFSETS[self.axis], np.int32).T
        at = []
        for own, way, end in zip(self._own, ways, self._ends):
            turned = tf.abs(own[:, None] + way)
            at.append(tf.maximum(end - tf.abs(end - turned), 0))
        x, y, z = at[0][:, None, None], at[1][None, :, None], at[2][None, None]
        return self._taken(grids, x, y, z, [-1, ways.shape[1]])

    def own(self, grids: tf.Tensor) -> tf.Tensor:
        """[B, P]: what grids [B, X, Y, Z] have at the places themselves."""
        x, y, z = (tf.minimum(own, end) for own, end in zip(self._own, self._ends))
        return self._taken(grids, x[:, None, None], y[None, :, None], z[None, None], [-1])

    def placed(self, values: tf.Tensor) -> tf.Tensor:
        """[B, X, Y, Z] with values [B, P] at the places, else 0."""
        values = tf.reshape(values, [-1, *self._counts])
        starts = [self.apart * int(axis == self.axis) for axis in range(_AXES)]
        return spread_out(values, self._sides, starts, [self.apart * s for s in self._strides])

    def _taken(
        self, grids: tf.Tensor, x: tf.Tensor, y: tf.Tensor, z: tf.Tensor, shape: list[int]
    ) -> tf.Tensor:
        _, rows, columns = self._sides
        places = tf.reshape(((x * rows + y) * columns + z) * self.apart, shape)
        flat = tf.reshape(grids, [-1, self._sides[0] * rows * columns])
        return tf.gather(flat, places, axis=1)


def _found(
    level: _Pass, filters: tf.Tensor, values: tf.Tensor, coded: tf.Tensor, size: tf.Tensor
) -> tf.Tensor:
    """[B, P]: values of a pass, of those that are known and of steps of a size [B, 1]."""
    known, apart = level.neighbours(values), tf.cast(level.apart, tf.float32)
    higher = tf.floor(known * (1 / BASE) + 0.5)
    both = tf.stack([known - BASE * higher, higher])
    sums = tf.reduce_sum(both * filters[: known.shape[-1]], -1)
    predicted = _clipped(digits.about(digits.scaled(sums, 1.0)))
    mean = tf.floor((known[..., 0] + known[..., 1]) * 0.5)
    close = (tf.abs(mean) < LOOKED_AT * CELL * apart) | (level.apart > FAR)
    beyond = tf.maximum(tf.abs(predicted) - CELL, 0.0)
    cells = tf.floor(beyond * (1 / CELL))
    size += size * cells + tf.floor(size * (beyond - CELL * cells) * (1 / CELL))
    return _clipped(tf.where(close, predicted, mean) + level.own(coded) * size)


def _clipped(values: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(values, -float(LARGEST_DISTANCE), float(LARGEST_DISTANCE))
