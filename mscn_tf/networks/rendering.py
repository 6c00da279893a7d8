"""Volume rendering of radiance fields (NeRF, Mildenhall et al. 2020, sections 4 and 5.2)."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mscn_tf.stack.compression import lower_bound
from mscn_tf.stack.keras_versions import Layer


@keras.saving.register_keras_serializable(package="mscn_tf")
class StratifiedSampling(Layer):
    """Depths along rays, one at a random place of each of equal parts (eq. 2).

    Args:
      count: depths a ray.
    """

    def __init__(self, count: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.count = count

    def call(self, near: tf.Tensor, far: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Rising depths ``[N, count]``.

        Args:
          near: ``[N]``, where each ray enters.
          far: ``[N]``, where it leaves.
          seed: int32 ``[2]``.
        """
        shape = [tf.shape(near)[0], self.count]
        place = tf.random.stateless_uniform(shape, seed, dtype=near.dtype)
        share = (tf.range(self.count, dtype=near.dtype) + place) / self.count
        return near[:, None] + (far - near)[:, None] * share

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "count": self.count}


@keras.saving.register_keras_serializable(package="mscn_tf")
class ImportanceSampling(Layer):
    """Further depths where a coarse pass found weight, by inverting its distribution (eq. 5).

    Args:
      count: depths a ray.
    """

    def __init__(self, count: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.count = count

    def call(self, depths: tf.Tensor, weights: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Depths ``[N, count]``, rising.

        Args:
          depths: ``[N, S]``, rising; intervals between them are drawn from.
          weights: ``[N, S]`` of the coarse pass; each interval has the mean of its ends'.
          seed: int32 ``[2]``.
        """
        mass = 0.5 * (weights[:, 1:] + weights[:, :-1]) + 1e-5
        mass /= tf.reduce_sum(mass, 1, keepdims=True)
        total = tf.pad(tf.cumsum(mass, 1), [[0, 0], [1, 0]])
        shape = [tf.shape(depths)[0], self.count]
        place = tf.random.stateless_uniform(shape, seed, dtype=depths.dtype)
        wanted = (tf.range(self.count, dtype=depths.dtype) + place) / self.count
        above = tf.searchsorted(total, wanted, side="right")
        above = tf.clip_by_value(above, 1, tf.shape(total)[1] - 1)

        def of(values: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
            return tf.gather(values, index, batch_dims=1)

        low, high = of(total, above - 1), of(total, above)
        share = tf.clip_by_value((wanted - low) / (high - low), 0.0, 1.0)
        start, stop = of(depths, above - 1), of(depths, above)
        return tf.stop_gradient(start + share * (stop - start))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "count": self.count}


@keras.saving.register_keras_serializable(package="mscn_tf")
class VolumeRendering(Layer):
    """Colours and opacities of samples along rays to those of pixels (eq. 3)."""

    def call(
        self, density: tf.Tensor, colour: tf.Tensor, depths: tf.Tensor, far: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Premultiplied RGBA ``[N, 4]`` and each sample's weight ``[N, S]``.

        Args:
          density: ``[N, S]``, per unit of depth, at least 0.
          colour: ``[N, S, 3]``.
          depths: ``[N, S]``, rising.
          far: ``[N]``, where the ray leaves: the end of its last interval.
        """
        lengths = tf.concat([depths[:, 1:], far[:, None]], 1) - depths
        absorbed = density * tf.maximum(lengths, 0.0)
        through = tf.exp(-tf.cumsum(absorbed, 1, exclusive=True))
        weights = through * (1.0 - tf.exp(-absorbed))
        rgb = tf.reduce_sum(weights[..., None] * colour, 1)
        return tf.concat([rgb, tf.reduce_sum(weights, 1, keepdims=True)], 1), weights


@keras.saving.register_keras_serializable(package="mscn_tf")
class RadianceGrid(Layer):
    """Density and colour on a regular grid over the cube [-1, 1]^3, trilinear between its points.

    The density is ``density_scale`` times the first channel where that is above zero; surfaces,
    where it changes sign, lie between grid points. Outside the outer points the nearest counts.

    Args:
      resolution: points along each axis, at the centres of equal cells.
      density_scale: density, per unit of length, of a first channel of 1.
      refills: gradients reach points below zero where they would raise them. Without it what is
        empty stays empty, and all could end so; with it a thin fog stays.
    """

    def __init__(
        self, resolution: int, density_scale: float = 100.0, refills: bool = True, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.resolution = resolution
        self.density_scale = density_scale
        self.refills = refills

    def build(self, input_shape: Any) -> None:
        start = np.array([0.02, 0.5, 0.5, 0.5], np.float32)
        self.grid = self.add_weight(
            name="grid",
            shape=[self.resolution] * 3 + [4],
            initializer=lambda shape, dtype: tf.constant(np.broadcast_to(start, shape), dtype),
        )
        super().build(input_shape)

    def call(self, points: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """``[.., 3]`` to densities ``[..]`` and colours ``[.., 3]``."""
        flat = tf.reshape(points, [-1, 3])
        last = self.resolution - 1
        place = tf.clip_by_value(0.5 * (flat + 1) * self.resolution - 0.5, 0.0, float(last))
        low = tf.minimum(tf.cast(place, tf.int32), last - 1)
        share = place - tf.cast(low, place.dtype)
        steps = np.array([self.resolution**2, self.resolution, 1], np.int32)
        base = tf.reduce_sum(low * steps, 1)
        values = tf.reshape(self.grid, [-1, 4])
        total = 0.0
        for corner in np.ndindex(2, 2, 2):
            each = tf.where(np.array(corner, bool), share, 1.0 - share)
            weight = tf.reduce_prod(each, 1, keepdims=True)
            total += weight * tf.gather(values, base + int(np.dot(corner, steps)))
        total = tf.reshape(total, tf.concat([tf.shape(points)[:-1], [4]], 0))
        bounded = lower_bound if self.refills else tf.maximum
        density = self.density_scale * bounded(total[..., 0], 0.0)
        return density, tf.clip_by_value(total[..., 1:], 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        config = {
            "resolution": self.resolution,
            "density_scale": self.density_scale,
            "refills": self.refills,
        }
        return {**super().get_config(), **config}
