"""docs/format.md, "Codecs of pyramids"."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tests.reader.bundle import Bundle
from tests.reader.coder import LARGEST, RangeDecoder, Tables, between, integers
from tests.reader.container import File, require
from tests.reader.tiles import to_bytes

K = 1.1496043988602418
LIFTS = (-0.443506852043971, -0.882911075530934, 0.052980118572961, 1.586134342059924)
PASSES = ((0, 0), (1, 1), (0, 1), (1, 0))
MAGNITUDE = np.rint(8 * np.log2(1 + np.arange(256.0))).astype(np.int64)


def square(reach: int) -> list[tuple[int, int]]:
    """Rows and columns from a place, row-major."""
    steps = range(-reach, reach + 1)
    return [(y, x) for y in steps for x in steps]


OWN = [o for o in square(2) if o != (0, 0)]


def sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Rows and columns of the details of an input by direction, and of its low part."""
    (high, low), (right, left) = ((n // 2, -(-n // 2)) for n in (height, width))
    return [(low, right), (high, left), (high, right), (low, left)]


@dataclass
class Coefficients:
    """Of a picture or tile, or what belongs to them: coarse ``[C]``, details ``[L][3 C]``."""

    coarse: list[np.ndarray]
    details: list[list[np.ndarray]]  # finest level first

    @classmethod
    def zeros(cls, height: int, width: int, levels: int, channels: int) -> Coefficients:
        """Those of a picture of this size, int64."""
        details = []
        for _ in range(levels):
            *shapes, (height, width) = sizes(height, width)
            details.append([np.zeros(shapes[b % 3], np.int64) for b in range(3 * channels)])
        return cls([np.zeros((height, width), np.int64) for _ in range(channels)], details)

    def arrays(self) -> Iterable[tuple[int, np.ndarray]]:
        """Each array, and how often the picture was halved for it."""
        yield from ((len(self.details), array) for array in self.coarse)
        for level, bands in enumerate(self.details):
            yield from ((level + 1, array) for array in bands)


def clipped(sums: np.ndarray, shift: int, low: int, high: int) -> np.ndarray:
    """Sums without their fractional bits, rounded, between limits."""
    return np.clip((sums + 2 ** (shift - 1)) // 2**shift, low, high)


def around(plane: np.ndarray, y: np.ndarray, x: np.ndarray, offsets: list) -> np.ndarray:
    """int64 [n, offsets]: values near n places; 0 where there are none."""
    rows, columns = (at[:, None] + np.array(o) for at, o in zip((y, x), zip(*offsets)))
    inside = (rows >= 0) & (rows < plane.shape[0]) & (columns >= 0) & (columns < plane.shape[1])
    found = np.zeros(inside.shape, np.int64)
    found[inside] = plane[rows[inside], columns[inside]]
    return found


# Symbols of a tile, of details their tables and their shares of channel 0; int64 [K], steps along
# the directions of the filter, and [48], taps of the one after it, or [0] where there are none.
Tile = tuple[Coefficients, Coefficients, Coefficients, np.ndarray, np.ndarray]
# Half of a diamond, and of each colour how many of these it has, and its share of red, green, blue.
DIAMOND = [(0, 1), (1, 0), (0, 2), (1, -1), (1, 1), (2, 0)]
DIAMOND += [(0, 3), (1, -2), (1, 2), (2, -1), (2, 1), (3, 0)]
COLOURS = [(12, (1, 1, 1)), (6, (1, 0, -1)), (6, (1, -2, 1))]


class Pyramids:
    """Pictures of a codec of pyramids, in their original size."""

    def __init__(self, bundle: Bundle):
        self.bundle, self.tables = bundle, Tables(bundle.prior)
        real = ("centroid", "log_step")
        self.prior = {n: integers(a) for n, a in bundle.prior.items() if n not in real}
        self.levels, self.bands = self.prior["base"].shape
        self.signs = "sign_first" in self.prior

    def symbols(self, file: File) -> list[Tile]:
        """Of every tile."""
        require(file.tiles_per_block == 1, "a block is a tile")
        found = []
        for (item, _, corner), payload in zip(file.tiles(), file.blocks):
            height, width = self._size(file, item, corner)
            found.append(self.tile(payload, height, width, file.q16[item]))
        return found

    def planes(self, file: File) -> list[list[np.ndarray]]:
        """uint8 ``[H, W, C]`` of every plane of every item that has tiles."""
        planes, steps, taps = {}, {}, {}
        for (item, plane, (y, x)), (*parts, own, some) in zip(file.tiles(), self.symbols(file)):
            if (item, plane) not in planes:
                shape = (*file.shapes[item], self.levels, self.bands // 3)
                planes[item, plane] = tuple(Coefficients.zeros(*shape) for _ in parts)
                blocks = [-(-n // 2) for n in file.shapes[item]]
                steps[item, plane] = np.zeros((*blocks, len(own)), np.int64)
                taps[item, plane] = np.zeros((*file.shapes[item], len(some)), np.int64)
            steps[item, plane][y // 2 :, x // 2 :] = own  # up to where later tiles begin
            taps[item, plane][y:, x:] = some
            for whole, part in zip(planes[item, plane], parts):
                for (halved, target), (_, array) in zip(whole.arrays(), part.arrays()):
                    rows, columns = array.shape
                    top, left = y >> halved, x >> halved
                    target[top : top + rows, left : left + columns] = array
        return [
            [
                to_bytes(
                    filtered(
                        self._values(
                            *planes[item, plane], steps[item, plane], shape, file.q16[item]
                        ),
                        taps[item, plane],
                        self._bound(file.q16[item]),
                    ),
                    file.planes(item)[plane],
                )
                for plane in file.coded(item)
            ]
            for item, shape in enumerate(file.shapes)
        ]

    def _size(self, file: File, item: int, corner: Sequence[int]) -> list[int]:
        return [min(file.side(item), n - start) for n, start in zip(file.shapes[item], corner)]

    def tile(self, payload: bytes, height: int, width: int, q16: int) -> Tile:
        """A block."""
        coder = RangeDecoder(payload)
        shape = (height, width, self.levels, self.bands // 3)
        maps = self._maps(coder) if "update_level" in self.prior else None
        symbols, index, share, seen = (Coefficients.zeros(*shape) for _ in range(4))
        if "share_change" in self.prior:
            self._read_shares(coder, share)
        steps, taps = self._read_steps(coder), self._read_taps(coder)
        tables = clipped(between(self.prior["coarse"], q16) // 16, 14, 0, len(self.tables) - 1)
        for channel, table in zip(symbols.coarse, tables.tolist()):
            difference = self.tables.symbols(coder, [table] * channel.size)
            channel[:] = np.reshape(difference, channel.shape)
            channel[:, 0] = np.cumsum(channel[:, 0])
            channel[:] = np.clip(np.cumsum(channel, axis=1), -LARGEST, LARGEST)
        for level in reversed(range(self.levels)):
            for band in range(self.bands):
                for number, start in enumerate(PASSES):
                    part = np.s_[start[0] :: 2, start[1] :: 2]
                    y, x = (
                        at[part].ravel() for at in np.indices(symbols.details[level][band].shape)
                    )
                    if not len(y):
                        continue
                    known = self._index(seen.details, level, band, number, y, x, q16)
                    if maps is not None:
                        known = maps[level, band][known]
                    index.details[level][band][y, x] = known
                    coded = self.tables.symbols(coder, known.tolist(), sizes=self.signs)
                    found = np.array(coded, np.int64)
                    some = np.flatnonzero(found)
                    if self.signs and len(some):
                        places = y[some], x[some], found[some]
                        negative = self._negative(coder, seen.details, level, band, number, *places)
                        found[some[negative]] *= -1
                    symbols.details[level][band][y, x] = found
                    magnitude = MAGNITUDE[np.minimum(np.abs(found), 255)]
                    seen.details[level][band][y, x] = np.sign(found) * magnitude
        return symbols, index, share, steps, taps

    def _read_shares(self, coder: RangeDecoder, share: Coefficients) -> None:
        """Sets all coefficients of each level and channel but the first to their share."""
        ends = np.cumsum(self.prior["share_change"]).tolist()
        if not coder.letter([32768, 65536]):
            return
        for channel in range(1, self.bands // 3):
            own = 0
            for bands in reversed(share.details):
                own += coder.letter(ends) - len(ends) // 2
                for band in bands[3 * channel : 3 * channel + 3]:
                    band[:] = own

    def _read_steps(self, coder: RangeDecoder) -> np.ndarray:
        """int64 [K]: steps along the directions of the filter."""
        directions = self.prior.get("update_filter", np.zeros((0, 1)))
        steps = np.zeros(len(directions), np.int64)
        if len(directions) and coder.letter([32768, 65536]):
            for number, frequencies in enumerate(directions):
                letter = coder.letter(np.cumsum(frequencies).tolist())
                steps[number] = letter - len(frequencies) // 2
        return steps

    def _read_taps(self, coder: RangeDecoder) -> np.ndarray:
        """int64 [48], or [0]: taps of the second filter, of each colour linear and bounded ones."""
        if "filter_tap" not in self.prior:
            return np.zeros(0, np.int64)
        ends, taps = np.cumsum(self.prior["filter_tap"]).tolist(), []
        for offsets, _ in COLOURS:
            if coder.letter([32768, 65536]):
                taps += [coder.letter(ends) - len(ends) // 2 for _ in range(2 * offsets)]
            else:
                taps += [0] * (2 * offsets)
        return np.array(taps)

    def _bound(self, q16: int) -> int:
        """On differences, of the second filter."""
        if "filter_tap" not in self.prior:
            return 0
        error = np.exp(between(self.bundle.filter["log_error"], q16) / 16)
        return int(np.clip(np.rint(1024 * error), 1, 1024))

    def _maps(self, coder: RangeDecoder) -> np.ndarray:
        """int64 [L, 3 C, T]: what tables become in a picture."""
        names = ("level", "shift", "gain")
        ends = {name: np.cumsum(self.prior[f"update_{name}"]).tolist() for name in names}
        any_told = coder.letter([32768, 65536])
        told = [level for level in range(self.levels) if any_told and coder.letter(ends["level"])]
        said = np.zeros((2, self.levels, self.bands), np.int64)
        for number, name in enumerate(names[1:]):
            for level in told:
                for band in range(self.bands):
                    said[number, level, band] = coder.letter(ends[name]) - len(ends[name]) // 2
        t, (shift, gain) = np.arange(len(self.tables)), said[..., None]
        return np.clip((t * (16 + gain) + 8) // 16 + shift, 0, len(self.tables) - 1)

    def _index(
        self,
        seen: list[list[np.ndarray]],
        level: int,
        band: int,
        number: int,
        y: np.ndarray,
        x: np.ndarray,
        q16: int,
    ) -> np.ndarray:
        """int64 [n]: tables of n places of a pass."""
        prior, at = self.prior, (band, number)
        companion = band % 3 if band >= 3 else (1, 0, 0)[band]
        inputs = [around(seen[level][band], y, x, OWN)]
        inputs += [around(seen[level][b], y, x, square(1)) for b in range(self.bands - 1)]
        inputs += [
            around(self._above(seen, level, b), y // 2, x // 2, square(1))
            for b in (band, companion)
        ]
        q, shift = q16 - 88, prior["shift"].tolist()
        sums = np.abs(np.concatenate(inputs, axis=1)) @ prior["first"][at]
        hidden = clipped(
            sums + prior["bias"][at][level] + prior["quality"][at] * q, shift[0], 0, 4095
        )
        sums = hidden @ prior["second"][at] + prior["second_bias"][at]
        out = clipped(sums, shift[1], 0, 4095) @ prior["last"][at]
        out = out + prior["base"][level, band] + prior["slope"][level, band] * q
        return clipped(out, shift[2], 0, len(self.tables) - 1)

    def _above(self, seen: list[list[np.ndarray]], level: int, band: int) -> np.ndarray:
        return seen[level + 1][band] if level + 1 < self.levels else np.zeros((0, 0), np.int64)

    def _negative(
        self,
        coder: RangeDecoder,
        seen: list[list[np.ndarray]],
        level: int,
        band: int,
        number: int,
        y: np.ndarray,
        x: np.ndarray,
        size: np.ndarray,
    ) -> np.ndarray:
        """bool [n]: signs of n places whose sizes are known."""
        prior, (c, d) = self.prior, divmod(band, 3)

        def inputs(channel: int) -> np.ndarray:
            own = [around(seen[level][3 * channel + d], y, x, OWN)]
            three = range(3 * channel, 3 * channel + 3)
            own += [around(seen[level][b], y, x, square(1)) for b in three]
            own += [around(self._above(seen, level, b), y // 2, x // 2, square(2)) for b in three]
            return np.concatenate(own, axis=1)

        u = inputs(c)
        ratios = np.zeros((len(y), self.bands // 3 - 1), np.int64)
        for e in range(c):
            products = u * inputs(e)
            t = 64 + np.abs(products).sum(1)
            here = seen[level][3 * e + d]
            w = around(here, y, x, [(0, 0)])[:, 0]
            ratios[:, e] = (2 * w * products.sum(1) + t) // (2 * t)
        shift = prior["sign_shift"].tolist()
        sums = np.concatenate([u, ratios], axis=1) @ prior["sign_first"][band, number]
        hidden = clipped(sums, shift[0], -4095, 4095)
        last = prior["sign_last"][band, number, level][np.minimum(size, 3) - 1]
        evidence = (hidden * last).sum(1)
        frequencies = prior["sign_frequencies"].tolist()
        table = clipped(np.abs(evidence), shift[1], 0, len(frequencies) - 1)
        wrong = np.zeros(len(y), bool)
        for place in np.argsort(table, kind="stable").tolist():
            wrong[place] = coder.letter([frequencies[table[place]], 65536])
        return wrong != (evidence < 0)

    def _values(
        self,
        symbols: Coefficients,
        index: Coefficients,
        share: Coefficients,
        steps: np.ndarray,
        shape: Sequence[int],
        q16: int,
    ) -> np.ndarray:
        """float64 ``[H, W, C]``, nominally 0 to 1."""
        step = float(np.exp(between(self.bundle.prior["log_step"], q16) / 16))
        heights = [tuple(shape)]
        for _ in range(self.levels):
            heights.append(sizes(*heights[-1])[3])
        channels = []
        for channel, coarse in enumerate(symbols.coarse):
            low = step * coarse
            for level in reversed(range(self.levels)):
                first, own = (
                    [
                        step * self.tables.values(s, t)
                        for s, t in zip(symbols.details[level][three], index.details[level][three])
                    ]
                    for three in (slice(3), slice(3 * channel, 3 * channel + 3))
                )
                shares = share.details[level][3 * channel : 3 * channel + 3]
                details = [d + a / 64 * f for d, a, f in zip(own, shares, first)]
                height, width = heights[level]
                left = joined(low.T, details[1].T, height).T
                right = joined(details[0].T, details[2].T, height).T
                low = joined(left, right, width)
            channels.append(low)
        values = np.stack(channels, axis=-1) @ self.bundle.weights["colour"] + 0.5
        return mended(values, self.bundle.filter, q16, steps) if self.bundle.filter else values


def mended(
    values: np.ndarray,
    filters: dict[str, np.ndarray],
    q16: int,
    steps: np.ndarray | None = None,
) -> np.ndarray:
    """Values ``[H, W, C]`` of a whole picture, with what its codec's filter adds.

    `steps` [h, w, K] are those of blocks of 2x2 along the directions of the filter.
    """
    height, width, channels = values.shape
    ends = [(8, 8 + height % 2), (8, 8 + width % 2), (0, 0)]
    pixels = np.clip(np.rint((np.pad(values, ends, "edge") - 0.5) * 1024), -1023, 1023)
    hidden = np.concatenate([pixels[y::2, x::2] for y in (0, 1) for x in (0, 1)], -1)
    hidden = hidden.astype(np.int64)
    layers = [
        [
            integers(filters[f"{name}_{number}"])
            + (integers(filters[f"{name}_slope_{number}"]) * (q16 - 88) + 32) // 64
            for name in ("kernel", "bias")
        ]
        for number in range(4)
    ]
    for layer in layers[:3]:
        sums = convolved(hidden, *layer)
        fallen = np.where(sums < 0, sums // 2**13, sums // 2**10)
        hidden = np.clip(fallen, -64, 383)
    last = convolved(hidden, *layers[3])
    if steps is not None and steps.size:
        for own in np.unique(steps.reshape(-1, steps.shape[-1]), axis=0):
            moved = [
                part + (np.tensordot(own, integers(filters[f"update_{name}"]), 1) + 8) // 16
                for name, part in zip(("kernel", "bias"), layers[3])
            ]
            there = (steps == own).all(-1)
            last[there] = convolved(hidden, *moved)[there]
    rows, columns, _ = last.shape
    whole = np.empty((2 * rows, 2 * columns, channels), np.int64)
    for block, (y, x) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        whole[y::2, x::2] = (last // 2**10)[..., block * channels : (block + 1) * channels]
    unit = np.exp(between(filters["log_error"], q16) / 16) / 512
    return values + unit * whole[:height, :width]


def filtered(values: np.ndarray, taps: np.ndarray, bound: int) -> np.ndarray:
    """Values ``[H, W, C]`` after the second filter; its taps [H, W, 48] are those of each pixel."""
    if not taps.any():
        return values
    pixels = np.clip(np.rint((values - 0.5) * 1024), -1023, 1023).astype(np.int64)
    height, width, _ = values.shape
    y, x = np.indices((height, width))
    out, first = values.copy(), 0
    for offsets, shares in COLOURS:
        plane, total = pixels @ np.array(shares), np.zeros((height, width), np.int64)
        for number, (i, j) in enumerate(DIAMOND[:offsets]):
            linear, bounded = taps[..., first + number], taps[..., first + offsets + number]
            for sign in (1, -1):
                rows = np.clip(y + sign * i, 0, height - 1)
                columns = np.clip(x + sign * j, 0, width - 1)
                away = plane[rows, columns] - plane
                total += linear * away + bounded * np.clip(away, -bound, bound)
        out += total[..., None] * np.array(shares) / (64 * 1024 * sum(s * s for s in shares))
        first += 2 * offsets
    return out


def convolved(planes: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """int64 ``[h - 2, w - 2, out]`` of ``[h, w, in]``."""
    rows, columns = (side - 2 for side in planes.shape[:2])
    sums = np.zeros((rows, columns, len(kernel)), np.int64) + bias
    for y, x in np.ndindex(3, 3):
        sums += planes[y : y + rows, x : x + columns] @ kernel[:, :, y, x].T
    return sums


def joined(low: np.ndarray, high: np.ndarray, n: int) -> np.ndarray:
    """Lines of n values, along the last axis, of their low and high values."""
    if n == 1:
        return low
    x = np.empty((*low.shape[:-1], n))
    x[..., 0::2], x[..., 1::2] = low / K, -K * high
    for number, weight in enumerate(LIFTS):
        i = np.arange(number % 2, n, 2)
        after = np.where(i + 1 < n, i + 1, n - 2)
        x[..., i] += weight * (x[..., np.abs(i - 1)] + x[..., after])
    return x
