"""Fields that follow from others of the same file: what of them is expected beforehand.

As in video, the level or time step before says much of a field. A share of its decoded numbers is
taken off before the field is coded; how much, is told for each level of the grid, for what is wide
changes less than what is fine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.neighbourhoods import SHARE_BITS

WHOLE_SHARE = 1 << SHARE_BITS
LARGEST_DISTANCE = 255  # from a field to its parent, in items
LONGEST_CHAIN = 8  # fields that one may need to be decoded, itself among them
KEPT_VALUES = 2**23  # of fields that others may follow, which are kept: 64 MiB
LARGEST_PARENT = 2.0**33  # number of a parent that arithmetic has room for


def pack_shares(shares: Sequence[int]) -> bytes:
    """Shares of levels, two a byte."""
    even = (*shares, 0)
    return bytes(low | high << 4 for low, high in zip(even[::2], even[1::2]))


def count_bytes(levels: int) -> int:
    """Of `pack_shares`, for so many levels."""
    return -(-levels // 2)


def unpack_shares(data: bytes, levels: int) -> tuple[int, ...]:
    """The shares of so many levels.

    Raises:
      MscnError: they are damaged.
    """
    shares = tuple(half for byte in data for half in (byte & 15, byte >> 4))
    fit = len(data) == count_bytes(levels) and not any(shares[levels:])
    if not fit or max(shares, default=0) > WHOLE_SHARE:
        raise MscnError("the coded data is damaged (a parent's shares); get a fresh copy")
    return shares[:levels]


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
        if not data or not data[0]:
            raise MscnError("the coded data is damaged (its parent); get a fresh copy")
        return cls(data[0], unpack_shares(data[1:], levels))

    def to_bytes(self) -> bytes:
        """As `from_bytes` takes it."""
        return bytes([self.distance]) + pack_shares(self.shares)

    @staticmethod
    def bytes_of(levels: int) -> int:
        """How many `to_bytes` gives for so many levels."""
        return 1 + count_bytes(levels)


def in_steps_of(values: np.ndarray, ratio: float) -> np.ndarray:
    """A parent's numbers [H, W] in the steps of the field that follows from it.

    Args:
      values: float64, in 2^-FRACTION steps of its own.
      ratio: its step over that of the field.
    """
    found = np.floor(values * ratio + 0.5)
    return np.clip(found, -LARGEST_PARENT, LARGEST_PARENT, out=found)
