"""The sine of a SIREN's layers, whose derivatives of any order share one sine and one cosine."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

# Below that, and for shapes that a graph doesn't know, compiling costs more than it saves.
_COMPILED_SIZE = 2**16
# pi in parts, so that small multiples of the first two are exact (Cody and Waite 1980).
_PI = (3.140625, 9.67502593994140625e-4, 1.509957990978376432e-7)
# (sin(r) - r) / r^3 and (cos(r) - 1) / r^2 as polynomials in r^2, fitted for |r| <= pi / 2 by least
# squares at Chebyshev nodes: off by less than 1e-8.
_SINE = (-0.1666666567325592, 0.008333242498338223, -1.9822725153062493e-4, 2.634696784298285e-6)
_COSINE = (
    -0.5,
    0.0416666604578495,
    -0.0013888651737943292,
    2.47745501837926e-5,
    -2.6296754640497966e-7,
)

Gradient = Callable[[tf.Tensor], Any]


def sine(x: tf.Tensor, shift: tf.Tensor, training: bool | None = None) -> tf.Tensor:
    """``sin(x + shift)``, to 1.5e-7 in float32, of any shapes that broadcast.

    TensorFlow's own derivatives have control dependencies that keep a graph from seeing that they
    need the same sines and cosines. And on a CPU its sine takes several times as long as reading
    and writing the numbers does; so large float32 tensors of a graph go through one loop for the
    sum and both, which XLA compiles for the processor that it runs on.

    Args:
      x: one summand.
      shift: the other.
      training: False says that derivatives aren't expected: they are the same, but take longer,
        and the sines alone less long.
    """
    if _is_compiled(x, shift):
        return _compiled(x, shift, with_cosines=training is not False)
    return _sine(x + shift)


@tf.custom_gradient
def _sine(x: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
    return tf.sin(x), lambda gradient: gradient * _cosine(x)


@tf.custom_gradient
def _cosine(x: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
    return tf.cos(x), lambda gradient: -gradient * _sine(x)


def _is_compiled(x: tf.Tensor, shift: tf.Tensor) -> bool:
    return (
        not tf.executing_eagerly()
        and x.dtype == tf.float32
        and (tf.broadcast_static_shape(x.shape, shift.shape).num_elements() or 0) >= _COMPILED_SIZE
        and not tf.config.list_physical_devices("GPU")
    )


def _compiled(x: tf.Tensor, shift: tf.Tensor, with_cosines: bool) -> tf.Tensor:
    # Without the stops, a tape would make the compiled function return all that is in between.
    stopped = tf.stop_gradient(x), tf.stop_gradient(shift)
    both = sines_and_cosines(*stopped) if with_cosines else (sines(*stopped), None)

    def of_each(gradient: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return _sum_to(gradient, x.shape), _sum_to(gradient, shift.shape)

    @tf.custom_gradient
    def of_sine(x: tf.Tensor, shift: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        return both[0], lambda gradient: of_each(gradient * of_cosine(x, shift))

    @tf.custom_gradient
    def of_cosine(x: tf.Tensor, shift: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        cosines = both[1] if with_cosines else sines_and_cosines(*stopped)[1]
        return cosines, lambda gradient: of_each(-gradient * of_sine(x, shift))

    return of_sine(x, shift)


def _sum_to(x: tf.Tensor, shape: tf.TensorShape) -> tf.Tensor:
    """The transpose of broadcasting from a shape."""
    sizes = [1] * (x.shape.rank - shape.rank) + shape.as_list()
    axes = [axis for axis, size in enumerate(sizes) if size != x.shape[axis]]
    return tf.reshape(tf.reduce_sum(x, axes), shape) if axes else x


@tf.function(jit_compile=True, autograph=False)
def sines_and_cosines(x: tf.Tensor, shift: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Both of float32 sums, each to 1.5e-7 for sums up to 10^4, in one loop."""
    x = x + shift
    half_turns = tf.round(x * (1 / math.pi))
    for part in _PI:
        x -= half_turns * part
    sign = 1 - 2 * tf.abs(half_turns - 2 * tf.round(half_turns / 2))  # -1 where they are odd
    square = x * x
    sines = x + x * square * _polynomial(_SINE, square)
    return sign * sines, sign * (1 + square * _polynomial(_COSINE, square))


@tf.function(jit_compile=True, autograph=False)
def sines(x: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
    """The first of `sines_and_cosines`; the compiler leaves the others out."""
    return sines_and_cosines(x, shift)[0]


def _polynomial(coefficients: tuple[float, ...], x: tf.Tensor) -> tf.Tensor:
    value = tf.fill(tf.shape(x), coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = value * x + coefficient
    return value
