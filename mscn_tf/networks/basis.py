"""The `basis` network: a learned linear basis over cosine features, and a small sine network.

A signal's code ``y`` changes only the last layer of a fixed cosine feature network, linearly:
``delta = A y``. That part alone is a transform codec with a learned transform, defined at every
coordinate. A shared sine network adds what a linear map cannot, from further learned features that
are linear in the same code (the last layer starts at zero, so training starts at the transform).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mscn_tf.networks.embeddings import cosine_features
from mscn_tf.networks.products import product
from mscn_tf.runtime.grids import axis_names, centres
from mscn_tf.runtime.quality import centred
from mscn_tf.stack.keras_versions import Layer

_SHARED_WEIGHTS = (
    "mean",
    "basis",
    "feature_basis",
    "quality_kernel",
    "out_kernel",
    "out_bias",
)


def separable_product(coefficients: tf.Tensor, *features: tf.Tensor) -> tf.Tensor:
    """``out[b,h,w,c] = sum_kl rows[b,h,k] cols[b,w,l] coefficients[b,k,l,c]``, for any axes.

    Args:
      coefficients: ``[B, K1, .., Kd, C]``.
      features: for each axis ``[B or 1, N, K]``, features of its coordinates.

    Returns:
      ``[B, N1, .., Nd, C]``.
    """
    *counts, channels = coefficients.shape[1:]
    out, done, before = coefficients, 1, []
    for axis, matrix in enumerate(features):
        rest = math.prod(counts[axis + 1 :]) * channels
        out = tf.matmul(matrix[:, None], tf.reshape(out, [-1, done, counts[axis], rest]))
        before.append(tf.shape(out)[2])
        done *= before[-1]
    return tf.reshape(out, [-1, *before, channels])


@keras.saving.register_keras_serializable(package="mscn_tf")
class BasisNetwork(Layer):
    """Codes to values on a separable grid of any coordinates (docs/method.md).

    Args:
      edge: samples along each side of a training tile, on whose grid the cosines are orthonormal.
      channels: values a point.
      code_size: length M of the code, in falling order of variance.
      features: channels of the further features that the sine network sees.
      feature_frequencies: cosines an axis of those features.
      feature_code_size: how many leading code elements those features depend on.
      width: units of each hidden layer of the sine network.
      depth: its hidden layers.
      coordinate_frequencies: cosines an axis that it sees of the coordinates themselves.
      axes: d, 1 to 3.
      frequencies: cosines an axis of the values; as many as the edge has samples where it is None.
    """

    def __init__(
        self,
        edge: int = 32,
        channels: int = 3,
        code_size: int = 1024,
        features: int = 24,
        feature_frequencies: int = 16,
        feature_code_size: int = 512,
        width: int = 64,
        depth: int = 2,
        coordinate_frequencies: int = 4,
        axes: int = 2,
        frequencies: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.edge = edge
        self.channels = channels
        self.code_size = code_size
        self.features = features
        self.feature_frequencies = feature_frequencies
        self.feature_code_size = min(feature_code_size, code_size)
        self.width = width
        self.depth = depth
        self.coordinate_frequencies = coordinate_frequencies
        self.axes = axes
        self.frequencies = frequencies or edge

    @property
    def tile_shape(self) -> tuple[int, ...]:
        """Samples along each axis of a training tile."""
        return (self.edge,) * self.axes

    @property
    def nominal_grid(self) -> list[np.ndarray]:
        """Coordinates of a training tile's samples: for each axis ``[1, N]``."""
        return [centres(count)[None] for count in self.tile_shape]

    @property
    def coordinate_kernels(self) -> dict[str, int]:
        """Names of the kernels of what the sine network sees of coordinates; their inputs."""
        # "row_kernel" of "rows".
        return {
            f"{name[:-1]}_kernel": self.coordinate_frequencies for name in axis_names(self.axes)
        }

    def count(self, frequencies: int) -> int:
        """How many functions of a point there are up to so many frequencies an axis."""
        return frequencies**self.axes

    def build(self, input_shape: Any) -> None:
        def weight(name: str, shape: list[int], initializer: Any = "zeros") -> tf.Variable:
            return self.add_weight(name=name, shape=shape, initializer=initializer)

        values, inner = self.count(self.frequencies), self.count(self.feature_frequencies)
        self.mean = weight("mean", [values * self.channels])
        self.basis = weight("basis", [self.code_size, values * self.channels])
        self.feature_basis = weight(
            "feature_basis", [self.feature_code_size, inner * self.features]
        )
        he = keras.initializers.VarianceScaling(1.0, "fan_in", "uniform", seed=1)
        small = keras.initializers.RandomNormal(stddev=0.1, seed=2)
        self._of_coordinates = {
            name: weight(name, [count, self.width], small)
            for name, count in self.coordinate_kernels.items()
        }
        self.quality_kernel = weight("quality_kernel", [1, self.width], small)
        sizes = [self.features + self.channels] + [self.width] * self.depth
        self.kernels = [
            weight(f"kernel_{i}", [m, n], he) for i, (m, n) in enumerate(zip(sizes, sizes[1:]))
        ]
        self.biases = [
            weight(f"bias_{i}", [self.width], keras.initializers.RandomNormal(stddev=0.5, seed=3))
            for i in range(self.depth)
        ]
        self.out_kernel = weight("out_kernel", [self.width, self.channels])
        self.out_bias = weight("out_bias", [self.channels])
        super().build(input_shape)

    def named_weights(self) -> dict[str, tf.Tensor]:
        """The weights by the names that ``synthesise`` and a bundle know them by."""
        named = {name: getattr(self, name) for name in _SHARED_WEIGHTS}
        named.update(self._of_coordinates)
        named.update({f"kernel_{i}": kernel for i, kernel in enumerate(self.kernels)})
        named.update({f"bias_{i}": bias for i, bias in enumerate(self.biases)})
        return named

    def embed(self, grid: Sequence[tf.Tensor]) -> Any:
        """Functions of the coordinates, as ``expand`` takes them.

        Args:
          grid: for each axis ``[B or 1, N]``.
        """
        frequencies = max(self.frequencies, self.feature_frequencies, self.coordinate_frequencies)
        return [cosine_features(axis, frequencies, self.edge) for axis in grid]

    def expand(self, coefficients: tf.Tensor, embedded: Any, frequencies: int) -> tf.Tensor:
        """Sums functions up to a frequency: ``[B, count(frequencies) * C]`` to ``[B, .., C]``."""
        size = [frequencies] * self.axes
        channels = coefficients.shape[1] // self.count(frequencies)
        return separable_product(
            tf.reshape(coefficients, [-1, *size, channels]),
            *[features[..., :frequencies] for features in embedded],
        )

    def see_coordinates(
        self, weights: Mapping[str, tf.Tensor], grid: Sequence[tf.Tensor], embedded: Any
    ) -> tf.Tensor:
        """What coordinates add to the first hidden layer: ``[B or 1, .., width]``."""
        # What depends on one axis alone is added by broadcasting.
        total = 0.0
        for axis, name in enumerate(self.coordinate_kernels):
            seen = math.sqrt(self.edge) * embedded[axis][..., : self.coordinate_frequencies]
            part = tf.matmul(seen, weights[name])
            for other in range(self.axes):
                part = part if other == axis else tf.expand_dims(part, 1 + other)
            total += part
        return total

    def weights_of(self, grid: Sequence[np.ndarray]) -> np.ndarray | None:
        """What each point's squared error counts, ``[.., 1]``; None: all alike."""
        return None

    def project(
        self,
        tiles: tf.Tensor,
        frequencies: int | None = None,
        grid: Sequence[np.ndarray] | None = None,
    ) -> tf.Tensor:
        """Inner products of tiles with the functions up to a frequency, by default all.

        Args:
          tiles: ``[B, .., C]``.
          frequencies: n; None is that of the values.
          grid: that of the tiles, for each axis ``[1, N]``; None is the nominal one.

        Returns:
          ``[B, count(n) * C]``.
        """
        frequencies = frequencies or self.frequencies
        # Made here, so that a graph folds what depends on the grid alone.
        grid = [tf.constant(axis, tiles.dtype) for axis in grid or self.nominal_grid]
        features = self.embed(grid)
        products = separable_product(
            tiles, *[tf.transpose(f[..., :frequencies], [0, 2, 1]) for f in features]
        )
        return tf.reshape(products, [-1, self.count(frequencies) * tiles.shape[-1]])

    def coefficients(self, tiles: tf.Tensor) -> tf.Tensor:
        """Coefficients of the functions that make up tiles on the nominal grid, as `project`."""
        return self.project(tiles)

    def analyse(self, tiles: tf.Tensor, grid: Sequence[np.ndarray] | None = None) -> tf.Tensor:
        """Inner products of tiles with the basis: least squares while its rows are orthonormal.

        Args:
          tiles: ``[B, .., C]``.
          grid: as of ``project``.

        Returns:
          ``[B, M]``.
        """
        projected = self.project(tiles, grid=grid)
        return tf.matmul(projected - self.mean, self.basis, transpose_b=True)

    def normalise(self) -> None:
        """Scales every row of the basis to unit norm, so that a code's scale keeps its meaning."""
        self.basis.assign(tf.math.l2_normalize(self.basis, axis=1))

    def call(self, code: tf.Tensor, *grid_and_quality: tf.Tensor) -> tf.Tensor:
        """Values of each code's signal on its grid.

        Args:
          code: ``[B, M]`` dequantised codes.
          grid_and_quality: for each axis its coordinates ``[B or 1, N]``, [-1, 1] over a tile;
            then ``[B]`` in [1, 10]: the network knows how coarsely the code was quantised.

        Returns:
          ``[B, .., C]``, nominally in [0, 1], unclipped.
        """
        *grid, quality = grid_and_quality
        return self.synthesise(self.named_weights(), code, grid, quality)

    def synthesise(
        self,
        weights: Mapping[str, tf.Tensor],
        code: tf.Tensor,
        grid: Sequence[tf.Tensor],
        quality: tf.Tensor,
    ) -> tf.Tensor:
        """As ``call``, with the weights given: a decoder is exported with its weights as inputs.

        All arguments share one floating-point dtype.
        """
        embedded = self.embed(grid)
        linear = self.expand(
            tf.matmul(code, weights["basis"]) + weights["mean"], embedded, self.frequencies
        )
        further = self.expand(
            tf.matmul(code[:, : self.feature_code_size], weights["feature_basis"]),
            embedded,
            self.feature_frequencies,
        )
        hidden = tf.concat([further, 4.0 * (linear - 0.5)], axis=-1)
        shape = tf.shape(hidden)
        hidden = product(tf.reshape(hidden, [-1, hidden.shape[-1]]), weights["kernel_0"])
        hidden = tf.reshape(hidden, tf.concat([shape[:-1], [self.width]], 0))
        hidden += self.see_coordinates(weights, grid, embedded)
        seen = tf.matmul(centred(quality[:, None]), weights["quality_kernel"])
        hidden += tf.reshape(seen, [-1, *[1] * self.axes, self.width])
        hidden = tf.reshape(tf.sin(hidden + weights["bias_0"]), [-1, self.width])
        for i in range(1, self.depth):
            hidden = tf.sin(product(hidden, weights[f"kernel_{i}"]) + weights[f"bias_{i}"])
        residual = product(hidden, weights["out_kernel"]) + weights["out_bias"]
        return linear + tf.reshape(residual, tf.shape(linear))

    def get_config(self) -> dict[str, Any]:
        names = (
            "edge channels code_size features feature_frequencies feature_code_size "
            "width depth coordinate_frequencies axes frequencies"
        )
        return {**super().get_config(), **{name: getattr(self, name) for name in names.split()}}
