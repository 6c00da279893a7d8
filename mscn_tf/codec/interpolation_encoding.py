"""Fields on their way into a file of an interpolation codec."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from tqdm import tqdm

from mscn_tf.codec.parts import Parts
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.grids import goes_round
from mscn_tf.runtime.interpolation import in_steps
from mscn_tf.runtime.interpolations import Field, Interpolations
from mscn_tf.runtime.neighbourhoods import FRACTION, LARGEST_VALUE
from mscn_tf.runtime.quality import HIGHEST, LOWEST

# Bounds of the lowest and the highest quality, as shares of a field's own range.
_COARSEST, _FINEST = 3e-2, 1e-5
_ESTIMATED = 3  # fields that estimates look at


class InterpolationEncoder:
    """Codes fields in steps.

    Args:
      scheme: of the codec.
    """

    def __init__(self, scheme: Interpolations):
        self._scheme = scheme

    def encoding(
        self, parts: Parts, metadata: dict[str, Any] | None, bar: tqdm, effort: int
    ) -> InterpolationEncoding:
        """As `codec.encoding.Encoder` has it; there is nothing to choose anew."""
        longitudes = (metadata or {}).get("longitude")  # without coordinates it is the sphere
        periodic = longitudes is None or goes_round(longitudes)
        return InterpolationEncoding(self._scheme, parts, periodic, bar)


class InterpolationEncoding:
    """Codes fields within bounds: of the file, or, by quality, of each field's own range.

    Args:
      scheme: of the codec whose files are wanted.
      parts: fields, of which one at least is coded.
      periodic: whether their last column is followed by the first.
      bar: shows progress, in fields.
    """

    def __init__(self, scheme: Interpolations, parts: Parts, periodic: bool, bar: tqdm):
        self._scheme, self._parts, self._periodic, self._bar = scheme, parts, periodic, bar
        self._fields = [plane[..., 0].astype(np.float64) for plane in parts.coded]
        self.estimated_bits = cache(self._estimated_bits)

    def file(self, q16: int, bit_price: float = 1.0) -> bytes:
        """The file at a quality in sixteenths; ``bit_price`` is what a bit counts, 1 as trained."""
        share = bit_price * _share(q16)
        return self._packed([share * float(np.ptp(field)) for field in self._fields], q16)

    def file_within(self, bound: float, q16: int | None = None) -> bytes:
        """The file in which no value is off by more than a bound, which is all that counts."""
        return self._parts.bounded(self._packed([bound] * len(self._fields), HIGHEST), bound)

    def _packed(self, bounds: Sequence[float], q16: int) -> bytes:
        """The file of all fields, each within a bound of its own."""
        self._bar.reset(len(self._fields))
        coded = []
        for field, bound in zip(self._fields, bounds):
            coded.append(self._coded(field, bound))
            self._bar.update()
        return self._parts.pack(coded, q16, 1)

    def _estimated_bits(self, q16: int) -> float:
        """About what ``file`` takes, but for a constant factor."""
        some = self._fields[:: -(-len(self._fields) // _ESTIMATED)]
        coded = [self._coded(field, _share(q16) * float(np.ptp(field))) for field in some]
        size = sum(len(field.payload) for field in coded)
        return self._parts.bits + 8 * size * len(self._fields) / len(some)

    def estimated_psnr(self, q16: int) -> float:
        """About what ``file`` reaches, in dB, but for a constant."""
        return float(-20 * np.log10(_share(q16)))

    def _coded(self, field: np.ndarray, bound: float) -> Field:
        # Room for rounding: of values to float32, and to fractions of a step.
        rounding = float(np.spacing(np.float32(np.abs(field).max())))
        room = 2 * (bound - rounding) / (1 + 2.0**-FRACTION)
        step = np.nextafter(np.float32(room), np.float32(0))
        if not step > 0 or np.ptp(field) * 2.0**FRACTION / step > LARGEST_VALUE:
            raise MscnError(
                f"max_error={bound:g} is too small for float32 values of up to "
                f"{np.abs(field).max():g}; raise it, or take --lossless"
            )
        payload, _ = self._scheme.coder.encode(in_steps(field, float(step)), self._periodic)
        return Field(np.float32(field[0, 0]), step, self._periodic, payload)


def _share(q16: int) -> float:
    """The bound at a quality in sixteenths, as a share of a field's range."""
    return float(_COARSEST * (_FINEST / _COARSEST) ** ((q16 - LOWEST) / (HIGHEST - LOWEST)))
