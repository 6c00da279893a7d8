"""docs/format.md, "Codecs of surfaces"."""

from __future__ import annotations

import itertools
import struct
from bisect import bisect_right
from collections.abc import Sequence

import numpy as np

from tests.reader.bundle import Bundle
from tests.reader.coder import RangeDecoder, Tables
from tests.reader.container import File, require

FARTHEST = 2**20


def neighbours(axis: int) -> list[tuple[int, ...]]:
    """From a place."""
    along = [tuple(reach * (i == axis) for i in range(3)) for reach in (-1, 1, -3, 3)]
    ways = []
    for way in itertools.product(range(-2, 3), repeat=3):
        others = [way[i] for i in range(3) if i != axis]
        if abs(way[axis]) != 1 or way in along:
            continue
        if axis == 2:
            known = max(map(abs, others)) < 2 or sorted(map(abs, others)) == [0, 2]
        else:
            known = all(i < axis or way[i] % 2 == 0 for i in range(3) if i != axis)
        ways += [way] * known
    return along + ways


def mirrored(at: int, side: int) -> int:
    """A place inside."""
    return max(side - 1 - abs(side - 1 - abs(at)), 0)


class Surfaces:
    """Distances of a codec of surfaces, in their original size."""

    def __init__(self, bundle: Bundle):
        self.tables = Tables(bundle.prior)
        self.filters = bundle.prior["filters"].astype(int).tolist()
        self.contexts = bundle.prior["contexts"].astype(int).tolist()
        self.ways = [neighbours(axis) for axis in range(3)]

    def planes(self, file: File) -> list[list[np.ndarray]]:
        """float32 ``[X, Y, Z, 1]`` of each item that is not exact."""
        require(file.tiles_per_block == 1, "a block is a tile")
        require(not any(file.residuals), "residuals")
        found: list[list[np.ndarray]] = [[] for _ in file.shapes]
        for tile, payload in zip(file.tiles(), file.blocks):
            values = self.distances(payload, file.shapes[tile[0]])
            found[tile[0]].append((values / 256).astype(np.float32)[..., None])
        return found

    def distances(self, payload: bytes, shape: Sequence[int]) -> np.ndarray:
        """int64 ``[X, Y, Z]``, in 256ths of a cell."""
        require(len(payload) >= 4, "a damaged head")
        coarsest, finest, step = struct.unpack_from("<BBH", payload)
        require(finest <= coarsest <= 7 and 0 < step <= 2**13, "a damaged head")
        coder, apart = RangeDecoder(payload[4:]), 2**coarsest
        values, sizes = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        first = values[::apart, ::apart, ::apart]
        symbols = self.tables.symbols(coder, [len(self.tables) - 1] * first.size)
        first[:] = np.clip(np.reshape(symbols, first.shape) * 16 * step, -FARTHEST, FARTHEST)
        for apart in (2**k for k in reversed(range(coarsest))):
            for axis in range(3):
                self.axis(coder, values, sizes, apart, axis, step, apart >= 2**finest)
        return values

    def axis(
        self,
        coder: RangeDecoder,
        values: np.ndarray,
        sizes: np.ndarray,
        apart: int,
        axis: int,
        step: int,
        is_coded: bool,
    ) -> None:
        """The places of a pass."""
        level, coded = (array[::apart, ::apart, ::apart] for array in (values, sizes))
        counts, kind = level.shape, min(apart.bit_length() - 1, 2)
        weights, asked = self.filters[kind][axis], []
        found = {}
        for at in np.ndindex(*counts):
            parity = [place % 2 for place in at]
            if not parity[axis] or any(parity[axis + 1 :]):
                continue
            where = [
                tuple(mirrored(a + way, n) for a, way, n in zip(at, ways, counts))
                for ways in self.ways[axis]
            ]
            known = [int(level[place]) for place in where]
            value = (known[0] + known[1]) >> 1
            if apart > 8 or abs(value) < 2 * apart * 256:
                total = sum(w * v for w, v in zip(weights, known))
                value = min(max((total + 2**11) >> 12, -FARTHEST), FARTHEST)
                if is_coded and (apart > 8 or abs(value) < apart * 256 + 128):
                    own = step + step * max(abs(value) - 256, 0) // 256
                    around = [int(coded[place]) for place in where]
                    bend = abs(known[0] + known[1] - known[2] - known[3]) >> 1
                    context = bisect_right([1, 3, 5, 9], 2 * sum(around[:2]))
                    context = context * 5 + bisect_right([1, 5, 11, 21], 2 * sum(around))
                    context = context * 6 + bisect_right([3, 7, 15, 30, 60], 10 * bend // own)
                    depth = 10 * abs(value) // (apart * 256)
                    context = context * 3 + bisect_right([3, 8], depth)
                    asked.append((at, own, self.contexts[3 * kind + axis][context]))
            found[at] = value
        symbols = self.tables.symbols(coder, [table for _, _, table in asked])
        for (at, own, _), symbol in zip(asked, symbols):
            found[at] = min(max(found[at] + symbol * own, -FARTHEST), FARTHEST)
            coded[at] = min(abs(symbol), 256)
        for at, value in found.items():
            level[at] = value
