"""What a picture's other channels have of the first one, where that leaves less to say."""

from __future__ import annotations

import numpy as np

from mscn_tf.runtime.pyramid_prior import Coded, PyramidPrior
from mscn_tf.runtime.pyramid_shares import SHARE_BITS, Shares, changes, followed
from mscn_tf.runtime.wavelet import Pyramid

_FINE_BITS = 3  # parts of a step: sums of whole ones are the same in any order
_DOUBT = 300  # squared steps that stand for the coarser level's share


def chosen_shares(
    shares: Shares, wanted: Pyramid, symbols: Pyramid, step: float, rate_weight: float
) -> np.ndarray:
    """Least squares of each channel's coefficients by the first one's symbols, level by level.

    Args:
      shares: which there are.
      wanted: float32 coefficients.
      symbols: int32, chosen for about these.
      step: of the quantiser.
      rate_weight: squared error that a bit is worth, in steps squared.

    Returns:
      int16 [L, C - 1], 64ths; zeros where the squares that they explain aren't worth their bits.
    """
    chosen, above, explained = shares.none(), [0] * shares.shape[1], 0
    for level in reversed(range(len(chosen))):
        first = symbols.details[level][0].astype(np.int64)
        square = int((first * first).sum())
        for number, values in enumerate(wanted.details[level][1:]):
            parts = np.rint(2.0**_FINE_BITS * (values / step)).astype(np.int64)
            product = int((first * parts).sum()) << SHARE_BITS - _FINE_BITS
            weight = square + _DOUBT
            share = (2 * (product + _DOUBT * above[number]) + weight) // (2 * weight)
            share = above[number] + min(max(share - above[number], -shares.limit), shares.limit)
            explained += share * (2 * product - share * square)
            above[number] = share
        chosen[level] = above
    unit = 2 ** (2 * SHARE_BITS)  # of `explained`; costs are whole parts of it, too
    costs = np.floor(shares.costs[changes(chosen) + shares.limit] * unit + 0.5).sum()
    return chosen if explained > rate_weight * costs else shares.none()


def less_shares(prior: PyramidPrior, wanted: Pyramid, coded: Coded, step: float) -> Pyramid:
    """float32 coefficients, less what their channels have of the first one's symbols.

    Symbols without indices, which no table codes yet, are taken for what they stand for.
    """
    if coded.shares is None:
        return wanted
    details = []
    for level, own in enumerate(wanted.details):
        first = coded.symbols.details[level][0]
        if coded.indices:
            first = prior.tables.dequantise(first, coded.indices[level][0])
        less = own.copy()
        less[1:] = own[1:] - step * followed(first, coded.shares[level])
        details.append(less)
    return Pyramid(wanted.coarse, details)
