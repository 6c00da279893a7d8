"""Exact planes of volumes: an interpolation codec codes slices, each from the one before.

Whole numbers come back as they were, other numbers within a bound. Some slices at a time stand by
themselves, so that threads share the work. docs/format.md says all that a second decoder needs.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from mscn_tf.runtime.exact_grids import ID_BYTES, coder_of, own_id
from mscn_tf.runtime.input import Input, varint
from mscn_tf.runtime.workers import Workers

TOGETHER = 16  # slices of a series
_HEAD = struct.Struct("<dff")
_AT_ONCE = 4  # series
_SAMPLE = 8  # slices that show what others take
_MOST_STEPS = 2.0**23  # from the first value to any other, that networks have room for


def suit(values: np.ndarray, bound: float) -> bool:
    """Whether a plane ``[.., C]`` can be coded so within a bound; 0 is without loss."""
    if values.dtype != np.float32 or values.ndim != 4 or values.shape[-1] != 1:
        return False
    step, span = _step(values, bound), float(np.ptp(values))
    if not (step > 0 and span <= _MOST_STEPS * step):
        return False
    return bound > 0 or bool((values == np.rint(values)).all())


def sample(values: np.ndarray) -> np.ndarray:
    """The middle of a plane ``[D, H, W, 1]``."""
    first = max(0, len(values) - _SAMPLE) // 2
    return values[first : first + _SAMPLE]


def encode(values: np.ndarray, threads: int = 1, bound: float = 0) -> bytes:
    """The payload of a plane that suits, behind its form.

    Args:
      values: float32 ``[D, H, W, 1]``.
      threads: that share the work.
      bound: no value may be off by more; 0 of whole numbers alone.
    """
    coder, first, step = coder_of(own_id()), values.flat[0], _step(values, bound)

    def coded(start: int) -> bytes:
        part = values[start : start + TOGETHER, ..., 0].astype(np.float64) - float(first)
        series = coder.encode_series(part, float(step))
        return varint(len(series)) + series

    with Workers(min(threads, _AT_ONCE)) as workers:
        parts = workers.in_order(coded, range(0, len(values), TOGETHER))
        return own_id() + _HEAD.pack(bound, first, step) + b"".join(parts)


def decode(reader: Input, shape: Sequence[int], threads: int = 1) -> np.ndarray:
    """float32 ``[D, H, W, 1]``: what ``encode`` coded.

    Raises:
      MscnError: the payload is damaged, or its networks are not here.
    """
    coder = coder_of(reader.take(ID_BYTES))
    bound, first, step = _HEAD.unpack(reader.take(_HEAD.size))
    if len(shape) != 4 or shape[-1] != 1 or not np.isfinite([bound, first, step]).all():
        raise reader.damaged("slices")
    if not (step > 0 and bound >= 0):
        raise reader.damaged(f"a step of {step:g} within {bound:g}")
    starts = range(0, shape[0], TOGETHER)
    series = [reader.take(reader.varint()) for _ in starts]
    if reader.left:
        raise reader.damaged("bytes left over")
    out = np.empty(shape, np.float32)

    def fill(number: int) -> None:
        part = out[starts[number] : starts[number] + TOGETHER, ..., 0]
        values = first + coder.decode_series(series[number], part.shape, step)
        part[:] = values if bound else np.ceil(values - 0.5)

    with Workers(min(threads, _AT_ONCE)) as workers, np.errstate(over="ignore"):
        for _ in workers.in_order(fill, range(len(starts))):
            pass
    return out


def bound_of(payload: bytes) -> float:
    """The bound that a payload was made with."""
    start = ID_BYTES + _HEAD.size
    return float(_HEAD.unpack(payload[ID_BYTES:start])[0]) if len(payload) >= start else 0.0


def _step(values: np.ndarray, bound: float) -> np.float32:
    if not bound:
        return np.float32(1)
    return coder_of(own_id()).step_within(bound, float(np.abs(values).max()))
