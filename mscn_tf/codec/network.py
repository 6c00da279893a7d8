"""The network of tile codecs and its gradient in NumPy, so that encoding needs no TensorFlow.

The formulas are those of `mscn_tf.networks.basis` and `mscn_tf.networks.sphere`, for one grid that
all signals share. Channels come before points here: a sum over functions is then a matrix product
over all signals and channels together, and so is a layer of the sine network.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mscn_tf.runtime.grids import axis_names, cell_areas, centres, global_grid
from mscn_tf.runtime.harmonics import RIDGE, gram, harmonic_table, legendre_table

Floats = npt.NDArray[np.float32]


class Functions(Protocol):
    """The functions of a codec's linear part, on the points of a grid.

    Attributes:
      frequencies: of the values.
      grid: coordinates along each axis, float32 ``[1, N]``.
      areas: float32 ``[P]``, what each point's squared error counts, or None: all alike.
    """

    frequencies: int
    grid: list[Floats]
    areas: Floats | None

    def count(self, frequencies: int) -> int:
        """F, of the functions up to a frequency."""

    def expand(self, coefficients: Floats, frequencies: int) -> Floats:
        """Sums of functions up to a frequency: ``[R, F]`` to ``[R, P]``."""

    def project(self, values: Floats, frequencies: int) -> Floats:
        """Inner products with the same functions: ``[R, P]`` to ``[R, F]``."""

    def see_coordinates(self, weights: Mapping[str, Floats]) -> Floats:
        """``[width, P]``: what coordinates add to the first hidden layer."""

    def solve(self, rows: Floats, mean: Floats) -> tuple[Floats, Floats]:
        """What turns inner products with the functions into codes by least squares.

        Args:
          rows: ``[M, C, F]``, the basis.
          mean: ``[C, F]``.

        Returns:
          ``[M, C * F]`` to multiply them with, and ``[C * F]``, the mean's, to subtract before.
        """


class Cosines:
    """Products of a cosine along each axis of a box."""

    areas: Floats | None = None

    def __init__(self, model: Mapping[str, Any]):
        edge, axes = model["edge"], model.get("axes", 2)
        self.frequencies = model.get("frequencies") or edge
        self.grid = [centres(edge)[None].astype(np.float32)] * axes
        self._seen = model["coordinate_frequencies"]
        k = np.arange(max(self.frequencies, model["feature_frequencies"], self._seen))
        scale = np.where(k == 0, 1.0, math.sqrt(2.0)) / math.sqrt(edge)
        phase = (centres(edge)[:, None] + 1) * k * math.pi / 2
        self._cosines = (np.cos(phase) * scale).astype(np.float32)  # [N, K], of every axis
        self._shape = (edge,) * axes

    def count(self, frequencies: int) -> int:
        return frequencies ** len(self._shape)

    def expand(self, coefficients: Floats, frequencies: int) -> Floats:
        size = [frequencies] * len(self._shape)
        return self._product(coefficients.reshape(-1, *size), self._cosines[:, :frequencies])

    def project(self, values: Floats, frequencies: int) -> Floats:
        return self._product(values.reshape(-1, *self._shape), self._cosines[:, :frequencies].T)

    def _product(self, values: Floats, matrix: Floats) -> Floats:
        for _ in self._shape:  # the first axis goes, and comes back as the last
            values = np.tensordot(values, matrix, (1, 1))
        return values.reshape(len(values), -1)

    def see_coordinates(self, weights: Mapping[str, Floats]) -> Floats:
        axes = len(self._shape)
        seen = math.sqrt(self._shape[0]) * self._cosines[:, : self._seen]
        total = np.zeros([1] * (axes + 1), np.float32)
        for axis, name in enumerate(axis_names(axes)):
            part = (seen @ weights[f"{name[:-1]}_kernel"]).T
            total = total + part.reshape(len(part), *[-1 if axis == a else 1 for a in range(axes)])
        return total.reshape(len(total), -1)

    def solve(self, rows: Floats, mean: Floats) -> tuple[Floats, Floats]:
        return rows.reshape(len(rows), -1), mean.ravel()  # of rows that are orthonormal


class Harmonics:
    """Spherical harmonics.

    Args:
      model: the network's arguments.
      grid: latitudes and longitudes ``[1, N]``; None is that of training.
    """

    def __init__(self, model: Mapping[str, Any], grid: Sequence[np.ndarray] | None = None):
        self.frequencies = model["frequencies"]
        points = math.prod(model["nominal_shape"])
        grid = grid or [axis[None] for axis in global_grid(model["nominal_shape"])]
        self.grid = [np.asarray(axis, np.float32) for axis in grid]
        latitude, longitude = (axis[0].astype(np.float64) for axis in grid)
        degree = max(self.frequencies, model["feature_frequencies"])
        table = legendre_table(latitude, degree) / math.sqrt(points)
        self._legendre = table.astype(np.float32)  # [m, H, n]
        phase = longitude[:, None] * np.arange(degree + 1)
        self._waves = np.stack([np.cos(phase), np.sin(phase)], 1).astype(np.float32)  # [W, 2, m]
        self.areas = (points * cell_areas(latitude, longitude)).astype(np.float32).ravel()
        self._gram = gram(latitude, longitude, self.frequencies)
        up = np.broadcast_to(np.sin(latitude)[:, None], (len(latitude), len(longitude)))
        round_it = [np.outer(np.cos(latitude), f(longitude)) for f in (np.cos, np.sin)]
        self._unit_vectors = np.stack([*round_it, up]).reshape(3, -1).astype(np.float32)

    def count(self, frequencies: int) -> int:
        return (frequencies + 1) ** 2

    def expand(self, coefficients: Floats, frequencies: int) -> Floats:
        orders = frequencies + 1
        table = coefficients[:, harmonic_table(frequencies)]  # [R, m, n, 2]
        rows = self._legendre[:orders, :, :orders] @ table  # [R, m, H, 2]
        rows = rows.transpose(0, 2, 3, 1).reshape(len(rows), -1, 2 * orders)
        waves = self._waves[:, :, :orders].reshape(-1, 2 * orders)
        return (rows @ waves.T).reshape(len(rows), -1)

    def project(self, values: Floats, frequencies: int) -> Floats:
        orders, legendre = frequencies + 1, self._legendre
        waves = self._waves[:, :, :orders].reshape(-1, 2 * orders)
        rows = values.reshape(len(values), legendre.shape[1], -1) @ waves
        rows = rows.reshape(len(rows), -1, 2, orders).transpose(0, 3, 1, 2)  # [R, m, H, 2]
        table = legendre[:orders, :, :orders].transpose(0, 2, 1) @ rows  # [R, m, n, 2]
        products = np.empty([len(values), orders**2], np.float32)
        # Cosines last: of order 0, where both have one place, the sines are zero.
        m, n = np.triu_indices(orders)
        places = harmonic_table(frequencies)[m, n]
        for wave in (1, 0):
            products[:, places[:, wave]] = table[:, m, n, wave]
        return products

    def see_coordinates(self, weights: Mapping[str, Floats]) -> Floats:
        return weights["unit_vector_kernel"].T @ self._unit_vectors

    def solve(self, rows: Floats, mean: Floats) -> tuple[Floats, Floats]:
        basis = rows.reshape(len(rows), -1)
        normal = (rows @ self._gram).reshape(len(rows), -1) @ basis.T
        normal += RIDGE * np.eye(len(rows), dtype=np.float32)
        solved = np.linalg.solve(normal.astype(np.float64), basis)
        return solved.astype(np.float32), (mean @ self._gram).ravel()


def functions_of(model: Mapping[str, Any], grid: Sequence[np.ndarray] | None = None) -> Functions:
    """The functions of a codec.

    Args:
      model: of its manifest.
      grid: of the sphere, for each axis ``[1, N]``; None is that of training.
    """
    if model.get("domain") == "sphere":
        return Harmonics(model["network"], grid)
    return Cosines(model["network"])


class Network:
    """The leading elements of a codec's network, on one grid.

    Args:
      model: the network's arguments, as the manifest has them.
      weights: of the bundle, float32.
      functions: on the grid.
      size: m, the number of leading code elements; all others are zero.

    Raises:
      KeyError, ValueError: the weights don't fit the model.
    """

    def __init__(
        self,
        model: Mapping[str, Any],
        weights: Mapping[str, Floats],
        functions: Functions,
        size: int,
    ):
        self._functions, self._weights = functions, weights
        self._frequencies = functions.frequencies
        self._feature_frequencies = model["feature_frequencies"]
        self._depth = model["depth"]
        self._features = model["features"]
        channels = model["channels"]
        by_channel = weights["basis"][:size].reshape(size, -1, channels).swapaxes(1, 2)
        mean = weights["mean"].reshape(-1, channels).T
        self._mean = np.ascontiguousarray(mean).ravel()
        self._basis = np.ascontiguousarray(by_channel).reshape(size, -1)
        rows = weights["feature_basis"][:size]
        rows = rows.reshape(len(rows), -1, self._features).swapaxes(1, 2)
        self._feature_basis = np.ascontiguousarray(rows).reshape(len(rows), -1)
        self._seen = functions.see_coordinates(weights)
        self._check_functions(channels)
        self._check_layers(channels)
        self._solver = functions.solve(self._basis.reshape(size, channels, -1), mean)

    def _check_functions(self, channels: int) -> None:
        """There is a coefficient for each function."""
        linear = channels * self._functions.count(self._frequencies)
        further = self._features * self._functions.count(self._feature_frequencies)
        for name, array, count in (
            ("mean", self._mean, linear),
            ("basis", self._basis, linear),
            ("feature_basis", self._feature_basis, further),
        ):
            if array.shape[-1] != count:
                raise ValueError(f"{name} has {array.shape[-1]} coefficients, not {count}")

    def _check_layers(self, channels: int) -> None:
        width, first = len(self._seen), self._features + channels
        sizes: dict[str, tuple[int, ...]] = {"quality_kernel": (1, width)}
        sizes["out_kernel"] = (width, channels)
        sizes["out_bias"] = (channels,)
        for i in range(self._depth):
            sizes[f"kernel_{i}"] = (width if i else first, width)
            sizes[f"bias_{i}"] = (width,)
        for name, size in sizes.items():
            if self._weights[name].shape != size:
                raise ValueError(f"{name} has shape {self._weights[name].shape}, not {size}")

    def analyse(self, tiles: Floats) -> Floats:
        """The codes ``[B, m]`` whose linear part is nearest to tiles ``[C, B, P]``."""
        areas, (matrix, offset) = self._functions.areas, self._solver
        weighted = tiles if areas is None else tiles * areas
        return (self._project(weighted, self._frequencies) - offset) @ matrix.T

    def gradient(self, tiles: Floats, quality: Floats, code: Floats) -> Floats:
        """``[B, m]``: how the squared error of each tile changes with its code.

        Args:
          tiles: ``[C, B, P]``, nominally 0 to 1.
          quality: ``[B]``, 1 to 10.
          code: ``[B, m]``.
        """
        weights, own = self._weights, len(self._feature_basis)
        kernels = [weights[f"kernel_{i}"] for i in range(self._depth)]
        coefficients = code @ self._basis + self._mean
        linear = self._expand(coefficients, len(tiles), self._frequencies)
        coefficients = code[:, :own] @ self._feature_basis
        further = self._expand(coefficients, self._features, self._feature_frequencies)
        hidden = np.concatenate([further, 4 * (linear - np.float32(0.5))])
        told = weights["quality_kernel"].T * ((quality - 5.5) / 4.5).astype(np.float32)
        slopes = []
        for i, kernel in enumerate(kernels):
            hidden = _mixed(kernel.T, hidden)
            if i == 0:
                hidden += self._seen[:, None]
                hidden += told[..., None]
            hidden += weights[f"bias_{i}"][:, None, None]
            slopes.append(np.cos(hidden))
            np.sin(hidden, out=hidden)
        error = linear + _mixed(weights["out_kernel"].T, hidden)
        error += weights["out_bias"][:, None, None] - tiles
        error *= 2
        if self._functions.areas is not None:
            error *= self._functions.areas
        back = _mixed(weights["out_kernel"], error)
        for kernel, slope in zip(reversed(kernels), reversed(slopes)):
            back *= slope
            back = _mixed(kernel, back)
        error += 4 * back[self._features :]
        gradient = self._project(error, self._frequencies) @ self._basis.T
        further = self._project(back[: self._features], self._feature_frequencies)
        gradient[:, :own] += further @ self._feature_basis.T
        return gradient

    def _expand(self, coefficients: Floats, channels: int, frequencies: int) -> Floats:
        """``[B, C * F]`` to ``[C, B, P]``."""
        batch = len(coefficients)
        rows = coefficients.reshape(batch, channels, -1).swapaxes(0, 1)
        values = self._functions.expand(rows.reshape(channels * batch, -1), frequencies)
        return values.reshape(channels, batch, -1)

    def _project(self, values: Floats, frequencies: int) -> Floats:
        """``[C, B, P]`` to ``[B, C * F]``."""
        channels, batch, points = values.shape
        rows = self._functions.project(values.reshape(-1, points), frequencies)
        return rows.reshape(channels, batch, -1).swapaxes(0, 1).reshape(batch, -1)


def _mixed(matrix: Floats, values: Floats) -> Floats:
    """``[D, C]`` times ``[C, B, P]``, as one product."""
    return (matrix @ values.reshape(len(values), -1)).reshape(-1, *values.shape[1:])
