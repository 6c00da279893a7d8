"""docs/format.md, "Codecs of interpolation"."""

from __future__ import annotations

import math
import struct
from typing import NamedTuple

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


class Known(NamedTuple):
    """A field that is decoded."""

    first: float
    step: float
    numbers: dict[tuple[int, int], int]  # by row and column
    before: int  # fields that it follows from, one from another


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
        known: dict[int, Known] = {}
        for (item, _, _), payload in zip(file.tiles(), file.blocks):
            known[item] = self.field(payload, item, file, known)
            out = np.empty((*file.shapes[item], 1), np.float32)
            for (y, x), value in known[item].numbers.items():
                out[y, x, 0] = np.float32(known[item].first + value * (known[item].step / 1024))
            found[item].append(out)
        return found

    def field(self, payload: bytes, item: int, file: File, known: dict[int, Known]) -> Known:
        rows, columns = file.shapes[item]
        flags, first, step = struct.unpack_from("<Bff", payload)
        require(flags < 4 and math.isfinite(first) and 0 < step < math.inf, "a damaged head")
        if flags < 2:
            return Known(first, step, self.grid(payload[9:], rows, columns, bool(flags)), 0)
        require(file.parents, "a parent in a file of none")
        levels = max(rows - 1, columns - 1).bit_length()
        end = 10 + (levels + 1) // 2
        nibbles = [half for byte in payload[10:end] for half in (byte & 15, byte >> 4)]
        require(len(nibbles) >= levels and not any(nibbles[levels:]), "other shares")
        require(max(nibbles) <= 8, "a share of more than all")
        require(payload[9] > 0 and item - payload[9] in known, "a parent that is not there")
        parent = known[item - payload[9]]
        require(len(parent.numbers) == rows * columns, "a parent of another size")
        require(file.shapes[item - payload[9]] == file.shapes[item], "a parent of another size")
        require(parent.before < 7, "too long a chain")
        numbers = {
            at: min(max(math.floor(value * (parent.step / step) + 0.5), -(2**33)), 2**33)
            for at, value in parent.numbers.items()
        }
        shares = nibbles[:levels]
        grid = self.grid(payload[end:], rows, columns, bool(flags & 1), shares, numbers)
        return Known(first, step, grid, parent.before + 1)

    def grid(self, payload, rows, columns, periodic, shares=None, parent=None) -> dict:
        """Whole numbers, 1024 a step, by row and column."""
        coder = RangeDecoder(payload)
        shares = shares or [0] * max(rows - 1, columns - 1).bit_length()
        values, steps = {(0, 0): 0}, {(0, 0): 0}
        for level, share in enumerate(shares):
            k = len(shares) - 1 - level
            size = (-(-rows // 2**k), -(-columns // 2**k))
            turns = periodic and columns % (2 * 2**k) == 0
            expected = {
                (y << k, x << k): near(share * parent[y << k, x << k], 3) if share else 0
                for y in range(size[0])
                for x in range(size[1])
            }
            for number in range(3):
                self._pass(number, k, size, turns, values, steps, coder, expected)
        return values

    def _pass(self, number, k, size, turns, values, steps, coder, expected):
        first_row, first_column = STARTS[number]
        places = [
            (y, x) for y in range(first_row, size[0], 2) for x in range(first_column, size[1], 2)
        ]
        left = {at: value - expected[at] for at, value in values.items() if at in expected}
        known = [self._looked_at(number, k, size, turns, left, steps, place) for place in places]
        symbols = self.tables.symbols(coder, [table for table, _ in known])
        for (y, x), (_, predicted), symbol in zip(places, known, symbols):
            at = (y << k, x << k)
            value = predicted + expected[at] + 1024 * symbol
            values[at] = min(max(value, -(2**35)), 2**35)
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
