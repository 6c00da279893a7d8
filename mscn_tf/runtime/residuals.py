"""Residuals: what brings every decoded value within a bound of the original.

As error-bounded compressors of scientific data do (Di & Cappello 2016, SZ): the difference from
the prediction, here the decoded signal, in whole steps of a little under twice the bound. They are
coded with the codec's own frequency tables, chosen by the sizes in the two rows before.
docs/format.md says all that a second decoder needs.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

import numpy as np

from mscn_tf.runtime import tables
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.tables import LARGEST_SYMBOL, Tables

_HEAD = struct.Struct("<dB")
_SHORT_ROW = 256  # samples of a row, where a signal has one axis
_ABOVE, _FURTHER = 3, 2  # reach of the context to both sides in the two rows before
_LARGEST_MAGNITUDE = 2**16  # that contexts tell apart
_UNIT = tables.FREQUENCY_BITS
_HALVINGS = 60


def _rows(shape: Sequence[int]) -> tuple[int, int]:
    """Length of a row of values, and distance between neighbours of one channel."""
    *axes, channels = shape
    return (axes[-1] if len(axes) > 1 else _SHORT_ROW) * channels, channels


class _Contexts:
    """Tables for the values of one row after the other.

    Args:
      frequency_tables: T tables.
      first: the table that a signal's values have on average.
      length: values of a row.
      apart: distance between neighbours.
    """

    def __init__(self, frequency_tables: Tables, first: int, length: int, apart: int):
        # Means of sizes in units of 2^-16: whole numbers, below 2^53 and so exact.
        means = frequency_tables.mean(np.arange(_LARGEST_MAGNITUDE)) * 2.0**_UNIT
        self._means = np.maximum.accumulate(np.rint(means).astype(np.int64))
        self._first, self._apart = int(self._means[first]), apart
        self._above = np.zeros(length, np.int64)
        self._further = np.zeros(length, np.int64)

    def __call__(self, length: int) -> np.ndarray:
        """int64 [length]: tables of the next row's values."""
        near = self._window(self._above, _ABOVE) + self._window(self._further, _FURTHER)
        terms = 2 * (_ABOVE + _FURTHER + 1)
        row = (int(self._above.sum()) << _UNIT) // len(self._above)
        expected = (2 * ((near << _UNIT) // terms) + row + self._first) // 4
        return np.minimum(np.searchsorted(self._means, expected), len(self._means) - 1)[:length]

    def _window(self, row: np.ndarray, reach: int) -> np.ndarray:
        wide = np.pad(row, reach * self._apart)
        starts = self._apart * np.arange(2 * reach + 1)
        return sum((wide[start : start + len(row)] for start in starts), np.zeros_like(row))

    def add(self, row: np.ndarray) -> None:
        """Makes a row known."""
        size = np.zeros_like(self._above)
        size[: len(row)] = np.minimum(np.abs(row.astype(np.int64)), _LARGEST_MAGNITUDE)
        self._above, self._further = size, self._above


def nearest_table(frequency_tables: Tables, size: float) -> int:
    """The table whose symbols have about this size on average."""
    means = np.maximum.accumulate(frequency_tables.mean(np.arange(_LARGEST_MAGNITUDE)))
    return min(int(np.searchsorted(means, size)), frequency_tables.count - 1, 255)


def corrected(decoded: np.ndarray, steps: np.ndarray, step: float) -> np.ndarray:
    """Decoded values moved by whole numbers of steps, in their own type."""
    with np.errstate(over="ignore"):  # numbers of a damaged file may be of any size
        values = decoded.astype(np.float64) + steps * step
    if decoded.dtype.kind in "iu":
        limits = np.iinfo(decoded.dtype)
        values = np.clip(values, limits.min, limits.max)
    with np.errstate(over="ignore"):
        return values.astype(decoded.dtype)


def encode(
    frequency_tables: Tables, original: np.ndarray, decoded: np.ndarray, bound: float
) -> bytes:
    """The payload with which no value is off by more than a bound; none where it needs none.

    Args:
      frequency_tables: of the codec.
      original: ``[.., C]``, whole or floating-point numbers.
      decoded: likewise, of the same type.
      bound: more than 0.

    Raises:
      MscnError: the signal is too far off for so small a bound.
    """
    if largest_error(original, decoded) <= bound:
        return b""
    step, steps = _quantised(original, decoded, bound)
    length, apart = _rows(original.shape)
    first = nearest_table(frequency_tables, float(np.abs(steps).mean()))
    contexts = _Contexts(frequency_tables, first, length, apart)
    flat, index, group = steps.ravel(), [], []
    for number, at in enumerate(range(0, flat.size, length)):
        row = flat[at : at + length]
        index.append(contexts(len(row)))
        group.append(number * frequency_tables.count + index[-1])
        contexts.add(row)
    encoder = tables.RangeEncoder()
    frequency_tables.encode(encoder, flat, np.concatenate(index), np.concatenate(group))
    return _HEAD.pack(step, first) + tables.seal(encoder)


def decode(
    frequency_tables: Tables, payload: bytes, shape: Sequence[int]
) -> tuple[float, np.ndarray]:
    """What ``encode`` coded: the step, and int32 ``[.., C]`` of how many.

    Args:
      frequency_tables: of the codec.
      payload: not empty.
      shape: of the signal, with channels.

    Raises:
      MscnError: the payload is damaged.
    """
    if len(payload) < _HEAD.size:
        raise MscnError("the residual is cut short; get a fresh copy")
    step, first = _HEAD.unpack_from(payload)
    if not 0 < step < math.inf or first >= frequency_tables.count:
        raise MscnError("the residual is damaged; get a fresh copy")
    length, apart = _rows(shape)
    contexts = _Contexts(frequency_tables, first, length, apart)
    decoder = tables.unseal(payload[_HEAD.size :])
    flat = np.empty(math.prod(shape), np.int32)
    for at in range(0, flat.size, length):
        row = flat[at : at + length]
        row[:] = frequency_tables.decode(decoder, contexts(len(row)))
        contexts.add(row)
    return step, flat.reshape(shape)


def largest_error(original: np.ndarray, values: np.ndarray) -> float:
    """The largest difference of two arrays of one shape."""
    if original.dtype == values.dtype and original.dtype in (np.int64, np.uint64):
        apart = np.where(original > values, original - values, values - original)
        return float(apart.view(np.uint64).max())  # which float64 doesn't tell
    return float(np.abs(original.astype(np.float64) - values.astype(np.float64)).max())


def _quantised(original: np.ndarray, decoded: np.ndarray, bound: float) -> tuple[float, np.ndarray]:
    """The widest step found that keeps the bound, and int32 numbers of steps."""
    difference = original.astype(np.float64) - decoded.astype(np.float64)
    if original.dtype.kind in "iu":
        step = 2.0 * math.floor(bound) + 1.0
    else:
        # Room for rounding to the type, once here and once in another machine's decoding.
        spacing = float(np.spacing(np.abs(original).max()))
        step = 2.0 * (bound - spacing) if bound > 4 * spacing else max(bound, spacing / 2)
    for _ in range(_HALVINGS):
        steps = np.rint(difference / step)
        if np.abs(steps).max() > LARGEST_SYMBOL:
            break
        steps = steps.astype(np.int32)
        if largest_error(original, corrected(decoded, steps, step)) <= bound:
            return step, steps
        step /= 2
    raise MscnError(f"max_error={bound:g} is too small for values of this size; raise it")
