"""Missing values of fields: filled smoothly before coding, and kept as masks."""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from collections.abc import Sequence
from functools import lru_cache
from typing import Union

import numpy as np

from mscn_tf.signals import group4

Packed = Union[str, list[str]]
_ALIKE = 256  # of a field's numbers, that fill its holes where nothing is to be lost
_SWEEPS = 8  # of smoothing at each size, which the blocks' edges need


def fill(fields: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Fields whose holes go smoothly from one shore to the other, round the sphere.

    Means over blocks of known points, the blocks twice as large until none is without, give what
    each hole begins with; neighbours then smooth it, at every size on the way back.

    Args:
      fields: ``[N, H, W]`` numbers; columns are longitudes that go round.
      missing: bool ``[H, W]``, not everywhere.

    Returns:
      float64 ``[N, H, W]``, known points as they were.
    """
    weights = (~missing).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # sums of numbers that are as large as any
        return _fill(np.where(missing, 0.0, fields), weights)


def fill_alike(fields: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """The same with a few of each field's own numbers, so that holes take few bytes without loss.

    Args:
      fields: ``[N, H, W]`` numbers of any type; columns go round.
      missing: bool ``[H, W]``, not everywhere.

    Returns:
      ``[N, H, W]`` of their type, known points as they were.
    """
    filled = fields.copy()
    for field in filled:
        known = np.sort(field[~missing])
        known = np.unique(known[:: -(-len(known) // _ALIKE)])
        places = known.astype(np.float64)
        smooth = fill(field[None], missing)[0][missing]
        field[missing] = known[np.searchsorted(places[1:] / 2 + places[:-1] / 2, smooth)]
    return filled


def _fill(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Replaces values where weights are 0."""
    holes = weights == 0
    if not holes.any():
        return values
    rows, columns = (min(2, side) for side in weights.shape)
    totals = _blocks(weights, rows, columns)
    means = _blocks(values * weights, rows, columns) / np.maximum(totals, 1e-300)
    coarse = _fill(means, np.minimum(totals, 1.0))
    finer = coarse.repeat(rows, -2).repeat(columns, -1)[..., : holes.shape[0], : holes.shape[1]]
    values = np.where(holes, finer, values)
    for _ in range(_SWEEPS):
        tall = np.concatenate([values[..., :1, :], values, values[..., -1:, :]], -2)
        around = tall[..., :-2, :] + tall[..., 2:, :]
        around = around + np.roll(values, 1, -1) + np.roll(values, -1, -1)
        values = np.where(holes, around / 4, values)
    return values


def _blocks(values: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Sums over blocks; the last ones of odd sides are smaller."""
    values = np.add.reduceat(values, np.arange(0, values.shape[-2], rows), -2)
    return np.add.reduceat(values, np.arange(0, values.shape[-1], columns), -1)


def pack(masks: Sequence[np.ndarray]) -> Packed:
    """Masks, bool ``[H, W]`` each, as text, the shorter of two ways.

    Each one's bits less those of the one before; or a list of each by `group4`, which is shorter
    where masks have little in common.
    """
    bits = np.stack([np.packbits(mask) for mask in masks])
    bits[1:] ^= bits[:-1].copy()
    together = b64encode(zlib.compress(bits.tobytes(), 9)).decode()
    strips = [group4.encode(mask) for mask in masks]
    apart = [b64encode(strip).decode() for strip in strips if strip is not None]
    if len(apart) < len(masks) or len(together) <= sum(map(len, apart)):
        return together
    return apart


def unpack(packed: Packed, count: int, shape: tuple[int, int]) -> np.ndarray:
    """bool ``[count, H, W]`` of `pack`.

    Raises:
      ValueError: it is none of its.
    """
    return _unpacked(packed if isinstance(packed, str) else tuple(packed), count, shape)


@lru_cache(1)  # every field of a file asks for them
def _unpacked(packed: str | tuple[str, ...], count: int, shape: tuple[int, int]) -> np.ndarray:
    if not isinstance(packed, str):
        if len(packed) != count:
            raise ValueError("other masks")
        return np.stack([group4.decode(b64decode(one, validate=True), shape) for one in packed])
    text = packed
    height, width = shape
    length = -(-height * width // 8)
    content = inflated(text, count * length)
    bits = np.bitwise_xor.accumulate(np.frombuffer(content, np.uint8).reshape(count, length))
    return np.unpackbits(bits, 1, height * width).reshape(count, height, width).astype(bool)


def inflated(text: str, size: int) -> bytes:
    """So many bytes of deflated ones in base 64.

    Raises:
      ValueError: they are others.
    """
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(b64decode(text, validate=True), size + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if len(content) != size or not stream.eof:
        raise ValueError(f"{size} bytes were wanted")
    return content
