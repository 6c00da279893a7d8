"""Fits wavelet pyramids to pictures: coefficients, and symbols where rate meets distortion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Optional

import numpy as np

from mscn_tf.fitting.filter_update import Suited, before_and_after, with_margins
from mscn_tf.fitting.pyramid_share import chosen_shares, less_shares
from mscn_tf.fitting.pyramid_update import chosen_update
from mscn_tf.runtime.pyramid_prior import Coded, Fitted, PyramidPrior
from mscn_tf.runtime.pyramid_signs import SIZES
from mscn_tf.runtime.pyramids import Pyramids
from mscn_tf.runtime.quantiser import DEAD_ZONE, round_dead_zone
from mscn_tf.runtime.wavelet import Pyramid, analyse, synthesise

# Decoded coefficients of a tile of some height and width, and the original's, to those of what a
# filter adds to it.
Added = Callable[[Pyramid, Pyramid, int, int], Pyramid]


def to_channels(picture: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """uint8 ``[H, W, C]`` to coded channels, float32 ``[3, H, W]``.

    Args:
      picture: of one channel, which is repeated, or three.
      colour: ``[3, 3]``, orthonormal rows.
    """
    values = picture.astype(np.float32) / np.float32(255) - np.float32(0.5)
    values = np.broadcast_to(values, (*picture.shape[:2], len(colour)))
    return np.tensordot(colour.astype(np.float32), values, (1, 2))


def added_by_filter(
    scheme: Pyramids, q16: int, pixels: Optional[np.ndarray] = None
) -> Optional[Added]:
    """What a codec's filter adds; None where there is none.

    Args:
      scheme: of the codec.
      q16: quality in sixteenths.
      pixels: uint8 ``[H, W, 1 or 3]``, of a tile that has others beside it: what its coefficients
        alone are synthesised to is far off at its edges.
    """
    mend = scheme.post_filter
    if mend is None:
        return None

    def added(decoded: Pyramid, original: Pyramid, height: int, width: int) -> Pyramid:
        if pixels is None:
            values = scheme.values(synthesise(decoded, height, width))
        else:
            _, values = before_and_after(scheme, pixels, _less(decoded, original))
        mended = mend(with_margins(values), q16)
        difference = (mended[:height, :width] - values).astype(np.float32)
        channels = np.tensordot(scheme.colour.astype(np.float32), difference, (1, 2))
        return analyse(channels, scheme.prior.levels)

    return added


def quantise(
    prior: PyramidPrior,
    pyramid: Pyramid,
    height: int,
    width: int,
    q16: int,
    rate_weight: float,
    passes: int = 2,
    added: Optional[Added] = None,
    prices: Optional[Sequence[np.ndarray]] = None,
    suited: Optional[Suited] = None,
) -> Fitted:
    """Symbols of coefficients, and what a picture says besides where the model has such.

    Each symbol is that of three whole numbers (the nearest, one nearer to zero, zero) whose
    ``squared error + rate_weight * bits``, in steps, is least, at the scales that the choices so
    far give. Where a filter mends the picture, from the second pass on the error is that of the
    mended one: coefficients needn't say what the filter adds to those chosen so far, nor what their
    channel has of the first one. From that pass on, too, scales are those under the update that
    suits the choices so far.

    Args:
      prior: the entropy model.
      pyramid: float coefficients of a picture of this height and width.
      q16: quality times 16.
      rate_weight: squared error that a bit is worth, in steps squared.
      passes: how often all symbols are chosen anew, each time at better scales.
      added: what the codec's filter adds.
      prices: of each level, finest first, how much dearer bits are there than `rate_weight` says:
        of the shape of its details, or one that NumPy makes so; None: nowhere.
      suited: chooses what is said of the filters, at last.
    """
    dearer = prices or [np.ones(1)] * len(pyramid.details)
    weights = [rate_weight * price for price in dearer]
    coded = Coded(_rounded(pyramid, prior.step(q16), DEAD_ZONE), [])
    for number in range(passes):
        wanted = pyramid
        if added and number:
            decoded = prior.dequantise(coded, q16)
            wanted = _less(pyramid, added(decoded, pyramid, height, width))
            del decoded
        coded = _chosen(prior, wanted, coded, height, width, q16, rate_weight, weights, not number)
    of_filters: tuple[Optional[np.ndarray], ...] = ()
    if suited:
        errors = _less(prior.dequantise(coded, q16), pyramid)
        of_filters = suited(errors, height, width)
    return Fitted(coded.symbols, coded.update, coded.shares, *of_filters)


def _chosen(
    prior: PyramidPrior,
    wanted: Pyramid,
    known: Coded,
    height: int,
    width: int,
    q16: int,
    rate_weight: float,
    weights: Sequence[np.ndarray],
    first: bool,
) -> Coded:
    """A pass of `quantise`, at the scales of symbols that are known: `weights` are those of levels.

    All that it makes on the way, several times a picture, is gone when it ends.
    """
    step, (symbols, _, update, shares, *_) = prior.step(q16), known
    if prior.shares:
        shares = chosen_shares(prior.shares, wanted, symbols, step, rate_weight)
    own = less_shares(prior, wanted, known._replace(shares=shares), step)
    if prior.shares and first:
        symbols = _rounded(own, step, DEAD_ZONE)
    nearest = _rounded(own, step, 0.0)
    indices, sign_bits = prior.prospects(symbols, nearest, height, width, q16)
    if prior.updates and not first:  # the first symbols were chosen for no cost, and tell little
        update = chosen_update(prior, symbols, indices, height, width)
        indices = prior.updates.mapped(indices, update)
    details = [
        np.copysign(_cheapest(prior, np.abs(detail) / step, *costs), detail)
        for detail, *costs in zip(own.details, indices, sign_bits, weights)
    ]
    return Coded(_whole(Pyramid(nearest.coarse, details)), indices, update, shares)


def _rounded(wanted: Pyramid, step: float, dead_zone: float) -> Pyramid:
    """int32, in steps; those of details less than a half and the dead zone are zero."""
    details = [round_dead_zone(np, detail / step, dead_zone) for detail in wanted.details]
    return _whole(Pyramid(np.rint(wanted.coarse / step), details))


def _less(pyramid: Pyramid, other: Pyramid) -> Pyramid:
    details = [detail - less for detail, less in zip(pyramid.details, other.details)]
    return Pyramid(pyramid.coarse - other.coarse, details)


def _whole(pyramid: Pyramid) -> Pyramid:
    """int32, of whole numbers."""
    return Pyramid(
        pyramid.coarse.astype(np.int32), [detail.astype(np.int32) for detail in pyramid.details]
    )


def _cheapest(
    prior: PyramidPrior,
    size: np.ndarray,
    index: np.ndarray,
    sign_bits: np.ndarray,
    rate_weight: np.ndarray,
) -> np.ndarray:
    """Magnitudes, whole numbers of the shape of `size`, which is in steps.

    `sign_bits` are those of `PyramidPrior.prospects`.
    """
    chosen = np.zeros_like(size)
    # Below a half, zero is nearest and cheapest (or close to it).
    active = np.nonzero(size >= 0.5)
    rate_weight = np.broadcast_to(rate_weight, size.shape)[active]
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
