"""How the values of a volume stand for shares of its range."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mscn_tf.signals.grids import placed
from mscn_tf.signals.signal import Selection

_SHARE = 2.0**-25  # what rounding a share to float32 moves it at most


@dataclass(frozen=True)
class Scale:
    """How one volume's values are arrays.

    Attributes:
      low, high: its lowest and highest value.
      dtype: of the values.
      whole: whether they are whole numbers, of whatever type.
      exact: whether arrays hold values as they are, not shares of the range: 0 and 1 the lowest
        and the highest.
    """

    low: float
    high: float
    dtype: np.dtype
    whole: bool
    exact: bool = False

    @property
    def span(self) -> float:
        """What a difference of 1 between arrays stands for."""
        return 1.0 if self.exact else self.high - self.low

    def shares(self, volume: np.ndarray) -> np.ndarray:
        """float32 of values."""
        if self.exact:
            return volume.astype(np.float32)
        return ((volume.astype(np.float64) - self.low) / (self.span or 1.0)).astype(np.float32)

    def values(self, array: np.ndarray) -> np.ndarray:
        """Values of shares, of the type; the inverse of ``shares``."""
        with np.errstate(over="ignore", invalid="ignore"):  # damaged files have any numbers
            values = self.span * array.astype(np.float64) + (0.0 if self.exact else self.low)
            if self.whole:
                values = np.rint(np.fmin(np.fmax(values, self.low), self.high))
            return values.astype(self.dtype)

    @property
    def rounding(self) -> float:
        """How far from the original's values those of its own shares may be."""
        if self.exact or not self.span or (self.whole and self.span < 2**24):
            return 0.0
        return self.span * _SHARE + 2 * self._spacing + 0.5 * self.whole

    @property
    def _spacing(self) -> float:
        """Between neighbouring numbers of the type, where they are farthest apart."""
        largest = np.float64(max(abs(self.low), abs(self.high)))
        return float(np.spacing(largest if self.whole else largest.astype(self.dtype)))

    def share_of(self, bound: float) -> float:
        """How far shares may be off where values may by so much; less than 0: not at all."""
        if self.whole and not self.rounding:  # rounded to whole numbers that are no farther off
            room = math.floor(bound) + 0.5 - self.span * _SHARE - 2 * self._spacing
        else:
            room = bound - 2 * self.rounding
        return (1 - 1e-9) * room / self.span if self.span else math.inf

    def bound_of(self, share: float) -> float:
        """How far values may be off where shares may by so much."""
        if self.whole and not self.rounding:
            return float(math.floor(self.span * (share + _SHARE) + 0.5))
        return self.span * share + 2 * self.rounding


def scales_of(metadata: Mapping[str, Any], selection: Selection | None = None) -> list[Scale]:
    """Those of decoded volumes, of metadata that may come from a stranger.

    Raises:
      KeyError, OverflowError, TypeError, ValueError: they are damaged.
    """
    if not re.fullmatch(r"[<>|=][iuf]\d{1,2}", metadata["dtype"]):
        raise ValueError("no such volumes")
    dtype = np.dtype(metadata["dtype"])
    lows, highs = (placed(metadata, selection or Selection(), name) for name in ("low", "high"))
    if lows is None or highs is None or len(lows) != len(highs):
        raise ValueError("limits of other volumes")
    limits = [(float(low), float(high)) for low, high in zip(lows, highs)]
    info = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    lowest, largest = np.array([info.min, info.max]).tolist()  # limits aren't cast to the type
    if not all(lowest <= low <= high <= largest for low, high in limits):
        raise ValueError("limits beyond the type")
    if not all(math.isfinite(high - low) for low, high in limits):
        raise ValueError("limits too far apart")
    whole = dtype.kind in "iu" or metadata.get("whole") is True
    exact = metadata.get("exact") is True
    return [Scale(*pair, dtype, whole, exact) for pair in limits]
