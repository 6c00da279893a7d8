"""docs/format.md, "Range coder" and "Order": letters, symbols and their tables."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import accumulate

import numpy as np

from tests.reader.container import require

WRAP = 2**64
BYTE = list(range(256, 65537, 256))  # of 256 letters with frequencies 256
LARGEST = 2**31 - 1


class RangeDecoder:
    """Letters of a payload."""

    def __init__(self, payload: bytes):
        self.payload, self.at = payload, 0
        self.low, self.range = 0, WRAP - 1
        self.point = (self.word() << 32) + self.word()

    def word(self) -> int:
        """The next 32 bits; zero bytes after the end."""
        self.at += 4
        return int.from_bytes(self.payload[self.at - 4 : self.at].ljust(4, b"\0"), "big")

    def letter(self, ends: Sequence[int]) -> int:
        """The next letter, of a table whose running sums of frequencies are given."""
        scale = self.range >> 24
        x = (self.point - self.low) % WRAP // scale
        require(x < 2**24, "the payload is damaged")
        letter = bisect_right(ends, x // 256)
        start = ends[letter - 1] if letter else 0
        self.low = (self.low + scale * (256 * start)) % WRAP
        self.range = scale * (256 * (ends[letter] - start))
        if self.range < 2**32:
            self.low = (self.low << 32) % WRAP
            self.range <<= 32
            self.point = (self.point << 32) % WRAP + self.word()
        return letter

    def varint(self) -> int:
        """A number whose bytes are letters."""
        value = 0
        for place in range(5):
            byte = self.letter(BYTE)
            value += (byte & 127) << (7 * place)
            if byte < 128:
                return value
        raise ValueError("a varint of more than 5 bytes")


class Tables:
    """The frequency tables of a bundle's entropy model."""

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        self.support = arrays["support"].tolist()
        self.centroid = arrays["centroid"]
        stops = np.cumsum(2 * arrays["support"].astype(int) + 2)[:-1]
        self.frequencies = [part.tolist() for part in np.split(arrays["frequencies"], stops)]
        self._signed = [list(accumulate(table)) for table in self.frequencies]
        self._sizes = [
            list(accumulate([t[s], *(t[s + n] + t[s - n] for n in range(1, s + 1)), t[-1]]))
            for s, t in zip(self.support, self.frequencies)
        ]

    def __len__(self) -> int:
        return len(self.support)

    def symbols(self, coder: RangeDecoder, index: Sequence[int], sizes: bool = False) -> list[int]:
        """One group of symbols, or of their sizes, by the table of each."""
        places, found = defaultdict(list), [0] * len(index)
        for place, t in enumerate(index):
            places[t].append(place)
        for t in sorted(places):
            support = self.support[t]
            ends, first = (self._sizes[t], 0) if sizes else (self._signed[t], -support)
            for place in places[t]:
                found[place] = coder.letter(ends) + first
            for place in places[t]:
                if found[place] == support + 1:
                    half, negative = divmod(coder.varint(), 2)
                    size = half + support + 1
                    require(size <= LARGEST and not (sizes and negative), "an impossible escape")
                    found[place] = -size if negative else size
        return found

    def values(self, symbols: np.ndarray, index: np.ndarray) -> np.ndarray:
        """float64, in steps, of symbols that were coded with some tables."""
        size = np.abs(symbols)
        lost = self.centroid[index, np.clip(size, 1, 2) - 1]
        return np.where(symbols == 0, 0.0, np.sign(symbols) * (size - lost))


def between(table: np.ndarray, q16: int) -> np.ndarray:
    """16 times what a table of qualities 1 to 10 has at a quality."""
    v, f = q16 // 16 - 1, q16 % 16
    w = min(v + 1, 9)
    return table[v] * (16 - f) + table[w] * f


def integers(array: np.ndarray) -> np.ndarray:
    """int64, of which sums don't overflow."""
    require(array.dtype.kind in "iu", "no integers")
    return array.astype(np.int64)
