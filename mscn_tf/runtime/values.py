"""How a codec's values, nominally in [0, 1], stand for those of a signal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mscn_tf.runtime.errors import MscnError

_DTYPES = ("uint8", "int16", "float32", "bool")


@dataclass(frozen=True)
class Values:
    """The range and type of a modality's values.

    Attributes:
      low, high: what 0 and 1 stand for.
      dtype: of decoded arrays; whole numbers are rounded and clipped to the range, truth values
        are those of at least a half, real ones are neither.
    """

    low: float = 0.0
    high: float = 255.0
    dtype: str = "uint8"

    @classmethod
    def of(cls, manifest: Mapping[str, Any], name: str) -> Values:
        """Those of a bundle's manifest; 8-bit ones where it doesn't say.

        Raises:
          MscnError: the manifest is wrong.
        """
        try:
            values = cls(**manifest.get("values", {}))
            low, high = float(values.low), float(values.high)
        except (TypeError, ValueError) as error:
            raise MscnError(f"bundle {name}: its manifest's values are wrong ({error})") from error
        if not low < high or values.dtype not in _DTYPES:
            raise MscnError(f"bundle {name}: its manifest's values are wrong")
        return cls(low, high, values.dtype)

    def normalise(self, signal: np.ndarray) -> np.ndarray:
        """float32 of a signal's values, nominally in [0, 1]."""
        return ((signal.astype(np.float64) - self.low) / (self.high - self.low)).astype(np.float32)

    def restore(self, values: np.ndarray) -> np.ndarray:
        """A signal's values, of `dtype`, from float64 ones."""
        if self.dtype == "bool":
            return values >= 0.5
        signal = self.low + (self.high - self.low) * values
        if self.dtype == "float32":
            return signal.astype(np.float32)
        # Not numbers become the highest value everywhere alike.
        return np.rint(np.fmax(np.fmin(signal, self.high), self.low)).astype(self.dtype)
