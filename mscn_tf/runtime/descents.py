"""Fields that follow from others of the same file: what of them is expected beforehand.

As in video, the level or time step before says much of a field. A share of its decoded numbers is
taken off before the field is coded; how much, is told for each level of the grid, for what is wide
changes less than what is fine.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.neighbourhoods import SHARE_BITS, Grid, Parent

WHOLE_SHARE = 1 << SHARE_BITS
LARGEST_DISTANCE = 255  # from a field to its parent, in items
LONGEST_CHAIN = 8  # fields that one may need to be decoded, itself among them
_LARGEST = 2.0**33  # number of a parent that arithmetic has room for


class Descent(NamedTuple):
    """What a field follows from, besides.

    Attributes:
      distance: its parent comes so many items before it.
      shares: of each level of its grid, coarsest first, eighths of the parent's value.
    """

    distance: int
    shares: tuple[int, ...]

    @classmethod
    def from_bytes(cls, data: bytes, levels: int) -> Descent:
        """Reads so many levels' shares, two a byte.

        Raises:
          MscnError: it is damaged.
        """
        pairs = [(byte & 15, byte >> 4) for byte in data[1:]]
        shares = tuple(share for pair in pairs for share in pair)
        if len(data) != cls.bytes_of(levels) or not data[0] or any(shares[levels:]):
            raise MscnError("the coded data is damaged (its parent); get a fresh copy")
        if max(shares, default=0) > WHOLE_SHARE:
            raise MscnError("the coded data is damaged (its parent's shares); get a fresh copy")
        return cls(data[0], shares[:levels])

    def to_bytes(self) -> bytes:
        """As `from_bytes` takes it."""
        shares = (*self.shares, 0)
        pairs = zip(shares[::2], shares[1::2])
        return bytes([self.distance, *(low | high << 4 for low, high in pairs)])

    @staticmethod
    def bytes_of(levels: int) -> int:
        """How many `to_bytes` gives for so many levels."""
        return 1 + -(-levels // 2)

    def parent(self, grid: Grid, ratio: float) -> Parent:
        """What a decoded grid says of the field that follows from it.

        Args:
          grid: of the parent.
          ratio: its step over that of the field.
        """
        values = np.floor(grid.values * ratio + 0.5)
        return Parent(np.clip(values, -_LARGEST, _LARGEST, out=values), self.shares)
