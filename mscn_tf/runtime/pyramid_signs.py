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
from mscn_tf.runtime.clipping import clip
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.pyramid_scales import AROUND, MARGIN, OWN, Level
from mscn_tf.runtime.tables import RangeDecoder, RangeEncoder, checked_array

WIDE = [(y, x) for y in range(-2, 3) for x in range(-2, 3)]
SIZES = 3  # magnitudes 1, 2, and larger ones have each an evidence of their own
LARGEST_INPUT = 64  # 8 log2(1 + 255)
LARGEST_ACTIVATION = 4095
RATIO_DOUBT = 64  # what stands against a ratio of channels: two ones side by side
_EXACT = 2**24  # whole numbers up to here are exact in float32
_TOGETHER = 2**11  # places that are computed at once
_SIDE = 2 * MARGIN + 1  # rows and columns of a window
_WINDOW = 3 * len(WIDE)  # of a channel's three directions
_ROW = np.dtype(("V", 4 * 3 * _SIDE))  # of a window
_CENTRE = _WINDOW // 2 - 1  # where a window has its own place


def _counts() -> np.ndarray:
    """float32 [3, 2 `_WINDOW`]: how often inputs are what a window and the one above show there."""
    counts = np.zeros((3, 2, _SIDE, _SIDE, 3), np.float32)
    counts[:, 0, 1:-1, 1:-1] += 1  # AROUND
    for direction in range(3):
        counts[direction, 0, ..., direction] += 1  # OWN; what isn't known yet is zero
    counts[:, 1] = 1
    return counts.reshape(3, -1)


_COUNTS = _counts()


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
        self._first = _by_window(first * 2.0 ** -self._shift[0], channels)
        self._last = np.ascontiguousarray(last.swapaxes(3, 4), np.float32)
        frequencies = np.stack([frequencies, 2**tables.FREQUENCY_BITS - frequencies], 1)
        self._models = [tables.model(pair) for pair in frequencies]
        self._cost = tables.FREQUENCY_BITS - np.log2(frequencies)

    def _inputs(self, known: Level, band: int, at: np.ndarray, above: np.ndarray) -> np.ndarray:
        """float32 [n, 2 `_WINDOW` + C - 1]: of a channel what windows show, and the ratios; see
        `evidence`. Places are counted as in `Level.at`.
        """
        channel, direction = divmod(band, 3)
        inputs = np.zeros((len(at), self._first.shape[2]), np.float32)
        seen, ratios = inputs[:, : 2 * _WINDOW], inputs[:, 2 * _WINDOW :]
        seen[:] = _seen(known, channel, at, above)
        for other in range(channel):
            beside = _seen(known, other, at, above)
            here = beside[:, _CENTRE + direction].astype(np.int64)
            beside *= seen
            product = (beside @ _COUNTS[direction]).astype(np.int64)
            total = (np.abs(beside, out=beside) @ _COUNTS[direction]).astype(np.int64)
            total += RATIO_DOUBT
            ratios[:, other] = (2 * product * here + total) // (2 * total)
        return inputs

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
            clip(hidden, -LARGEST_ACTIVATION, LARGEST_ACTIVATION)
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
        # Narrow numbers are sorted by counting.
        order = np.argsort(table.astype(np.min_scalar_type(len(self._models))), kind="stable")
        ends = np.cumsum(np.bincount(table, minlength=1)).tolist()
        starts = [0, *ends[:-1]]
        return [(t, order[a:b]) for t, (a, b) in enumerate(zip(starts, ends)) if b > a]


def _by_window(first: np.ndarray, channels: int) -> np.ndarray:
    """float32 [B, 4, 2 `_WINDOW` + C - 1, H]: weights in the order of `Signs._inputs`."""
    ends = np.cumsum([len(OWN), 3 * len(AROUND), _WINDOW])
    own, around, wide, ratios = np.split(first, ends, axis=2)
    bands, passes, _, units = first.shape
    own = np.insert(own, len(OWN) // 2, 0, axis=2)  # its own place, which isn't known
    here = np.zeros((bands, passes, _SIDE, _SIDE, 3, units))
    for band in range(bands):
        here[band, ..., band % 3, :] = own[band].reshape(passes, _SIDE, _SIDE, units)
    around = around.reshape(bands, passes, 3, _SIDE - 2, _SIDE - 2, units)
    here[:, :, 1:-1, 1:-1] += np.moveaxis(around, 2, 4)
    wide = wide.reshape(bands, passes, 3, len(WIDE), units).swapaxes(2, 3)
    windows = (part.reshape(bands, passes, _WINDOW, units) for part in (here, wide))
    return np.concatenate((*windows, ratios), axis=2).astype(np.float32)


def _seen(known: Level, channel: int, at: np.ndarray, above: np.ndarray) -> np.ndarray:
    """float32 [n, 2 `_WINDOW`]: a channel around places of its level and of the one above."""
    seen = np.empty((len(at), 2, _SIDE), _ROW)
    for number, (array, places) in enumerate(zip(known, (at, above))):
        _, height, width, _ = array.shape
        # A window's row is a piece of memory, of one number for NumPy.
        rows: np.ndarray = np.ndarray(
            (height * width - (_SIDE - 1) * (width + 1), _SIDE),
            _ROW,
            array[channel],
            strides=(12, 12 * width),
        )
        seen[:, number] = rows[places - MARGIN * (width + 1)]
    return seen.view(np.float32).reshape(len(at), -1)
