"""Fields on their way into a file of an interpolation codec."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from mscn_tf.codec.parts import Parts
from mscn_tf.runtime.descents import LARGEST_DISTANCE, LONGEST_CHAIN, Descent
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.grids import periodic_fields
from mscn_tf.runtime.interpolation import in_steps
from mscn_tf.runtime.interpolations import Field, Interpolations
from mscn_tf.runtime.neighbourhoods import FRACTION, LARGEST_VALUE, Grid, Parent, step_within
from mscn_tf.runtime.quality import HIGHEST, LOWEST
from mscn_tf.runtime.shares import best_shares

# Bounds of the lowest and the highest quality, as shares of a field's own range.
_COARSEST, _FINEST = 3e-2, 1e-5
_ESTIMATED = 3  # fields that estimates look at


class _Coded(NamedTuple):
    """A field that is coded, which the next one may follow from.

    Attributes:
      number: of the field, among those that are coded.
      field: as it stands in a file.
      grid: what it decodes to.
      chain: how many fields are decoded for it, itself among them.
    """

    number: int
    field: Field
    grid: Grid
    chain: int


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
        periodic = periodic_fields(metadata or {}, len(parts.signals))
        return InterpolationEncoding(self._scheme, parts, periodic, bar)


class InterpolationEncoding:
    """Codes fields within bounds: of the file, or, by quality, of each field's own range.

    Args:
      scheme: of the codec whose files are wanted.
      parts: fields, of which one at least is coded.
      periodic: of each signal, whether its last column is followed by the first.
      bar: shows progress, in fields.
    """

    def __init__(self, scheme: Interpolations, parts: Parts, periodic: Sequence[bool], bar: tqdm):
        self._scheme, self._parts, self._bar = scheme, parts, bar
        self._planes, self._items = parts.coded, parts.coded_items
        self._periodic = [periodic[item] for item in self._items]
        self.estimated_bits = cache(self._estimated_bits)

    def file(self, q16: int, bit_price: float = 1.0) -> bytes:
        """The file at a quality in sixteenths; ``bit_price`` is what a bit counts, 1 as trained."""
        share = bit_price * _share(q16)
        return self._packed(lambda number, field: share * float(np.ptp(field)), q16)

    def file_within(self, bounds: Sequence[float], q16: int | None = None) -> bytes:
        """The file in which no value is off by more than its signal's bound: all that counts."""
        data = self._packed(lambda number, field: bounds[self._items[number]], HIGHEST)
        return self._parts.bounded(data, max(bounds))

    def _packed(self, bound_of: Callable[[int, np.ndarray], float], q16: int) -> bytes:
        """The file of all fields, each within the bound that is told for its number and values."""
        self._bar.reset(len(self._planes))
        coded, last = [], None
        for number in range(len(self._planes)):
            field = self._field(number)
            last = self._coded(number, field, bound_of(number, field), last)
            coded.append(last.field)
            self._bar.update()
        return self._parts.pack(coded, q16, 1)

    def _field(self, number: int) -> np.ndarray:
        """float64 [H, W]."""
        return self._planes[number][..., 0].astype(np.float64)

    def _estimated_bits(self, q16: int) -> float:
        """About what ``file`` takes, but for a constant factor."""
        count, size = len(self._planes), 0
        some = range(0, count, -(-count // _ESTIMATED))
        for number in some:
            field = self._field(number)
            coded = self._coded(number, field, _share(q16) * float(np.ptp(field)), None)
            size += len(coded.field.payload)
        return self._parts.bits + 8 * size * count / len(some)

    def estimated_psnr(self, q16: int) -> float:
        """About what ``file`` reaches, in dB, but for a constant."""
        return float(-20 * np.log10(_share(q16)))

    def _coded(self, number: int, field: np.ndarray, bound: float, last: _Coded | None) -> _Coded:
        """A field, which may follow from the one that was coded last."""
        step = step_within(bound, float(np.abs(field).max()))
        if not step > 0 or np.ptp(field) * 2.0**FRACTION / step > LARGEST_VALUE:
            raise MscnError(
                f"max_error={bound:g} is too small for float32 values of up to "
                f"{np.abs(field).max():g}; raise it, or take --lossless"
            )
        periodic, values = self._periodic[number], in_steps(field, float(step))
        descent = parent = None
        if last is not None and last.chain < LONGEST_CHAIN:
            descent, parent = self._followed(number, values, float(step), last)
        payload, grid = self._scheme.grids.encode(values, periodic, parent)
        coded = Field(np.float32(field[0, 0]), step, periodic, payload, descent)
        return _Coded(number, coded, grid, 1 if last is None or descent is None else last.chain + 1)

    def _followed(
        self, number: int, values: np.ndarray, step: float, last: _Coded
    ) -> tuple[Descent, Parent] | tuple[None, None]:
        """How a field, in its own steps, follows from another one, where that pays."""
        distance = self._items[number] - self._items[last.number]
        if distance > LARGEST_DISTANCE or last.grid.values.shape != values.shape:
            return None, None
        if np.abs(values).max() > LARGEST_VALUE / 2:  # what is left must be below it
            return None, None
        ratio = float(last.field.step) / step
        expected = Descent(distance, ()).parent(last.grid, ratio).values
        shares = best_shares(values, expected, self._periodic[number])
        if not shares.pay:
            return None, None
        return Descent(distance, shares.of_levels), Parent(expected, shares.of_levels)


def _share(q16: int) -> float:
    """The bound at a quality in sixteenths, as a share of a field's range."""
    return float(_COARSEST * (_FINEST / _COARSEST) ** ((q16 - LOWEST) / (HIGHEST - LOWEST)))
