"""docs/format.md, form 4 of exact planes: sounds."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Optional

import numpy as np

from tests.reader.coder import RangeDecoder, Tables
from tests.reader.container import Input, require

OWN = [4, 3, 2]
COEFFICIENTS = [58, 36, 19, 19, 16, 16, 16, 16, *[10] * 8, *[6] * 16]
GROUP = 2**18


class Sizes:
    """Tables by expected sizes, in 256ths."""

    def __init__(self, tables: Tables):
        self.tables, largest, self.means = tables, 0, []
        for support, table in zip(tables.support, tables.frequencies):
            mean = sum(f * abs(letter - support) for letter, f in enumerate(table))
            largest = max(largest, mean)
            self.means.append((largest + 128) // 256)
        plain = self.means[min(bisect_left(self.means, 16 * 256), len(self.means) - 1)]
        self.larger = [(plain + 1) * 2**i for i in range(24)]

    def choose(self, expected: int) -> tuple[int, int]:
        """The table, and how many bits lie apart."""
        shift = bisect_right(self.larger, expected)
        return self.table(expected >> shift), shift

    def table(self, expected: int) -> int:
        """The table alone."""
        return min(bisect_left(self.means, expected), len(self.means) - 1)

    def row(self, coder: RangeDecoder, expected: Sequence[int]) -> list[int]:
        """Numbers of a block's own."""
        return self.tables.symbols(coder, [self.table(256 * size) for size in expected])


def weights(coded: Sequence[int]) -> list[list[int]]:
    """The predictors of orders 0, 1, .."""
    found: list[list[int]] = [[]]
    for q in coded:
        last, k = found[-1], q * (256 - abs(q))
        turned = [(k * w + 2**13) >> 14 for w in reversed(last)]
        found.append([*(a - b for a, b in zip(last, turned)), 4 * k])
        require(sum(map(abs, found[-1])) <= 2**27, "a predictor that is too large")
    return found


def group(
    file: Input, sizes: Sizes, length: int, block: int, beside: Optional[Sequence[int]]
) -> list[int]:
    """The numbers of a group of blocks."""
    coder, bits = RangeDecoder(file.bytes(file.varint())), file.bytes(file.varint())
    long = min(2**block, length)
    lengths = [min(long, length - start) for start in range(0, length, long)]
    limit, known, rows, sums = min(32, long - 1), [0] * 32, [], [0, 0, 0]
    for _ in lengths:
        own = sizes.row(coder, OWN[: 2 if beside is None else 3])
        sums = [a + b for a, b in zip(sums, own + [0])]
        require(0 <= sums[0] <= limit and 0 <= sums[1] <= 80 and abs(sums[2]) <= 32, "a block")
        rows.append(sums)
    predictors = []
    for order, _, _ in rows:
        left = sizes.row(coder, COEFFICIENTS[:order])
        coded = [q + (5 * before >> 3) for q, before in zip(left, known)]
        require(all(abs(q) <= 127 for q in coded), "a predictor")
        known = coded + [0] * (32 - order)
        predictors.append(weights(known[:limit]))
    firsts = [3 << n // 2 >> 1 if n % 2 else 1 << n // 2 for _, n, _ in rows]
    averages = [[first] * 3 for first in firsts]
    numbers: list[list[tuple[int, int]]] = [[] for _ in lengths]
    for time in range(long):
        alive = [b for b, count in enumerate(lengths) if time < count]
        chosen = [
            sizes.choose((2 * averages[b][0] + 3 * averages[b][1] + 3 * averages[b][2]) >> 3)
            for b in alive
        ]
        high = sizes.tables.symbols(coder, [table for table, _ in chosen])
        for b, value, (_, shift) in zip(alive, high, chosen):
            numbers[b].append((value, shift))
            size = min(abs(value) << shift, 2**26) * 256
            averages[b] = [a + ((size - a) >> s) for a, s in zip(averages[b], (1, 3, 6))]
    total = sum(shift for row in numbers for _, shift in row)
    require(len(bits) == (total + 7) // 8, "bits that lie apart")
    apart, at, out = np.unpackbits(np.frombuffer(bits, np.uint8)).tolist(), 0, []
    for b, row in enumerate(numbers):
        samples: list[int] = []
        for time, (value, shift) in enumerate(row):
            low = 0
            for bit in apart[at : at + shift]:
                low = 2 * low + bit
            at += shift
            lacking = (value << shift) - (1 << shift >> 1)
            require(abs(lacking) <= 2**30, "a number that is too large")
            w = predictors[b][min(time, limit)]
            predicted = sum(a * x for a, x in zip(w, reversed(samples)))
            samples.append(lacking + low + ((predicted + 2**15) >> 16))
            require(abs(samples[-1]) <= 2**25, "a sample that is too large")
        if beside is not None:
            others = beside[b * long : (b + 1) * long]
            samples = [x + ((rows[b][2] * y + 8) >> 4) for x, y in zip(samples, others)]
        out += samples
    return out


def wave(file: Input, tables: Tables, length: int, before: Optional[np.ndarray]) -> np.ndarray:
    """float32 ``[N, 1]``, behind the codec's id."""
    exponent, block, grain, within = file.u8(), file.u8(), file.varint(), file.varint()
    shared, block = divmod(block, 128)
    require(exponent <= 40 and 2 <= block <= 15, "numbers of a wave")
    require(1 <= grain < 2**32 and within < 2**32, "a step of a wave")
    require(not shared or before is not None, "a share of nothing")
    unit = (2 * within + 1) * grain * 2.0**-exponent
    beside = None
    if shared:
        beside = [int(np.floor(float(x) / unit + 0.5)) for x in before.ravel()]
        require(max(map(abs, beside)) <= 2**25, "a sample that is too large")
    sizes, found = Sizes(tables), []
    for start in range(0, length, GROUP):
        count = min(GROUP, length - start)
        others = None if beside is None else beside[start : start + count]
        found += group(file, sizes, count, block, others)
    require(file.at == len(file.data), "bytes left over")
    return (np.array(found) * unit).astype(np.float32).reshape(-1, 1)
