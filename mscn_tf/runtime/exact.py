"""The exact form of a plane: its samples without loss, for what no lossy code suits.

Tables of numbers, filtered and deflated (`exact_tables`), do for anything. Photographs, volumes,
sounds, numbers wider than float32 and drawings take less in other ways, those of `exact_grids`,
`exact_slices`, `exact_waves`, `exact_wide` and `exact_drawings`. docs/format.md says all that a
second decoder needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

import numpy as np

from mscn_tf.runtime import (
    exact_drawings,
    exact_grids,
    exact_slices,
    exact_tables,
    exact_waves,
    exact_wide,
)
from mscn_tf.runtime.exact_tables import BITS, PALETTE, SAMPLES  # noqa: F401
from mscn_tf.runtime.input import Input

GRIDS, SLICES, WAVES, WIDE, DRAWING = range(3, 8)  # further forms of a payload
_GRIDDED = {GRIDS: exact_grids, SLICES: exact_slices}
_BOUNDED = {**_GRIDDED, WAVES: exact_waves, WIDE: exact_wide, DRAWING: exact_drawings}
_SAMPLE = 2**17  # numbers of a wave that an estimate looks at
_SURE = 0.8  # of an estimate: a wave of fewer bytes than that is the shortest form
_SMALL = 2**9  # bytes of a payload that nothing else is tried for
_DRAWN = 4  # times what their own form takes, 1.8 to 4.4, deflated drawings are estimated to take
_LEARNT = 1.5  # times what others take of a sample a drawing may take, which learns on the way


def encode(
    values: np.ndarray,
    threads: int = 1,
    bound: float = 0,
    before: Optional[np.ndarray] = None,
) -> bytes:
    """The payload of a plane.

    Args:
      values: ``[.., C]``, not empty: uint8, int16, float32 or bool; or in place of float32 float64
        and integers of 4 or 8 bytes, of one channel.
      threads: that may share the work.
      bound: values may be off by so much, where that saves anything; most are not even then.
      before: the plane before, as it will be decoded, which this one may be like.
    """
    if exact_wide.suit(values):
        return bytes((WIDE,)) + exact_wide.encode(values, threads, bound)
    if exact_waves.suit(values):
        wave = exact_waves.encode(values, threads, bound, before)
        coded = [] if wave is None else [bytes((WAVES,)) + wave]
        if coded and len(coded[0]) < _SURE * exact_tables.estimate(values):
            return coded[0]
        return min([exact_tables.encode(values), *coded], key=len)
    deflated = exact_tables.encode(values)
    form = next((form for form, coder in _GRIDDED.items() if coder.suit(values, bound)), None)
    if form is None or (len(deflated) < _SMALL and not bound):
        return deflated
    part, tried = _GRIDDED[form].sample(values), [deflated]
    whole, least = part.size == values.size, exact_tables.quick_size(part)
    gridded = least if whole else len(_GRIDDED[form].encode(part, 1, bound))
    if exact_drawings.suit(values):
        drawn = exact_drawings.encode(part)
        if drawn is not None and (whole or len(drawn) <= _LEARNT * min(least, gridded)):
            drawn = drawn if whole else exact_drawings.encode(values)
            tried += [] if drawn is None else [bytes((DRAWING,)) + drawn]
    if gridded <= least:
        tried.append(bytes((form,)) + _GRIDDED[form].encode(values, threads, bound))
    return min(tried, key=len)


def drawing(values: np.ndarray, original: np.ndarray) -> Optional[bytes]:
    """The payload of a drawing ``[H, W, C]`` in other colours; None if that decodes slowly."""
    farthest = int(np.abs(values.astype(np.int16) - original).max())
    drawn = exact_drawings.encode(values, farthest)
    return None if drawn is None else bytes((DRAWING,)) + drawn


def is_drawing(values: np.ndarray) -> bool:
    """Whether a plane may well be one."""
    return exact_drawings.suit(values)


def bound_of(payload: bytes) -> float:
    """How far values of a plane may be off: 0 for all that were coded without a bound."""
    coder = _BOUNDED.get(payload[0]) if payload else None
    return coder.bound_of(payload[1:]) if coder else 0


def may_share(values: np.ndarray) -> bool:
    """Whether the plane before may help to code a plane."""
    return exact_waves.suit(values)


def needs_before(payload: bytes) -> bool:
    """Whether a plane is decoded from the one before."""
    return payload[:1] == bytes((WAVES,)) and exact_waves.shared(payload[1:])


def is_wide(values: np.ndarray) -> bool:
    """Whether a plane holds numbers in place of float32 that only the exact form has."""
    return exact_wide.suit(values)


def wide_type(payload: bytes) -> Optional[str]:
    """The type of a plane's wide numbers; None where it has none.

    Raises:
      MscnError: the payload is damaged.
    """
    return exact_wide.type_of(payload[1:]) if payload[:1] == bytes((WIDE,)) else None


def estimate(values: np.ndarray, bound: float = 0) -> float:
    """About how many bytes `encode` makes, from a few rows; of photographs more than that."""
    if exact_waves.suit(values):
        start = max(0, len(values) - _SAMPLE) // 2
        part = values[start : start + _SAMPLE]
        wave = exact_waves.encode(part, bound=bound)
        if wave is not None:
            return min(len(wave) * len(values) / len(part), exact_tables.estimate(values))
    about = exact_tables.estimate(values)
    return about / _DRAWN if about > _SMALL and exact_drawings.suit(values) else about


def decode(
    payload: bytes,
    shape: Sequence[int],
    dtype: str,
    threads: int = 1,
    before: Optional[np.ndarray] = None,
) -> np.ndarray:
    """What ``encode`` coded.

    Args:
      payload: of a plane.
      shape: ``[.., C]`` of the plane.
      dtype: of its samples; in place of "float32" wide numbers have their own.
      threads: that may share the work.
      before: the plane before, where `needs_before` says so.

    Raises:
      MscnError: the payload is damaged.
    """
    reader = Input(payload, "exact plane")
    (form,) = reader.take(1)
    if form == GRIDS and dtype == "uint8":
        return exact_grids.decode(reader, shape, threads)
    if form == SLICES and dtype == "float32":
        return exact_slices.decode(reader, shape, threads)
    if form == WAVES and dtype == "float32":
        return exact_waves.decode(reader, shape, threads, before)
    if form == WIDE and dtype == "float32":
        return exact_wide.decode(reader, shape, threads)
    if form == DRAWING and dtype == "uint8":
        return exact_drawings.decode(reader, shape)
    return exact_tables.decode(reader, form, shape, dtype)
