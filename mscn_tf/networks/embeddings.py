"""Coordinate embeddings: what a network sees of a coordinate instead of the coordinate itself."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mscn_tf.stack.keras_versions import Layer


def cosine_features(coordinates: tf.Tensor, frequencies: int, points: int) -> tf.Tensor:
    """Cosines ``cos(pi k (x + 1) / 2)``, orthonormal on the grid of ``points`` pixel centres.

    On that grid (``x = (2 n + 1) / points - 1``) this is the DCT-II; between and beyond its points
    it is the same function.

    Args:
      coordinates: ``[...]`` floating point, any real, nominally in [-1, 1].
      frequencies: how many cosines, k = 0 .. frequencies - 1.
      points: size of the grid on which the features are orthonormal.

    Returns:
      ``[..., frequencies]`` in the dtype of ``coordinates``.
    """
    k = np.arange(frequencies)
    scale = np.where(k == 0, 1.0, math.sqrt(2.0)) / math.sqrt(points)
    phase = tf.expand_dims(coordinates + 1.0, -1) * tf.constant(k * math.pi / 2, coordinates.dtype)
    # A sine, since every consumer of an exported decoder has one in every precision.
    return tf.sin(phase + math.pi / 2) * tf.constant(scale, coordinates.dtype)


class Embedding(Layer):
    """Maps coordinates ``[..., d]`` to features ``[..., output_size(d)]``, point by point."""

    def output_size(self, coordinate_size: int) -> int:
        """Number of features for coordinates of ``coordinate_size`` dimensions."""
        raise NotImplementedError


@keras.saving.register_keras_serializable(package="mscn_tf")
class SeparableCosines(Embedding):
    """Products over the axes of cosines, ``prod_a cos(pi k_a (x_a + 1) / 2)``, ``k_a < K``.

    Scaled to be orthonormal on the grid of ``K^d`` pixel centres, where it is the d-dimensional
    DCT-II. The features are in row-major order of ``(k_1, ..., k_d)``.

    Args:
      frequencies: K, the number of cosines along each axis, at least 1.
    """

    def __init__(self, frequencies: int, **kwargs: Any):
        super().__init__(**kwargs)
        _check_at_least(1, frequencies=frequencies)
        self.frequencies = frequencies

    def output_size(self, coordinate_size: int) -> int:
        return self.frequencies**coordinate_size

    def call(self, coordinates: tf.Tensor) -> tf.Tensor:
        """``[..., d]`` to ``[..., K^d]``."""
        per_axis = cosine_features(coordinates, self.frequencies, self.frequencies)
        features = per_axis[..., 0, :]
        for axis in range(1, coordinates.shape[-1]):
            products = features[..., :, None] * per_axis[..., axis, None, :]
            shape = tf.concat([tf.shape(coordinates)[:-1], [self.frequencies ** (axis + 1)]], 0)
            features = tf.reshape(products, shape)
        return tf.ensure_shape(features, [*coordinates.shape[:-1], features.shape[-1]])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "frequencies": self.frequencies}


@keras.saving.register_keras_serializable(package="mscn_tf")
class RandomFourierFeatures(Embedding):
    """``[cos(2 pi B x), sin(2 pi B x)]`` with a fixed Gaussian ``B`` (Tancik et al. 2020).

    ``B`` is a weight that isn't trained, so that it travels with the saved network.

    Args:
      features: size of the output, even: half cosines, half sines.
      scale: standard deviation of the entries of ``B``, in cycles per unit of the coordinates.
      seed: the same seed gives the same ``B``.

    Raises:
      ValueError: if ``features`` is odd or below 2.
    """

    def __init__(self, features: int, scale: float = 1.0, seed: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        _check_at_least(2, features=features)
        if features % 2:
            raise ValueError(f"features must be even (half cosines, half sines), not {features}")
        self.features = features
        self.scale = scale
        self.seed = seed

    def output_size(self, coordinate_size: int) -> int:
        return self.features

    def build(self, input_shape: Any) -> None:
        self.frequencies = self.add_weight(
            name="frequencies",
            shape=[input_shape[-1], self.features // 2],
            initializer=keras.initializers.RandomNormal(stddev=self.scale, seed=self.seed),
            trainable=False,
        )
        super().build(input_shape)

    def call(self, coordinates: tf.Tensor) -> tf.Tensor:
        """``[..., d]`` to ``[..., features]``."""
        phase = 2 * math.pi * tf.tensordot(coordinates, self.frequencies, 1)
        return tf.concat([tf.cos(phase), tf.sin(phase)], axis=-1)

    def get_config(self) -> dict[str, Any]:
        config = {"features": self.features, "scale": self.scale, "seed": self.seed}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable(package="mscn_tf")
class NerfFrequencies(Embedding):
    """``sin(2^k pi x), cos(2^k pi x)``, ``k < bands`` (NeRF, Mildenhall et al. 2020, eq. 4).

    The output holds, in this order: the coordinates (if included), then for each axis the sines of
    all bands, then for each axis the cosines of all bands.

    Args:
      bands: number of octaves, at least 1.
      include_input: whether the output starts with the coordinates themselves.
    """

    def __init__(self, bands: int, include_input: bool = True, **kwargs: Any):
        super().__init__(**kwargs)
        _check_at_least(1, bands=bands)
        self.bands = bands
        self.include_input = include_input

    def output_size(self, coordinate_size: int) -> int:
        return coordinate_size * (2 * self.bands + int(self.include_input))

    def call(self, coordinates: tf.Tensor) -> tf.Tensor:
        """``[..., d]`` to ``[..., d (2 bands + include_input)]``."""
        octaves = tf.constant(math.pi * 2.0 ** np.arange(self.bands), coordinates.dtype)
        size = coordinates.shape[-1] * self.bands
        shape = tf.concat([tf.shape(coordinates)[:-1], [size]], 0)
        phase = tf.reshape(coordinates[..., None] * octaves, shape)
        parts = [coordinates] if self.include_input else []
        return tf.concat([*parts, tf.sin(phase), tf.cos(phase)], axis=-1)

    def get_config(self) -> dict[str, Any]:
        config = {"bands": self.bands, "include_input": self.include_input}
        return {**super().get_config(), **config}


def _check_at_least(least: int, **values: int) -> None:
    for name, value in values.items():
        if value < least:
            raise ValueError(f"{name} must be at least {least}, not {value}")
