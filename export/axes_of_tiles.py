"""Positions along an axis of overlapping tiles, in a fixed number of TensorFlow's operations."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf


class AxisOfTiles(NamedTuple):
    """Positions along an axis of tiles.

    Attributes:
      tiles: int32 ``[T]``, the tiles that are needed.
      coordinates: float32 ``[T, P]``, of each the P points from the first position it covers.
      parts: for each tile that may cover a position, int32 ``[n]``, place among the T * P points,
        and float32 ``[n]``, what it counts; None: all.
    """

    tiles: tf.Tensor
    coordinates: tf.Tensor
    parts: list[tuple[tf.Tensor, tf.Tensor | None]]


def axis_of_tiles(u: tf.Tensor, count: tf.Tensor, edge: int, overlap: int) -> AxisOfTiles:
    """As `mscn_tf.runtime.tiles` cuts an axis, in a fixed number of operations.

    Args:
      u: float64 ``[n]``, rising positions.
      count: int32 ``[]``, tiles along the axis.
    """
    stride = edge - overlap
    covering = -(-edge // stride)  # tiles that may share a position
    nearest = tf.minimum(tf.cast(tf.floor(u / stride), tf.int32), count - 1)
    first = tf.maximum(nearest[0] - (covering - 1), 0)
    tiles = tf.range(first, nearest[-1] + 1)
    origin = tf.cast(tiles * stride, tf.float64)
    begins = tf.reduce_sum(tf.cast(u[None] < origin[:, None], tf.int32), 1)
    ends = tf.reduce_sum(tf.cast(u[None] < origin[:, None] + edge, tf.int32), 1)
    points = tf.reduce_max(ends - begins)
    at = tf.minimum(begins[:, None] + tf.range(points), tf.size(u) - 1)
    coordinates = 2.0 * (tf.gather(u, at) - origin[:, None]) / edge - 1.0
    parts = []
    for back in range(covering):
        tile = tf.maximum(nearest - back, first)
        within = u - tf.cast(tile * stride, tf.float64)
        place = tf.range(tf.size(u)) - tf.gather(begins, tile - first)
        place = (tile - first) * points + tf.clip_by_value(place, 0, points - 1)
        share = None
        if overlap:  # from one tile to the next in a straight line
            rise = tf.clip_by_value(within / overlap, 0.0, 1.0)
            fall = 1.0 - tf.clip_by_value((within - stride) / overlap, 0.0, 1.0)
            share = tf.where(tile > 0, rise, 1.0) * tf.where(tile < count - 1, fall, 1.0)
            share = tf.cast(tf.where(nearest - back >= first, share, 0.0), tf.float32)
        parts.append((place, share))
    return AxisOfTiles(tiles, tf.cast(coordinates, tf.float32), parts)


def positions(start: tf.Tensor, extent: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """float64 ``[count]``: centres of equal parts of ``[start, start + extent)``."""
    middles = tf.cast(tf.range(count), tf.float64) + 0.5
    return start + middles * (extent / tf.cast(count, tf.float64))
