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
from mscn_tf.runtime.tables import RangeDecoder, RangeEncoder, checked_array

OWN = [(y, x) for y in range(-2, 3) for x in range(-2, 3) if (y, x) != (0, 0)]
AROUND = [(y, x) for y in range(-1, 2) for x in range(-1, 2)]
WIDE = [(y, x) for y in range(-2, 3) for x in range(-2, 3)]
MARGIN = 2  # coefficients that the network sees around a place
SIZES = 3  # magnitudes 1, 2, and larger ones have each an evidence of their own
LARGEST_INPUT = 64  # 8 log2(1 + 255)
LARGEST_ACTIVATION = 4095
RATIO_DOUBT = 64  # what stands against a ratio of channels: two ones side by side
_EXACT = 2**24  # whole numbers up to here are exact in float32
_TOGETHER = 2**14  # places whose inputs are gathered at once: what bounds the memory


def input_count(channels: int) -> int:
    """Inputs of a network: signed magnitudes, and one ratio for each channel but the last."""
    return len(OWN) + 3 * len(AROUND) + 3 * len(WIDE) + channels - 1


def own_places(band: int) -> list[tuple[int, int, int]]:
    """The first inputs, of the coefficient's level: band, and row and column from the place."""
    first = band - band % 3
    return [(band, y, x) for y, x in OWN] + [
        (first + direction, y, x) for direction in range(3) for y, x in AROUND
    ]


def parent_places(band: int) -> list[tuple[int, int, int]]:
    """The inputs that follow, of the coarser level, around half the row and half the column."""
    first = band - band % 3
    return [(first + direction, y, x) for direction in range(3) for y, x in WIDE]


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
        self._first = np.ascontiguousarray(first.swapaxes(2, 3), np.float32)
        self._last = last.astype(np.float32)
        self._shift = shift.tolist()
        frequencies = np.stack([frequencies, 2**tables.FREQUENCY_BITS - frequencies], 1)
        self._models = [tables.model(pair) for pair in frequencies]
        self._cost = tables.FREQUENCY_BITS - np.log2(frequencies)
        self._places = [
            (np.array(own_places(band)).T, np.array(parent_places(band)).T) for band in range(bands)
        ]

    def _inputs(
        self,
        own: np.ndarray,
        parents: np.ndarray,
        start: tuple[int, int],
        band: int,
        places: tuple[np.ndarray, np.ndarray],
    ) -> np.ndarray:
        """float32 [I, n]; see `evidence`."""
        flat, at = [], []
        rows, columns = places
        corners = (
            (2 * rows + start[0], 2 * columns + start[1]),  # within the level
            (rows, columns),  # within the coarser one
        )
        for source, (y, x), (which, dy, dx) in zip((own, parents), corners, self._places[band]):
            _, height, width = source.shape
            offset = (which * height + dy + MARGIN) * width + dx + MARGIN
            flat.append(source.ravel())
            at.append((offset[:, None] + (y * width + x)).astype(np.intp))
        seen = np.concatenate([values.take(place) for values, place in zip(flat, at)])
        ratios = np.zeros((self._first.shape[3] - len(seen), len(rows)), np.float32)
        channel, direction = divmod(band, 3)
        y, x = corners[0]
        for other in range(channel):
            back = 3 * (channel - other)
            planes = [back * own[0].size, back * parents[0].size]
            beside = np.concatenate(
                [values.take(place - plane) for values, place, plane in zip(flat, at, planes)]
            )
            beside *= seen
            product = beside.sum(0).astype(np.int64)
            total = np.abs(beside, out=beside).sum(0).astype(np.int64) + RATIO_DOUBT
            here = own[3 * other + direction, y + MARGIN, x + MARGIN].astype(np.int64)
            ratios[other] = (2 * product * here + total) // (2 * total)
        return np.concatenate([seen, ratios])

    def evidence(
        self,
        own: np.ndarray,
        parents: np.ndarray,
        start: tuple[int, int],
        level: int,
        band: int,
        number: int,
        places: tuple[np.ndarray, np.ndarray],
    ) -> np.ndarray:
        """Evidence that coefficients are positive: whole numbers, float32 [3, n], by magnitude.

        Args:
          own: float32 [B, 2 h + 4, 2 w + 4], signed magnitudes with two zeros around, zero also
            where they aren't known yet.
          parents: float32 [B, h + 4, w + 4], of the level above, likewise.
          start: first row and column of the pass.
          level: 0 the finest.
          band: of the coefficients.
          number: of the pass.
          places: rows and columns, integers [n], within the pass.
        """
        evidence = np.empty((SIZES, len(places[0])), np.float32)
        for at in range(0, evidence.shape[1], _TOGETHER):
            some = slice(at, at + _TOGETHER)
            inputs = self._inputs(own, parents, start, band, (places[0][some], places[1][some]))
            hidden = self._first[band, number] @ inputs
            hidden += np.float32(2 ** (self._shift[0] - 1))
            hidden *= np.float32(2.0 ** -self._shift[0])
            np.floor(hidden, out=hidden)
            np.clip(hidden, -LARGEST_ACTIVATION, LARGEST_ACTIVATION, out=hidden)
            evidence[:, some] = self._last[band, number, level] @ hidden
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
        for table, order in self._runs(evidence):
            try:
                wrong[order] = decoder.decode(self._models[table], len(order))
            except (AssertionError, ValueError) as error:  # what constriction raises on bad data
                raise MscnError(f"the coded data is damaged ({error}); get a fresh copy") from error
        return wrong != (evidence < 0)

    def _runs(self, evidence: np.ndarray) -> list[tuple[int, np.ndarray]]:
        """Tables that are used, rising, and the places that use them, rising."""
        table = self.table(evidence)
        order = np.argsort(table, kind="stable")
        ends = np.cumsum(np.bincount(table, minlength=1)).tolist()
        starts = [0, *ends[:-1]]
        return [(t, order[a:b]) for t, (a, b) in enumerate(zip(starts, ends)) if b > a]
