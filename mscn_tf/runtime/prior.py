"""The entropy model frozen into integers, and range coding with it.

Every coefficient of a tile has a *scale index* that says which of `T` frequency tables codes it.
The index follows from the quality, the coefficient, and the magnitudes of this tile's coefficients
in earlier bands (a context model like that of Minnen et al. 2018, linear and per tile), all in
fixed point, so that encoder and decoder agree to the bit on every machine. Range coding is
Martin 1979, as in Bamler's `constriction`; docs/format.md says all that a second decoder needs.
"""

from __future__ import annotations

from collections.abc import Mapping

import constriction
import numpy as np

from mscn_tf.runtime.container import varint
from mscn_tf.runtime.errors import MscnError

FRACTION = 14  # fractional bits of a scale index before rounding
FREQUENCY_BITS = 16  # a table's frequencies add up to 2^16
LEVELS = 10  # integer qualities 1 to 10, stored as 16 to 160
LARGEST_SYMBOL = 2**31 - 1
_EXACT = 2**53  # integers below are exact in float64
_ESCAPE_BYTES = 5
_DEAD_ZONE = 0.2  # of the rounding that a symbol's own dead zone is found from

_INTEGERS = {"band": 1, "base": 2, "context": 2, "magnitude": 1, "support": 1, "frequencies": 1}
_REALS = {"centroid": 2, "log_step": 2}
_coder = constriction.stream.queue


def _table(frequencies: np.ndarray) -> constriction.stream.model.Model:
    """Model whose probabilities are exactly `frequencies / 2^16`.

    constriction rounds to multiples of 2^-24: it gives each of n symbols 1, shares the other
    2^24 - n in proportion to the weights, and rounds the cumulative sums down. Weights that add up
    to 2^24 - n are therefore taken as they are.
    """
    weights = frequencies.astype(np.float64) * 2.0 ** (24 - FREQUENCY_BITS) - 1.0
    return constriction.stream.model.Categorical(weights, perfect=False)


def _seal(encoder: _coder.RangeEncoder) -> bytes:
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


def _open(payload: bytes) -> _coder.RangeDecoder:
    words = np.frombuffer(payload + bytes(-len(payload) % 4), ">u4").astype(np.uint32)
    return _coder.RangeDecoder(words)


class Prior:
    """Entropy model of M coefficients.

    Args:
      arrays: by name,
        band: integers [M], not falling; coefficients are coded band after band.
        base: integers [10, M], scale index at qualities 1 to 10, 14 fractional bits.
        context: integers [M, M], same fixed point; context[i, j] is zero unless
          band[j] < band[i].
        magnitude: integers [L], what |s| adds through `context`; its last entry counts for all
          larger ones.
        support: integers [T]; table t codes -support[t] to support[t] and an escape.
        frequencies: integers [sum(2 * support + 2)], tables one after the other, symbols rising,
          the escape last; each entry at least 1, each table's sum 2^16.
        centroid: float [T, 2], what |s| = 1 and |s| >= 2 lose on the way back, in steps.
        log_step: float [10, M], natural logarithm of the quantiser's step at qualities 1 to 10.

    Attributes:
      coefficients: M.
      tables: T.

    Raises:
      MscnError: the arrays do not fit together.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        given = {}
        for names, kinds, dtype in ((_INTEGERS, "iu", np.int64), (_REALS, "f", np.float64)):
            for name, rank in names.items():
                array = np.asarray(arrays.get(name, ""))
                if array.dtype.kind not in kinds or array.ndim != rank or array.size == 0:
                    raise MscnError(f"prior: array {name} is missing or of the wrong kind")
                given[name] = array.astype(dtype)
        band, context, magnitude = given["band"], given["context"], given["magnitude"]
        self.coefficients, self.tables = len(band), len(given["support"])
        self._support, self._frequencies = given["support"], given["frequencies"]
        self._centroid, self._log_step = given["centroid"], given["log_step"]
        self._check(given)

        edges = np.flatnonzero(np.diff(band)) + 1
        self._bands = list(zip([0, *edges.tolist()], [*edges.tolist(), self.coefficients]))
        groups = self.tables * np.searchsorted(edges, np.arange(self.coefficients), "right")
        self._first_group = groups.astype(np.min_scalar_type(groups[-1] + self.tables))
        # What a zero adds goes into `base`, so that only non-zero symbols cost work.
        self._base = given["base"]
        self._zeros = magnitude[0] * context.sum(axis=1)
        self._magnitude = (magnitude - magnitude[0]).astype(np.float64)
        self._context = np.ascontiguousarray(context.T, np.float64)  # [from, to]
        self._starts = np.concatenate(([0], np.cumsum(2 * self._support + 2)))
        self._cost = FREQUENCY_BITS - np.log2(self._frequencies)
        self._models: list[constriction.stream.model.Model | None] = [None] * self.tables
        self._byte = _table(np.full(256, 256))

    def _check(self, given: dict[str, np.ndarray]) -> None:
        count, band, support = self.coefficients, given["band"], given["support"]
        shapes = {
            "base": (LEVELS, count),
            "context": (count, count),
            "centroid": (self.tables, 2),
            "log_step": (LEVELS, count),
        }
        for name, shape in shapes.items():
            if given[name].shape != shape:
                raise MscnError(f"prior: {name} has shape {given[name].shape}, not {shape}")
        if np.any(np.diff(band) < 0):
            raise MscnError("prior: band falls")
        if np.any(given["context"][band[:, None] <= band[None, :]]):
            raise MscnError("prior: context looks at coefficients that are not decoded yet")
        reach = np.abs(given["context"].astype(np.float64)).sum(axis=1).max()
        reach = 2 * reach * np.abs(given["magnitude"]).max() + np.abs(given["base"]).max() * 16
        if reach >= _EXACT / 2:
            raise MscnError("prior: context or base is too large to be added exactly")
        if support.min() < 0 or support.max() > 2 ** (FREQUENCY_BITS - 1) - 1:
            raise MscnError("prior: support is out of range")
        ends = np.cumsum(2 * support + 2)
        if ends[-1] != len(given["frequencies"]):
            raise MscnError("prior: frequencies do not match support")
        totals = np.add.reduceat(given["frequencies"], ends - (2 * support + 2))
        if given["frequencies"].min() < 1 or np.any(totals != 2**FREQUENCY_BITS):
            raise MscnError("prior: a table's frequencies do not add up to 65536, all at least 1")
        for name in _REALS:
            if not np.isfinite(given[name]).all():
                raise MscnError(f"prior: {name} is not finite")

    def _interpolated(self, table: np.ndarray, q16: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """16 times `table` [10, M] between its levels, for each different quality; and which."""
        q16 = np.asarray(q16, np.int64)
        if q16.size and not (q16.min() >= 16 and q16.max() <= 16 * LEVELS):
            raise MscnError(f"quality must be 1 to {LEVELS}")
        unique, which = np.unique(q16, return_inverse=True)
        lower, part = unique // 16 - 1, unique[:, None] % 16
        upper = np.minimum(lower + 1, LEVELS - 1)
        return table[lower] * (16 - part) + table[upper] * part, which.reshape(-1)

    def steps(self, q16: np.ndarray) -> np.ndarray:
        """float64 [N, M]: quantiser steps at qualities `q16 / 16`, q16 integers [N]."""
        log_step, which = self._interpolated(self._log_step, q16)
        return np.exp(log_step / 16)[which]

    def _start(self, q16: np.ndarray) -> np.ndarray:
        """float64 [N, M]: scale indices in fixed point where all earlier symbols are zero."""
        base, which = self._interpolated(self._base, q16)
        return (base // 16 + self._zeros).astype(np.float64)[which]

    def activity(self, q16: int) -> np.ndarray:
        """float64 [M]: roughly the chance that a symbol isn't zero at quality `q16 / 16`.

        Found band after band, as if each symbol's magnitude were the mean of its table.
        """
        symbols = np.arange(len(self._frequencies)) - np.repeat(
            self._starts[:-1] + self._support, np.diff(self._starts)
        )
        share = self._frequencies * 2.0**-FREQUENCY_BITS
        magnitude = self._magnitude[np.minimum(np.abs(symbols), len(self._magnitude) - 1)]
        mean = np.add.reduceat(share * magnitude, self._starts[:-1])
        index = self._start(np.array([q16]))
        for start, stop in self._bands:
            known = self._rounded(index[:, start:stop])
            index[:, stop:] += mean[known] @ self._context[start:stop, stop:]
        return 1 - share[self._starts[:-1] + self._support][self._rounded(index[0])]

    def _add_context(self, index: np.ndarray, symbols: np.ndarray, start: int, later: int) -> None:
        """Adds what `symbols`, of columns from `start`, mean to `index` from column `later`."""
        active = np.flatnonzero(symbols.any(axis=0))
        if later == self.coefficients or not len(active):
            return
        magnitude = self._magnitude[
            np.minimum(np.abs(symbols[:, active]), len(self._magnitude) - 1)
        ]
        # Exact in any order of summation: all are integers below 2^53.
        index[:, later:] += magnitude @ self._context[start + active, later:]

    def _rounded(self, index: np.ndarray) -> np.ndarray:
        rounded = np.floor((index + 2.0 ** (FRACTION - 1)) * 2.0**-FRACTION)
        return np.clip(rounded, 0, self.tables - 1).astype(np.uint16)

    def indices(self, symbols: np.ndarray, q16: np.ndarray) -> np.ndarray:
        """uint16 [N, M]: scale index of every coefficient.

        Args:
          symbols: int32 [N, M], within +-(2^31 - 1).
          q16: integers [N], quality times 16.
        """
        symbols = self._checked(symbols, q16)
        index = self._start(q16)
        self._add_context(index, symbols, 0, 0)
        return self._rounded(index)

    def _checked(self, symbols: np.ndarray, q16: np.ndarray) -> np.ndarray:
        symbols = np.asarray(symbols)
        if symbols.dtype.kind not in "iu" or symbols.shape != (len(q16), self.coefficients):
            raise MscnError(
                f"symbols must be integers [{len(q16)}, {self.coefficients}], "
                f"not {symbols.dtype} {list(symbols.shape)}"
            )
        if symbols.size and max(symbols.max(), -int(symbols.min())) > LARGEST_SYMBOL:
            raise MscnError(f"a symbol is beyond +-{LARGEST_SYMBOL}")
        return symbols.astype(np.int32, copy=False)

    def _model(self, table: int) -> constriction.stream.model.Model:
        model = self._models[table]
        if model is None:
            start, stop = self._starts[table : table + 2]
            model = self._models[table] = _table(self._frequencies[start:stop])
        return model

    def quantise(self, codes: np.ndarray, q16: np.ndarray, rate_weight: float) -> np.ndarray:
        """int32 [N, M]: codes rounded where rate and distortion meet.

        A one is chosen over a zero where the squared error that it saves, `2 v - 1` in steps, is
        worth more than the bits that it costs; larger symbols keep the same distance from their
        lower neighbour. The bits are those at the scales that rounding with one
        dead zone for all would give.

        Args:
          codes: float [N, M].
          q16: integers [N], quality times 16.
          rate_weight: squared error that a bit is worth, in steps squared; 0 rounds plainly.
        """
        scaled = codes / self.steps(q16)
        if not np.isfinite(scaled).all():
            raise MscnError("a code is not finite")
        size = np.minimum(np.abs(scaled), LARGEST_SYMBOL)
        plain = np.copysign(np.floor(size + 0.5 - _DEAD_ZONE), scaled).astype(np.int32)
        zero = self._starts[:-1] + self._support
        extra = self._cost[zero + 1] - self._cost[zero]  # where the support is 0: the escape's
        dead_zone = np.clip(0.5 * rate_weight * extra, 0.0, 0.45)[self.indices(plain, q16)]
        return np.copysign(np.floor(size + 0.5 - dead_zone), scaled).astype(np.int32)

    def _letters(self, symbols: np.ndarray, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """int32 [N, M]: places of symbols in their tables; bool [N, M]: which are escapes."""
        support = self._support[index]
        escaped = np.abs(symbols) > support
        return np.where(escaped, 2 * support + 1, symbols + support).astype(np.int32), escaped

    def encode(self, symbols: np.ndarray, q16: np.ndarray) -> bytes:
        """Codes a block of tiles.

        Args:
          symbols: int32 [N, M], within +-(2^31 - 1).
          q16: integers [N], quality times 16.

        Raises:
          MscnError: shapes, dtypes or ranges are wrong.
        """
        index = self.indices(symbols, q16)
        letters, escaped = self._letters(symbols, index)
        # Band after band, in each of them table after table.
        group = (self._first_group + index).ravel()
        order = np.argsort(group, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(group[order])) + 1, len(order)).tolist()
        letters, tables = letters.ravel()[order], index.ravel()[order]
        escapes = np.flatnonzero(escaped.ravel()[order])[::-1].tolist()
        encoder, at = _coder.RangeEncoder(), 0
        for end in ends:
            table = tables[at]
            encoder.encode(letters[at:end], self._model(table))
            while escapes and escapes[-1] < end:
                value = int(symbols.flat[order[escapes.pop()]])
                tail = _escape_bytes(value, int(self._support[table]))
                encoder.encode(np.frombuffer(tail, np.uint8).astype(np.int32), self._byte)
            at = end
        return _seal(encoder)

    def decode(self, payload: bytes, q16: np.ndarray) -> np.ndarray:
        """int32 [N, M]: the symbols that `encode` coded with the same `q16`.

        Raises:
          MscnError: the payload cannot be decoded. (One that is damaged may also decode to wrong
            symbols: the container's checksums are what finds damage.)
        """
        index = self._start(q16)
        symbols = np.zeros(index.shape, np.int32)
        decoder = _open(payload)
        for start, stop in self._bands:
            flat = self._rounded(index[:, start:stop]).ravel()
            order = np.argsort(flat, kind="stable")
            counts = np.bincount(flat)
            coded = np.empty(len(flat), np.int32)
            at = 0
            for table in np.flatnonzero(counts):
                end = at + int(counts[table])
                self._decode_group(decoder, table, coded[at:end])
                at = end
            values = np.empty_like(coded)
            values[order] = coded
            values = values.reshape(len(symbols), stop - start)
            symbols[:, start:stop] = values
            self._add_context(index, values, start, stop)
        return symbols

    def _decode_group(self, decoder: _coder.RangeDecoder, table: int, out: np.ndarray) -> None:
        support = int(self._support[table])
        try:
            out[:] = decoder.decode(self._model(table), len(out))
            escaped = np.flatnonzero(out == 2 * support + 1)
            out -= support
            for position in escaped:
                out[position] = self._decode_escape(decoder, support)
        except (AssertionError, ValueError) as error:  # what constriction raises on bad data
            raise MscnError(f"the coded data is damaged ({error}); get a fresh copy") from error

    def _decode_escape(self, decoder: _coder.RangeDecoder, support: int) -> int:
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

    def bits(self, symbols: np.ndarray, q16: np.ndarray) -> np.ndarray:
        """float64 [N, M]: what each symbol costs by the tables, in bits (arguments of `encode`)."""
        index = self.indices(symbols, q16)
        letters, escaped = self._letters(symbols, index)
        cost = self._cost[self._starts[index] + letters]
        for row, column in zip(*np.nonzero(escaped)):
            tail = _escape_bytes(int(symbols[row, column]), int(self._support[index[row, column]]))
            cost[row, column] += 8 * len(tail)
        return cost

    def dequantise(self, symbols: np.ndarray, q16: np.ndarray) -> np.ndarray:
        """float64 [N, M]: step * sign(s) * (|s| - centroid[t, min(|s|, 2) - 1]).

        Args:
          symbols: int32 [N, M].
          q16: integers [N], quality times 16.
        """
        index = self.indices(symbols, q16)
        codes = np.zeros(symbols.shape)
        used = np.nonzero(symbols)
        size = np.abs(symbols[used])
        shift = self._centroid[index[used], np.minimum(size, 2) - 1]
        codes[used] = np.sign(symbols[used]) * (size - shift) * self.steps(q16)[used]
        return codes


def _escape_bytes(value: int, support: int) -> bytes:
    """LEB128 of 2 * (|s| - support - 1), plus 1 where s is negative."""
    return varint(2 * (abs(value) - support - 1) + (value < 0))
