"""Signals in other sizes, where their samples are all that is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

_TOGETHER = 2**18  # values that are averaged at once
_REACH = 2  # samples to each side that cubic convolution sees


def cubic(values: np.ndarray, positions: np.ndarray, axis: int) -> np.ndarray:
    """Interpolates along an axis by cubic convolution (Keys 1981); edges repeat.

    Args:
      values: real numbers, of any shape.
      positions: float64 [n], sample i being at i.
      axis: along which the result has n values.
    """
    lower = np.floor(positions)
    if np.array_equal(lower, positions):
        if np.array_equal(positions, np.arange(values.shape[axis])):
            return values
        return np.take(values, lower.astype(np.int64), axis)
    t = positions - lower
    weights = (
        ((-0.5 * t + 1) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1,
        ((-1.5 * t + 2) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    )
    total = np.zeros(())
    for number, weight in enumerate(weights):
        at = np.clip(lower.astype(np.int64) + number - 1, 0, values.shape[axis] - 1)
        total = total + np.take(values, at, axis) * np.expand_dims(
            weight, tuple(other for other in range(values.ndim) if other != axis)
        )
    return total


def means(values: np.ndarray, out: int, axis: int) -> np.ndarray:
    """Means over ``out`` equal parts of an axis, samples on an edge counting in part."""
    values = np.moveaxis(values, axis, 0)
    count, parts = len(values), np.empty((out, *values.shape[1:]))
    few = max(1, _TOGETHER * out // values.size)
    for first in range(0, out, few):
        last = min(first + few, out)
        low, high = first * count // out, -(-last * count // out)
        part = values[low:high].astype(np.float64)
        sums = np.concatenate((np.zeros_like(part[:1]), np.cumsum(part, axis=0)))
        edges = np.arange(first, last + 1) * count / out - low
        whole = np.minimum(edges.astype(np.int64), len(part) - 1)
        share = (edges - whole).reshape([-1] + [1] * (values.ndim - 1))
        parts[first:last] = np.diff(sums[whole] + share * part[whole], axis=0) / (count / out)
    return np.moveaxis(parts, 0, axis)


def resized(
    values: np.ndarray, start: Sequence[int], extent: Sequence[int], shape: Sequence[int]
) -> np.ndarray:
    """A part of a signal in another size, in its own type.

    Along an axis that shrinks values are means of those that they cover; along one that grows they
    are interpolated by cubic convolution. Truth values are true where that is at least a half.

    Args:
      values: ``[.., C]``.
      start: first sample of the part along each axis.
      extent: samples of the part along each axis.
      shape: samples of the result along each axis.
    """
    part = values
    with np.errstate(over="ignore", invalid="ignore"):  # numbers of a strange file may be any
        for axis, (first, count, out) in enumerate(zip(start, extent, shape)):
            margin = _REACH if out > count else 0
            low, high = max(first - margin, 0), min(first + count + margin, values.shape[axis])
            part = part[(slice(None),) * axis + (slice(low, high),)]
            if out < count:
                part = means(part, out, axis)
            elif out > count:
                positions = first - low + (np.arange(out) + 0.5) * (count / out) - 0.5
                part = cubic(part.astype(np.float64), positions, axis)
        return part if part.dtype == values.dtype else _typed(part, values.dtype)


def _typed(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype.kind == "b":
        return values >= 0.5
    if dtype.kind == "f":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    return np.rint(np.clip(values, limits.min, limits.max)).astype(dtype)


def slices_of_rows(height: int, width: int, samples: int, step: int = 1) -> Iterator[slice]:
    """Rows one part after the other, of about so many samples each, a multiple of ``step``."""
    rows = max(step, samples // width // step * step)
    return (slice(top, min(top + rows, height)) for top in range(0, height, rows))
