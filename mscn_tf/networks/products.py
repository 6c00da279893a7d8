"""Matrix products of hidden layers, whose precision training may choose."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

import tensorflow as tf

PRECISIONS = ("float32", "bfloat16")

_precision = ContextVar("precision", default="float32")


@contextlib.contextmanager
def precision(name: str) -> Iterator[None]:
    """Within it, float32 products are made as one of `PRECISIONS` says.

    With ``"bfloat16"`` factors are rounded to 8 bits, and so are those of the derivatives, and on
    processors without instructions for that the products' sums; sines, weights and everything else
    stay float32.
    """
    before = _precision.set(name)
    try:
        yield
    finally:
        _precision.reset(before)


def product(a: tf.Tensor, b: tf.Tensor, transpose_b: bool = False) -> tf.Tensor:
    """``a b`` or ``a b^T`` of matrices or batches of them, in their dtype.

    For values between layers alone: coordinates, shared weights of no hidden layer and codes need
    more than 8 bits.
    """
    if a.dtype != tf.float32 or _precision.get() == "float32":
        return tf.matmul(a, b, transpose_b=transpose_b)
    a, b = tf.cast(a, tf.bfloat16), tf.cast(b, tf.bfloat16)
    return tf.cast(tf.matmul(a, b, transpose_b=transpose_b), tf.float32)
