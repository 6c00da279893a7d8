"""Distances on their way into a file of a surface codec."""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
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
_SHORTER = 1.0, 0.5, 0.5  # steps, with one level left to its predictions, two and three
_PRICE = 13.0  # of a byte in cells that are misplaced, at steps of a cell; it grows with the square


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


class _Coded(NamedTuple):
    """A solid as it is coded.

    Attributes:
      payload: of the file.
      misplaced: cells, about, that are on the wrong side of the surface.
    """

    payload: bytes
    misplaced: float


class SurfaceEncoding:
    """Codes distances at a quality.

    Args:
      scheme: of the codec whose files are wanted.
      parts: distances, of which one at least is coded.
      bar: shows progress, in solids.
      left: levels that are left to their predictions, from the finest on, or one less at high
        qualities; None: as many as suit each solid.
    """

    def __init__(self, scheme: Surfaces, parts: Parts, bar: tqdm, left: int | None = None):
        self._pyramid, self._parts, self._bar = scheme.pyramid, parts, bar
        self._scheme, self._left = scheme, left
        self._planes = parts.coded
        self.estimated_bits = cache(self._estimated_bits)
        self._coded = cache(self._best)

    def ways(self) -> list[SurfaceEncoding]:
        """With each number of levels that are left to their predictions."""
        numbers = range(1, len(_SHORTER) + 1)
        return [SurfaceEncoding(self._scheme, self._parts, self._bar, left) for left in numbers]

    def loss(self, data: bytes) -> float:
        """Cells, about, that are on the wrong side of the surface in a file."""
        pairs = self._parts.coded_pairs(data)
        return sum(_misplaced(signal, decoded) for signal, decoded in pairs)

    def file(self, q16: int, bit_price: float = 1.0) -> bytes:
        """The file at a quality in sixteenths; ``bit_price`` is what a bit counts, 1 as trained."""
        self._bar.reset(len(self._planes))
        coded = []
        for number in range(len(self._planes)):
            coded.append(self._coded(number, q16, bit_price))
            self._bar.update()
        return self._parts.pack(coded, q16, 1)

    def _best(self, number: int, q16: int, bit_price: float) -> bytes:
        """The payload of a solid."""
        step = _step(q16) * bit_price
        if self._left is not None:
            return self._with(number, q16, self._left, step).payload
        price = _PRICE * step**2
        best, lowest = b"", math.inf
        for left in range(1, len(_SHORTER) + 1):
            payload, misplaced = self._with(number, q16, left, step)
            cost = misplaced + price * len(payload)
            if cost >= lowest:
                break
            best, lowest = payload, cost
        return best

    def _with(self, number: int, q16: int, left: int, step: float) -> _Coded:
        """A solid with so many levels left to their predictions, which take shorter steps."""
        distances = self._planes[number][..., 0]
        finest = left - (q16 > _LEFT_OUT)
        whole = max(1, round(step * _SHORTER[left - 1] * CELL))
        head = head_of(distances.shape, finest, whole)
        payload, values = self._pyramid.encode(distances, head, DEAD_ZONE)
        return _Coded(payload, _misplaced(distances, values * (1 / CELL)))

    def _estimated_bits(self, q16: int) -> float:
        """About what ``file`` takes, but for a constant factor."""
        count = len(self._planes)
        some = range(0, count, -(-count // _ESTIMATED))
        size = sum(len(self._coded(number, q16, 1.0)) for number in some)
        return self._parts.bits + 8 * size * count / len(some)

    def estimated_psnr(self, q16: int) -> float:
        """About what ``file`` reaches, in dB, but for a constant."""
        return -20 * math.log10(_step(q16))


def _misplaced(distances: np.ndarray, decoded: np.ndarray) -> float:
    """Cells, about, of which decoded distances say the wrong side: from errors near the surface."""
    near = np.abs(distances) < 1
    return float(np.minimum(np.abs(distances[near] - decoded[near]), 2).sum() / 2)


def _step(q16: int) -> float:
    """In cells."""
    (low, first), (high, last) = _WITHOUT if q16 <= _LEFT_OUT else _WITH
    return first * (last / first) ** ((q16 - low) / (high - low))
