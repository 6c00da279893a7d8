"""Linear prediction in whole numbers: each sample from those before it in its block.

A block's predictor is told by reflection coefficients (Itakura and Saito 1971), from which whole
numbers follow in fixed order, so that all machines predict alike. They give predictors of all lower
orders as well: the first samples of a block are predicted from as many as there are, as in MPEG-4
ALS (Liebchen et al. 2005), and blocks need nothing of each other. Arrays have time along their
first axis and blocks along the second one, for all blocks are worked on at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mscn_tf.runtime.errors import MscnError

LARGEST_ORDER = 32
LARGEST_REFLECTION = 127  # of a coded coefficient
LARGEST_SAMPLE = 2**25
_BITS = 16  # fractional bits of predictors
_LARGEST_WEIGHT = 2**27  # all of a predictor's weights: sums stay below 2^52
_COST = 5.5  # bits that a coefficient takes, about
_LARGEST = 1 - 2.0**-20  # of a reflection
_TAPER = 32  # a block's share that its ends are faded out over in the analysis


def predictors(coded: np.ndarray) -> list[np.ndarray]:
    """int64 ``[m, B]`` for m = 0, 1, .., P: the weights of the last m samples, the newest first.

    A coded coefficient q stands for the reflection q (256 - |q|) / 2^14: finest near -1 and 1,
    where it matters most. The weights have 16 fractional bits.

    Args:
      coded: int64 ``[P, B]``, within `LARGEST_REFLECTION`; zero beyond a block's order.

    Raises:
      MscnError: weights are too large for exact sums.
    """
    weights = np.zeros((0, coded.shape[1]), np.int64)
    found = [weights]
    for reflection in coded * (256 - np.abs(coded)):
        turned = (reflection * weights[::-1] + 2**13) >> 14
        weights = np.concatenate((weights - turned, 4 * reflection[None]))
        if np.abs(weights).sum(0).max() > _LARGEST_WEIGHT:
            raise MscnError("a predictor's weights are too large")
        found.append(weights)
    return found


def residual(samples: np.ndarray, weights: Sequence[np.ndarray]) -> np.ndarray:
    """int64 ``[T, B]``: what predictions lack of samples ``[T, B]``."""
    order, out = len(weights) - 1, samples.copy()
    for time in range(1, min(order, len(samples))):
        out[time] -= _predicted(weights[time], samples[:time])
    if len(samples) > order:
        sums = np.zeros_like(samples[order:])
        for back, weight in enumerate(weights[order]):
            sums += weight * samples[order - 1 - back : len(samples) - 1 - back]
        out[order:] -= _rounded(sums)
    return out


def left(samples: np.ndarray, coded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int64 ``[T, B]``, what predictions lack; and the coefficients, zero of blocks that they are
    too large for.
    """
    tame = coded
    try:
        weights = predictors(coded)
    except MscnError:
        tame = np.concatenate([_tame(coded[:, [block]]) for block in range(coded.shape[1])], axis=1)
        weights = predictors(tame)
    return residual(samples, weights), tame


def _tame(coded: np.ndarray) -> np.ndarray:
    try:
        predictors(coded)
    except MscnError:
        return np.zeros_like(coded)
    return coded


def restored(lacking: np.ndarray, weights: Sequence[np.ndarray]) -> np.ndarray:
    """int64 ``[T, B]``: the samples that `residual` was made of.

    Raises:
      MscnError: samples are larger than any that are coded.
    """
    order, out = len(weights) - 1, lacking.copy()
    for time in range(len(out)):
        known = min(time, order)
        out[time] += _predicted(weights[known], out[time - known : time])
        if max(out[time].max(), -out[time].min()) > LARGEST_SAMPLE:
            raise MscnError("a sample is too large")
    return out


def _predicted(weights: np.ndarray, before: np.ndarray) -> np.ndarray:
    return _rounded((weights * before[::-1]).sum(0))


def _rounded(sums: np.ndarray) -> np.ndarray:
    return (sums + 2 ** (_BITS - 1)) >> _BITS


def analysed(samples: np.ndarray, order: int) -> np.ndarray:
    """int64 ``[order, B]``: coded coefficients that suit blocks, by Levinson's recursion.

    Each block has the order that is worth its bits; beyond it they are zero.

    Args:
      samples: int64 ``[T, B]``.
      order: the largest, less than T.
    """
    fade = max(1, len(samples) // _TAPER)
    window = np.ones((len(samples), 1))
    window[:fade, 0] = np.sin(np.pi / 2 * (np.arange(fade) + 0.5) / fade) ** 2
    window[-fade:] = window[:fade][::-1]
    faded = samples * window
    products = [(faded[lag:] * faded[: len(faded) - lag]).sum(0) for lag in range(order + 1)]
    error = products[0] * (1 + 1e-9) + 1e-3
    weights = np.zeros((0, samples.shape[1]))
    coded, gained = np.zeros((order, samples.shape[1]), np.int64), [np.zeros(samples.shape[1])]
    for number in range(order):
        known = sum((w * products[number - i] for i, w in enumerate(weights)), np.zeros_like(error))
        reflection = np.clip((products[number + 1] - known) / error, -_LARGEST, _LARGEST)
        size = np.rint(128 - 128 * np.sqrt(1 - np.abs(reflection)))
        coded[number] = np.sign(reflection) * np.minimum(size, LARGEST_REFLECTION)
        weights = np.concatenate((weights - reflection * weights[::-1], reflection[None]))
        error = error * (1 - reflection**2)
        gained.append(gained[-1] + len(samples) / 2 * np.log2(1 - reflection**2) + _COST)
    best = np.argmin(gained, axis=0)
    return np.where(np.arange(order)[:, None] < best, coded, 0)
