"""Frequency tables of whole numbers, and range coding with them.

Range coding is Martin 1979, as in Bamler's `constriction`; docs/format.md says all that a second
decoder needs.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import constriction
import numpy as np

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.input import varint

if TYPE_CHECKING:
    from typing_extensions import TypeAlias

FREQUENCY_BITS = 16  # a table's frequencies add up to 2^16
LARGEST_SYMBOL = 2**31 - 1
_ESCAPE_BYTES = 5
_LARGEST = {"iu": 2.0**40, "f": 100.0}  # of an array's values, by kind
_Model: TypeAlias = constriction.stream.model.Model
RangeEncoder: TypeAlias = constriction.stream.queue.RangeEncoder
RangeDecoder: TypeAlias = constriction.stream.queue.RangeDecoder


def weights(frequencies: np.ndarray) -> np.ndarray:
    """float64: what makes constriction take probabilities as exactly `frequencies / 2^16`.

    It rounds to multiples of 2^-24: it gives each of n symbols 1, shares the other 2^24 - n in
    proportion to the weights, and rounds the cumulative sums down. Weights that add up to
    2^24 - n are therefore taken as they are.
    """
    return frequencies.astype(np.float64) * 2.0 ** (24 - FREQUENCY_BITS) - 1.0


def model(frequencies: np.ndarray) -> _Model:
    """Model whose probabilities are exactly `frequencies / 2^16`."""
    return constriction.stream.model.Categorical(weights(frequencies), perfect=False)


def seal(encoder: RangeEncoder) -> bytes:
    """Shortest bytes inside the coder's final interval, trailing zeros left out.

    constriction writes whole 32-bit words; this saves 2 or 3 bytes a block.
    """
    emitted, (low, span) = encoder.pos()
    words = encoder.get_compressed()[:emitted].astype(">u4").tobytes()
    prefix = int.from_bytes(words, "big")
    if low + 2**32 - 1 >= 2**64:  # get_compressed() has carried into the words
        prefix -= 1
    for zeros in range(64, -1, -8):
        point = -(-low >> zeros) << zeros  # rounded up
        if point < low + span:
            break
    return ((prefix << 64) + point).to_bytes(len(words) + 8, "big").rstrip(b"\0")


@contextlib.contextmanager
def damage_in_words() -> Iterator[None]:
    """Turns what constriction raises on bad data into a `MscnError`."""
    try:
        yield
    except (AssertionError, ValueError) as error:
        raise MscnError(f"the coded data is damaged ({error}); get a fresh copy") from error


def unseal(payload: bytes) -> RangeDecoder:
    """A decoder of what `seal` gave."""
    words = np.frombuffer(payload + bytes(-len(payload) % 4), ">u4").astype(np.uint32)
    return RangeDecoder(words)


def _escape_bytes(value: int, support: int) -> bytes:
    """LEB128 of 2 * (|s| - support - 1), plus 1 where s is negative."""
    return varint(2 * (abs(value) - support - 1) + (value < 0))


class Tables:
    """T tables of frequencies for symbols of either sign; what they cost; what they stand for.

    Args:
      arrays: by name,
        support: integers [T]; table t codes -support[t] to support[t] and an escape.
        frequencies: integers [sum(2 * support + 2)], tables one after the other, symbols rising,
          the escape last; each entry at least 1, each table's sum 2^16.
        centroid: float [T, 2], what |s| = 1 and |s| >= 2 lose on the way back, in steps.

    Attributes:
      count: T.

    Raises:
      MscnError: the arrays do not fit together.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        self._support = checked_array(arrays, "support", 1)
        self._frequencies = checked_array(arrays, "frequencies", 1)
        self._centroid = checked_array(arrays, "centroid", 2, "f")
        support, frequencies = self._support, self._frequencies
        self.count = len(support)
        if self._centroid.shape != (self.count, 2):
            raise MscnError(f"prior: centroid has shape {self._centroid.shape}")
        if support.min() < 0 or support.max() > 2 ** (FREQUENCY_BITS - 1) - 1:
            raise MscnError("prior: support is out of range")
        ends = np.cumsum(2 * support + 2)
        if ends[-1] != len(frequencies):
            raise MscnError("prior: frequencies do not match support")
        totals = np.add.reduceat(frequencies, ends - (2 * support + 2))
        if frequencies.min() < 1 or np.any(totals != 2**FREQUENCY_BITS):
            raise MscnError("prior: a table's frequencies do not add up to 65536, all at least 1")
        self._starts = np.concatenate(([0], ends))
        self._lowest = -support
        self._cost = FREQUENCY_BITS - np.log2(frequencies)
        self._models: list[_Model | None] = [None] * self.count
        self._byte = model(np.full(256, 256))
        self._number = np.min_scalar_type(self.count)  # narrow numbers are sorted by counting

    def magnitudes(self) -> Tables:
        """The same tables for symbols without their signs, never negative."""
        folded = copy.copy(self)
        parts = [
            np.concatenate((part[s : s + 1], part[s + 1 : -1] + part[s - 1 :: -1][:s], part[-1:]))
            for s, part in zip(self._support, np.split(self._frequencies, self._starts[1:-1]))
        ]
        folded._lowest = np.zeros_like(self._support)
        folded._frequencies = np.concatenate(parts)
        folded._starts = np.concatenate(([0], np.cumsum(self._support + 2)))
        folded._cost = FREQUENCY_BITS - np.log2(folded._frequencies)
        folded._models = [None] * self.count
        return folded

    @property
    def zero_share(self) -> np.ndarray:
        """float64 [T]: probability of a zero."""
        return self._frequencies[self._starts[:-1] - self._lowest] * 2.0**-FREQUENCY_BITS

    def mean(self, of: np.ndarray) -> np.ndarray:
        """float64 [T]: expectation of `of[min(|s|, len(of) - 1)]`."""
        symbols = np.arange(len(self._frequencies)) - np.repeat(
            self._starts[:-1] - self._lowest, np.diff(self._starts)
        )
        values = self._frequencies * of[np.minimum(np.abs(symbols), len(of) - 1)]
        return np.add.reduceat(values, self._starts[:-1]) * 2.0**-FREQUENCY_BITS

    def _letters(self, symbols: np.ndarray, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """int32, places of symbols in their tables; bool, which are escapes."""
        support = self._support[index]
        escaped = np.abs(symbols) > support
        letters = np.where(escaped, support + 1, symbols) - self._lowest[index]
        return letters.astype(np.int32), escaped

    def _get(self, table: int) -> _Model:
        if self._models[table] is None:
            start, stop = self._starts[table : table + 2]
            self._models[table] = model(self._frequencies[start:stop])
        return self._models[table]

    def encode(
        self,
        encoder: RangeEncoder,
        symbols: np.ndarray,
        index: np.ndarray,
        group: np.ndarray | None = None,
    ) -> None:
        """Codes symbols, group after group and in each of them table after table.

        Args:
          encoder: what they go to.
          symbols: integers [n], within +-(2^31 - 1).
          index: integers [n], their tables.
          group: integers [n] that rise with the table in each group; default `index`.
        """
        group = index.astype(self._number) if group is None else group
        order = np.argsort(group, kind="stable")
        letters, escaped = self._letters(symbols, index)
        letters, tables = letters[order], index[order]
        ends = np.flatnonzero(np.diff(group[order])) + 1
        starts = np.concatenate(([0], ends)) if len(order) else ends
        escapes = np.flatnonzero(escaped[order])[::-1].tolist()
        runs = zip(starts.tolist(), [*ends.tolist(), len(order)], tables[starts].tolist())
        for start, end, table in runs:
            encoder.encode(letters[start:end], self._get(table))
            while escapes and escapes[-1] < end:
                value = int(symbols[order[escapes.pop()]])
                tail = _escape_bytes(value, int(self._support[table]))
                encoder.encode(np.frombuffer(tail, np.uint8).astype(np.int32), self._byte)

    def decode(self, decoder: RangeDecoder, index: np.ndarray) -> np.ndarray:
        """int32 [n]: the symbols of one group that `encode` coded with the same `index`.

        Raises:
          MscnError: the data cannot be decoded.
        """
        if not len(index):
            return np.zeros(0, np.int32)
        order = np.argsort(index.astype(self._number), kind="stable")
        counts = np.bincount(index)
        used = np.flatnonzero(counts)
        counts, lowest = counts[used], self._lowest[used]
        escapes = (self._support[used] + 1 - lowest).tolist()
        runs: list[np.ndarray] = []
        larger: list[tuple[int, int]] = []  # places of symbols beyond their tables, and these
        first = 0
        with damage_in_words():
            for table, count, escape in zip(used.tolist(), counts.tolist(), escapes):
                run = decoder.decode(self._get(table), count)
                if run.item(run.argmax()) == escape:
                    for place in np.flatnonzero(run == escape).tolist():
                        symbol = self._decode_escape(decoder, int(self._support[table]))
                        larger.append((first + place, symbol))
                runs.append(run)
                first += count
        coded = np.concatenate(runs)
        if lowest.any():
            coded += np.repeat(lowest, counts)
        for place, symbol in larger:
            coded[place] = symbol
        symbols = np.empty(len(index), np.int32)
        symbols[order] = coded
        return symbols

    def _decode_escape(self, decoder: RangeDecoder, support: int) -> int:
        number = 0
        for place in range(_ESCAPE_BYTES):
            byte = int(decoder.decode(self._byte))
            number |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                value = support + 1 + (number >> 1)
                if value > LARGEST_SYMBOL:
                    break
                return -value if number & 1 else value
        raise ValueError("a symbol is too large")

    def bits(self, symbols: np.ndarray, index: np.ndarray) -> np.ndarray:
        """float64, what each symbol costs by the tables, in bits; shapes alike."""
        letters, escaped = self._letters(symbols, index)
        cost = self._cost[self._starts[index] + letters]
        for at in zip(*np.nonzero(escaped)):
            tail = _escape_bytes(int(symbols[at]), int(self._support[index[at]]))
            cost[at] += 8 * len(tail)
        return cost

    @property
    def one_over_zero(self) -> np.ndarray:
        """float64 [T]: bits that a one costs more than a zero."""
        zero = self._starts[:-1] - self._lowest
        return self._cost[zero + 1] - self._cost[zero]  # where the support is 0: the escape's

    def dequantise(self, symbols: np.ndarray, index: np.ndarray) -> np.ndarray:
        """float64, in steps: sign(s) * (|s| - centroid[t, min(|s|, 2) - 1]); shapes alike."""
        values = np.zeros(symbols.size)
        symbols, index, shape = symbols.ravel(), index.ravel(), symbols.shape
        used = np.flatnonzero(symbols)
        size = np.abs(symbols[used])
        shift = self._centroid[index[used], np.minimum(size, 2) - 1]
        values[used] = np.sign(symbols[used]) * (size - shift)
        return values.reshape(shape)


def checked_array(
    arrays: Mapping[str, np.ndarray], name: str, rank: int, kinds: str = "iu"
) -> np.ndarray:
    """The array of that name as int64 or float64.

    Raises:
      MscnError: it is missing, empty, of another rank or kind, not finite, or with values that
        no prior has and that arithmetic would overflow on.
    """
    array = np.asarray(arrays.get(name, ""))
    if array.dtype.kind not in kinds or array.ndim != rank or array.size == 0:
        raise MscnError(f"prior: array {name} is missing or of the wrong kind")
    low, high = float(array.min()), float(array.max())
    if not -_LARGEST[kinds] <= low <= high <= _LARGEST[kinds]:
        raise MscnError(f"prior: {name} has values from {low:g} to {high:g}")
    return array.astype(np.float64 if kinds == "f" else np.int64)
