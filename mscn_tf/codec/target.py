"""The search for the quality at which a file's measure reaches a target."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from mscn_tf.runtime.prior import LEVELS

LOWEST, HIGHEST = 16, 16 * LEVELS  # qualities in sixteenths


class Target:
    """The two neighbouring qualities between which a file's measure reaches a target.

    An estimate leads to them, put right by every file that is measured, so that a few files do.

    Args:
      target: value of ``measure`` to reach; it grows with quality.
      encode_at: sixteenths of quality to a file.
      measure: of a file.
      estimate: of what ``measure`` will be at some sixteenths of quality, but for a constant.

    Attributes:
      below: the best file that falls short of the target, or None if even the lowest doesn't.
      above: the first file that reaches it, or None if even the highest doesn't.
      high: its quality in sixteenths.
    """

    def __init__(
        self,
        target: float,
        encode_at: Callable[[int], bytes],
        measure: Callable[[bytes], float],
        estimate: Callable[[int], float],
    ):
        estimate = cache(estimate)
        self.below = self.above = None
        low, high, correction = LOWEST - 1, HIGHEST + 1, 0.0
        while high - low > 1:
            wanted = target - correction
            q16 = _search(lambda q16, wanted=wanted: estimate(q16) >= wanted)
            # Of the pair that decides, the half that isn't known yet.
            q16 = min(max(q16 if q16 < high else high - 1, low + 1), high - 1)
            data = encode_at(q16)
            value = measure(data)
            correction = value - estimate(q16)
            if value >= target:
                high, self.above = q16, data
            else:
                low, self.below = q16, data
        self.high = high


def _search(reached: Callable[[int], bool]) -> int:
    """The lowest quality, in sixteenths, at which a monotone condition holds.

    One more than the highest quality where it never does.
    """
    low, high = LOWEST, HIGHEST + 1
    while low < high:
        middle = (low + high) // 2
        if reached(middle):
            high = middle
        else:
            low = middle + 1
    return low
