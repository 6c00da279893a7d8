"""How a codec's values, nominally in [0, 1], stand for those of a signal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mscn_tf.runtime.errors import MscnError

_LARGEST = 1e30  # far below what float32 holds
_DTYPES = ("uint8", "int16", "float32", "bool")


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
    def of(cls, manifest: Mapping[str, Any], name: str) -> Values:
        """Those of a bundle's manifest; 8-bit ones where it doesn't say.

        Raises:
          MscnError: the manifest is wrong.
        """
        try:
            values = cls(**manifest.get("values", {}))
            low, high, band = float(values.low), float(values.high), float(values.band)
        except (OverflowError, TypeError, ValueError) as error:
            raise MscnError(f"bundle {name}: its manifest's values are wrong ({error})") from error
        if not -_LARGEST <= low < high <= _LARGEST or not band >= 0 or values.dtype not in _DTYPES:
            raise MscnError(f"bundle {name}: its manifest's values are wrong")
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
