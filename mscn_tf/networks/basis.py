"""The `basis` network: a learned linear basis over cosine features, and a small sine network.

A signal's code ``y`` changes only the last layer of a fixed cosine feature network, linearly:
``delta = A y``. That part alone is a transform codec with a learned transform, defined at every
coordinate. A shared sine network adds what a linear map cannot, from further learned features that
are linear in the same code (the last layer starts at zero, so training starts at the transform).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from mscn_tf.networks.embeddings import cosine_features

_SINGLE_WEIGHTS = (
    "mean",
    "basis",
    "feature_basis",
    "row_kernel",
    "col_kernel",
    "quality_kernel",
    "out_kernel",
    "out_bias",
)


def separable_product(coefficients: tf.Tensor, rows: tf.Tensor, cols: tf.Tensor) -> tf.Tensor:
    """``out[b,h,w,c] = sum_kl rows[b,h,k] cols[b,w,l] coefficients[b,k,l,c]``.

    Args:
      coefficients: ``[B, K, L, C]``.
      rows: ``[B or 1, H, K]`` features of the row coordinates.
      cols: ``[B or 1, W, L]`` features of the column coordinates.

    Returns:
      ``[B, H, W, C]``.
    """
    k, l, c = coefficients.shape[1:]
    half = tf.matmul(rows, tf.reshape(coefficients, [-1, k, l * c]))
    height = tf.shape(half)[1]
    return tf.matmul(cols[:, None], tf.reshape(half, [-1, height, l, c]))


@keras.saving.register_keras_serializable(package="mscn_tf")
class BasisNetwork(keras.layers.Layer):
    """Codes to values on a separable grid of any coordinates (docs/method.md).

    Args:
      edge: pixels along the side of a training tile; also the number of cosines an axis.
      channels: values a pixel.
      code_size: length M of the code, in falling order of variance.
      features: channels of the further features that the sine network sees.
      feature_frequencies: cosines an axis of those features.
      feature_code_size: how many leading code elements those features depend on.
      width: units of each hidden layer of the sine network.
      depth: its hidden layers.
      coordinate_frequencies: cosines an axis that it sees of the coordinates themselves.
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

    def build(self, input_shape: Any) -> None:
        def weight(name: str, shape: list[int], initializer: Any = "zeros") -> tf.Variable:
            return self.add_weight(name=name, shape=shape, initializer=initializer)

        edge, inner = self.edge, self.feature_frequencies
        self.mean = weight("mean", [edge, edge, self.channels])
        self.basis = weight("basis", [self.code_size, edge * edge * self.channels])
        self.feature_basis = weight(
            "feature_basis", [self.feature_code_size, inner * inner * self.features]
        )
        he = keras.initializers.VarianceScaling(1.0, "fan_in", "uniform", seed=1)
        small = keras.initializers.RandomNormal(stddev=0.1, seed=2)
        k = self.coordinate_frequencies
        self.row_kernel = weight("row_kernel", [k, self.width], small)
        self.col_kernel = weight("col_kernel", [k, self.width], small)
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
        named = {name: getattr(self, name) for name in _SINGLE_WEIGHTS}
        named.update({f"kernel_{i}": kernel for i, kernel in enumerate(self.kernels)})
        named.update({f"bias_{i}": bias for i, bias in enumerate(self.biases)})
        return named

    def analyse(self, tiles: tf.Tensor) -> tf.Tensor:
        """Inner products of tiles with the basis: least squares while its rows are orthonormal.

        Args:
          tiles: ``[B, edge, edge, C]``.

        Returns:
          ``[B, M]``.
        """
        centres = (tf.range(self.edge, dtype=tiles.dtype) + 0.5) * (2.0 / self.edge) - 1.0
        features = tf.transpose(cosine_features(centres, self.edge, self.edge))[None]
        cosines = separable_product(tiles, features, features) - self.mean
        return tf.matmul(
            tf.reshape(cosines, [-1, self.basis.shape[1]]), self.basis, transpose_b=True
        )

    def normalise(self) -> None:
        """Scales every row of the basis to unit norm, so that a code's scale keeps its meaning."""
        self.basis.assign(tf.math.l2_normalize(self.basis, axis=1))

    def call(
        self, code: tf.Tensor, rows: tf.Tensor, cols: tf.Tensor, quality: tf.Tensor
    ) -> tf.Tensor:
        """Values of each code's signal on its grid.

        Args:
          code: ``[B, M]`` dequantised codes.
          rows: ``[B or 1, H]`` row coordinates, [-1, 1] over a tile.
          cols: ``[B or 1, W]`` column coordinates.
          quality: ``[B]`` in [1, 10]: the network knows how coarsely the code was quantised.

        Returns:
          ``[B, H, W, C]``, nominally in [0, 1], unclipped.
        """
        return self.synthesise(self.named_weights(), code, rows, cols, quality)

    def synthesise(
        self,
        weights: Mapping[str, tf.Tensor],
        code: tf.Tensor,
        rows: tf.Tensor,
        cols: tf.Tensor,
        quality: tf.Tensor,
    ) -> tf.Tensor:
        """As ``call``, with the weights given: a decoder is exported with its weights as inputs.

        All arguments share one floating-point dtype.
        """
        edge, inner = self.edge, self.feature_frequencies
        row_features = cosine_features(rows, edge, edge)
        col_features = cosine_features(cols, edge, edge)
        linear = separable_product(
            tf.reshape(tf.matmul(code, weights["basis"]), [-1, edge, edge, self.channels])
            + weights["mean"],
            row_features,
            col_features,
        )
        further = separable_product(
            tf.reshape(
                tf.matmul(code[:, : self.feature_code_size], weights["feature_basis"]),
                [-1, inner, inner, self.features],
            ),
            row_features[..., :inner],
            col_features[..., :inner],
        )
        hidden = tf.concat([further, 4.0 * (linear - 0.5)], axis=-1)
        shape = tf.shape(hidden)
        hidden = tf.matmul(tf.reshape(hidden, [-1, hidden.shape[-1]]), weights["kernel_0"])
        hidden = tf.reshape(hidden, tf.concat([shape[:3], [self.width]], 0))
        # What depends on the row, the column or the quality alone is added by broadcasting.
        k, scale = self.coordinate_frequencies, math.sqrt(edge)
        hidden += tf.matmul(scale * row_features[..., :k], weights["row_kernel"])[:, :, None]
        hidden += (
            tf.matmul(scale * col_features[..., :k], weights["col_kernel"])[:, None]
            + tf.matmul((quality[:, None] - 5.5) / 4.5, weights["quality_kernel"])[:, None, None]
        )
        hidden = tf.reshape(tf.sin(hidden + weights["bias_0"]), [-1, self.width])
        for i in range(1, self.depth):
            hidden = tf.sin(tf.matmul(hidden, weights[f"kernel_{i}"]) + weights[f"bias_{i}"])
        residual = tf.matmul(hidden, weights["out_kernel"]) + weights["out_bias"]
        return linear + tf.reshape(residual, tf.shape(linear))

    def get_config(self) -> dict[str, Any]:
        names = (
            "edge channels code_size features feature_frequencies feature_code_size "
            "width depth coordinate_frequencies"
        )
        return {**super().get_config(), **{name: getattr(self, name) for name in names.split()}}
