"""Signals as values at points: what the inner loop fits, of grids and of any other points."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf


def samples(
    signals: tf.Tensor,
    coordinates: tf.Tensor | None,
    axes: int,
    channels: int,
    dtype: str = "float32",
) -> tuple[tf.Tensor, tf.Tensor]:
    """The values of signals, and the points that they're at.

    Args:
      signals: ``[B, N, C]`` with coordinates; without, on a grid of as many axes, outermost first,
        ``[B, N1, .., Nd, C]``.
      coordinates: ``[N, d]``, the same for all signals.
      axes: d.
      channels: C.
      dtype: of what is returned.

    Returns:
      Values ``[B, N, C]`` and coordinates ``[N, d]``; those of grids are the centres of cells that
      divide [-1, 1] along each axis.

    Raises:
      ValueError: these are other shapes, or signals are whole numbers.
    """
    signals = tf.convert_to_tensor(signals)
    if not signals.dtype.is_floating:
        raise ValueError(
            f"signals must be floats in [0, 1], not {signals.dtype.name}; divide 8-bit ones by 255"
        )
    signals = tf.cast(signals, dtype)
    if coordinates is not None:
        coordinates = tf.cast(coordinates, dtype)
        of_points = tf.TensorShape([signals.shape[1] if signals.shape.rank == 3 else None, axes])
        if not (_fits(signals, [None, None, channels]) and _fits(coordinates, of_points)):
            raise ValueError(
                f"signals at coordinates must be [B, N, {channels}] at [N, {axes}], the same for "
                f"all signals, not {signals.shape} at {coordinates.shape}; there are no targets"
            )
        return signals, coordinates
    if not _fits(signals, [None, *[None] * axes, channels]):
        named = ", ".join(f"N{axis + 1}" for axis in range(axes))
        raise ValueError(
            f"signals without coordinates must be on a grid, [B, {named}, {channels}], "
            f"not {signals.shape}"
        )
    dynamic = tf.shape(signals)
    edges = [size or dynamic[1 + axis] for axis, size in enumerate(signals.shape[1:-1])]
    values = tf.reshape(signals, [dynamic[0], -1, channels])
    return values, grid_coordinates(edges, signals.dtype)


def grid_coordinates(edges: Sequence[int | tf.Tensor], dtype: tf.DType = tf.float32) -> tf.Tensor:
    """``[N, d]``: centres of a grid's cells, the last axis the fastest.

    Args:
      edges: number of cells along each axis, which together fill [-1, 1].
      dtype: of the coordinates.
    """
    centres = [(tf.range(edge, dtype=dtype) + 0.5) * 2 / tf.cast(edge, dtype) - 1 for edge in edges]
    return tf.reshape(tf.stack(tf.meshgrid(*centres, indexing="ij"), -1), [-1, len(edges)])


def _fits(tensor: tf.Tensor, shape: Sequence[int | None] | tf.TensorShape) -> bool:
    return tensor.shape.is_compatible_with(shape)
