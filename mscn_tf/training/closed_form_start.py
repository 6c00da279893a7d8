"""The closed-form start of a `basis` codec: a KLT codec, before any training (docs/method.md)."""

from __future__ import annotations

import numpy as np
import scipy.fft
import scipy.linalg
import scipy.ndimage

from mscn_tf.entropy.scale_prior import (
    DEAD_ZONE,
    LOG_SCALE_FIRST,
    LOG_SCALE_SPACING,
    SCALES,
)
from mscn_tf.fitting.basis_codec import BasisCodec

FEATURE_NORM = 4.0


def _to_cosines(tiles: np.ndarray) -> np.ndarray:
    """Coefficients of the orthonormal cosines, over the two axes after the first."""
    return scipy.fft.dctn(tiles, axes=(1, 2), norm="ortho").astype(np.float32)


def _random_filters(components: np.ndarray, features: int, seed: int) -> np.ndarray:
    """Each feature: the tile in one mix of colours through one Gaussian derivative.

    A sine network on such features sees how the signal changes around a point, at several
    scales, rather than just its value there.

    Args:
      components: ``[M, edge, edge, C]`` tiles that single code elements stand for.

    Returns:
      ``[M, edge, edge, features]``.
    """
    random = np.random.default_rng(seed)
    filtered = np.empty(components.shape[:3] + (features,), np.float32)
    orders = [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (2, 0)]
    for f in range(features):
        order, sigma = orders[f % len(orders)], (0.8, 1.5, 3.0)[f // len(orders) % 3]
        grey = f // len(orders) % 2 == 0
        mix = np.ones(components.shape[-1]) if grey else random.normal(size=components.shape[-1])
        filtered[..., f] = scipy.ndimage.gaussian_filter(
            components @ (mix / np.linalg.norm(mix)).astype(np.float32),
            (0, sigma, sigma),
            order=(0, *order),
            mode="nearest",
        )
    return filtered


def start_from_principal_components(codec: BasisCodec, tiles: np.ndarray, seed: int) -> None:
    """Sets a fresh codec to the Karhunen-Loeve transform of a training set.

    The code's elements become the coefficients of the principal components, in cosines; the
    prior's scales those that the training set shows at every quality.

    Args:
      codec: changed in place.
      tiles: ``[N, edge, edge, C]`` float32 in [0, 1]; N should well exceed a tile's values.
      seed: of the random colour mixes.
    """
    network, prior = codec.network, codec.prior
    edge, channels, size = network.edge, network.channels, network.code_size
    cosines = _to_cosines(tiles).reshape(len(tiles), -1)
    mean = cosines.mean(0)
    cosines -= mean
    covariance = (cosines.T @ cosines / len(cosines)).astype(np.float64)
    last = len(covariance) - 1
    variance, vectors = scipy.linalg.eigh(covariance, subset_by_index=(last - size + 1, last))
    variance = np.maximum(variance[::-1], 1e-9).astype(np.float32)
    basis = np.ascontiguousarray(vectors.T[::-1], np.float32)
    network.mean.assign(mean.reshape(edge, edge, channels))
    network.basis.assign(basis)

    count, inner = network.feature_code_size, network.feature_frequencies
    components = scipy.fft.idctn(
        basis[:count].reshape(count, edge, edge, channels), axes=(1, 2), norm="ortho"
    )
    filtered = _to_cosines(_random_filters(components, network.features, seed))
    filtered = filtered[:, :inner, :inner]
    # No code element moves a feature more than it moves a value (as the network sees values):
    # else the curvature that a feature adds would outgrow the inner loop's step sizes.
    norm = np.sqrt((filtered**2).sum((1, 2)).max(0))
    network.feature_basis.assign((FEATURE_NORM * filtered / norm).reshape(count, -1))

    code = cosines[: 1 << 14] @ basis.T
    lost = np.zeros([SCALES, 2])
    count = np.full([SCALES, 2], 100.0)
    for level, step in enumerate(prior.nominal_steps):
        scaled = np.abs(code) / step
        symbols = np.floor(scaled + 0.5 - DEAD_ZONE)
        base = np.log(np.sqrt(np.mean(symbols**2, 0)) + 0.05) - 0.2
        prior.base[level].assign(base)
        index = np.round((base - LOG_SCALE_FIRST) / LOG_SCALE_SPACING).astype(int)
        index = np.clip(index, 0, SCALES - 1)
        for k, chosen in enumerate((symbols == 1, symbols > 1)):
            np.add.at(lost[:, k], index, np.sum((symbols - scaled) * chosen, 0))
            np.add.at(count[:, k], index, np.sum(chosen, 0))
    prior.centroid.assign(lost / count)
