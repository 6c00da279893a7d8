"""The closed-form start of a `basis` codec: a KLT codec, before any training (docs/method.md)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import scipy.linalg
import scipy.ndimage
import tensorflow as tf

from mscn_tf.entropy.scale_prior import (
    LOG_SCALE_FIRST,
    LOG_SCALE_SPACING,
    SCALES,
)
from mscn_tf.fitting.basis_codec import BasisCodec
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.quantiser import DEAD_ZONE, round_dead_zone

FEATURE_NORM = 4.0
_BATCH_VALUES = 1 << 24


def _batches(tiles: np.ndarray) -> Iterator[np.ndarray]:
    size = max(1, _BATCH_VALUES // tiles[0].size)
    for at in range(0, len(tiles), size):
        yield tiles[at : at + size]


def _principal_axes(centred: np.ndarray, count: int) -> np.ndarray:
    """float32 ``[count, n]``, orthonormal rows, of samples ``[N, n]`` with a mean of zero."""
    samples, size = centred.shape
    few = samples < size  # then the smaller matrix of inner products has the same axes
    matrix = (centred @ centred.T if few else centred.T @ centred).astype(np.float64)
    last = len(matrix) - 1
    _, vectors = scipy.linalg.eigh(matrix, subset_by_index=(last - count + 1, last))
    axes = vectors.T[::-1]
    if few:
        # Axes of no variance are completed to an orthonormal set.
        axes = np.linalg.qr((axes @ centred).T)[0].T
    return np.ascontiguousarray(axes, np.float32)


def _random_filters(components: np.ndarray, features: int, seed: int) -> np.ndarray:
    """Each feature: the tile in one mix of channels through one Gaussian derivative.

    A sine network on such features sees how the signal changes around a point, at several
    scales, rather than just its value there.

    Args:
      components: ``[M, .., C]`` tiles that single code elements stand for.

    Returns:
      ``[M, .., features]``.
    """
    random = np.random.default_rng(seed)
    filtered = np.empty(components.shape[:-1] + (features,), np.float32)
    axes = components.ndim - 2
    orders = [o for o in itertools.product(range(3), repeat=axes) if sum(o) <= 2]
    orders.sort(key=lambda order: (sum(order), max(order), order))
    for f in range(features):
        order, sigma = orders[f % len(orders)], (0.8, 1.5, 3.0)[f // len(orders) % 3]
        grey = f // len(orders) % 2 == 0
        mix = np.ones(components.shape[-1]) if grey else random.normal(size=components.shape[-1:])
        filtered[..., f] = scipy.ndimage.gaussian_filter(
            components @ (mix / np.linalg.norm(mix)).astype(np.float32),
            (0, *[sigma] * axes),
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
      tiles: ``[N, .., C]`` float32 in [0, 1]; N should well exceed a tile's values.
      seed: of the random mixes of channels.

    Raises:
      MscnError: the code is longer than the functions, or the tiles, allow.
    """
    network, prior = codec.network, codec.prior
    size = network.code_size
    projected = np.concatenate(
        [network.coefficients(tf.constant(part)).numpy() for part in _batches(tiles)]
    )
    mean = projected.mean(0)
    projected -= mean
    if size > min(projected.shape):
        raise MscnError(
            f"model.network.code_size={size} is more than {len(tiles)} training signals of "
            f"{projected.shape[1]} coefficients allow; lower it to {min(projected.shape)} or less"
        )
    basis = _principal_axes(projected, size)
    network.mean.assign(mean)
    network.basis.assign(basis)

    count, inner = network.feature_code_size, network.feature_frequencies
    embedded = network.embed([tf.constant(axis) for axis in codec.grid])
    components = network.expand(tf.constant(basis[:count]), embedded, network.frequencies).numpy()
    filtered = network.project(
        tf.constant(_random_filters(components, network.features, seed)), inner
    ).numpy()
    filtered = filtered.reshape(count, -1, network.features)
    # No code element moves a feature more than it moves a value (as the network sees values):
    # else the curvature that a feature adds would outgrow the inner loop's step sizes.
    norm = np.sqrt((filtered**2).sum(1).max(0))
    network.feature_basis.assign((FEATURE_NORM * filtered / norm).reshape(count, -1))

    code = projected[: 1 << 14] @ basis.T
    lost = np.zeros([SCALES, 2])
    counts = np.full([SCALES, 2], 100.0)
    bases = []
    for step in prior.nominal_steps:
        scaled = np.abs(code) / step
        symbols = round_dead_zone(np, scaled, DEAD_ZONE)
        base = np.log(np.sqrt(np.mean(symbols**2, 0)) + 0.05) - 0.2
        bases.append(base)
        index = np.round((base - LOG_SCALE_FIRST) / LOG_SCALE_SPACING).astype(int)
        index = np.clip(index, 0, SCALES - 1)
        for k, chosen in enumerate((symbols == 1, symbols > 1)):
            np.add.at(lost[:, k], index, np.sum((symbols - scaled) * chosen, 0))
            np.add.at(counts[:, k], index, np.sum(chosen, 0))
    prior.base.assign(bases)
    prior.centroid.assign(lost / counts)
