"""Directions in which pictures change a filter's last layer: the last thing that it learns.

A picture's filter is theta_0 + sum_k z_k B_k: what all pictures share and an update of few numbers
(Schwarz and Teh 2022), here in directions B that are learned, as the errors of pictures are
quadratic in the last layer. B and z are fitted in turns, each by least squares while the other
stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mscn_tf.entropy.frequencies import whole_frequencies
from mscn_tf.runtime.filter_updates import NAME
from mscn_tf.runtime.post_filter import DIRECTION_SHIFT, DIRECTIONS, SHIFT

STEP = 0.015  # of z, in units of a picture's error
LARGEST = 31  # of z
UPDATE_SHIFT = SHIFT + DIRECTION_SHIFT  # fractional bits of directions
_ROUNDS = 15
_RIDGE = 0.1  # of the errors that all pictures have in the mean
_FIRST_RIDGE = 0.3
_PSEUDO_COUNT = 0.5


class Quadratic(NamedTuple):
    """How the squared error of a picture follows from what is added to its filter's last layer.

    It is ``error - 2 <x, moment> + <x, gram x>``, of x [F, O]: F weights for each of O outputs.

    Attributes:
      gram: float64 [F, F].
      moment: float64 [F, O].
      error: mean squared error without an update.
    """

    gram: np.ndarray
    moment: np.ndarray
    error: float

    @classmethod
    def of(cls, features: np.ndarray, left: np.ndarray) -> Quadratic:
        """Of features [N, F] and what is left of N places' outputs, [N, O]."""
        gram, moment = features.T @ features, features.T @ left
        return cls(gram / left.size, moment / left.size, float(np.mean(left**2)))

    def along(self, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gram matrix [K, K] and moment [K] of directions [K, F, O]."""
        gram = np.einsum("kio,ij,ljo->kl", directions, self.gram, directions, optimize=True)
        return gram, np.einsum("kio,io->k", directions, self.moment)


def learn_directions(pictures: Sequence[Quadratic], count: int) -> np.ndarray:
    """float64 [K, F, O]: directions that take most of the errors away, each relative to its own.

    There are ``count`` of them, but not more than pictures.

    Each has length 1: added once it changes a picture by the root of its mean squared error, in
    the mean.
    """
    count = min(count, len(pictures))
    common = np.mean([one.gram / one.error for one in pictures], axis=0)
    directions = _first(pictures, common, count)
    _, features, outputs = directions.shape
    for _ in range(_ROUNDS):
        normal = np.zeros((count, features, count, features))
        wanted = np.zeros(directions.shape)
        sizes = np.zeros(count)
        for one in pictures:
            z = places(one, directions)
            normal += (np.outer(z, z) / one.error)[:, None, :, None] * one.gram[None, :, None, :]
            wanted += z[:, None, None] * (one.moment / one.error)
            sizes += z**2
        for k in range(count):
            normal[k, :, k] += _RIDGE * sizes[k] * common
        matrix = normal.reshape(count * features, count * features)
        found = np.linalg.solve(matrix, wanted.reshape(count * features, outputs))
        directions = _unit(found.reshape(directions.shape), common)
    return directions


def places(picture: Quadratic, directions: np.ndarray) -> np.ndarray:
    """float64 [K]: where along the directions its error is least."""
    gram, moment = picture.along(directions)
    return np.linalg.solve(gram + 1e-4 * np.trace(gram) / len(gram) * np.eye(len(gram)), moment)


def frozen_directions(
    pictures: Sequence[Quadratic], directions: np.ndarray
) -> dict[str, np.ndarray]:
    """The arrays of the runtime's updates of a filter.

    Args:
      directions: [K, 9 I + 1, O], of positions of a 3x3 kernel, row by row, times inputs, and 1.
    """
    count, features, outputs = directions.shape
    whole = np.rint(directions * STEP * 2.0**UPDATE_SHIFT).astype(np.int32)
    kernel = whole[:, :-1].reshape(count, 3, 3, (features - 1) // 9, outputs)
    letters = np.rint([places(one, directions) / STEP for one in pictures])
    letters = np.clip(letters, -LARGEST, LARGEST).astype(int) + LARGEST
    counts = np.full((count, 2 * LARGEST + 1), _PSEUDO_COUNT)
    np.add.at(counts, (np.arange(count), letters), 1)
    kernel = np.ascontiguousarray(kernel.transpose(0, 4, 3, 1, 2))
    arrays = dict(zip(DIRECTIONS, (kernel, whole[:, -1])))
    arrays[NAME] = np.array([whole_frequencies(row / row.sum()) for row in counts], np.int32)
    return arrays


def _first(pictures: Sequence[Quadratic], common: np.ndarray, count: int) -> np.ndarray:
    """Principal components of the layers that suit each picture best."""
    root = np.linalg.cholesky(common + 1e-6 * np.trace(common) / len(common) * np.eye(len(common)))
    best = []
    for one in pictures:
        layer = root.T @ np.linalg.solve(one.gram + _FIRST_RIDGE * one.error * common, one.moment)
        best.append(layer.ravel() / np.sqrt(np.linalg.norm(layer)))
    axes = np.linalg.svd(np.array(best), full_matrices=False)[2][:count]
    axes = axes.reshape(count, len(common), -1).transpose(1, 0, 2)
    found = np.linalg.solve(root.T, axes.reshape(len(common), -1))
    return _unit(found.reshape(axes.shape).transpose(1, 0, 2), common)


def _unit(directions: np.ndarray, common: np.ndarray) -> np.ndarray:
    lengths = np.einsum("kio,ij,kjo->k", directions, common, directions, optimize=True)
    return directions / np.sqrt(lengths)[:, None, None]
