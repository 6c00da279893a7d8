"""docs/format.md, "Codecs of interpolation"."""

from __future__ import annotations

import math
import struct

import numpy as np

from tests.reader.bundle import Bundle
from tests.reader.coder import RangeDecoder, Tables
from tests.reader.container import File, require

NEAR = [(-1, 0), (1, 0), (0, -1), (0, 1)]
FURTHER = [(-1, -2), (-1, 2), (1, -2), (1, 2), (-2, -1), (-2, 1), (2, -1), (2, 1)]
FAR = [(-3, 0), (3, 0), (0, -3), (0, 3)]
CORNERS = [(-1, -1), (-1, 1), (1, -1), (1, 1)]
PAIRS = sorted(
    ((y, x) for y in (-3, -1, 1, 3) for x in (-3, -1, 1, 3)),
    key=lambda at: (at[0] ** 2 + at[1] ** 2, *at),
)
NEIGHBOURS = [PAIRS, NEAR + FURTHER + FAR, NEAR + FURTHER + FAR + CORNERS]
SEEN = [range(12), range(12), [*range(4), *range(16, 20), *range(4, 8)]]
STARTS = [(1, 1), (1, 0), (0, 1)]


def near(a: int, b: int) -> int:
    """The formula's a ~ b."""
    return (2 * a + 2**b) >> (b + 1)


def octave(spread: int) -> int:
    """32nds of an octave above 256, by comparing whole numbers."""
    low = max(int(32 * math.log2(spread / 256)) - 2, 0)
    while spread**32 >= 2 ** (low + 1) * 256**32:
        low += 1
    return low


class Interpolations:
    """Fields of a codec of interpolation, in their original size."""

    def __init__(self, bundle: Bundle):
        self.tables = Tables(bundle.prior)
        self.prior = {
            name: array.astype(object) for name, array in bundle.prior.items() if name != "centroid"
        }

    def planes(self, file: File) -> list[list[np.ndarray]]:
        """float32 ``[H, W, 1]`` of each item that is not exact."""
        require(file.tiles_per_block == 1, "a block is a tile")
        require(not any(file.residuals), "residuals")
        found: list[list[np.ndarray]] = [[] for _ in file.shapes]
        for (item, _, _), payload in zip(file.tiles(), file.blocks):
            found[item].append(self.field(payload, *file.shapes[item]))
        return found

    def field(self, payload: bytes, rows: int, columns: int) -> np.ndarray:
        flags, first, step = struct.unpack_from("<Bff", payload)
        require(flags < 2 and math.isfinite(first) and 0 < step < math.inf, "a damaged head")
        out = np.empty((rows, columns, 1), np.float32)
        for (y, x), value in self.grid(payload[9:], rows, columns, bool(flags)).items():
            out[y, x, 0] = np.float32(first + value * (step / 1024))
        return out

    def grid(self, payload: bytes, rows: int, columns: int, periodic: bool) -> dict:
        """Whole numbers, 1024 a step, by row and column."""
        coder = RangeDecoder(payload)
        values, steps = {(0, 0): 0}, {(0, 0): 0}
        k = max(rows - 1, columns - 1).bit_length() - 1
        while k >= 0:
            size = (-(-rows // 2**k), -(-columns // 2**k))
            turns = periodic and columns % (2 * 2**k) == 0
            for number, (y, x) in enumerate(STARTS):
                self._pass(number, k, size, turns, values, steps, coder, y, x)
            k -= 1
        return values

    def _pass(self, number, k, size, turns, values, steps, coder, first_row, first_column):
        places = [
            (y, x) for y in range(first_row, size[0], 2) for x in range(first_column, size[1], 2)
        ]
        known = [self._looked_at(number, k, size, turns, values, steps, place) for place in places]
        symbols = self.tables.symbols(coder, [table for table, _ in known])
        for (y, x), (_, predicted), symbol in zip(places, known, symbols):
            at = (y << k, x << k)
            values[at] = min(max(predicted + 1024 * symbol, -(2**35)), 2**35)
            steps[at] = symbol

    def _looked_at(self, number, k, size, turns, values, steps, place):
        """Table and prediction of a place."""
        around = [self._at(place, o, k, size, turns) for o in NEIGHBOURS[number]]
        w = [values[at] for at in around]
        if number == 0:
            p = near(81 * sum(w[:4]) - 9 * sum(w[4:12]) + sum(w[12:]), 8)
        else:
            p = near(9 * sum(w[:4]) - sum(w[12:16]), 5)
        e = [value - p for value in w]
        spread = sum(map(abs, e)) // len(e) + sum(map(abs, e[:4])) // 4 + 256
        o = octave(spread)
        inputs = [min(max(32 * value // spread, -127), 127) for value in e]
        inputs += [0] * (20 - len(e))
        for n in SEEN[number]:
            inputs.append(round(8 * math.log2(1 + min(abs(steps[around[n]]), 255))))
        inputs += [min(o // 4, 255), min(16 * k, 255)]
        prior, (r, s, t) = self.prior, self.prior["shift"]
        hidden = self._layer("first", number, inputs, r)
        hidden = self._layer("second", number, hidden, s)
        u = (hidden @ prior["last"][number] + prior["last_bias"][number]).tolist()
        table = min(max((u[0] + prior["octave"][0] * o) >> t, 0), len(self.tables) - 1)
        total = 0
        for f, value in enumerate(u[1:]):
            share = near(value, t - 10) if t > 10 else value << (10 - t)
            share = min(max(share, -4096), 4096)
            filtered = sum(a * b for a, b in zip(prior["filters"][number, :, f], e))
            total += share * near(filtered, 10)
        return table, p + near(total, 10)

    def _layer(self, name, number, inputs, shift):
        sums = (
            np.array(inputs, object) @ self.prior[name][number] + self.prior[f"{name}_bias"][number]
        )
        return np.array([min(max(near(value, shift), 0), 4095) for value in sums], object)

    def _at(self, place, offset, k, size, turns):
        """Row and column in the grid of a neighbour."""
        (y, x), (dy, dx) = place, offset
        if size[0] == 1:
            dy, dx = 0, dx + dy if dx % 2 == 0 else dx
        elif size[1] == 1:
            dy, dx = dy + dx if dy % 2 == 0 else dy, 0
        row, column = _mirrored(y + dy, size[0]), x + dx
        column = column % size[1] if turns else _mirrored(column, size[1])
        return row << k, column << k


def _mirrored(at: int, side: int) -> int:
    if side == 1:
        return 0
    while not 0 <= at < side:
        at = -at if at < 0 else 2 * (side - 1) - at
    return at
