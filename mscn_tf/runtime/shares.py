"""Which earlier field one follows from, and how much of it to expect at each level."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mscn_tf.runtime.descents import WHOLE_SHARE
from mscn_tf.runtime.neighbourhoods import FRACTION, Grid

_MOST = 2**11  # places of a pass that are looked at
_UNIT = 2.0 ** (FRACTION - 2)  # below it misses cost about the same
_WORTH = 0.98  # of the cost without a parent


class Shares(NamedTuple):
    """How much of a parent to expect.

    Attributes:
      of_levels: coarsest first, in eighths.
      cost: about what the field costs so, over what it costs without a parent.
    """

    of_levels: tuple[int, ...]
    cost: float

    @property
    def pay(self) -> bool:
        """Whether the field takes fewer bytes so, by all that is known before it is coded."""
        return self.cost < _WORTH


def best_shares(values: np.ndarray, parent: np.ndarray, periodic: bool) -> Shares:
    """Those that leave the least to code, going by what cubic interpolation misses.

    A miss of m steps is taken to cost log2(1 + 4 m) bits. That tells a gain from none; how large it
    is, the networks see to, which make up for some of the misses without a parent.

    Args:
      values: float64 [H, W], as `runtime.interpolation.Interpolation.encode` takes them.
      parent: float64 [H, W], in the same steps.
      periodic: whether the last column is followed by the first.
    """
    grid = Grid((2, *values.shape), periodic)
    grid.values[:] = values, parent
    costs = np.zeros((grid.levels, WHOLE_SHARE + 1))
    eighths = np.arange(WHOLE_SHARE + 1) / WHOLE_SHARE
    for visit in grid.visits():
        own, parents = visit.misses(_MOST)
        left = np.abs(own - eighths[:, None] * parents) / _UNIT
        costs[visit.level] += np.log2(1 + left).mean(1) * (visit.shape[0] * visit.shape[1])
    best = costs.argmin(1)
    lowest, alone = costs.min(1).sum(), costs[:, 0].sum()
    return Shares(tuple(best.tolist()), float(lowest / alone) if alone else 1.0)
