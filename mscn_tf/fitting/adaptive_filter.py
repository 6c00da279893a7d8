"""Taps of a picture's own filter, where they mend more than they cost: from least squares on."""

from __future__ import annotations

import numpy as np

from mscn_tf.runtime.adaptive_filter import (
    COLOURS,
    COUNTS,
    NORMS,
    OFFSETS,
    REACH,
    TAP_SCALE,
    Taps,
    by_colour,
    colour_planes,
    differences,
    net,
)
from mscn_tf.runtime.post_filter import INPUT_SCALE
from mscn_tf.runtime.sampling import slices_of_rows

_TOGETHER = 2**15  # pixels that are looked at at once
_COST_BITS = 12  # parts of a bit
_RIDGE = 2.0**-12  # of products: what is nearly the same shares a tap
_ROUNDS = 16  # over all taps, at most
_NEAR = 2  # taps on either side that are tried


def chosen_taps(
    taps: Taps, original: np.ndarray, mended: np.ndarray, bound: int, bit_error: float
) -> np.ndarray:
    """Taps that leave the least squared error, a bit's worth of it for each bit.

    Args:
      taps: their entropy model.
      original: float64 ``[H, W, 3]``.
      mended: what is filtered, float64 ``[H, W, 3]``.
      bound: on differences, of the quality.
      bit_error: squared error, of values from 0 to 1, that a bit is worth.

    Returns:
      int8 [count].
    """
    seen = np.pad(mended, [(REACH, REACH), (REACH, REACH), (0, 0)], "edge")
    chosen = taps.none()
    sums = [(np.zeros((own.size, own.size)), np.zeros(own.size)) for own in by_colour(chosen)]
    for rows in slices_of_rows(len(original), original.shape[1], _TOGETHER):
        planes = colour_planes(seen[rows.start : rows.stop + 2 * REACH])
        off = np.rint((original[rows] - mended[rows]) * INPUT_SCALE)
        off = COLOURS.astype(np.float64) @ off.reshape(-1, len(COLOURS)).T
        for plane, wanted, count, (products, pulls) in zip(planes, off, COUNTS, sums):
            moves = _moves(plane, count, bound)
            products += moves @ moves.T  # of whole numbers, below 2^53
            pulls += TAP_SCALE * (moves @ wanted)
    for c, (own, (products, pulls)) in enumerate(zip(by_colour(chosen), sums)):
        worth = bit_error * NORMS[c] * (INPUT_SCALE * TAP_SCALE) ** 2 / 2**_COST_BITS
        costs = np.floor(taps.costs * 2**_COST_BITS + 0.5)
        own[:] = _descended(products, pulls, worth * costs).reshape(own.shape)
    return chosen


def _moves(plane: np.ndarray, offsets: int, bound: int) -> np.ndarray:
    """float64 [2 offsets, pixels], whole: what taps of one move pixels by."""
    fluxes = [differences(plane, offset) for offset in OFFSETS[:offsets]]
    fluxes += [np.clip(flux, -bound, bound) for flux in fluxes]
    moves = [net(flux, plane.shape) for flux in fluxes]
    return np.stack(moves).reshape(len(moves), -1).astype(np.float64)


def _descended(products: np.ndarray, pulls: np.ndarray, costs: np.ndarray) -> np.ndarray:
    """int64 [n] taps, where none near any one alone costs less; zeros where these don't pay."""
    limit = len(costs) // 2
    own = products.diagonal()
    ridge = np.diag(own * _RIDGE + 1.0)
    found = np.clip(np.rint(np.linalg.solve(products + ridge, pulls)), -limit, limit)
    for _ in range(_ROUNDS):
        before = found.copy()
        for k, pull in enumerate(pulls):
            near = np.arange(max(found[k] - _NEAR, -limit), min(found[k] + _NEAR, limit) + 1)
            tried = np.append(near, 0.0)
            others = products[k] @ found - own[k] * found[k]
            errors = tried * (tried * own[k] - 2 * (pull - others))
            found[k] = tried[np.argmin(errors + costs[tried.astype(np.int64) + limit])]
        if np.array_equal(found, before):
            break
    gain = 2 * (pulls @ found) - found @ products @ found
    steps = found.astype(np.int64)
    return steps if gain > costs[steps + limit].sum() else np.zeros_like(steps)
