"""Whole numbers of many blocks, coded by their expected sizes.

What size a number has is told by those before it in its block, as averages over the last few and
the last many; large ones are coded without their lowest bits, which lie behind as they are. All
blocks advance together: one number of each after the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.tables import FREQUENCY_BITS, RangeDecoder, RangeEncoder, Tables

FRACTION = 8  # bits of an expected size
_LESS = FREQUENCY_BITS - FRACTION
_PLAIN = 16  # numbers of larger expected sizes are coded without their lowest bits
_SHIFTS = (1, 3, 6)  # averages over about 2, 8 and 64 numbers,
_SHARES = (2, 3, 3)  # and their weights, in eighths
_LARGEST_SHIFT = 24
LARGEST_NUMBER = 2**30
_LARGEST_SIZE = 2**26  # that expected sizes count


class Sizes:
    """Tables by the sizes of what they code.

    Args:
      frequency_tables: of a codec.
    """

    def __init__(self, frequency_tables: Tables):
        self.tables = frequency_tables
        whole = np.rint(frequency_tables.mean(np.arange(2**16)) * 2.0**FREQUENCY_BITS)
        means = np.maximum.accumulate(whole.astype(np.int64))
        self._means = (means + (1 << _LESS >> 1)) >> _LESS
        top = int(np.searchsorted(self._means, _PLAIN << FRACTION))
        plain = int(self._means[min(top, len(self._means) - 1)])
        self._larger = (plain + 1) << np.arange(_LARGEST_SHIFT, dtype=np.int64)

    def choose(self, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """int64 each: tables, and how many bits lie apart, of numbers of expected sizes."""
        shift = np.searchsorted(self._larger, expected, side="right")
        return self.table(expected >> shift), shift

    def table(self, expected: np.ndarray) -> np.ndarray:
        """int64: tables of numbers of expected sizes."""
        return np.minimum(np.searchsorted(self._means, expected), self.tables.count - 1)


class _Expected:
    """The expected sizes of one number of each block after the other.

    Args:
      first: int64 ``[B]``, of the first ones.
    """

    def __init__(self, first: np.ndarray):
        self._averages = [first.copy() for _ in _SHIFTS]

    def __call__(self) -> np.ndarray:
        """int64 ``[B]``."""
        parts = [weight * part for weight, part in zip(_SHARES, self._averages)]
        return np.sum(parts, axis=0) >> 3

    def add(self, size: np.ndarray) -> None:
        """Makes sizes of numbers known; of fewer blocks, where the others have ended."""
        size = np.minimum(size, _LARGEST_SIZE) << FRACTION
        for number, shift in enumerate(_SHIFTS):
            part = self._averages[number][: len(size)]
            self._averages[number] = part + ((size - part) >> shift)


def encode(
    sizes: Sizes, encoder: RangeEncoder, numbers: np.ndarray, last: int, first: np.ndarray
) -> bytes:
    """Codes numbers, and gives the bits that lie apart.

    Args:
      sizes: of tables.
      encoder: what the rest goes to.
      numbers: int64 ``[T, B]``.
      last: of the last block, how many there are; of the others T.
      first: int64 ``[B]``, the expected sizes of the first ones.
    """
    counts = _counts(numbers.shape, last)
    expected, letters = _Expected(first), []
    rest, shifts = np.zeros_like(numbers), np.zeros_like(numbers)
    for time, count in enumerate(counts):
        row = numbers[time, :count]
        index, shift = sizes.choose(expected()[:count])
        high = (row + (1 << shift >> 1)) >> shift
        letters.append((high, index, time * sizes.tables.count + index))
        rest[time, :count], shifts[time, :count] = row + (1 << shift >> 1) - (high << shift), shift
        expected.add(np.abs(high) << shift)
    sizes.tables.encode(encoder, *(np.concatenate(parts) for parts in zip(*letters)))
    return _packed(rest.T.ravel(), shifts.T.ravel())


def decode(
    sizes: Sizes,
    decoder: RangeDecoder,
    apart: bytes,
    shape: Sequence[int],
    last: int,
    first: np.ndarray,
) -> np.ndarray:
    """int64 ``[T, B]``: what `encode` coded.

    Raises:
      MscnError: the data are damaged.
    """
    expected, out = _Expected(first), np.zeros(shape, np.int64)
    shifts = np.zeros_like(out)
    for time, count in enumerate(_counts(shape, last)):
        index, shift = sizes.choose(expected()[:count])
        high = sizes.tables.decode(decoder, index).astype(np.int64)
        shifts[time, :count] = shift
        out[time, :count] = (high << shift) - (1 << shift >> 1)
        expected.add(np.abs(high) << shift)
    if max(out.max(), -out.min()) > LARGEST_NUMBER:
        raise MscnError("an exact plane is damaged (a number too large); get a fresh copy")
    out.T[...] += _unpacked(apart, shifts.T.ravel()).reshape(shape[::-1])
    return out


def _counts(shape: Sequence[int], last: int) -> list[int]:
    """Of each time, how many blocks have a number."""
    times, blocks = shape
    return [blocks if time < last else blocks - 1 for time in range(times if blocks > 1 else last)]


def _bits(shifts: np.ndarray) -> np.ndarray:
    """Of each bit that lies apart its place in its number: the highest one first."""
    ends = np.cumsum(shifts)
    return np.repeat(ends, shifts) - np.arange(ends[-1]) - 1


def _packed(rest: np.ndarray, shifts: np.ndarray) -> bytes:
    return np.packbits((np.repeat(rest, shifts) >> _bits(shifts) & 1).astype(np.uint8)).tobytes()


def _unpacked(apart: bytes, shifts: np.ndarray) -> np.ndarray:
    total = int(shifts.sum())
    if len(apart) != -(-total // 8):
        raise MscnError("an exact plane is damaged (its bits); get a fresh copy")
    bits = np.unpackbits(np.frombuffer(apart, np.uint8), count=total).astype(np.int64)
    sums = np.concatenate(([0], np.cumsum(bits << _bits(shifts))))
    ends = np.cumsum(shifts)
    return sums[ends] - sums[ends - shifts]
