"""What a picture changes in the filter that all share: theta_0 + z * delta, in few numbers.

The last layer of the filter (`post_filter`) may move along K directions, which were learned on many
pictures. A tile says how far along each of them: K small whole numbers, most of them zero.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mscn_tf.runtime import tables
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.tables import FREQUENCY_BITS, checked_array

NAME = "update_filter"
_LARGEST = 31  # of steps along a direction
_EVEN = tables.model(np.full(2, 2 ** (FREQUENCY_BITS - 1)))  # whether there is an update


class FilterUpdates:
    """Updates of the filter along K directions, and their entropy model.

    Args:
      arrays: by name,
        update_filter: integers [K, 2 Z + 1], each row's frequencies, which add up to 2^16, each at
          least 1: of -Z to Z steps along a direction.

    Attributes:
      count: K.
      limit: Z.
      costs: float64 [K, 2 Z + 1], what steps cost, in bits.

    Raises:
      MscnError: the array does not fit.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        frequencies = checked_array(arrays, NAME, 2)
        self.count, letters = frequencies.shape
        self.limit = letters // 2
        if letters % 2 == 0 or self.limit > _LARGEST:
            raise MscnError(
                "prior: the frequencies of the filter's updates are of the wrong number"
            )
        if frequencies.min() < 1 or np.any(frequencies.sum(1) != 2**FREQUENCY_BITS):
            raise MscnError(
                "prior: the frequencies of the filter's updates do not add up to 65536, all above 0"
            )
        self.costs = FREQUENCY_BITS - np.log2(frequencies)
        self._models = [tables.model(row) for row in frequencies]

    def none(self) -> np.ndarray:
        """int8 [K]: the update that changes nothing."""
        return np.zeros(self.count, np.int8)

    def encode(self, encoder: tables.RangeEncoder, update: np.ndarray) -> None:
        """Codes an update: whether there is one, and its steps, at most `limit` each."""
        encoder.encode(np.full(1, update.any(), np.int32), _EVEN)
        if update.any():
            for letter, model in zip(update.astype(np.int32) + self.limit, self._models):
                encoder.encode(np.full(1, letter, np.int32), model)

    def decode(self, decoder: tables.RangeDecoder) -> np.ndarray:
        """The update that `encode` coded.

        Raises:
          MscnError: the data cannot be decoded.
        """
        with tables.damage_in_words():
            if not decoder.decode(_EVEN, 1)[0]:
                return self.none()
            letters = [decoder.decode(model, 1)[0] for model in self._models]
        return (np.array(letters) - self.limit).astype(np.int8)
