"""Distances on their way into a file of a surface codec."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from tqdm import tqdm

from mscn_tf.codec.parts import Parts
from mscn_tf.runtime.surface_pyramid import CELL, head_of
from mscn_tf.runtime.surfaces import Surfaces

# Steps in cells at qualities between which they fall evenly. Up to 8 the finest level is left to
# its predictions: its bits are worth less. With it longer steps take about as many bytes.
_LEFT_OUT = 8 * 16
_WITHOUT = (1 * 16, 2.0), (_LEFT_OUT, 0.0625)
_WITH = (_LEFT_OUT, 0.14), (10 * 16, 0.03)
DEAD_ZONE = 0.6
_ESTIMATED = 3  # solids that estimates look at


class SurfaceEncoder:
    """Codes distances in steps.

    Args:
      scheme: of the codec.
    """

    def __init__(self, scheme: Surfaces):
        self._scheme = scheme

    def encoding(
        self, parts: Parts, metadata: dict[str, Any] | None, bar: tqdm, effort: int
    ) -> SurfaceEncoding:
        """As `codec.encoding.Encoder` has it; there is nothing to choose anew."""
        return SurfaceEncoding(self._scheme, parts, bar)


class SurfaceEncoding:
    """Codes distances at a quality.

    Args:
      scheme: of the codec whose files are wanted.
      parts: distances, of which one at least is coded.
      bar: shows progress, in solids.
    """

    def __init__(self, scheme: Surfaces, parts: Parts, bar: tqdm):
        self._pyramid, self._parts, self._bar = scheme.pyramid, parts, bar
        self._planes = parts.coded
        self.estimated_bits = cache(self._estimated_bits)

    def file(self, q16: int, bit_price: float = 1.0) -> bytes:
        """The file at a quality in sixteenths; ``bit_price`` is what a bit counts, 1 as trained."""
        self._bar.reset(len(self._planes))
        coded = []
        for number in range(len(self._planes)):
            coded.append(self._coded(number, q16, bit_price))
            self._bar.update()
        return self._parts.pack(coded, q16, 1)

    def _coded(self, number: int, q16: int, bit_price: float = 1.0) -> bytes:
        distances = self._planes[number][..., 0]
        step = max(1, round(_step(q16) * bit_price * CELL))
        head = head_of(distances.shape, int(q16 <= _LEFT_OUT), step)
        return self._pyramid.encode(distances, head, DEAD_ZONE)

    def _estimated_bits(self, q16: int) -> float:
        """About what ``file`` takes, but for a constant factor."""
        count = len(self._planes)
        some = range(0, count, -(-count // _ESTIMATED))
        size = sum(len(self._coded(number, q16)) for number in some)
        return self._parts.bits + 8 * size * count / len(some)

    def estimated_psnr(self, q16: int) -> float:
        """About what ``file`` reaches, in dB, but for a constant."""
        return -20 * math.log10(_step(q16))


def _step(q16: int) -> float:
    """In cells."""
    (low, first), (high, last) = _WITHOUT if q16 <= _LEFT_OUT else _WITH
    return first * (last / first) ** ((q16 - low) / (high - low))
