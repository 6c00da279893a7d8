"""Exact planes of sounds: linear prediction in blocks, and what it lacks by its expected size.

As FLAC and MPEG-4 ALS do, but that the numbers are coded with a codec's frequency tables. A second
channel may be coded less its share of the one before. Within a bound, samples are whole numbers of
wider steps. docs/format.md says all that a second decoder needs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Optional

import numpy as np

from mscn_tf.runtime import linear_prediction, tables, wave_numbers
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.input import Input, varint
from mscn_tf.runtime.linear_prediction import LARGEST_ORDER, LARGEST_SAMPLE
from mscn_tf.runtime.tables import Tables
from mscn_tf.runtime.wave_numbers import FRACTION, LARGEST_NUMBER, Sizes
from mscn_tf.runtime.workers import Workers

_CODEC = "field"  # whose tables new files are coded with
_ID_BYTES = 8
_BLOCKS = (9, 10, 11, 12, 13)  # logarithms of samples, to choose from
_TOGETHER = 2**18  # samples of a group of blocks
_AT_ONCE = 4  # groups
_TRIED = 2**16  # samples that show how long blocks are to be
_EXPONENTS = (7, 15, 23)  # fractional bits of samples of 8, 16 and 24 bits
_WHOLE = 2.0**53
_FINEST = 40  # fractional bits of a step
_SMALLEST, _LARGEST_EXPONENT = 2, 15  # logarithms of a block's samples
_SHARE_BITS, _LARGEST_SHARE = 4, 32  # of a channel's share of the one before
_LIKE = 0.05  # correlation of two channels, from which on a share is looked for
_FLOOR = 0.3  # of a mean size: what a zero takes is not nothing
_COEFFICIENT_BITS, _BLOCK_BITS = 5.5, 8
_SIZE_PARTS = 2  # of an octave, by which a block's first expected size is told
# Expected sizes of a block's own numbers: its order, first size, share; and its coefficients.
_OWN = np.array([4, 3, 2]) << FRACTION
_COEFFICIENTS = np.array([58, 36, *[19] * 2, *[16] * 4, *[10] * 8, *[6] * 16]) << FRACTION
_KEPT, _KEPT_BITS = 5, 3  # of a coefficient in the next block


@dataclass(frozen=True)
class _Head:
    """What a payload begins with.

    Attributes:
      bundle_id: of the codec whose tables it takes.
      exponent: fractional bits of a step.
      grain: what a step has of these.
      within: steps that samples may be off by.
      block: logarithm of a block's samples.
      shared: whether blocks have shares of the plane before.
    """

    bundle_id: bytes
    exponent: int
    grain: int
    within: int
    block: int
    shared: bool

    @property
    def unit(self) -> float:
        """What numbers stand for."""
        return math.ldexp((2 * self.within + 1) * self.grain, -self.exponent)

    def to_bytes(self) -> bytes:
        packed = bytes((self.exponent, self.block | self.shared << 7))
        return self.bundle_id + packed + varint(self.grain) + varint(self.within)

    @staticmethod
    def read(reader: Input) -> _Head:
        bundle_id, (exponent, block) = reader.take(_ID_BYTES), reader.take(2)
        grain, within = reader.varint(), reader.varint()
        head = _Head(bundle_id, exponent, grain, within, block & 127, block > 127)
        if (
            exponent > _FINEST
            or not _SMALLEST <= head.block <= _LARGEST_EXPONENT
            or not 1 <= grain < 2**32
            or within >= 2**32
        ):
            raise reader.damaged("numbers of a wave")
        return head


def suit(values: np.ndarray) -> bool:
    """Whether a plane ``[.., C]`` can be coded so, if its samples lie on a grid or have a bound."""
    return values.dtype == np.float32 and values.ndim == 2 and values.shape[-1] == 1


def encode(
    values: np.ndarray, threads: int = 1, bound: float = 0, before: Optional[np.ndarray] = None
) -> Optional[bytes]:
    """The payload of a plane, behind its form; None where its samples lie on no grid.

    Args:
      values: float32 ``[N, 1]``, finite.
      threads: that share the work.
      bound: no value may be off by more.
      before: the plane before, as it will be decoded, if it is of the same length.
    """
    found = _steps(values, bound)
    if found is None:
        return None
    bundle_id = Bundle.load(_CODEC).id[:_ID_BYTES]
    head = _Head(bundle_id, *found, _BLOCKS[0], before is not None and _alike(values, before))
    if head.shared and before is not None and np.abs(before).max() / head.unit > LARGEST_SAMPLE / 8:
        head = replace(head, shared=False)
    start = max(0, len(values) - _TRIED) // 2
    some = _numbers(values[start : start + _TRIED], head.unit)
    longest = 2 * max(len(values), 2 ** _BLOCKS[0])
    lengths = [block for block in _BLOCKS if 2**block < longest]
    head = replace(head, block=min(lengths, key=lambda block: _estimated(some, block)))
    sizes = _sizes(bundle_id)

    def group(span: slice) -> bytes:
        beside = _numbers(before[span], head.unit) if head.shared and before is not None else None
        parts = _coded_group(head, sizes, _numbers(values[span], head.unit), beside)
        return b"".join(varint(len(part)) + part for part in parts)

    with Workers(min(threads, _AT_ONCE)) as workers:
        groups = workers.in_order(group, _spans(len(values), head.block))
        return head.to_bytes() + b"".join(groups)


def decode(
    reader: Input, shape: Sequence[int], threads: int = 1, before: Optional[np.ndarray] = None
) -> np.ndarray:
    """float32 ``[N, 1]``: what ``encode`` coded.

    Raises:
      MscnError: the payload is damaged, or its tables are not here.
    """
    head = _Head.read(reader)
    if len(shape) != 2 or shape[1] != 1 or (head.shared and before is None):
        raise reader.damaged("a wave of no sound")
    sizes, other = _sizes(head.bundle_id), None
    if head.shared and before is not None:
        if before.shape != tuple(shape):
            raise reader.damaged("channels of two lengths")
        other = _numbers(before, head.unit)
        if np.abs(other).max() > LARGEST_SAMPLE:
            raise reader.damaged("a sample is too large")
    spans = _spans(shape[0], head.block)
    payloads = [(reader.take(reader.varint()), reader.take(reader.varint())) for _ in spans]
    if reader.left:
        raise reader.damaged("bytes left over")
    out = np.empty(tuple(shape), np.float32)

    def fill(number: int) -> None:
        span = spans[number]
        beside = None if other is None else other[span]
        decoded = _decoded_group(head, sizes, payloads[number], span.stop - span.start, beside)
        out[span, 0] = decoded * head.unit

    with Workers(min(threads, _AT_ONCE)) as workers:
        for _ in workers.in_order(fill, range(len(spans))):
            pass
    return out


def shared(payload: bytes) -> bool:
    """Whether a payload needs the plane before."""
    return payload[_ID_BYTES + 1 : _ID_BYTES + 2] > b"\x7f"


def bound_of(payload: bytes) -> float:
    """How far values may be off."""
    head = _Head.read(Input(payload, "exact plane"))
    return math.ldexp(head.within * head.grain, -head.exponent)


@lru_cache(2)
def _sizes(bundle_id: bytes) -> Sizes:
    bundle = Bundle.find(bundle_id)
    if bundle is None:
        raise MscnError(
            f"an exact plane was made with codec {bundle_id.hex()}, which is not among those "
            "installed; update mscn-tf"
        )
    return Sizes(Tables(bundle.arrays("prior")))


def _steps(values: np.ndarray, bound: float) -> Optional[tuple[int, int, int]]:
    """Exponent and grain of the grid on which samples lie, and steps that they may be off by.

    None where there is no such grid, or too fine a one, and too small a bound.
    """
    largest = float(np.abs(values).max())
    if not math.isfinite(largest) or (not bound and np.signbit(values[values == 0]).any()):
        return None  # the bits of some would not come back
    for exponent in _EXPONENTS:
        grain = _grain(values, exponent) if math.ldexp(largest, exponent) < _WHOLE else 0
        if grain and math.ldexp(largest, exponent) < grain * (LARGEST_SAMPLE // 2):
            return exponent, grain, math.floor(bound / math.ldexp(grain, -exponent))
    # Half a step of this grid more than the bound: at least 2^8 steps, so that it's nothing.
    room = bound - float(np.spacing(np.float32(largest)))
    within = min(math.floor(math.ldexp(room, _FINEST) - 0.5), 2**32 - 1)
    small = 2 * within * (LARGEST_SAMPLE // 2) > math.ldexp(largest, _FINEST)
    return (_FINEST, 1, within) if within >= 2**8 and small else None


def _grain(values: np.ndarray, exponent: int) -> int:
    """What all samples are multiples of, in steps of a grid; 0 where they don't lie on it."""
    grain = 0
    for start in range(0, len(values), _TOGETHER):
        scaled = np.ldexp(values[start : start + _TOGETHER].astype(np.float64), exponent)
        if (scaled != np.rint(scaled)).any():
            return 0
        grain = math.gcd(grain, int(np.gcd.reduce(scaled.ravel().astype(np.int64))))
    return grain or 1


def _numbers(values: np.ndarray, unit: float) -> np.ndarray:
    """int64 ``[N]``: samples in whole steps, halves up."""
    return np.floor(values[:, 0].astype(np.float64) / unit + 0.5).astype(np.int64)


def _alike(values: np.ndarray, other: np.ndarray) -> bool:
    """Whether what is new in two channels is alike."""
    if values.shape != other.shape or len(values) < 4:
        return False
    new, others = (np.diff(part[:, 0].astype(np.float64), 2) for part in (values, other))
    return abs(float(new @ others)) > _LIKE * math.sqrt(float(new @ new) * float(others @ others))


def _spans(length: int, block: int) -> list[slice]:
    """The samples of each group of blocks."""
    step = max(_TOGETHER, 2**block)
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]


def _in_blocks(numbers: np.ndarray, block: int) -> tuple[np.ndarray, int]:
    """int64 ``[T, B]``, the last block filled up with zeros, and how many numbers that has."""
    length = min(2**block, len(numbers))
    count = -(-len(numbers) // length)
    filled = np.zeros(count * length, np.int64)
    filled[: len(numbers)] = numbers
    return np.ascontiguousarray(filled.reshape(count, length).T), len(numbers) - (
        count - 1
    ) * length


def _estimated(numbers: np.ndarray, block: int) -> float:
    """About how many bits numbers take in blocks of so many samples, but for a constant."""
    samples, _ = _in_blocks(numbers, block)
    coefficients = linear_prediction.analysed(samples, _order(samples))
    left, coefficients = linear_prediction.left(samples, coefficients)
    each = len(left) * np.log2(np.abs(left).mean(0) + _FLOOR)
    return float(
        each.sum() + _COEFFICIENT_BITS * (coefficients != 0).sum() + _BLOCK_BITS * len(each)
    )


def _order(samples: np.ndarray) -> int:
    return min(LARGEST_ORDER, len(samples) - 1)


def _coded_group(
    head: _Head, sizes: Sizes, numbers: np.ndarray, other: Optional[np.ndarray]
) -> tuple[bytes, bytes]:
    """The string of the range coder, and the bits that lie apart."""
    samples, last = _in_blocks(numbers, head.block)
    order = _order(samples)
    coefficients = linear_prediction.analysed(samples, order)
    shares = np.zeros(samples.shape[1], np.int64)
    if other is not None:
        beside = _in_blocks(other, head.block)[0]
        samples, coefficients, shares = _less(samples, beside, coefficients)
    left, coefficients = linear_prediction.left(samples, coefficients)
    if np.abs(left).max() > LARGEST_NUMBER:
        left, coefficients = samples, np.zeros_like(coefficients)
    size = np.abs(left).sum(0) / np.append(np.full(left.shape[1] - 1, len(left)), last)
    octaves = np.rint(_SIZE_PARTS * np.log2(np.maximum(size, 2.0**-FRACTION))).astype(np.int64)
    octaves += _SIZE_PARTS * FRACTION
    encoder = tables.RangeEncoder()
    places = np.where(coefficients != 0, np.arange(1, order + 1)[:, None], 0)
    orders = places.max(0, initial=0)
    own, known = [orders, octaves] + ([shares] if head.shared else []), np.zeros(order, np.int64)
    _code_rows(sizes, encoder, np.diff(np.array(own).T, axis=0, prepend=0), _OWN[: len(own)])
    for number, count in enumerate(orders):
        row, expected = coefficients[:count, number], _COEFFICIENTS[:count]
        _code_rows(sizes, encoder, (row - (known[:count] * _KEPT >> _KEPT_BITS))[None], expected)
        known = coefficients[:, number]
    apart = wave_numbers.encode(sizes, encoder, left, last, _first(octaves))
    return tables.seal(encoder), apart


def _less(
    samples: np.ndarray, beside: np.ndarray, coefficients: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Blocks less their shares of the plane before, where that leaves less, their coefficients
    and their shares.
    """
    new, coefficients = linear_prediction.left(samples, coefficients)
    others, _ = linear_prediction.left(beside, coefficients)
    ratio = (new * 1.0 * others).sum(0) / np.maximum((others * 1.0 * others).sum(0), 1)
    shares = np.clip(np.rint(ratio * 2**_SHARE_BITS), -_LARGEST_SHARE, _LARGEST_SHARE)
    less = samples - _share_of(beside, shares.astype(np.int64))
    remaining, analysed = linear_prediction.left(
        less, linear_prediction.analysed(less, len(coefficients))
    )
    better = np.abs(remaining).sum(0) < np.abs(new).sum(0)
    return (
        np.where(better, less, samples),
        np.where(better, analysed, coefficients),
        np.where(better, shares, 0).astype(np.int64),
    )


def _share_of(beside: np.ndarray, shares: np.ndarray) -> np.ndarray:
    return (shares * beside + 2 ** (_SHARE_BITS - 1)) >> _SHARE_BITS


def _first(octaves: np.ndarray) -> np.ndarray:
    """int64: expected sizes of blocks' first numbers: 2^(n / 2), 3/2 standing for sqrt 2."""
    whole = octaves // _SIZE_PARTS
    return np.where(octaves % _SIZE_PARTS, 3 << whole >> 1, 1 << whole)


def _code_rows(
    sizes: Sizes, encoder: tables.RangeEncoder, rows: np.ndarray, expected: np.ndarray
) -> None:
    """Small numbers ``[R, K]``, row after row."""
    if not rows.size:
        return
    index = sizes.table(expected)
    every, group = np.tile(index, len(rows)), np.repeat(np.arange(len(rows)), rows.shape[1])
    sizes.tables.encode(encoder, rows.ravel(), every, group * sizes.tables.count + every)


def _decoded_rows(
    sizes: Sizes, decoder: tables.RangeDecoder, count: int, expected: np.ndarray
) -> np.ndarray:
    index = sizes.table(expected)
    rows = [sizes.tables.decode(decoder, index) for _ in range(count if len(index) else 0)]
    return np.array(rows, np.int64).reshape(count, len(index))


def _decoded_group(
    head: _Head, sizes: Sizes, parts: tuple[bytes, bytes], length: int, other: Optional[np.ndarray]
) -> np.ndarray:
    """int64 ``[length]``."""
    beside, last = _in_blocks(np.zeros(length, np.int64) if other is None else other, head.block)
    blocks, decoder = beside.shape[1], tables.unseal(parts[0])
    own = _decoded_rows(sizes, decoder, blocks, _OWN[: 3 if head.shared else 2]).cumsum(0)
    limit = _order(beside)
    octaves = own[:, 1]
    if own[:, 0].min() < 0 or own[:, 0].max() > limit or not 0 <= octaves.min() <= 80:
        raise MscnError("an exact plane is damaged (a block); get a fresh copy")
    if octaves.max() > 80 or np.abs(own[:, 2:]).max(initial=0) > _LARGEST_SHARE:
        raise MscnError("an exact plane is damaged (a block); get a fresh copy")
    coefficients, known = np.zeros((limit, blocks), np.int64), np.zeros(limit, np.int64)
    for number, count in enumerate(own[:, 0]):
        (row,) = _decoded_rows(sizes, decoder, 1, _COEFFICIENTS[:count])
        coefficients[:count, number] = row + (known[:count] * _KEPT >> _KEPT_BITS)
        known = coefficients[:, number]
    if np.abs(coefficients).max(initial=0) > linear_prediction.LARGEST_REFLECTION:
        raise MscnError("an exact plane is damaged (a predictor); get a fresh copy")
    left = wave_numbers.decode(sizes, decoder, parts[1], beside.shape, last, _first(octaves))
    samples = linear_prediction.restored(left, linear_prediction.predictors(coefficients))
    if head.shared:
        samples += _share_of(beside, own[:, 2])
    return samples.T.ravel()[:length]
