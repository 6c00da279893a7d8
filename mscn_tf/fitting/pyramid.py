"""Fits wavelet pyramids to pictures: coefficients, and symbols where rate meets distortion."""

from __future__ import annotations

import numpy as np

from mscn_tf.runtime.pyramid_prior import PyramidPrior
from mscn_tf.runtime.pyramid_signs import SIZES
from mscn_tf.runtime.quantiser import DEAD_ZONE, round_dead_zone
from mscn_tf.runtime.wavelet import Pyramid


def to_channels(picture: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """uint8 ``[H, W, C]`` to coded channels, float32 ``[3, H, W]``.

    Args:
      picture: of one channel, which is repeated, or three.
      colour: ``[3, 3]``, orthonormal rows.
    """
    values = picture.astype(np.float32) / np.float32(255) - np.float32(0.5)
    values = np.broadcast_to(values, (*picture.shape[:2], len(colour)))
    return np.tensordot(colour.astype(np.float32), values, (1, 2))


def quantise(
    prior: PyramidPrior,
    pyramid: Pyramid,
    height: int,
    width: int,
    q16: int,
    rate_weight: float,
    passes: int = 2,
) -> Pyramid:
    """Symbols of coefficients, int32.

    Each is rounded to that of three whole numbers (the nearest, one nearer to zero, zero) whose
    ``squared error + rate_weight * bits``, in steps, is least, at the scales that the choices so
    far give.

    Args:
      prior: the entropy model.
      pyramid: float coefficients of a picture of this height and width.
      q16: quality times 16.
      rate_weight: squared error that a bit is worth, in steps squared.
      passes: how often all symbols are chosen anew, each time at better scales.
    """
    step = prior.step(q16)
    sizes = [np.abs(detail) / step for detail in pyramid.details]
    coarse = np.rint(pyramid.coarse / step).astype(np.int32)

    def signed(choices: list[np.ndarray]) -> Pyramid:
        details = [
            np.copysign(choice, detail).astype(np.int32)
            for choice, detail in zip(choices, pyramid.details)
        ]
        return Pyramid(coarse, details)

    symbols = signed([round_dead_zone(np, size, DEAD_ZONE) for size in sizes])
    candidates = signed([size >= 0.5 for size in sizes])
    for _ in range(passes):
        indices, sign_bits = prior.prospects(symbols, candidates, height, width, q16)
        symbols = signed(
            [
                _cheapest(prior, size, index, bits, rate_weight)
                for size, index, bits in zip(sizes, indices, sign_bits)
            ]
        )
    return symbols


def _cheapest(
    prior: PyramidPrior,
    size: np.ndarray,
    index: np.ndarray,
    sign_bits: np.ndarray,
    rate_weight: float,
) -> np.ndarray:
    """Magnitudes, whole numbers of the shape of `size`, which is in steps.

    `sign_bits` are those of `PyramidPrior.prospects`.
    """
    chosen = np.zeros_like(size)
    # Below a half, zero is nearest and cheapest (or close to it).
    active = np.nonzero(size >= 0.5)
    size, index, sign_bits = size[active], index[active], sign_bits[active]
    sign_bits = np.concatenate((np.zeros_like(sign_bits[:, :1]), sign_bits), axis=1)
    every = np.arange(len(size))
    nearest = np.floor(size + 0.5).astype(np.int64)
    best, least = np.zeros_like(nearest), np.full(size.shape, np.inf)
    for candidate in (nearest, nearest - 1, np.zeros_like(nearest)):
        error = size - prior.tables.dequantise(candidate, index)
        bits = prior.tables.bits(candidate, index)
        bits += sign_bits[every, np.minimum(candidate, SIZES)]
        cost = error**2 + rate_weight * bits
        better = cost < least
        best[better], least[better] = candidate[better], cost[better]
    chosen[active] = best
    return chosen
