"""What a picture changes in the shared model of scales, where that saves more than it costs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mscn_tf.runtime.pyramid_prior import PyramidPrior
from mscn_tf.runtime.pyramid_updates import Updates
from mscn_tf.runtime.wavelet import Pyramid, detail_sizes, sizes

_SIZES = 64  # larger symbols count as the largest
_UNIT = 2**12  # parts of a bit: sums of whole ones are the same in any order


def chosen_update(
    prior: PyramidPrior, symbols: Pyramid, indices: Sequence[np.ndarray], height: int, width: int
) -> np.ndarray:
    """The update under which symbols cost least, itself included.

    For each level and band the best shift is sought without gain, then the best gain, then the best
    shift again. A level keeps its update if it saves more than saying so costs, and so do all
    together.

    Args:
      prior: an entropy model that has `updates`.
      symbols: int32, of a picture of this height and width.
      indices: what its network predicts for them, as in `Coded`, without an update.

    Returns:
      int8 [L, B, 2].

    Raises:
      ValueError: the model has no updates.
    """
    updates = prior.updates
    if updates is None:
        raise ValueError("the entropy model has no updates")
    present = _whole(updates.costs[0])
    cost, update = _costs(prior), updates.none()
    gained = -present[0] * prior.levels
    shapes = sizes(height, width, prior.levels)
    for level, (detail, index) in enumerate(zip(symbols.details, indices)):
        saved = present[0] - present[1]
        counts = detail_sizes(*shapes[level])
        for band in range(updates.shape[1]):
            rows, columns = counts[band % 3]
            place = (*divmod(band, 3), slice(rows), slice(columns))
            size = np.minimum(np.abs(detail[place]), _SIZES - 1)
            keys = index[place].astype(np.int64) * _SIZES + size
            seen = np.bincount(keys.ravel(), minlength=cost.size).reshape(cost.shape)
            update[level, band], less = _best(updates, seen, cost)
            saved += less
        if saved <= 0:
            update[level] = 0
        gained += max(saved, 0)
    return update if gained > 0 else updates.none()


def _best(updates: Updates, seen: np.ndarray, cost: np.ndarray) -> tuple[np.ndarray, float]:
    """The update of a band, int8 [2], and what it saves.

    Args:
      updates: which there are.
      seen: integers [T, sizes], how often a size was coded by a table.
      cost: what `_costs` gives.
    """
    used = np.flatnonzero(seen.any(1))
    becoming = seen[used].astype(np.float64) @ cost.T  # of each table's sizes by each other; exact
    places = np.arange(len(used))
    best, least = np.zeros(2, np.int8), 0.0
    for axis in (0, 1, 0):
        limit = updates.limits[axis]
        candidates = np.repeat(best[None], 2 * limit + 1, 0)
        candidates[:, axis] = np.arange(-limit, limit + 1)
        totals = becoming[places, updates.maps(candidates)[:, used]].sum(1)
        for number in range(2):
            totals += _whole(updates.costs[1 + number])[
                candidates[:, number] + updates.limits[number]
            ]
        best, least = candidates[np.argmin(totals)], float(totals.min())
    return best, float(becoming[places, used].sum()) - least


def _whole(bits: np.ndarray) -> np.ndarray:
    return np.floor(bits * _UNIT + 0.5)


def _costs(prior: PyramidPrior) -> np.ndarray:
    """float64 [T, sizes]: what sizes cost by each table, but for what all tables have in common."""
    size, table = np.meshgrid(np.arange(_SIZES), np.arange(prior.tables.count))
    return _whole(prior.tables.bits(size.ravel(), table.ravel())).reshape(size.shape)
