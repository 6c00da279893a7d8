"""How a codec's values, nominally in [0, 1], stand for those of a signal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mscn_tf.runtime.errors import MscnError

_LARGEST = 1e30  # far below what float32 holds
_DTYPES = ("uint8", "int16", "float32", "bool")
_WIDEST = 2**20  # band, in samples


def _bounds(dtype: str) -> tuple[float, float]:
    """Between which a range of the type may lie."""
    if np.dtype(dtype).kind not in "iu":
        return -_LARGEST, _LARGEST
    limits = np.iinfo(dtype)
    return limits.min, limits.max


@dataclass(frozen=True)
class Values:
    """The range and type of a modality's values.

    Attributes:
      low, high: what 0 and 1 stand for.
      dtype: of decoded arrays; whole numbers are rounded and clipped to the range, truth values
        are those of at least a half, real ones are neither.
      band: of truth values: they're coded as distances, in samples, to where they change, clipped
        at so many on either side; 0: as 0 and 1.
    """

    low: float = 0.0
    high: float = 255.0
    dtype: str = "uint8"
    band: float = 0.0

    @classmethod
    def of(cls, stored: Any) -> Values:
        """Those of a bundle's manifest, as JSON; 8-bit ones where it doesn't say.

        Raises:
          MscnError: they are no range, or of no type, that a signal's values can have.
        """
        if not isinstance(stored, dict) or not set(stored) <= {"low", "high", "dtype", "band"}:
            raise MscnError("values are no object of low, high, dtype and band")
        values = cls(**stored)
        numbers = (values.low, values.high, values.band)
        if values.dtype not in _DTYPES or not all(type(n) in (int, float) for n in numbers):
            raise MscnError("values have entries of the wrong kind")
        low, high, band = map(float, numbers)
        least, most = _bounds(values.dtype)
        if not least <= low < high <= most:
            raise MscnError(
                f"values from {low:g} to {high:g}, which isn't a range of {values.dtype}"
            )
        if not 0 <= band <= (_WIDEST if values.dtype == "bool" else 0):
            raise MscnError(f"values in a band of {band:g}")
        return cls(low, high, values.dtype, band)

    def normalise(self, signal: np.ndarray) -> np.ndarray:
        """float32 of a signal's values ``[.., C]``, nominally in [0, 1]."""
        if self.band:
            channels = [self._distances(channel) for channel in np.moveaxis(signal, -1, 0)]
            return np.stack(channels, -1)
        return ((signal.astype(np.float64) - self.low) / (self.high - self.low)).astype(np.float32)

    def _distances(self, inside: np.ndarray) -> np.ndarray:
        """float32 distances to where truth values change: 1/2 there, more where they are true."""
        from scipy.ndimage import distance_transform_edt  # which decoding does without

        if inside.all() or not inside.any():
            return inside.astype(np.float32)
        inwards = distance_transform_edt(inside) - distance_transform_edt(~inside)
        # Sample centres lie half a sample off the boundary.
        inwards -= np.where(inside, 0.5, -0.5)
        return (0.5 + 0.5 * np.clip(inwards / self.band, -1, 1)).astype(np.float32)

    def restore(self, values: np.ndarray) -> np.ndarray:
        """A signal's values, of `dtype`, from float64 ones."""
        if self.dtype == "bool":
            return values >= 0.5
        signal = self.low + (self.high - self.low) * values
        if self.dtype == "float32":
            return signal.astype(np.float32)
        # Not numbers become the highest value everywhere alike.
        return np.rint(np.fmax(np.fmin(signal, self.high), self.low)).astype(self.dtype)
