"""Exact planes of photographs: an interpolation codec predicts whole numbers, and codes the rest.

Its networks say how far off each prediction is likely to be, which deflated rows can't. One channel
stands by itself, others less their neighbour: those of photographs go together. It can do so within
a bound, too: what is between channels is what is between decoded ones. docs/format.md says all that
a second decoder needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.input import Input, varint
from mscn_tf.runtime.layout import Tiling
from mscn_tf.runtime.workers import Workers

if TYPE_CHECKING:
    from mscn_tf.runtime.scheme import Grids

EDGE = 1024  # of the tiles that are coded one by one: what bounds the memory
_CODEC = "field"  # whose networks new files are coded with
ID_BYTES = 8
_AT_ONCE = 4  # tiles
_LARGEST = 255
LARGEST_BOUND = 127
_SAMPLE = 128  # pixels along a side that show which channel is to stand by itself
_LITTLE = 2**13  # values: of fewer, thumbnails mostly, it is the one in the middle
_CHANNELS = (1, 3)


def suit(values: np.ndarray, bound: float) -> bool:
    """Whether a plane ``[.., C]`` can be coded so within a bound; any will do."""
    return values.dtype == np.uint8 and values.ndim == 3 and values.shape[-1] in _CHANNELS


def sample(values: np.ndarray) -> np.ndarray:
    """The middle of a plane ``[H, W, C]``."""
    top, left = (max(0, side - _SAMPLE) // 2 for side in values.shape[:2])
    return values[top : top + _SAMPLE, left : left + _SAMPLE]


def encode(values: np.ndarray, threads: int = 1, bound: float = 0) -> bytes:
    """The payload of a plane, behind its form.

    Args:
      values: uint8 ``[H, W, 1 or 3]``.
      threads: that share the work.
      bound: no value may be off by more.
    """
    bound = min(int(bound), LARGEST_BOUND)
    bundle_id = own_id()
    coder, part = coder_of(bundle_id), sample(values)
    channels = values.shape[-1]
    bases = range(channels) if part.size > _LITTLE else (channels // 2,)
    base, shortest = min(
        ((base, _coded(coder, part, base, bound)) for base in bases), key=lambda one: len(one[1])
    )
    if part.size == values.size:
        return bundle_id + bytes((base, bound)) + shortest
    with Workers(min(threads, _AT_ONCE)) as workers:
        coded = workers.in_order(
            lambda tile: _coded(coder, values[tile], base, bound), _tiles(values.shape)
        )
        return bundle_id + bytes((base, bound)) + b"".join(coded)


def decode(reader: Input, shape: Sequence[int], threads: int = 1) -> np.ndarray:
    """uint8 ``[H, W, C]``: what ``encode`` coded.

    Raises:
      MscnError: the payload is damaged, or its networks are not here.
    """
    coder, channels = coder_of(reader.take(ID_BYTES)), shape[-1]
    base, bound = reader.take(2)
    if channels not in _CHANNELS or len(shape) != 3 or base >= channels or bound > LARGEST_BOUND:
        raise reader.damaged(f"channel {base} of {channels}, within {bound}")
    tiles = _tiles(shape)
    found = [
        [(reader.varint(), reader.take(reader.varint())) for _ in range(channels)] for _ in tiles
    ]
    if reader.left:
        raise reader.damaged("bytes left over")
    out = np.empty(shape, np.uint8)

    def fill(number: int) -> None:
        tile = out[tiles[number]]
        known: dict[int, np.ndarray] = {}
        for (first, payload), (channel, other) in zip(found[number], _order(channels, base)):
            start = -(first >> 1) if first & 1 else first >> 1
            numbers = start + coder.decode_within(payload, tile.shape[:2], bound)
            known[channel] = numbers if other is None else numbers + known[other]
            if known[channel].min() < -bound or known[channel].max() > _LARGEST + bound:
                raise reader.damaged("a value that no pixel has")
            tile[..., channel] = np.clip(known[channel], 0, _LARGEST)

    with Workers(min(threads, _AT_ONCE)) as workers:
        for _ in workers.in_order(fill, range(len(tiles))):
            pass
    return out


def bound_of(payload: bytes) -> int:
    """The bound that a payload was made with."""
    return payload[ID_BYTES + 1] if len(payload) > ID_BYTES + 1 else 0


@lru_cache(1)
def own_id() -> bytes:
    """Of the codec whose networks new files are coded with."""
    return Bundle.load(_CODEC).id[:ID_BYTES]


@lru_cache(2)
def coder_of(bundle_id: bytes) -> Grids:
    """The networks of a codec.

    Raises:
      MscnError: they are not here.
    """
    bundle = Bundle.find(bundle_id)
    grids = None if bundle is None else bundle.scheme(bundle).grids
    if grids is None:
        raise MscnError(
            f"an exact plane was made with codec {bundle_id.hex()}, which is not among those "
            "installed; update mscn-tf"
        )
    return grids


def _tiles(shape: Sequence[int]) -> list[tuple[slice, slice]]:
    """Rows and columns of each tile, row-major."""
    tiling = Tiling(tuple(shape[:2]), EDGE)
    spans = (tiling.span(*place) for place in tiling.places())
    return [(slice(*rows), slice(*columns)) for rows, columns in spans]


def _order(channels: int, base: int) -> list[tuple[int, int | None]]:
    """Channels as they are coded, the base first, each with what it is coded less."""
    before = [(channel, channel + 1) for channel in range(base - 1, -1, -1)]
    after = [(channel, channel - 1) for channel in range(base + 1, channels)]
    return [(base, None), *before, *after]


def _coded(coder: Grids, pixels: np.ndarray, base: int, bound: int) -> bytes:
    """Each grid of a tile ``[H, W, C]``: first value, length and payload."""
    known: dict[int, np.ndarray] = {}
    payload = b""
    for channel, other in _order(pixels.shape[-1], base):
        beside: int | np.ndarray = 0 if other is None else known[other]
        numbers = pixels[..., channel].astype(np.int64) - beside
        first = int(numbers[0, 0])
        grid, decoded = coder.encode_within(numbers - first, bound)
        known[channel] = beside + first + decoded
        payload += varint(2 * abs(first) + (first < 0)) + varint(len(grid)) + grid
    return payload
