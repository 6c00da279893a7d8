"""Channels that follow from the first: each coefficient less a share of the first channel's.

Colours are coded along axes that suit most pictures. In one picture they go together otherwise:
what is bright there is red or blue, too. So a file may say for each level and each channel but the
first how much of the first channel's decoded coefficients that one's have (chroma from luma, as in
AV1, for a whole tile).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mscn_tf.runtime import tables
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.tables import FREQUENCY_BITS, checked_array

SHARE_BITS = 6  # shares are 64ths
_LARGEST = 32  # of the change from a level to the next finer one
NAME = "share_change"
_EVEN = tables.model(np.full(2, 2 ** (FREQUENCY_BITS - 1)))  # whether any channel follows


class Shares:
    """Shares of pictures with L levels of C channels, and their entropy model.

    Args:
      arrays: by name,
        share_change: integers [2 S + 1] that add up to 2^16, each at least 1: frequencies of what a
          share is more than that of the coarser level, -S to S 64ths.
      levels: L.
      channels: C, two or more.

    Attributes:
      shape: (L, C - 1), of shares, finest level first.
      limit: S.
      costs: float64 [2 S + 1], what changes cost, in bits.

    Raises:
      MscnError: the array does not fit.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], levels: int, channels: int):
        frequencies = checked_array(arrays, NAME, 1)
        self.shape, self.limit = (levels, channels - 1), len(frequencies) // 2
        if len(frequencies) % 2 == 0 or self.limit > _LARGEST or channels < 2:
            raise MscnError("prior: the frequencies of shares are of the wrong number")
        if frequencies.min() < 1 or frequencies.sum() != 2**FREQUENCY_BITS:
            raise MscnError("prior: the frequencies of shares do not add up to 65536, all above 0")
        self.costs = FREQUENCY_BITS - np.log2(frequencies)
        self._model = tables.model(frequencies)

    def none(self) -> np.ndarray:
        """int16 [L, C - 1]: no channel follows."""
        return np.zeros(self.shape, np.int16)

    def encode(self, encoder: tables.RangeEncoder, shares: np.ndarray) -> None:
        """Codes shares, 64ths, which change by at most `limit` from level to level."""
        encoder.encode(np.full(1, shares.any(), np.int32), _EVEN)
        if shares.any():
            letters = changes(shares).ravel().astype(np.int32) + self.limit
            encoder.encode(letters, self._model)

    def decode(self, decoder: tables.RangeDecoder) -> np.ndarray:
        """The shares that `encode` coded.

        Raises:
          MscnError: the data cannot be decoded.
        """
        levels, others = self.shape
        with tables.damage_in_words():
            if not decoder.decode(_EVEN, 1)[0]:
                return self.none()
            letters = decoder.decode(self._model, levels * others).reshape(others, levels)
        return np.cumsum(letters - self.limit, axis=1)[:, ::-1].T.astype(np.int16)


def changes(shares: np.ndarray) -> np.ndarray:
    """Integers [C - 1, L], coarsest level first: what shares [L, C - 1] are more than above."""
    return np.diff(shares[::-1].T.astype(np.int64), axis=1, prepend=0)


def followed(values: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """float64 [C - 1, ..]: what a level's other channels have of the first.

    Args:
      values: of the first channel's coefficients.
      shares: 64ths [C - 1], of the level.
    """
    return np.multiply.outer(shares * 2.0**-SHARE_BITS, values)
