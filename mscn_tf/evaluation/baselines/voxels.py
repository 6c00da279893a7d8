"""Lossless codes of voxels: compressors of packed bits, binvox's runs, an octree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mscn_tf.evaluation.baselines import Baseline
from mscn_tf.evaluation.baselines.compressors import compressors
from mscn_tf.evaluation.signal import Signal
from mscn_tf.signals.voxels import binvox_bytes, parse_binvox

_PLACE = {"translate": [0.0, 0.0, 0.0], "scale": 1.0}
_EMPTY, _FULL, _MIXED = range(3)
_DIGITS = 3 ** np.arange(5)  # states of five nodes make a byte


def _pack(signal: Signal) -> bytes:
    return np.packbits(signal.array).tobytes()


def _unpack(data: bytes, signal: Signal) -> np.ndarray:
    bits = np.unpackbits(np.frombuffer(data, np.uint8), count=signal.array.size)
    return bits.astype(bool).reshape(signal.array.shape)


def octree(grid: np.ndarray) -> bytes:
    """Empty, full or mixed for each node, level by level; of the last level's mixed nodes the bits.

    Args:
      grid: bool ``[D, H, W]``, filled up to a cube whose side is a power of 2.
    """
    edge = _edge(grid.shape)
    cube = np.zeros([edge] * 3, bool)
    cube[tuple(slice(side) for side in grid.shape)] = grid
    states, parents = [], np.ones([1] * 3, bool)
    for size in _sizes(edge):
        filled = _blocks(cube, size).sum(-1)
        state = np.where(filled == size**3, _FULL, np.where(filled, _MIXED, _EMPTY))
        states.append(state[parents])
        mixed = (state == _MIXED) & parents
        parents = mixed.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    nodes = np.concatenate(states)
    nodes = np.pad(nodes, (0, -len(nodes) % 5)).reshape(-1, 5) @ _DIGITS
    return nodes.astype(np.uint8).tobytes() + np.packbits(_blocks(cube, 2)[mixed]).tobytes()


def from_octree(data: bytes, shape: Sequence[int]) -> np.ndarray:
    """The inverse of ``octree``: bool of the grid's shape."""
    edge = _edge(shape)
    codes = np.frombuffer(data, np.uint8)
    nodes = (codes[:, None] // _DIGITS % 3).ravel()
    cube, parents, at = np.zeros([edge] * 3, bool), np.ones([1] * 3, bool), 0
    for size in _sizes(edge):
        state = np.full(parents.shape, _EMPTY)
        state[parents] = nodes[at : at + parents.sum()]
        at += parents.sum()
        cube |= (state == _FULL).repeat(size, 0).repeat(size, 1).repeat(size, 2)
        mixed = state == _MIXED
        parents = mixed.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    bits = np.unpackbits(codes[-(-at // 5) :], count=8 * mixed.sum()).astype(bool)
    blocks = _blocks(cube, 2)
    blocks[mixed] = bits.reshape(-1, 8)
    half = edge // 2
    cube = blocks.reshape(half, half, half, 2, 2, 2).transpose(0, 3, 1, 4, 2, 5)
    return cube.reshape([edge] * 3)[tuple(slice(side) for side in shape)]


def _edge(shape: Sequence[int]) -> int:
    return max(2, 1 << (max(shape) - 1).bit_length())


def _sizes(edge: int) -> list[int]:
    """Sides of nodes, from the root's to 2."""
    return [edge >> level for level in range(edge.bit_length() - 1)]


def _blocks(cube: np.ndarray, size: int) -> np.ndarray:
    """[E / size, E / size, E / size, size^3]."""
    across = len(cube) // size
    parts = cube.reshape([across, size] * 3).transpose(0, 2, 4, 1, 3, 5)
    return parts.reshape(across, across, across, size**3)


BASELINES = (
    *compressors(_pack, _unpack, "packed bits"),
    Baseline(
        name="binvox",
        family="binvox",
        label="binvox runs",
        settings=(0,),
        encode=lambda signal, _: binvox_bytes(signal.array[..., 0], _PLACE),
        decode=lambda data, signal, _: parse_binvox(data, signal.name)[0][..., None],
        version=lambda: "this package's; value and length of each run, two bytes",
        lossless=True,
    ),
    Baseline(
        name="octree",
        family="octree",
        label="octree",
        settings=(0,),
        encode=lambda signal, _: octree(signal.array[..., 0]),
        decode=lambda data, signal, _: from_octree(data, signal.array.shape[:3])[..., None],
        version=lambda: "this package's; nodes of three states, five a byte, bits of 2x2x2 leaves",
        lossless=True,
    ),
)
