"""A small filter of a picture's own, after the one that all share: taps that each tile says.

Between a pixel and another at some offset there is a *flux*: a tap times their difference, and one
times the difference within bounds (as the adaptive loop filter of VVC clips it), which evens out
ripples and leaves edges. What flows into one pixel flows out of the other, so taps are symmetric
about a pixel. Pixels are whole numbers in three orthogonal colours, and sums of them stay below
2^24, which float32 holds exactly: every machine gets the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mscn_tf.runtime import tables
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.post_filter import INPUT_SCALE, whole_pixels
from mscn_tf.runtime.sampling import slices_of_rows
from mscn_tf.runtime.tables import FREQUENCY_BITS, checked_array

NAME = "filter_tap"
REACH = 3  # pixels around that a pixel depends on
# A diamond's half, nearest offsets first: rows and columns from a pixel to the other.
OFFSETS = (
    *((0, 1), (1, 0)),
    *((0, 2), (1, -1), (1, 1), (2, 0)),
    *((0, 3), (1, -2), (1, 2), (2, -1), (2, 1), (3, 0)),
)
COLOURS = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]], np.float32)
NORMS = (3, 2, 6)  # squared, of these rows
COUNTS = (12, 6, 6)  # offsets of each colour
TAP_SCALE = 64.0  # taps are in parts of one
LARGEST = 31  # tap
_BACK = COLOURS.T.astype(np.float64) * (6 / np.array(NORMS))  # whole; of pixels in sixths
_EVEN = tables.model(np.full(2, 2 ** (FREQUENCY_BITS - 1)))  # whether a colour has taps
_TOGETHER = 2**15  # pixels that are filtered at once, which stay in the processor's cache


class Taps:
    """Taps of the three colours, and their entropy model.

    Args:
      arrays: by name,
        filter_tap: integers [2 Z + 1], frequencies of taps -Z to Z, which add up to 2^16, each at
          least 1.

    Attributes:
      count: of all taps: for each colour linear ones, then those within bounds.
      limit: Z.
      costs: float64 [2 Z + 1], what taps cost, in bits.

    Raises:
      MscnError: the array does not fit.
    """

    count = 2 * sum(COUNTS)

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        frequencies = checked_array(arrays, NAME, 1)
        self.limit = len(frequencies) // 2
        if len(frequencies) % 2 == 0 or self.limit > LARGEST:
            raise MscnError("prior: the frequencies of the filter's taps are of the wrong number")
        if frequencies.min() < 1 or frequencies.sum() != 2**FREQUENCY_BITS:
            raise MscnError(
                "prior: the frequencies of the filter's taps do not add up to 65536, all above 0"
            )
        self.costs = FREQUENCY_BITS - np.log2(frequencies)
        self._model = tables.model(frequencies)

    def none(self) -> np.ndarray:
        """int8 [count]: the taps that change nothing."""
        return np.zeros(self.count, np.int8)

    def encode(self, encoder: tables.RangeEncoder, taps: np.ndarray) -> None:
        """Codes taps: for each colour whether it has some, and these, at most `limit` each."""
        for own in by_colour(taps):
            encoder.encode(np.full(1, own.any(), np.int32), _EVEN)
            if own.any():
                encoder.encode(own.ravel().astype(np.int32) + self.limit, self._model)

    def decode(self, decoder: tables.RangeDecoder) -> np.ndarray:
        """The taps that `encode` coded.

        Raises:
          MscnError: the data cannot be decoded.
        """
        taps = self.none()
        with tables.damage_in_words():
            for own in by_colour(taps):
                if decoder.decode(_EVEN, 1)[0]:
                    letters = np.asarray(decoder.decode(self._model, own.size))
                    own[:] = (letters - self.limit).reshape(own.shape)
        return taps


def by_colour(taps: np.ndarray) -> list[np.ndarray]:
    """Parts of taps [count]: for each colour [2, offsets], linear ones and those within bounds."""
    ends = np.cumsum([0, *COUNTS]) * 2
    return [taps[ends[c] : ends[c + 1]].reshape(2, -1) for c in range(len(COUNTS))]


def add_flow(out: np.ndarray, values: np.ndarray, taps: np.ndarray, bound: int) -> None:
    """Adds to values what flows into them.

    Args:
      out: float64 ``[h, w, 3]``.
      values: the same and those around, ``[h + 2 REACH, w + 2 REACH, 3]``, nominally in [0, 1];
        other memory.
      taps: int8 [count].
      bound: on differences, see `difference_bound`.
    """
    for rows in slices_of_rows(len(out), out.shape[1], _TOGETHER):
        planes = colour_planes(values[rows.start : rows.stop + 2 * REACH])
        sums = [_flown(plane, own, bound) for plane, own in zip(planes, by_colour(taps))]
        moved = _BACK @ np.stack(sums).reshape(len(sums), -1)  # exact in float64
        moved *= 1 / (6 * TAP_SCALE * INPUT_SCALE)
        out[rows] += np.moveaxis(moved.reshape(len(sums), *sums[0].shape), 0, -1)


def difference_bound(error: float) -> int:
    """On differences within bounds, of the error that is expected of pixels."""
    return min(max(round(INPUT_SCALE * error), 1), int(INPUT_SCALE))


def colour_planes(values: np.ndarray) -> np.ndarray:
    """float32 ``[3, h, w]``, whole numbers: the filter's input, of values ``[h, w, 3]``."""
    pixels = np.moveaxis(whole_pixels(values), -1, 0).astype(np.float32)
    red, green, blue = pixels
    return np.stack([red + green + blue, red - blue, red - 2 * green + blue])


def differences(plane: np.ndarray, offset: Sequence[int]) -> np.ndarray:
    """What a flux along an offset depends on, of a plane ``[h + 2 R, w + 2 R]``, row by row.

    ``[h * (w + 2 R) + away]``, away being the places from a pixel to the other: the first
    differences are those to the first of the middle h rows. Those of margins mean nothing.
    """
    flat, width = plane.ravel(), plane.shape[1]
    away, first = offset[0] * width + offset[1], REACH * width
    last = flat.size - first
    return flat[first : last + away] - flat[first - away : last]


def net(flux: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """What flows into places less what flows out: ``[h, w]`` of a plane ``[h + 2 R, w + 2 R]``."""
    height, width = shape[0] - 2 * REACH, shape[1]
    away = flux.size - height * width
    return (flux[away:] - flux[:-away]).reshape(height, width)[:, REACH:-REACH]


def _flown(plane: np.ndarray, taps: np.ndarray, bound: int) -> np.ndarray:
    """float32 ``[h, w]``, whole numbers: what taps [2, offsets] make of a colour's plane."""
    total = np.zeros((plane.shape[0] - 2 * REACH) * plane.shape[1], np.float32)
    for offset, linear, within in zip(OFFSETS, *taps.astype(np.float32)):
        if not (linear or within):
            continue
        flux = differences(plane, offset)
        bounded = np.clip(flux, -bound, bound)
        bounded *= within
        flux *= linear
        flux += bounded
        away = flux.size - total.size
        total += flux[away:]
        total -= flux[:-away]
    return total.reshape(-1, plane.shape[1])[:, REACH:-REACH]
