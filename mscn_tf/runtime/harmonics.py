"""Real spherical harmonics on grids of latitudes and longitudes (docs/method.md)."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from mscn_tf.runtime.grids import cell_areas

RIDGE = 1e-4  # of a code, where a grid is too coarse to tell its elements apart


def harmonic_table(degree: int) -> np.ndarray:
    """int64 ``[orders, degrees, 2]``: places of the harmonics, in the order of their degree.

    Of degree n and order m the cosine has place n^2 + n + m and the sine n^2 + n - m. Where m > n
    there is none, and the entry, 0, is met by a Legendre function that is zero.
    """
    m, n = np.ogrid[: degree + 1, : degree + 1]
    places = np.stack([n * n + n + m, n * n + n - m], -1)
    return np.where((m <= n)[..., None], places, 0)


def legendre_table(latitude: np.ndarray, degree: int) -> np.ndarray:
    """float64 ``[orders, H, degrees]``: normalised associated Legendre functions.

    Those of the sine of the latitude, zero where the order is above the degree, normalised such
    that the harmonics made of them have a mean square of 1 over the sphere (Holmes & Featherstone
    2002, eq. 11).

    Args:
      latitude: ``[H]`` radians.
      degree: L, the highest.
    """
    sine, cosine = np.sin(latitude), np.cos(latitude)
    table = np.zeros([degree + 1, len(latitude), degree + 1])
    table[0, :, 0] = 1
    for n in range(1, degree + 1):
        factor = math.sqrt(3) if n == 1 else math.sqrt((2 * n + 1) / (2 * n))
        table[n, :, n] = factor * cosine * table[n - 1, :, n - 1]
        m = np.arange(n)[:, None]
        a = np.sqrt((2 * n - 1) * (2 * n + 1) / ((n - m) * (n + m)))
        table[:n, :, n] = a * sine * table[:n, :, n - 1]
        if n > 1:
            b = (2 * n + 1) * (n + m - 1) * (n - m - 1) / ((n - m) * (n + m) * (2 * n - 3))
            table[:n, :, n] -= np.sqrt(b) * table[:n, :, n - 2]
    return table


def gram(latitude: np.ndarray, longitude: np.ndarray, degree: int) -> np.ndarray:
    """float32 ``[F, F]``: inner products of the harmonics on a grid, by area.

    Args:
      latitude: ``[H]`` radians.
      longitude: ``[W]`` radians.
      degree: L; F = (L + 1)^2.
    """
    return _gram(
        *(np.asarray(axis, np.float64).tobytes() for axis in (latitude, longitude)), degree
    )


@lru_cache(maxsize=4)
def _gram(latitude: bytes, longitude: bytes, degree: int) -> np.ndarray:
    rows, columns = np.frombuffer(latitude), np.frombuffer(longitude)
    degrees = np.repeat(np.arange(degree + 1), 2 * np.arange(degree + 1) + 1)
    order = np.arange(len(degrees)) - degrees * (degrees + 1)
    along_latitude = legendre_table(rows, degree)[np.abs(order), :, degrees].T
    phase = columns[:, None] * np.abs(order)
    along_longitude = np.where(order < 0, np.sin(phase), np.cos(phase))
    areas = cell_areas(rows, columns)
    product = (along_latitude * areas.sum(1)[:, None]).T @ along_latitude
    product *= (along_longitude * areas.sum(0)[:, None]).T @ along_longitude
    return product.astype(np.float32)
