"""The `basis` network of fields on the sphere, over spherical harmonics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import scipy.linalg
import tensorflow as tf

from mscn_tf.networks.basis import BasisNetwork
from mscn_tf.runtime.grids import cell_areas, global_grid
from mscn_tf.runtime.harmonics import RIDGE, gram, harmonic_table

_ROUGHNESS = 1e-9  # weight of the squared Laplacian beside the mean squared error


class Embedded(NamedTuple):
    """Spherical harmonics, in their two factors, and unit vectors of a grid."""

    legendre: tf.Tensor  # [B or 1, orders, H, degrees]
    waves: tf.Tensor  # [B or 1, W, 2, orders]: cosines, then sines
    unit_vectors: tf.Tensor  # [B or 1, H, W, 3]


def _cosine(angle: tf.Tensor) -> tf.Tensor:
    """A sine, since ONNX Runtime has no cosine in float64."""
    return tf.sin(angle + math.pi / 2)


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
    x, dtype = tf.expand_dims(tf.sin(latitude), -1), latitude.dtype
    # The sectoral functions P_mm, by m: products of their predecessors.
    factors = [math.sqrt(3.0) if k == 1 else math.sqrt((2 * k + 1) / (2 * k)) for k in m[1:]]
    scale = tf.constant(np.cumprod([1.0, *factors]), dtype)
    sectoral = scale * tf.pow(tf.expand_dims(_cosine(latitude), -1), tf.constant(m, dtype))
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
        scale = 1 / math.sqrt(math.prod(self.nominal_shape))  # orthonormal, like the cosines
        legendre = scale * tf.stack(legendre_functions(latitude, degree), -1)  # [B, H, m, n]
        phase = tf.expand_dims(longitude, 2) * tf.range(degree + 1, dtype=longitude.dtype)
        latitude, longitude = tf.expand_dims(latitude, 2), tf.expand_dims(longitude, 1)
        cosine = _cosine(latitude)
        unit_vectors = tf.stack(
            [
                cosine * _cosine(longitude),
                cosine * tf.sin(longitude),
                tf.sin(latitude) + tf.zeros_like(longitude),
            ],
            -1,
        )
        waves = tf.stack([_cosine(phase), tf.sin(phase)], 2)
        return Embedded(tf.transpose(legendre, [0, 2, 1, 3]), waves, unit_vectors)

    def expand(self, coefficients: tf.Tensor, embedded: Embedded, frequencies: int) -> tf.Tensor:
        count, orders = self.count(frequencies), frequencies + 1
        channels = coefficients.shape[1] // count
        table = tf.gather(
            tf.reshape(coefficients, [-1, count, channels]),
            harmonic_table(frequencies).ravel(),
            axis=1,
        )
        table = tf.reshape(table, [-1, orders, orders, 2 * channels])
        # Along latitudes order by order, then along longitudes.
        rows = tf.matmul(embedded.legendre[:, :orders, :, :orders], table)  # [B, m, H, 2 C]
        height = tf.shape(rows)[2]
        rows = tf.reshape(rows, [-1, orders, height, 2, channels])
        rows = tf.reshape(tf.transpose(rows, [0, 2, 3, 1, 4]), [-1, height, 2 * orders, channels])
        waves = self._waves(embedded, orders)
        return tf.matmul(waves, rows)

    def _waves(self, embedded: Embedded, orders: int) -> tf.Tensor:
        """``[B or 1, 1, W, 2 orders]``."""
        waves = embedded.waves[..., :orders]
        shape = tf.shape(waves)
        return tf.reshape(waves, [shape[0], 1, shape[1], 2 * orders])

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
        """Sums over the grid, by area, of fields times harmonics; else as of ``BasisNetwork``.

        The grid's points are too few for these to be coefficients: ``gram`` turns coefficients
        into what this gives.
        """
        grid, frequencies = grid or self.nominal_grid, frequencies or self.frequencies
        count, orders = self.count(frequencies), frequencies + 1
        embedded = self.embed([tf.constant(axis, tiles.dtype) for axis in grid])
        weighted = tiles * tf.constant(self.weights_of(grid), tiles.dtype)
        rows = tf.matmul(self._waves(embedded, orders), weighted, transpose_a=True)
        height, channels = tf.shape(rows)[1], tiles.shape[-1]
        rows = tf.reshape(rows, [-1, height, 2, orders, channels])
        rows = tf.reshape(tf.transpose(rows, [0, 3, 1, 2, 4]), [-1, orders, height, 2 * channels])
        legendre = embedded.legendre[:, :orders, :, :orders]
        table = tf.matmul(legendre, rows, transpose_a=True)  # [B, m, n, 2 C]
        table = tf.reshape(table, [-1, 2 * orders**2, channels])
        harmonics = harmonic_table(frequencies).ravel()
        places = np.empty(count, np.int64)
        # The first 0 is the constant's, the others are those of no harmonic. Of order 0 there are
        # cosines only: they come before the sines, which are zero.
        places[harmonics[::-1]] = np.arange(len(harmonics))[::-1]
        return tf.reshape(tf.gather(table, places, axis=1), [-1, count * channels])

    def gram(self, grid: Sequence[np.ndarray]) -> np.ndarray:
        """float32 ``[F, F]``: inner products of the harmonics on a grid, by area."""
        latitude, longitude = (axis[0] for axis in grid)
        return gram(latitude, longitude, self.frequencies)

    def coefficients(self, tiles: tf.Tensor) -> tf.Tensor:
        """The smooth fields of harmonics that fit fields on the nominal grid: ``[B, F * C]``.

        Least squares with a little weight on the Laplacian, as in a thin-plate spline (Wahba
        1981): where there are more harmonics than points can tell apart, it keeps what lies
        between the points smooth.
        """
        count, channels = self.count(self.frequencies), tiles.shape[-1]
        degree = np.floor(np.sqrt(np.arange(count)))
        matrix = self.gram(self.nominal_grid).astype(np.float64)
        matrix[np.diag_indices(count)] += _ROUGHNESS * (degree * (degree + 1)) ** 2 + 1e-9
        sums = tf.reshape(self.project(tiles), [-1, count, channels]).numpy()
        sums = np.moveaxis(sums, 1, 0).reshape(count, -1)
        solved = scipy.linalg.solve(matrix, sums, assume_a="pos")
        solved = np.moveaxis(solved.reshape(count, -1, channels), 0, 1)
        return tf.constant(solved.reshape(len(solved), -1), tiles.dtype)

    def analyse(self, tiles: tf.Tensor, grid: Sequence[np.ndarray] | None = None) -> tf.Tensor:
        """The codes whose linear part is nearest to fields, by area; as of ``BasisNetwork``."""
        grid = grid or self.nominal_grid
        sums, channels = self.project(tiles, grid=grid), tiles.shape[-1]
        gram = tf.constant(self.gram(grid), tiles.dtype)
        # Fixed in the outer gradient: it only says how to fit.
        basis = tf.stop_gradient(self.basis)

        def summed(rows: tf.Tensor) -> tf.Tensor:  # what ``project`` makes of their fields
            parts = tf.reshape(rows, [-1, gram.shape[0], channels])
            return tf.reshape(tf.einsum("bfc,fg->bgc", parts, gram), tf.shape(rows))

        normal = tf.matmul(summed(basis), basis, transpose_b=True)
        normal += RIDGE * tf.eye(self.code_size, dtype=tiles.dtype)
        products = tf.matmul(sums - summed(self.mean[None]), self.basis, transpose_b=True)
        return tf.transpose(
            tf.linalg.cholesky_solve(tf.linalg.cholesky(normal), tf.transpose(products))
        )

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        for name in ("edge", "axes", "coordinate_frequencies"):
            del config[name]
        return {**config, "nominal_shape": self.nominal_shape}
