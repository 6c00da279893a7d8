"""Exact planes of photographs: an interpolation codec predicts whole numbers, and codes the rest.

Its networks say how far off each prediction is likely to be, which deflated rows can't. One channel
stands by itself, others less their neighbour: those of photographs go together. It can do so within
a bound, too: what is between channels is what is between decoded ones. docs/format.md says all that
a second decoder needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
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
    part, channels = sample(values), values.shape[-1]
    bases = range(channels) if part.size > _LITTLE else (channels // 2,)
    heads = [bundle_id + bytes((base, bound)) for base in bases]
    shortest, head = min(
        ((_coded(head, part), head) for head in heads), key=lambda one: len(one[0])
    )
    if part.size == values.size:
        return head + shortest
    tiles = _tiles(values.shape)
    with _workers(threads, len(tiles)) as workers:
        coded = workers.in_order(partial(_coded, head), (values[tile] for tile in tiles))
        return head + b"".join(coded)


def decode(reader: Input, shape: Sequence[int], threads: int = 1) -> np.ndarray:
    """uint8 ``[H, W, C]``: what ``encode`` coded.

    Raises:
      MscnError: the payload is damaged, or its networks are not here.
    """
    bundle_id, channels = reader.take(ID_BYTES), shape[-1]
    base, bound = reader.take(2)
    if channels not in _CHANNELS or len(shape) != 3 or base >= channels or bound > LARGEST_BOUND:
        raise reader.damaged(f"channel {base} of {channels}, within {bound}")
    tiles = _tiles(shape)
    found = [
        [(reader.varint(), reader.take(reader.varint())) for _ in range(channels)] for _ in tiles
    ]
    if reader.left:
        raise reader.damaged("bytes left over")
    coder_of(bundle_id)  # here, where it can be missed in a line
    out = np.empty(shape, np.uint8)
    parts = ((out[tile].shape, grids) for tile, grids in zip(tiles, found))
    with _workers(threads, len(tiles)) as workers:
        decoded = workers.in_order(partial(_decoded, bundle_id + bytes((base, bound))), parts)
        for tile, pixels in zip(tiles, decoded):
            if pixels is None:
                raise reader.damaged("a value that no pixel has")
            out[tile] = pixels
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


def _workers(threads: int, tiles: int) -> Workers:
    return Workers(min(threads, _AT_ONCE) if tiles > 1 else 1, picklable=True)


def _coded(head: bytes, pixels: np.ndarray) -> bytes:
    """Each grid of a tile ``[H, W, C]``: first value, length and payload.

    Args:
      head: the codec's id, the channel that stands by itself, and the bound.
      pixels: uint8.
    """
    coder, (base, bound) = coder_of(head[:ID_BYTES]), head[ID_BYTES:]
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


def _decoded(
    head: bytes, tile: tuple[tuple[int, ...], list[tuple[int, bytes]]]
) -> np.ndarray | None:
    """uint8 of a tile's shape: what `_coded` coded with the same head; None: no pixels.

    Args:
      head: as of `_coded`.
      tile: its shape; first value and payload of each grid.
    """
    coder, (base, bound) = coder_of(head[:ID_BYTES]), head[ID_BYTES:]
    shape, grids = tile
    out = np.empty(shape, np.uint8)
    known: dict[int, np.ndarray] = {}
    for (first, payload), (channel, other) in zip(grids, _order(shape[-1], base)):
        start = -(first >> 1) if first & 1 else first >> 1
        numbers = start + coder.decode_within(payload, shape[:2], bound)
        known[channel] = numbers if other is None else numbers + known[other]
        if known[channel].min() < -bound or known[channel].max() > _LARGEST + bound:
            return None
        out[..., channel] = np.clip(known[channel], 0, _LARGEST)
    return out
