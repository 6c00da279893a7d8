"""docs/format.md, "Exact planes", form 7."""

from __future__ import annotations

import math
from collections import defaultdict
from functools import reduce

import numpy as np

from tests.reader.coder import RangeDecoder
from tests.reader.container import require

CHANCES = [
    min(max(round(65536 / (1 + math.exp((2048 - level) / 180))), 16), 65520)
    for level in range(4096)
]


def pair(a: int, b: int) -> int:
    p = (a ^ b) * 2654435761 % 2**32
    return p ^ p >> 15


def mix(*numbers: int) -> int:
    return reduce(pair, numbers)


def level_of(chance: int) -> int:
    share = (chance // 16 + 0.5) / 4096
    return round(180 * math.log(share / (1 - share)))


class Decisions:
    """Of a string; `bits` of a context say which slot it has."""

    def __init__(self, payload: bytes, bits: int):
        self.coder, self.bits = RangeDecoder(payload), bits
        self.slots = defaultdict(lambda: (32768, 0))
        self.weights = defaultdict(lambda: [19661] * 4)

    def __call__(self, kind: int, *contexts: int) -> int:
        require(len(contexts) == 4, "not four contexts")
        places = [context >> 32 - self.bits for context in contexts]
        before = [self.slots[place] for place in places]
        levels, weights = [level_of(chance) for chance, _ in before], self.weights[kind]
        total = sum(w * x for w, x in zip(weights, levels)) >> 16
        q = CHANCES[min(max(2048 + total, 0), 4095)]
        bit = self.coder.letter([65536 - q, 65536])
        t = 65535 * bit
        self.weights[kind] = [
            w + ((x * (t - q) * 10 + 32768) >> 16) for w, x in zip(weights, levels)
        ]
        for place, (chance, count) in zip(places, before):
            chance += (t - chance) * (327680 // (5 * count + 8)) >> 16
            self.slots[place] = chance, min(count + 1, 60)
        return bit


class Surroundings:
    """Colours around a pixel: of row 0, 1 or 2 above, so many columns to the right."""

    def __init__(self, rows: list[dict], column: int):
        self.rows, self.column = rows, column

    def __call__(self, above: int, right: int) -> int:
        return self.rows[above][self.column + right]


def drawing(payload: bytes, height: int, width: int, channels: int) -> np.ndarray:
    """uint8 ``[H, W, C]``."""
    require(channels in (1, 3), "a drawing of other channels")
    require(height * width <= 2**22 and len(payload) > 0, "too large a drawing, or none")
    size = (height * width).bit_length()
    decide = Decisions(payload[1:], min(max(size + 5, 16), 22))
    entry_bits = min(max(size + 3, 12), 20)
    entries: list[dict] = [{}, {}, {}]
    noted: dict = {}
    one = two = dict.fromkeys(range(-3, width + 3), 0)
    out, h = np.zeros((height, width, channels), np.uint8), 1
    for y in range(height):
        repeats = decide(0, *(mix(h % 2**k, 2**k - 1) for k in (1, 2, 4, 8)))
        h = 2 * (h % 256) + repeats
        if repeats:
            two = one
        else:
            row = dict.fromkeys((-3, -2, -1), one[0])
            x = early = 0
            while x < width:
                at = Surroundings([row, one, two], x)
                excluded, colour = None, row[x - 1]
                if {at(1, 0), at(1, -1), at(1, 1), at(2, 0)} == {colour}:
                    end = x
                    while end < width and {one[end], one[end + 1], two[end]} == {colour}:
                        end += 1
                    count = run(decide, at, end - x, early)
                    row.update(dict.fromkeys(range(x, x + count), colour))
                    x += count
                    if x == end:
                        continue
                    early, excluded = min(early + 1, 3), colour
                    at = Surroundings([row, one, two], x)
                row[x] = pixel(decide, at, excluded, entries, entry_bits, noted, channels)
                x += 1
            row.update(dict.fromkeys(range(width, width + 3), row[width - 1]))
            one, two = row, one
        for x in range(width):
            out[y, x] = [one[x] >> 8 * c & 255 for c in reversed(range(channels))]
    return out


def run(decide: Decisions, at: Surroundings, longest: int, early: int) -> int:
    b, left = longest.bit_length(), at(0, -1)
    before = mix(*(at(0, -n) for n in range(1, 7 if at.column > 2 else 4)), 256)
    p = 256 + 4 * b + early
    if decide(256 + early, mix(p, 1), mix(p, before), mix(p, left), mix(b, 2)):
        return longest
    s = 0
    while s < b - 1:
        p = 512 + 32 * early + s
        if not decide(512 + s, mix(p, 1), mix(p, before), mix(p, left), mix(512 + s, b)):
            break
        s += 1
    number = 1
    for _ in range(s):
        p = mix(768 + s, number)
        number = 2 * number + decide(768 + s, p, mix(p, before), mix(p, early + 1), mix(p, b))
    require(number <= longest, "a run beyond its end")
    return number - 1


def pixel(
    decide: Decisions,
    at: Surroundings,
    excluded: int | None,
    entries: list[dict],
    entry_bits: int,
    noted: dict,
    channels: int,
) -> int:
    near = mix(at(0, -1), 1024, at(1, 0))
    around = mix(near, at(1, -1), at(1, 1))
    wide = mix(around, at(0, -2), at(2, 0), at(1, 2), at(1, -2), at(2, 1), at(2, -1), at(0, -3))
    keys = [context >> 32 - entry_bits for context in (wide, around, near)]
    f, g, h = (table.get(key) for table, key in zip(entries, keys))
    a = (f == g) + 2 * (g == h) + 4 * (f is not None) + 8 * (g is not None)
    a += 16 * (excluded is not None)
    beside = [at(0, -1), at(1, 0), at(1, 1), at(1, -1)]
    done: list = []
    colour = None
    for r, guess in enumerate([f, g, h, *beside]):
        if guess is None or guess == excluded or guess in done:
            continue
        e = sum(2**n for n, other in enumerate(beside) if other == guess)
        kind, done = 1024 + 32 * min(len(done), 3) + a, [*done, guess]
        last = mix(1024 + 32 * r + a, e)
        if decide(kind, mix(near, guess), mix(around, guess), mix(wide, guess), last):
            colour = guess
            break
    if colour is None:
        colour = told(decide, beside[0], beside[1], beside[3], noted, channels)
    for table, key in zip(entries, keys):
        table[key] = colour
    return colour


def told(decide: Decisions, left: int, up: int, corner: int, noted: dict, channels: int) -> int:
    known: list[int] = []
    for c in range(channels):
        total = reduce(lambda high, value: 256 * high + value, known, 0)
        if c and (total, c) in noted:
            q = mix(4 * total + c, 1280)
            if decide(1280 + c, q, mix(1280 + c, 1), mix(q, left), mix(q, up)):
                known.append(noted[total, c])
                continue
        split = [[n >> 8 * k & 255 for k in reversed(range(channels))] for n in (left, up, corner)]
        w, n, x = (one[c] for one in split)
        u = sorted((w, n, w + n - x))[1]
        d = min(max(w + known[-1] - split[0][c - 1], 0), 255) if c else w
        o, m = 1536 + 8 * c, 1
        for bit in reversed(range(8)):
            contexts = mix(o, 256 + d, m), mix(o, 512 + u, m), mix(o + 768, total, m)
            m = 2 * m + decide(o + bit, *contexts, mix(o, 1024 + w, n, m))
        known.append(m - 256)
        noted[total, c] = known[-1]
    return reduce(lambda high, value: 256 * high + value, known)
