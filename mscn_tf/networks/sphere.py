"""The `basis` network of fields on the sphere, over spherical harmonics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from mscn_tf.networks.basis import BasisNetwork
from mscn_tf.runtime.grids import cell_areas, global_grid


class Embedded(NamedTuple):
    """Spherical harmonics and unit vectors of a grid of latitudes and longitudes."""

    along_latitude: tf.Tensor  # [B or 1, H, F]
    along_longitude: tf.Tensor  # [B or 1, W, F]
    unit_vectors: tf.Tensor  # [B or 1, H, W, 3]


def legendre_functions(latitude: tf.Tensor, degree: int) -> list[tf.Tensor]:
    """Fully normalised associated Legendre functions of the sine of the latitude.

    ``out[l][.., m]``, m = 0 .. degree (zero where m > l), without the Condon-Shortley phase, such
    that the harmonics made of them have a mean square of 1 over the sphere (4-pi normalisation;
    Holmes & Featherstone 2002, eq. 11).

    Args:
      latitude: ``[..]`` in radians.
      degree: L, the highest.
    """
    m = np.arange(degree + 1)
    x, dtype = tf.sin(latitude)[..., None], latitude.dtype
    # The sectoral functions P_mm, by m: products of their predecessors.
    factors = [math.sqrt(3.0) if k == 1 else math.sqrt((2 * k + 1) / (2 * k)) for k in m[1:]]
    scale = tf.constant(np.cumprod([1.0, *factors]), dtype)
    sectoral = scale * tf.pow(tf.cos(latitude)[..., None], tf.constant(m, dtype))
    rows: list[tf.Tensor] = []
    for n in range(degree + 1):
        on_diagonal = sectoral * tf.constant(m == n, dtype)
        if n == 0:
            rows.append(on_diagonal)
            continue
        below = np.minimum(m, n - 1)
        a = np.sqrt((2 * n - 1) * (2 * n + 1) / ((n - below) * (n + below))) * (m < n)
        row = on_diagonal + tf.constant(a, dtype) * x * rows[-1]
        if n > 1:
            b = ((2 * n + 1) * (n + below - 1) * (n - below - 1)) / (
                (n - below) * (n + below) * (2 * n - 3)
            )
            row -= tf.constant(np.sqrt(np.maximum(b, 0)) * (m < n), dtype) * rows[-2]
        rows.append(row)
    return rows


@keras.saving.register_keras_serializable(package="mscn_tf")
class SphereNetwork(BasisNetwork):
    """Codes to values at latitudes and longitudes: no seam at the date line, no pinch at the poles.

    As ``BasisNetwork``, with real spherical harmonics in place of cosines, in the order of their
    degree; the sine network sees unit vectors in place of coordinates. A code stands for a whole
    field.

    Args:
      nominal_shape: rows and columns of the training grid, regular, of cell centres.
      frequencies: degree of the harmonics of the values.
      feature_frequencies: degree of the harmonics of the further features.
      kwargs: of ``BasisNetwork``, without ``edge``, ``axes`` and ``coordinate_frequencies``.
    """

    def __init__(
        self,
        nominal_shape: Sequence[int] = (46, 90),
        frequencies: int = 20,
        feature_frequencies: int = 10,
        **kwargs: Any,
    ):
        super().__init__(frequencies=frequencies, feature_frequencies=feature_frequencies, **kwargs)
        self.nominal_shape = tuple(nominal_shape)

    @property
    def tile_shape(self) -> tuple[int, ...]:
        return self.nominal_shape

    @property
    def nominal_grid(self) -> list[np.ndarray]:
        return [axis[None] for axis in global_grid(self.nominal_shape)]

    @property
    def coordinate_kernels(self) -> dict[str, int]:
        return {"unit_vector_kernel": 3}

    def count(self, frequencies: int) -> int:
        return (frequencies + 1) ** 2

    def embed(self, grid: Sequence[tf.Tensor]) -> Embedded:
        latitude, longitude = grid
        degree = max(self.frequencies, self.feature_frequencies)
        order = np.concatenate([np.arange(-n, n + 1) for n in range(degree + 1)])
        rows = legendre_functions(latitude, degree)
        legendre = tf.concat(
            [tf.gather(rows[n], np.abs(np.arange(-n, n + 1)), axis=-1) for n in range(degree + 1)],
            -1,
        )
        phase = longitude[..., None] * tf.constant(np.abs(order), longitude.dtype)
        # Orders below zero are the sines.
        phase += tf.constant(np.where(order < 0, 0.0, math.pi / 2), longitude.dtype)
        scale = 1 / math.sqrt(math.prod(self.nominal_shape))  # orthonormal, like the cosines
        cosine = tf.cos(latitude)[:, :, None]
        unit_vectors = tf.stack(
            [
                cosine * tf.cos(longitude)[:, None],
                cosine * tf.sin(longitude)[:, None],
                tf.sin(latitude)[:, :, None] + tf.zeros_like(longitude)[:, None],
            ],
            -1,
        )
        return Embedded(scale * legendre, tf.sin(phase), unit_vectors)

    def expand(self, coefficients: tf.Tensor, embedded: Embedded, frequencies: int) -> tf.Tensor:
        count = self.count(frequencies)
        latitude = embedded.along_latitude[..., :count]
        longitude = embedded.along_longitude[..., :count]
        functions = latitude[:, :, None] * longitude[:, None]  # [B or 1, H, W, F]
        shape = tf.shape(functions)
        flat = tf.reshape(functions, [-1, shape[1] * shape[2], count])
        channels = coefficients.shape[1] // count
        values = tf.matmul(flat, tf.reshape(coefficients, [-1, count, channels]))
        return tf.reshape(values, [-1, shape[1], shape[2], channels])

    def see_coordinates(
        self, weights: Mapping[str, tf.Tensor], grid: Sequence[tf.Tensor], embedded: Embedded
    ) -> tf.Tensor:
        return tf.tensordot(embedded.unit_vectors, weights["unit_vector_kernel"], 1)

    def weights_of(self, grid: Sequence[np.ndarray]) -> np.ndarray:
        """Area that each point stands for, in points of the nominal grid: ``[H, W, 1]``."""
        areas = cell_areas(*(np.asarray(axis[0], np.float64) for axis in grid))
        return (math.prod(self.nominal_shape) * areas)[..., None].astype(np.float32)

    def project(
        self,
        tiles: tf.Tensor,
        frequencies: int | None = None,
        grid: Sequence[np.ndarray] | None = None,
    ) -> tf.Tensor:
        """Integrals over the sphere of fields times harmonics; else as of ``BasisNetwork``."""
        grid, count = grid or self.nominal_grid, self.count(frequencies or self.frequencies)
        embedded = self.embed([tf.constant(axis, tiles.dtype) for axis in grid])
        functions = (
            embedded.along_latitude[0, :, None, :count]
            * embedded.along_longitude[0, None, :, :count]
        )
        weighted = tiles * tf.constant(self.weights_of(grid), tiles.dtype)
        product = tf.tensordot(weighted, functions, [[1, 2], [0, 1]])  # [B, C, F]
        return tf.reshape(tf.transpose(product, [0, 2, 1]), [-1, count * tiles.shape[-1]])

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        for name in ("edge", "axes", "coordinate_frequencies"):
            del config[name]
        return {**config, "nominal_shape": self.nominal_shape}
