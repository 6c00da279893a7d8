"""The network of tile codecs and its gradient, spelled out for any array namespace.

With NumPy encoding needs no TensorFlow; with `mscn_tf.export.namespace` the same lines become a
graph. The formulas are those of `mscn_tf.networks.basis` and `mscn_tf.networks.sphere`, for one
grid that all signals share. Channels come before points here: a sum over functions is then a
matrix product over all signals and channels together, and so is a layer of the sine network.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mscn_tf.runtime.grids import axis_names, cell_areas, centres, global_grid
from mscn_tf.runtime.harmonics import RIDGE, gram, harmonic_table, legendre_table
from mscn_tf.runtime.quality import centred

Floats = npt.NDArray[np.float32]  # or tensors, where the array namespace is TensorFlow's


class Functions(Protocol):
    """The functions of a codec's linear part, on the points of a grid.

    Attributes:
      xp: the array namespace that they are computed in.
      frequencies: of the values.
      grid: coordinates along each axis, float32 ``[1, N]``.
      areas: float32 ``[P]``, what each point's squared error counts, or None: all alike.
    """

    xp: Any
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

        On the sphere in NumPy alone.

        Args:
          rows: ``[M, C, F]``, the basis.
          mean: ``[C, F]``.

        Returns:
          ``[M, C * F]`` to multiply them with, and ``[C * F]``, the mean's, to subtract before.
        """


class Cosines:
    """Products of a cosine along each axis of a box."""

    areas: Floats | None = None

    def __init__(self, model: Mapping[str, Any], xp: Any = np):
        self.xp = xp
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
        coefficients = self.xp.reshape(coefficients, [-1, *size])
        return self._product(coefficients, self._cosines[:, :frequencies])

    def project(self, values: Floats, frequencies: int) -> Floats:
        values = self.xp.reshape(values, [-1, *self._shape])
        return self._product(values, self._cosines[:, :frequencies].T)

    def _product(self, values: Floats, matrix: np.ndarray) -> Floats:
        xp, axes = self.xp, len(self._shape)
        to, count = matrix.shape
        sizes = list(values.shape[1:])
        for _ in self._shape:  # the first axis goes, and comes back as the last
            rows = xp.reshape(xp.transpose(values, [0, *range(2, axes + 1), 1]), [-1, count])
            sizes = [*sizes[1:], to]
            values = xp.reshape(xp.matmul(rows, matrix.T), [-1, *sizes])
        return xp.reshape(values, [-1, math.prod(sizes)])

    def see_coordinates(self, weights: Mapping[str, Floats]) -> Floats:
        xp = self.xp
        axes = len(self._shape)
        seen = math.sqrt(self._shape[0]) * self._cosines[:, : self._seen]
        total = np.zeros([1] * (axes + 1), np.float32)
        for axis, name in enumerate(axis_names(axes)):
            part = xp.transpose(xp.matmul(seen, weights[f"{name[:-1]}_kernel"]))
            place = [-1 if axis == a else 1 for a in range(axes)]
            total = total + xp.reshape(part, [part.shape[0], *place])
        return xp.reshape(total, [total.shape[0], -1])

    def solve(self, rows: Floats, mean: Floats) -> tuple[Floats, Floats]:
        # The rows are orthonormal.
        return self.xp.reshape(rows, [rows.shape[0], -1]), self.xp.reshape(mean, [-1])


class Harmonics:
    """Spherical harmonics.

    Args:
      model: the network's arguments.
      grid: latitudes and longitudes ``[1, N]``; None is that of training.
      xp: the array namespace.
    """

    def __init__(
        self, model: Mapping[str, Any], grid: Sequence[np.ndarray] | None = None, xp: Any = np
    ):
        self.xp = xp
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
        xp, orders = self.xp, frequencies + 1
        table = xp.take(coefficients, harmonic_table(frequencies), axis=1)  # [R, m, n, 2]
        rows = xp.matmul(self._legendre[:orders, :, :orders], table)  # [R, m, H, 2]
        height = self._legendre.shape[1]
        rows = xp.reshape(xp.transpose(rows, [0, 2, 3, 1]), [-1, height, 2 * orders])
        waves = self._waves[:, :, :orders].reshape(-1, 2 * orders)
        return xp.reshape(xp.matmul(rows, waves.T), [-1, height * len(waves)])

    def project(self, values: Floats, frequencies: int) -> Floats:
        xp, orders, legendre = self.xp, frequencies + 1, self._legendre
        waves = self._waves[:, :, :orders].reshape(-1, 2 * orders)
        height = legendre.shape[1]
        rows = xp.matmul(xp.reshape(values, [-1, height, len(waves)]), waves)
        rows = xp.transpose(xp.reshape(rows, [-1, height, 2, orders]), [0, 3, 1, 2])  # [R, m, H, 2]
        table = xp.matmul(legendre[:orders, :, :orders].transpose(0, 2, 1), rows)  # [R, m, n, 2]
        harmonics = harmonic_table(frequencies)
        places = np.empty(orders**2, np.int64)
        # Cosines last: of order 0, where both have one place, the sines are zero.
        m, n = np.triu_indices(orders)
        for wave in (1, 0):
            places[harmonics[m, n, wave]] = (m * orders + n) * 2 + wave
        return xp.take(xp.reshape(table, [-1, 2 * orders**2]), places, axis=1)

    def see_coordinates(self, weights: Mapping[str, Floats]) -> Floats:
        xp = self.xp
        return xp.matmul(xp.transpose(weights["unit_vector_kernel"]), self._unit_vectors)

    def solve(self, rows: Floats, mean: Floats) -> tuple[Floats, Floats]:
        basis = rows.reshape(len(rows), -1)
        normal = (rows @ self._gram).reshape(len(rows), -1) @ basis.T
        normal += RIDGE * np.eye(len(rows), dtype=np.float32)
        solved = np.linalg.solve(normal.astype(np.float64), basis)
        return solved.astype(np.float32), (mean @ self._gram).ravel()


def functions_of(
    model: Mapping[str, Any], grid: Sequence[np.ndarray] | None = None, xp: Any = np
) -> Functions:
    """The functions of a codec.

    Args:
      model: of its manifest.
      grid: of the sphere, for each axis ``[1, N]``; None is that of training.
      xp: the array namespace: `numpy`, or one with the functions that are used here.
    """
    if model.get("domain") == "sphere":
        return Harmonics(model["network"], grid, xp)
    return Cosines(model["network"], xp)


class Network:
    """The leading elements of a codec's network, on one grid.

    Args:
      model: the network's arguments, as the manifest has them.
      weights: of the bundle, float32.
      functions: on the grid.
      size: m, the number of leading code elements; all others are zero.
      solver: that of a network of NumPy arrays, for one whose weights are tensors.

    Attributes:
      solver: as ``Functions.solve`` returns it.

    Raises:
      KeyError, ValueError: the weights don't fit the model.
    """

    def __init__(
        self,
        model: Mapping[str, Any],
        weights: Mapping[str, Floats],
        functions: Functions,
        size: int,
        solver: tuple[Floats, Floats] | None = None,
    ):
        self._functions, self._weights = functions, weights
        self._xp = xp = functions.xp
        self._frequencies = functions.frequencies
        self._feature_frequencies = model["feature_frequencies"]
        self._depth = model["depth"]
        self._features = model["features"]
        channels = model["channels"]
        self._mean = xp.reshape(
            self._by_channel(xp.reshape(weights["mean"], [1, -1]), channels), [-1]
        )
        self._basis = self._by_channel(weights["basis"][:size], channels)
        self._feature_basis = self._by_channel(weights["feature_basis"][:size], self._features)
        self._seen = functions.see_coordinates(weights)
        self._check_functions(channels)
        self._check_layers(channels)
        if solver is None:
            rows = xp.reshape(self._basis, [size, channels, -1])
            solver = functions.solve(rows, xp.reshape(self._mean, [channels, -1]))
        self.solver = solver

    def _by_channel(self, rows: Floats, channels: int) -> Floats:
        """Coefficients ``[R, F * C]`` as ``[R, C * F]``."""
        xp, count = self._xp, rows.shape[0]
        rows = xp.transpose(xp.reshape(rows, [count, -1, channels]), [0, 2, 1])
        return xp.reshape(rows, [count, -1])

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
        width, first = self._seen.shape[0], self._features + channels
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
        xp, areas, (matrix, offset) = self._xp, self._functions.areas, self.solver
        weighted = tiles if areas is None else tiles * areas
        return xp.matmul(self._project(weighted, self._frequencies) - offset, xp.transpose(matrix))

    def gradient(self, tiles: Floats, quality: Floats, code: Floats) -> Floats:
        """``[B, m]``: how the squared error of each tile changes with its code.

        Args:
          tiles: ``[C, B, P]``, nominally 0 to 1.
          quality: ``[B]``, 1 to 10.
          code: ``[B, m]``.
        """
        xp, weights, leading = self._xp, self._weights, self._feature_basis.shape[0]
        kernels = [weights[f"kernel_{i}"] for i in range(self._depth)]
        coefficients = xp.matmul(code, self._basis) + self._mean
        linear = self._expand(coefficients, tiles.shape[0], self._frequencies)
        coefficients = xp.matmul(code[:, :leading], self._feature_basis)
        further = self._expand(coefficients, self._features, self._feature_frequencies)
        hidden = xp.concatenate([further, 4 * (linear - np.float32(0.5))], 0)
        known = xp.asarray(centred(quality), np.float32)
        told = xp.transpose(weights["quality_kernel"]) * known
        slopes = []
        for i, kernel in enumerate(kernels):
            hidden = self._mixed(xp.transpose(kernel), hidden)
            if i == 0:
                hidden += self._seen[:, None]
                hidden += told[..., None]
            hidden += weights[f"bias_{i}"][:, None, None]
            slopes.append(xp.cos(hidden))
            hidden = xp.sin(hidden)
        error = linear + self._mixed(xp.transpose(weights["out_kernel"]), hidden)
        error += weights["out_bias"][:, None, None] - tiles
        error *= 2
        if self._functions.areas is not None:
            error *= self._functions.areas
        back = self._mixed(weights["out_kernel"], error)
        for kernel, slope in zip(reversed(kernels), reversed(slopes)):
            back *= slope
            back = self._mixed(kernel, back)
        error += 4 * back[self._features :]
        projected = self._project(error, self._frequencies)
        gradient = xp.matmul(projected, xp.transpose(self._basis))
        projected = self._project(back[: self._features], self._feature_frequencies)
        further = gradient[:, :leading] + xp.matmul(projected, xp.transpose(self._feature_basis))
        return xp.concatenate([further, gradient[:, leading:]], 1)

    def _expand(self, coefficients: Floats, channels: int, frequencies: int) -> Floats:
        """``[B, C * F]`` to ``[C, B, P]``."""
        xp, count = self._xp, self._functions.count(frequencies)
        rows = xp.transpose(xp.reshape(coefficients, [-1, channels, count]), [1, 0, 2])
        values = self._functions.expand(xp.reshape(rows, [-1, count]), frequencies)
        return xp.reshape(values, [channels, -1, values.shape[1]])

    def _project(self, values: Floats, frequencies: int) -> Floats:
        """``[C, B, P]`` to ``[B, C * F]``."""
        xp, (channels, _, points) = self._xp, values.shape
        count = self._functions.count(frequencies)
        rows = self._functions.project(xp.reshape(values, [-1, points]), frequencies)
        rows = xp.transpose(xp.reshape(rows, [channels, -1, count]), [1, 0, 2])
        return xp.reshape(rows, [-1, channels * count])

    def _mixed(self, matrix: Floats, values: Floats) -> Floats:
        """``[D, C]`` times ``[C, B, P]``, as one product."""
        xp, (channels, _, points) = self._xp, values.shape
        product = xp.matmul(matrix, xp.reshape(values, [channels, -1]))
        return xp.reshape(product, [product.shape[0], -1, points])
