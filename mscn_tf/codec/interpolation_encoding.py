"""Fields on their way into a file of an interpolation codec."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from mscn_tf.codec.parts import Parts
from mscn_tf.runtime.descents import (
    KEPT_VALUES,
    LARGEST_DISTANCE,
    LONGEST_CHAIN,
    Descent,
    in_steps_of,
)
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.grids import outer_strides, periodic_fields
from mscn_tf.runtime.interpolation import in_steps
from mscn_tf.runtime.interpolations import Field, Interpolations
from mscn_tf.runtime.neighbourhoods import FRACTION, LARGEST_VALUE, Parent, step_within
from mscn_tf.runtime.quality import HIGHEST, LOWEST
from mscn_tf.runtime.shares import best_shares

# Bounds of the lowest and the highest quality, as shares of a field's own range.
_COARSEST, _FINEST = 3e-2, 1e-5
_ESTIMATED = 3  # fields that estimates look at


class _Coded(NamedTuple):
    """A field that is coded, which others may follow from.

    Attributes:
      field: as it stands in a file.
      values: float64 [H, W], what it decodes to, in its own steps.
      chain: how many fields are decoded for it, itself among them.
    """

    field: Field
    values: np.ndarray
    chain: int


class _Choice(NamedTuple):
    """What a field follows from.

    Attributes:
      descent: as a file says it.
      parent: in the field's own steps.
      chain: how many fields are decoded for the field then.
    """

    descent: Descent
    parent: Parent
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
        told, count = metadata or {}, len(parts.signals)
        periodic, strides = periodic_fields(told, count), outer_strides(told, count)
        return InterpolationEncoding(self._scheme, parts, periodic, strides, bar)


class InterpolationEncoding:
    """Codes fields within bounds: of the file, or, by quality, of each field's own range.

    Args:
      scheme: of the codec whose files are wanted.
      parts: fields, of which one at least is coded.
      periodic: of each signal, whether its last column is followed by the first.
      strides: of each signal, how far before it one lies that may be its parent, besides the last.
      bar: shows progress, in fields.
    """

    def __init__(
        self,
        scheme: Interpolations,
        parts: Parts,
        periodic: Sequence[bool],
        strides: Sequence[int],
        bar: tqdm,
    ):
        self._scheme, self._parts, self._bar = scheme, parts, bar
        self._planes, self._items = parts.coded, parts.coded_items
        self._periodic, self._strides = periodic, strides
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
        coded: list[Field] = []
        known: dict[int, _Coded] = {}  # by item
        for number, item in enumerate(self._items):
            field = self._field(number)
            while len(known) > max(1, min(max(self._strides), KEPT_VALUES // field.size)):
                del known[next(iter(known))]
            known[item] = self._coded(item, field, bound_of(number, field), known)
            coded.append(known[item].field)
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
            bound = _share(q16) * float(np.ptp(field))
            coded = self._coded(self._items[number], field, bound, {})
            size += len(coded.field.payload)
        return self._parts.bits + 8 * size * count / len(some)

    def estimated_psnr(self, q16: int) -> float:
        """About what ``file`` reaches, in dB, but for a constant."""
        return float(-20 * np.log10(_share(q16)))

    def _coded(
        self, item: int, field: np.ndarray, bound: float, known: Mapping[int, _Coded]
    ) -> _Coded:
        """A field, which may follow from one of those that are known."""
        step = step_within(bound, float(np.abs(field).max()))
        if not step > 0 or np.ptp(field) * 2.0**FRACTION / step > LARGEST_VALUE:
            raise MscnError(
                f"max_error={bound:g} is too small for float32 values of up to "
                f"{np.abs(field).max():g}; raise it, or take --lossless"
            )
        periodic, values = self._periodic[item], in_steps(field, float(step))
        choice = self._choice(item, values, float(step), known)
        descent, parent, chain = choice or (None, None, 1)
        payload, grid = self._scheme.grids.encode(values, periodic, parent)
        coded = Field(np.float32(field[0, 0]), step, periodic, payload, descent)
        return _Coded(coded, grid.values, chain)

    def _choice(
        self, item: int, values: np.ndarray, step: float, known: Mapping[int, _Coded]
    ) -> _Choice | None:
        """How a field, in its own steps, follows from another one, where that pays."""
        if np.abs(values).max() > LARGEST_VALUE / 2:  # what is left must be below it
            return None
        best, lowest = None, 1.0
        for other in {*list(known)[-1:], item - self._strides[item]} & known.keys():
            distance, (field, its, chain) = item - other, known[other]
            if distance > LARGEST_DISTANCE or chain == LONGEST_CHAIN or its.shape != values.shape:
                continue
            expected = in_steps_of(its, float(field.step) / step)
            shares = best_shares(values, expected, self._periodic[item])
            if shares.pay and shares.cost < lowest:
                descent = Descent(distance, shares.of_levels)
                best = _Choice(descent, Parent(expected, shares.of_levels), chain + 1)
                lowest = shares.cost
        return best


def _share(q16: int) -> float:
    """The bound at a quality in sixteenths, as a share of a field's range."""
    return float(_COARSEST * (_FINEST / _COARSEST) ** ((q16 - LOWEST) / (HIGHEST - LOWEST)))
