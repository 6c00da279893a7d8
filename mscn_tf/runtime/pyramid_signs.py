"""The signs of wavelet coefficients, predicted from signs that are known, in whole numbers.

Neighbouring coefficients of an edge have signs that follow from each other: along a row high
frequencies alternate, a coarser level tells which way the edge goes, and channels of one object
keep their ratio. A small network sees the signed magnitudes around a coefficient and gives the
evidence that it is positive. It has no biases and its activation is odd: a picture's negative gets
the negative evidence. It is asked only where a coefficient isn't zero.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mscn_tf.runtime import tables
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.pyramid_scales import AROUND, OWN, Level, offsets
from mscn_tf.runtime.tables import RangeDecoder, RangeEncoder, checked_array

WIDE = [(y, x) for y in range(-2, 3) for x in range(-2, 3)]
SIZES = 3  # magnitudes 1, 2, and larger ones have each an evidence of their own
LARGEST_INPUT = 64  # 8 log2(1 + 255)
LARGEST_ACTIVATION = 4095
RATIO_DOUBT = 64  # what stands against a ratio of channels: two ones side by side
_EXACT = 2**24  # whole numbers up to here are exact in float32
_TOGETHER = 2**11  # places that are computed at once


def input_count(channels: int) -> int:
    """Inputs of a network: signed magnitudes, and one ratio for each channel but the last."""
    return len(OWN) + 3 * len(AROUND) + 3 * len(WIDE) + channels - 1


class Signs:
    """Model of signs for pictures of C channels, B = 3 C bands a level, L levels.

    Args:
      arrays: by name,
        sign_first: integers [B, 4, I, H], for each pass; I = `input_count(C)`.
        sign_last: integers [B, 4, L, 3, H], for magnitudes 1, 2, and larger ones.
        sign_shift: integers [2], fractional bits after each layer.
        sign_frequencies: integers [K], 1 to 65535: how many of 65536 signs are as predicted at
          evidence 0 to K - 1; larger evidence is as K - 1.
      levels: L.
      channels: C.

    Raises:
      MscnError: the arrays do not fit together.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], levels: int, channels: int):
        first = checked_array(arrays, "sign_first", 4)
        last = checked_array(arrays, "sign_last", 5)
        shift = checked_array(arrays, "sign_shift", 1)
        frequencies = checked_array(arrays, "sign_frequencies", 1)
        bands, inputs = 3 * channels, input_count(channels)
        fits = first.shape[:3] == (bands, 4, inputs)
        if not fits or last.shape != (bands, 4, levels, SIZES, first.shape[3]):
            raise MscnError(f"prior: sign_first or sign_last has shape {first.shape}, {last.shape}")
        if shift.shape != (2,) or shift.min() < 1 or shift.max() > 20:
            raise MscnError("prior: sign_shift is out of range")
        if frequencies.min() < 1 or frequencies.max() >= 2**tables.FREQUENCY_BITS:
            raise MscnError("prior: sign_frequencies are out of range")
        reach = (
            np.abs(first).sum(2).max() * LARGEST_INPUT,
            (np.abs(last).sum(4).max() * LARGEST_ACTIVATION),
        )
        if any(total + 2 ** (s - 1) >= _EXACT for total, s in zip(reach, shift.tolist())):
            raise MscnError("prior: the sums of its signs' network are too large to be exact")
        self._shift = shift.tolist()
        # From inputs band by band to place by place, as they are gathered; sums are scaled by the
        # power of two that follows.
        ends = np.cumsum([len(OWN), 3 * len(AROUND), 3 * len(WIDE)])
        own, around, wide, ratios = np.split(first * 2.0 ** -self._shift[0], ends, axis=2)
        around, wide = (
            part.reshape(bands, 4, 3, -1, first.shape[3]).swapaxes(2, 3).reshape(part.shape)
            for part in (around, wide)
        )
        self._first = np.concatenate((own, around, wide, ratios), axis=2).astype(np.float32)
        self._last = np.ascontiguousarray(last.swapaxes(3, 4), np.float32)
        frequencies = np.stack([frequencies, 2**tables.FREQUENCY_BITS - frequencies], 1)
        self._models = [tables.model(pair) for pair in frequencies]
        self._cost = tables.FREQUENCY_BITS - np.log2(frequencies)

    def _inputs(self, known: Level, band: int, at: np.ndarray, above: np.ndarray) -> np.ndarray:
        """float32 [n, I]; see `evidence`. Places are counted as in `Level.at`."""
        own, parents = known
        channel, direction = divmod(band, 3)
        count, channels = len(at), own.shape[2] // 3
        sources = own.ravel(), own.reshape(-1, 3), parents.reshape(-1, 3)  # three of a channel
        places = (
            (at * own.shape[2] + band)[:, None] + offsets(own, OWN) * own.shape[2],
            (at * channels + channel)[:, None] + offsets(own, AROUND) * channels,
            (above * channels + channel)[:, None] + offsets(parents, WIDE) * channels,
        )
        strides = 3, 1, 1  # from a channel to the next

        def of_channel(back: int) -> np.ndarray:
            parts = (
                source.take(place - back * stride, axis=0).reshape(count, -1)
                for source, place, stride in zip(sources, places, strides)
            )
            return np.concatenate([*parts], axis=1)

        seen = of_channel(0)
        ratios = np.zeros((count, channels - 1), np.float32)
        for other in range(channel):
            beside = of_channel(channel - other)
            beside *= seen
            product = beside.sum(1).astype(np.int64)
            total = np.abs(beside, out=beside).sum(1).astype(np.int64) + RATIO_DOUBT
            here = sources[0].take(at * own.shape[2] + 3 * other + direction).astype(np.int64)
            ratios[:, other] = (2 * product * here + total) // (2 * total)
        return np.concatenate((seen, ratios), axis=1)

    def evidence(
        self,
        known: Level,
        level: int,
        band: int,
        number: int,
        places: tuple[np.ndarray, np.ndarray],
    ) -> np.ndarray:
        """Evidence that coefficients are positive: whole numbers, float32 [n, 3], by magnitude.

        Args:
          known: of the level and the one above.
          level: 0 the finest.
          band: of the coefficients.
          number: of the pass.
          places: rows and columns, integers [n], within the pass.
        """
        at, above = known.at(number, places)
        evidence = np.empty((len(at), SIZES), np.float32)
        for start in range(0, len(at), _TOGETHER):
            some = slice(start, start + _TOGETHER)
            hidden = self._inputs(known, band, at[some], above[some]) @ self._first[band, number]
            hidden += np.float32(0.5)
            np.floor(hidden, out=hidden)
            np.clip(hidden, -LARGEST_ACTIVATION, LARGEST_ACTIVATION, out=hidden)
            np.matmul(hidden, self._last[band, number, level], out=evidence[some])
        return evidence

    def table(self, evidence: np.ndarray) -> np.ndarray:
        """int64: which frequency counts for sums that `evidence` gave; any shape."""
        shifted = (np.abs(evidence) + np.float32(2 ** (self._shift[1] - 1))) * np.float32(
            2.0 ** -self._shift[1]
        )
        return np.minimum(np.floor(shifted), len(self._models) - 1).astype(np.int64)

    def bits(self, evidence: np.ndarray, negative: np.ndarray) -> np.ndarray:
        """float64, what signs cost; shapes broadcast."""
        wrong = negative != (evidence < 0)
        return self._cost[self.table(evidence), wrong.astype(np.int64)]

    def encode(self, encoder: RangeEncoder, evidence: np.ndarray, negative: np.ndarray) -> None:
        """Codes signs, table after table.

        Args:
          encoder: what they go to.
          evidence: float32 [n], of each coefficient's own magnitude.
          negative: bool [n].
        """
        wrong = (negative != (evidence < 0)).astype(np.int32)
        for table, order in self._runs(evidence):
            encoder.encode(wrong[order], self._models[table])

    def decode(self, decoder: RangeDecoder, evidence: np.ndarray) -> np.ndarray:
        """bool [n]: the signs that `encode` coded with the same evidence.

        Raises:
          MscnError: the data cannot be decoded.
        """
        wrong = np.empty(len(evidence), bool)
        with tables.damage_in_words():
            for table, order in self._runs(evidence):
                wrong[order] = decoder.decode(self._models[table], len(order))
        return wrong != (evidence < 0)

    def _runs(self, evidence: np.ndarray) -> list[tuple[int, np.ndarray]]:
        """Tables that are used, rising, and the places that use them, rising."""
        table = self.table(evidence)
        order = np.argsort(table, kind="stable")
        ends = np.cumsum(np.bincount(table, minlength=1)).tolist()
        starts = [0, *ends[:-1]]
        return [(t, order[a:b]) for t, (a, b) in enumerate(zip(starts, ends)) if b > a]
