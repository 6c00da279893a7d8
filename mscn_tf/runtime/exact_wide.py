"""Exact planes of float64, and of integers that are wider than what float32 holds.

Numbers become whole ones in steps that suit them (`lattices`), of which the upper part goes through
the networks of an interpolation codec, and the rest, which is noise, is deflated. All of it is
exact arithmetic: of integers modulo 2^64, and of float64 one rounded operation at a time. Within a
bound numbers are those of steps of twice as much. docs/format.md says all that a second decoder
needs.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mscn_tf.runtime import exact_slices, exact_tables, lattices
from mscn_tf.runtime.input import Input, varint
from mscn_tf.runtime.lattices import WHOLE, Lattice

_TYPES = ("float64", "int32", "uint32", "int64", "uint64")
_PLAIN, _TIMES, _OVER, _NEAR, _ORDERED = range(5)  # ways to write numbers
_REAL, _INTEGER = struct.Struct("<dddqBB"), struct.Struct("<dQQqBB")
_SLICES = 4  # the form of a payload of slices
_LARGEST_COARSE = 2**23  # that networks have room for
_NOISE = 4  # bits of noise that networks code better than deflating does
_SIDES = {1: 2**12, 2: 64, 3: 16}  # of the middle that shows what a plane takes, by its axes
_SMALL = 2**9  # bytes of a payload that nothing else is tried for
_SURE = 0.8  # of an estimate: slices of fewer bytes than that are shorter than tables


class _Draft(NamedTuple):
    """A plane in whole numbers of steps.

    Attributes:
      way: that values follow from them.
      step, offset: of the lattice.
      numbers: int64, or of integers uint64, of the plane's shape.
      left: uint64 of the same shape, what values lack, or None: nothing.
      bound: that they keep.
      shift: lowest bits of numbers that go no networks' way.
    """

    way: int
    step: float
    offset: float
    numbers: np.ndarray
    left: np.ndarray | None = None
    bound: float = 0.0
    shift: int = 0

    def foretold(self) -> np.ndarray:
        """float64: values but for what they lack."""
        return Lattice(self.step, self.offset, self.way == _OVER).values(self.numbers)

    def part(self, where: tuple[slice, ...]) -> _Draft:
        """That of a part of the plane."""
        left = None if self.left is None else self.left[where]
        return self._replace(numbers=self.numbers[where], left=left)


def suit(values: np.ndarray) -> bool:
    """Whether a plane ``[.., 1]`` holds such numbers."""
    return values.dtype.name in _TYPES and values.shape[-1] == 1


@np.errstate(all="ignore")  # ranges may be larger than any number
def encode(values: np.ndarray, threads: int = 1, bound: float = 0) -> bytes:
    """The payload of a plane that suits, behind its form.

    Args:
      values: ``[.., 1]``; any bits come back without a bound.
      threads: that share the work.
      bound: no value may be off by more.
    """
    values = np.ascontiguousarray(values, values.dtype.newbyteorder("="))
    kind, drafts = bytes((_TYPES.index(values.dtype.name),)), []
    if values.dtype.kind != "f" or np.isfinite(values).all():
        drafts = [draft for way in _ways(values, bound) for draft in _drafts(way)]
    middle = _middle(values)
    if drafts and values[middle].size <= values.size // 2:
        drafts = [min(drafts, key=lambda draft: len(_packed(draft.part(middle), 1)))]
    payload = min((_packed(draft, threads) for draft in drafts), key=len, default=None)
    if payload is not None and len(payload) < _SURE * exact_tables.estimate(values):
        return kind + payload
    plain = bytes((_PLAIN,)) + exact_tables.encode(values, _SMALL)
    return kind + min(plain, payload or plain, key=len)


def bound_of(payload: bytes) -> float:
    """How far values may be off."""
    return 0.0 if payload[1:2] == bytes((_PLAIN,)) else float(_REAL.unpack_from(payload, 2)[0])


def type_of(payload: bytes) -> str:
    """The type of its numbers.

    Raises:
      MscnError: there is none such.
    """
    reader = Input(payload, "exact plane")
    (kind,) = reader.take(1)
    if kind >= len(_TYPES):
        raise reader.damaged(f"numbers of type {kind}")
    return _TYPES[kind]


def decode(reader: Input, shape: Sequence[int], threads: int = 1) -> np.ndarray:
    """float64 or integers ``[.., 1]``: what ``encode`` coded.

    Raises:
      MscnError: the payload is damaged, or its networks are not here.
    """
    dtype, (way,) = np.dtype(type_of(reader.take(1))), reader.take(1)
    if shape[-1] != 1:
        raise reader.damaged("wide numbers of several channels")
    if way == _PLAIN:
        return _plane(reader, shape, dtype.name, threads)
    real = dtype.kind == "f" and way != _ORDERED
    head = _REAL if real else _INTEGER
    bound, step, offset, first, shift, width = head.unpack(reader.take(head.size))
    sound = math.isfinite(step) and math.isfinite(offset) and step and 0 <= bound < math.inf
    if not sound or shift > 63 or width not in (0, 1, 2, 4, 8) or way not in _of(dtype):
        raise reader.damaged("steps of wide numbers")
    coarse = Input(reader.take(reader.varint()), reader.source)
    high = _plane(coarse, _stacked(shape), "float32", threads).reshape(shape)
    if not ((high >= 0) & (high <= _LARGEST_COARSE) & (high == np.rint(high))).all():
        raise reader.damaged("wide numbers beyond their range")
    numbers = high.astype(np.uint64) << np.uint64(shift)
    low = np.zeros(shape, np.uint64)
    if width:
        low = _plane(reader, shape, f"uint{8 * width}", threads).astype(np.uint64)
    elif reader.left:
        raise reader.damaged("bytes left over")
    if way != _NEAR:
        numbers = numbers + low
    numbers = numbers + np.array(first).astype(np.uint64)
    if not real:
        numbers = np.uint64(offset) + numbers * np.uint64(step)
        return _unordered(numbers) if way == _ORDERED else numbers.astype(dtype)
    with np.errstate(all="ignore"):  # of a damaged file they may be of any size
        values = Lattice(step, offset, way == _OVER).values(numbers.view(np.int64))
    if way != _NEAR:
        return values
    apart = np.empty(values.size, np.uint64)
    apart[_by_size(values)] = low.ravel()
    return _beside(values, apart.reshape(values.shape))


def _of(dtype: np.dtype) -> tuple[int, ...]:
    """Ways to write numbers of a type, but for the plain one."""
    return (_TIMES, _OVER, _NEAR, _ORDERED) if dtype.kind == "f" else (_TIMES,)


def _plane(reader: Input, shape: Sequence[int], dtype: str, threads: int) -> np.ndarray:
    """The plane of all that is left: tables or slices."""
    (form,) = reader.take(1)
    if form == _SLICES and dtype == "float32":
        return exact_slices.decode(reader, shape, threads)
    return exact_tables.decode(reader, form, shape, dtype)


def _stacked(shape: Sequence[int]) -> tuple[int, int, int, int]:
    """A plane's shape as one of slices."""
    rows, width = (1, *shape[:-1])[-2:]
    return math.prod(shape[:-3]) if len(shape) > 3 else 1, rows, width, 1


def _drafts(draft: _Draft) -> Iterator[_Draft]:
    """The same with all bits that networks have room for, and with those that they foretell."""
    numbers = draft.numbers
    span = int(numbers.max()) - int(numbers.min())
    least = max(0, span.bit_length() - (_LARGEST_COARSE.bit_length() - 1))
    fewer = 0
    if draft.left is None:
        rough = lattices.roughness((numbers - numbers.min())[..., 0].astype(np.float64))
        fewer = int(rough).bit_length() - _NOISE
    if not least:
        yield draft
    if least or fewer > 0:
        yield draft._replace(shift=max(least, fewer))


def _packed(draft: _Draft, threads: int) -> bytes:
    """The payload behind the type."""
    first, shift, left = int(draft.numbers.min()), np.uint64(draft.shift), draft.left
    numbers = (draft.numbers - draft.numbers.dtype.type(first)).astype(np.uint64)
    high = numbers >> shift
    if draft.shift:
        left = numbers - (high << shift)
    coarse = _coarse(high.astype(np.float32).reshape(_stacked(numbers.shape)), threads)
    low, width = b"", 0
    if left is not None:
        if draft.way == _NEAR:
            left = left.ravel()[_by_size(draft.foretold())].reshape(left.shape)
        width = next(size for size in (1, 2, 4, 8) if int(left.max()) < 256**size)
        low = exact_tables.encode(left.astype(f"u{width}"), _SMALL)
    if draft.numbers.dtype == np.uint64:
        step, offset = int(draft.step), (int(draft.offset) + first * int(draft.step)) % 2**64
        head = _INTEGER.pack(draft.bound, step, offset, 0, draft.shift, width)
    else:
        head = _REAL.pack(draft.bound, draft.step, draft.offset, first, draft.shift, width)
    return bytes((draft.way,)) + head + varint(len(coarse)) + coarse + low


def _coarse(high: np.ndarray, threads: int) -> bytes:
    """The payload of whole float32 numbers ``[D, H, W, 1]``."""
    if not exact_slices.suit(high, 0):
        return exact_tables.encode(high, _SMALL)
    slices = bytes((_SLICES,)) + exact_slices.encode(high, threads)
    if len(slices) < _SURE * exact_tables.estimate(high):
        return slices
    return min(exact_tables.encode(high, _SMALL), slices, key=len)


def _middle(values: np.ndarray) -> tuple[slice, ...]:
    """Where a few numbers lie that show what others take."""
    side = _SIDES.get(values.ndim - 1, 8)
    starts = [max(0, size - side) // 2 for size in values.shape[:-1]]
    part = [
        slice(start, start + side) if size > side else slice(None)
        for start, size in zip(starts, values.shape)
    ]
    return (*part, slice(None))


def _ways(values: np.ndarray, bound: float) -> Iterator[_Draft]:
    """Ways to write finite numbers, one of which will be shortest."""
    if values.dtype.kind == "f":
        yield from _real_ways(values, bound)
    else:
        yield from _integer_ways(values, bound)


def _integer_ways(values: np.ndarray, bound: float) -> Iterator[_Draft]:
    least, most = int(values.min()), int(values.max())
    away = values.astype(np.uint64) - np.uint64(least % 2**64)
    grain = int(np.gcd.reduce(away.ravel())) or 1
    yield _Draft(_TIMES, grain, least, away // np.uint64(grain))
    room = math.floor(min(bound, 2.0**62))
    if 2 * room + 1 > grain and most + room <= np.iinfo(values.dtype).max:
        wide = np.uint64(2 * room + 1)
        numbers = (away + np.uint64(room)) // wide
        yield _Draft(_TIMES, int(wide), least, numbers, bound=float(room))


def _real_ways(values: np.ndarray, bound: float) -> Iterator[_Draft]:
    flat = values.ravel()
    largest = float(np.abs(flat).max())
    lattice = lattices.holding(flat)
    few = lattice is not None
    if lattice is not None:
        numbers = lattice.nearest(values).astype(np.int64)
        few = int(np.ptp(numbers)) <= _LARGEST_COARSE
        yield _Draft(_OVER if lattice.over else _TIMES, lattice.step, lattice.offset, numbers)
    near = None if few else lattices.packed(flat)
    step = 2 * (bound - float(np.spacing(largest)))
    if step > 0 and largest / step < WHOLE:
        for lattice in [Lattice(step)] + ([near] if near else []):
            numbers = lattice.nearest(values)
            if np.abs(lattice.values(numbers) - values).max() <= bound:
                numbers = numbers.astype(np.int64)
                yield _Draft(_TIMES, lattice.step, lattice.offset, numbers, bound=bound)
        return
    if few:
        return
    order = _ordered(values)
    yield _Draft(_ORDERED, 1, int(order.min()), order - order.min())
    rough = lattices.roughness(values[..., 0])
    noise = Lattice(2.0 ** (math.frexp(rough)[1] - _NOISE)) if 0 < rough < math.inf else None
    for lattice in (near, noise):
        if lattice is not None and np.ptp(lattice.nearest(values)) <= _LARGEST_COARSE:
            numbers = lattice.nearest(values).astype(np.int64)
            left = _between(values, lattice.values(numbers))
            if left.any():
                yield _Draft(_NEAR, lattice.step, lattice.offset, numbers, left)
            else:
                yield _Draft(_TIMES, lattice.step, lattice.offset, numbers)


def _ordered(values: np.ndarray) -> np.ndarray:
    """uint64 that rise as float64 values do, different for different bits."""
    bits = values.view(np.uint64)
    return np.where(bits >> np.uint64(63), ~bits, bits | np.uint64(1 << 63))


def _by_size(values: np.ndarray) -> np.ndarray:
    """Places of float64 values by their signs and exponents: of one of these all lack as much."""
    return np.argsort(_ordered(values).ravel() >> np.uint64(52), kind="stable")


def _unordered(order: np.ndarray) -> np.ndarray:
    """float64 values of which `_ordered` gave the order."""
    return np.where(order >> np.uint64(63), order & np.uint64(2**63 - 1), ~order).view(np.float64)


def _between(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """uint64: how many float64 numbers values lie above others, of n >= 0 2 n, else -2 n - 1."""
    apart = (_ordered(values) - _ordered(others)).view(np.int64)
    return ((apart << 1) ^ (apart >> 63)).view(np.uint64)


def _beside(others: np.ndarray, apart: np.ndarray) -> np.ndarray:
    """float64: the values of which `_between` said how far they lie from others."""
    moved = (apart >> np.uint64(1)) ^ -(apart & np.uint64(1))
    return _unordered(_ordered(others) + moved)
