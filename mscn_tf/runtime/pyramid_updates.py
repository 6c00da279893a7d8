"""What a picture changes in the model of scales that all share: theta_0 + z * delta, sparsely.

The network of scales (`pyramid_scales`) was learned on many pictures. For a level and a band of its
own a picture may say that what is table t by the network is another: shifted, so many tables wider
or narrower, and with gain, so many sixteenths further from the narrowest. Most say nothing.
(Schwarz and Teh 2022 have such updates for all weights; these are the ones that pay here.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mscn_tf.runtime import tables
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.tables import FREQUENCY_BITS, checked_array

GAIN_BITS = 4  # gains are sixteenths
_LARGEST = 15  # of shifts and gains
_EVEN = tables.model(np.full(2, 2 ** (FREQUENCY_BITS - 1)))
NAMES = ("update_level", "update_shift", "update_gain")


class Updates:
    """Updates of pictures with L levels of B bands, and their entropy model.

    Args:
      arrays: frequencies that add up to 2^16, each at least 1, by name,
        update_level: integers [2], of levels without and with an update where any has one,
        update_shift: integers [2 S + 1], of shifts -S to S in a level with one,
        update_gain: integers [2 G + 1], of gains -G to G.
      levels: L.
      bands: B.
      count: of tables.

    Attributes:
      shape: (L, B, 2), of an update: shifts, then gains.
      limits: S and G.
      costs: float64, what letters cost, in bits: [2], [2 S + 1], [2 G + 1].

    Raises:
      MscnError: the arrays do not fit.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], levels: int, bands: int, count: int):
        given = [checked_array(arrays, name, 1) for name in NAMES]
        if len(given[0]) != 2 or any(len(part) % 2 == 0 for part in given[1:]):
            raise MscnError("prior: an update's frequencies are of the wrong number")
        self.limits = len(given[1]) // 2, len(given[2]) // 2
        if max(self.limits) > _LARGEST:
            raise MscnError("prior: updates are too large")
        if any(part.min() < 1 or part.sum() != 2**FREQUENCY_BITS for part in given):
            raise MscnError("prior: an update's frequencies do not add up to 65536, all at least 1")
        self.shape = levels, bands, 2
        self.costs = [FREQUENCY_BITS - np.log2(part) for part in given]
        self._models = [tables.model(part) for part in given]
        self._last = count - 1

    def none(self) -> np.ndarray:
        """int8 [L, B, 2]: the update that changes nothing."""
        return np.zeros(self.shape, np.int8)

    def maps(self, update: np.ndarray) -> np.ndarray:
        """uint16 [.., T]: the table that each table becomes, of updates int8 [.., 2]."""
        shift, gain = (update[..., number, None].astype(np.int64) for number in range(2))
        table = np.arange(self._last + 1)
        changed = (table * (2**GAIN_BITS + gain) + 2 ** (GAIN_BITS - 1) >> GAIN_BITS) + shift
        return np.clip(changed, 0, self._last).astype(np.uint16)

    def mapped(self, indices: Sequence[np.ndarray], update: np.ndarray) -> list[np.ndarray]:
        """Scale indices of levels, finest first, uint16 [C, 3, h, w], under an update."""
        mapped = []
        for index, maps in zip(indices, self.maps(update)):
            bands = [table[band] for table, band in zip(maps, index.reshape(-1, *index.shape[2:]))]
            mapped.append(np.reshape(bands, index.shape))
        return mapped

    def encode(self, encoder: tables.RangeEncoder, update: np.ndarray) -> None:
        """Codes an update: whether there is one, which levels have one, and what they say."""
        present = update.any((1, 2))
        encoder.encode(np.full(1, present.any(), np.int32), _EVEN)
        if not present.any():
            return
        encoder.encode(present.astype(np.int32), self._models[0])
        for number, limit in enumerate(self.limits):
            letters = update[present, :, number].ravel().astype(np.int32) + limit
            encoder.encode(letters, self._models[1 + number])

    def decode(self, decoder: tables.RangeDecoder) -> np.ndarray:
        """The update that `encode` coded.

        Raises:
          MscnError: the data cannot be decoded.
        """
        update = self.none()
        levels, bands, _ = self.shape
        with tables.damage_in_words():
            if not decoder.decode(_EVEN, 1)[0]:
                return update
            present = decoder.decode(self._models[0], levels).astype(bool)
            count = int(present.sum())
            for number, limit in enumerate(self.limits if count else ()):
                letters = decoder.decode(self._models[1 + number], count * bands)
                update[present, :, number] = letters.reshape(count, bands) - limit
        return update
