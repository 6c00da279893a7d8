"""docs/format.md, "Residuals" and "Truth values without loss"."""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tests.reader.coder import RangeDecoder, Tables
from tests.reader.container import require

Place = tuple[int, int, int]
NEAR = list(itertools.product(range(-2, 3), repeat=3))
BEFORE = [o for o in NEAR if o < (0, 0, 0) and sum(x * x for x in o) <= 6]
AROUND = [o for o in NEAR if sum(x * x for x in o) <= 1]


def corrected(tables: Tables, payload: bytes, decoded: np.ndarray) -> np.ndarray:
    """Decoded numbers ``[.., C]`` moved by an item's residual."""
    if not payload:
        return decoded
    require(len(payload) >= 9, "a residual cut short")
    step, first = struct.unpack("<dB", payload[:9])
    require(0 < step < math.inf and first < len(tables), "a damaged residual")
    *axes, channels = decoded.shape
    length = channels * (axes[-1] if len(axes) > 1 else 256)
    means = [
        sum(f * abs(letter - support) for letter, f in enumerate(table))
        for support, table in zip(tables.support, tables.frequencies)
    ]
    means = list(itertools.accumulate(means, max))
    coder, numbers = RangeDecoder(payload[9:]), []
    a, b = [0] * length, [0] * length

    def at(row: list[int], j: int) -> int:
        return row[j] if 0 <= j < len(row) else 0

    for start in range(0, decoded.size, length):
        index, total = [], sum(a)
        for j in range(min(length, decoded.size - start)):
            near = sum(at(a, j + i * channels) for i in range(-3, 4))
            near += sum(at(b, j + i * channels) for i in range(-2, 3))
            e = (2 * (2**16 * near // 12) + 2**16 * total // length + means[first]) // 4
            index.append(next((t for t, m in enumerate(means) if m >= e), len(means) - 1))
        row = tables.symbols(coder, index)
        numbers += row
        a, b = [min(abs(k), 2**16) for k in row], a
    values = decoded.astype(float) + np.reshape(numbers, decoded.shape) * step
    if decoded.dtype.kind in "iu":
        limits = np.iinfo(decoded.dtype)
        values = np.trunc(np.clip(values, limits.min, limits.max))
    return values.astype(decoded.dtype)


def truth_values(
    tree: Mapping[str, np.ndarray], payload: bytes, shape: Sequence[int]
) -> np.ndarray:
    """bool ``[.., 1]``, place after place."""
    axes = (*[1] * (4 - len(shape)), *shape[:-1])
    require(len(axes) == 3 and shape[-1] == 1 and math.prod(axes) <= 2**24, "not such a grid")
    bit, following = tree["occupancy_bit"].tolist(), tree["occupancy_next"].tolist()
    coder, grid = RangeDecoder(payload), np.zeros(axes, bool)
    for place in sorted(itertools.product(*map(range, axes)), key=lambda at: (_front(at), at)):
        told, node = list(_answers(grid, place)), 0
        while bit[node] >= 0:
            node = following[node] + told[bit[node]]
        grid[place] = coder.letter([65536 - following[node], 65536])
    return grid.reshape(shape)


def _front(place: Place) -> int:
    return 8 * place[0] + 3 * place[1] + place[2]


def _answers(grid: np.ndarray, place: Place) -> Iterator[int]:
    """The 64 answers at a place, of a grid that is false where it isn't known."""

    def value(centre: Sequence[int], offset: Place) -> int:
        at = tuple(c + o for c, o in zip(centre, offset))
        inside = all(0 <= x < n for x, n in zip(at, grid.shape))
        return int(inside and _front(at) < _front(place) and grid[at])

    mirrored = [n - 1 - x for x, n in zip(place, grid.shape)]
    yield from (value(place, o) for o in BEFORE)
    for axis in range(3):
        centre = [*place]
        centre[axis] = mirrored[axis]
        yield from (value(centre, o) for o in AROUND)
    yield from (int(there < here) for there, here in zip(mirrored, place))
