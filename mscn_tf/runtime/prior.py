"""The entropy model frozen into integers, and range coding with it.

Every coefficient of a tile has a *scale index* that says which of `T` frequency tables codes it.
The index follows from the quality, the coefficient, and the magnitudes of this tile's coefficients
in earlier bands (a context model like that of Minnen et al. 2018, linear and per tile), all in
fixed point, so that encoder and decoder agree to the bit on every machine. docs/format.md says all
that a second decoder needs.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mscn_tf.runtime import tables
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.quality import LEVELS, check_sixteenths
from mscn_tf.runtime.quantiser import (
    DEAD_ZONE,
    FRACTION,
    around,
    between,
    dead_zones,
    round_dead_zone,
    scale_index,
    whole_between,
)
from mscn_tf.runtime.tables import LARGEST_SYMBOL, Tables, checked_array

_EXACT = 2**53  # integers below are exact in float64


class Prior:
    """Entropy model of M coefficients.

    Args:
      arrays: by name, besides those of `Tables`,
        band: integers [M], not falling; coefficients are coded band after band.
        base: integers [10, M], scale index at qualities 1 to 10, 14 fractional bits.
        context: integers [M, M], same fixed point; context[i, j] is zero unless
          band[j] < band[i].
        magnitude: integers [L], what |s| adds through `context`; its last entry counts for all
          larger ones.
        log_step: float [10, M], natural logarithm of the quantiser's step at qualities 1 to 10.

    Attributes:
      coefficients: M.
      tables: the frequency tables.

    Raises:
      MscnError: the arrays do not fit together.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        self.tables = Tables(arrays)
        ranks = {"band": 1, "base": 2, "context": 2, "magnitude": 1}
        given = {name: checked_array(arrays, name, rank) for name, rank in ranks.items()}
        given["log_step"] = checked_array(arrays, "log_step", 2, "f")
        self._log_step = given["log_step"].astype(np.float64)
        band, context, magnitude = given["band"], given["context"], given["magnitude"]
        self.coefficients = len(band)
        self._check(given)

        edges = np.flatnonzero(np.diff(band)) + 1
        self._bands = list(zip([0, *edges.tolist()], [*edges.tolist(), self.coefficients]))
        groups = self.tables.count * np.searchsorted(edges, np.arange(self.coefficients), "right")
        self._first_group = groups.astype(np.min_scalar_type(groups[-1] + self.tables.count))
        # What a zero adds goes into `base`, so that only non-zero symbols cost work.
        self._base = given["base"].astype(np.float64)
        self._zeros = magnitude[0] * context.sum(axis=1)
        self._magnitude = (magnitude - magnitude[0]).astype(np.float64)
        self._context = np.ascontiguousarray(context.T, np.float64)  # [from, to]

    def _check(self, given: dict[str, np.ndarray]) -> None:
        count, band = self.coefficients, given["band"]
        shapes = {
            "base": (LEVELS, count),
            "context": (count, count),
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

    def _rows(self, q16: np.ndarray) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """Of each different quality the rows below and above, and sixteenths between; and which."""
        q16 = np.asarray(q16, np.int64)
        check_sixteenths(q16)
        unique, which = np.unique(q16, return_inverse=True)
        lower, upper, part = around(np, unique)
        return (lower, upper, part[:, None]), which.reshape(-1)

    def steps(self, q16: np.ndarray) -> np.ndarray:
        """float64 [N, M]: quantiser steps at qualities `q16 / 16`, q16 integers [N]."""
        (lower, upper, part), which = self._rows(q16)
        return np.exp(between(self._log_step[lower], self._log_step[upper], part))[which]

    def _start(self, q16: np.ndarray) -> np.ndarray:
        """float64 [N, M]: scale indices in fixed point where all earlier symbols are zero."""
        (lower, upper, part), which = self._rows(q16)
        base = whole_between(np, self._base[lower], self._base[upper], part)
        return (base + self._zeros)[which]

    def activity(self, q16: int) -> np.ndarray:
        """float64 [M]: roughly the chance that a symbol isn't zero at quality `q16 / 16`.

        Found band after band, as if each symbol's magnitude were the mean of its table.
        """
        mean = self.tables.mean(self._magnitude)
        index = self._start(np.array([q16]))
        for start, stop in self._bands:
            known = self._rounded(index[:, start:stop])
            index[:, stop:] += mean[known] @ self._context[start:stop, stop:]
        return 1 - self.tables.zero_share[self._rounded(index[0])]

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
        return scale_index(np, index, self.tables.count).astype(np.uint16)

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

    def quantise(
        self, codes: np.ndarray, q16: np.ndarray, rate_weight: float, passes: int = 1
    ) -> np.ndarray:
        """int32 [N, M]: codes rounded where rate and distortion meet.

        A one is chosen over a zero where the squared error that it saves, `2 v - 1` in steps, is
        worth more than the bits that it costs; larger symbols keep the same distance from their
        lower neighbour. The bits are those at the scales that rounding with one dead zone for all
        would give, or the choices of the pass before.

        Args:
          codes: float [N, M].
          q16: integers [N], quality times 16.
          rate_weight: squared error that a bit is worth, in steps squared; 0 rounds plainly.
          passes: how often all symbols are chosen anew.
        """
        scaled = codes / self.steps(q16)
        if not np.isfinite(scaled).all():
            raise MscnError("a code is not finite")
        scaled = np.clip(scaled, -LARGEST_SYMBOL, LARGEST_SYMBOL)
        symbols = round_dead_zone(np, scaled, DEAD_ZONE).astype(np.int32)
        dead_zone = dead_zones(np, self.tables.one_over_zero, rate_weight)
        for _ in range(passes):
            zone = dead_zone[self.indices(symbols, q16)]
            symbols = round_dead_zone(np, scaled, zone).astype(np.int32)
        return symbols

    def encode(self, symbols: np.ndarray, q16: np.ndarray) -> bytes:
        """Codes a block of tiles.

        Args:
          symbols: int32 [N, M], within +-(2^31 - 1).
          q16: integers [N], quality times 16.

        Raises:
          MscnError: shapes, dtypes or ranges are wrong.
        """
        index = self.indices(symbols, q16)
        encoder = tables.RangeEncoder()
        group = (self._first_group + index).ravel()
        self.tables.encode(encoder, symbols.ravel(), index.ravel(), group)
        return tables.seal(encoder)

    def decode(self, payload: bytes, q16: np.ndarray) -> np.ndarray:
        """int32 [N, M]: the symbols that `encode` coded with the same `q16`.

        Raises:
          MscnError: the payload cannot be decoded. (One that is damaged may also decode to wrong
            symbols: the container's checksums are what finds damage.)
        """
        index = self._start(q16)
        symbols = np.zeros(index.shape, np.int32)
        decoder = tables.unseal(payload)
        for start, stop in self._bands:
            known = self._rounded(index[:, start:stop])
            values = self.tables.decode(decoder, known.ravel()).reshape(known.shape)
            symbols[:, start:stop] = values
            self._add_context(index, values, start, stop)
        return symbols

    def bits(self, symbols: np.ndarray, q16: np.ndarray) -> np.ndarray:
        """float64 [N, M]: what each symbol costs by the tables, in bits (arguments of `encode`)."""
        return self.tables.bits(symbols, self.indices(symbols, q16))

    def bits_over_zero(
        self, sizes: np.ndarray, symbols: np.ndarray, index: np.ndarray
    ) -> np.ndarray:
        """Bits that magnitudes cost more than zeros, each alone in its symbol's place.

        To its own bits come those of later symbols, whose scales it changes: to first order, by
        the slopes of their bits from table to table.

        Args:
          sizes: integers ``[K, N, M]``, at least 0: K magnitudes for each place.
          symbols: int32 ``[N, M]``, those around.
          index: of their tables, as `indices` gives.

        Returns:
          float64 ``[K, N, M]``.
        """
        index = index.astype(np.int64)  # from unsigned: one less is looked at, too
        above, below = np.minimum(index + 1, self.tables.count - 1), np.maximum(index - 1, 0)
        slope = self.tables.bits(symbols, above) - self.tables.bits(symbols, below)
        later = slope @ self._context.T / 2 ** (FRACTION + 1)
        own = self.tables.bits(sizes, np.broadcast_to(index, sizes.shape))
        zero = self.tables.bits(np.zeros_like(symbols), index)
        return own - zero + self._magnitude[np.minimum(sizes, len(self._magnitude) - 1)] * later

    def dequantise(self, symbols: np.ndarray, q16: np.ndarray) -> np.ndarray:
        """float64 [N, M]: step * sign(s) * (|s| - centroid[t, min(|s|, 2) - 1]).

        Args:
          symbols: int32 [N, M].
          q16: integers [N], quality times 16.
        """
        return self.tables.dequantise(symbols, self.indices(symbols, q16)) * self.steps(q16)
