"""docs/format.md, "Exact planes"."""

from __future__ import annotations

import itertools
import math
import struct
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Optional

import numpy as np

from tests.reader.bundle import read_bundle
from tests.reader.container import Input, require
from tests.reader.drawings import drawing
from tests.reader.interpolations import Interpolations
from tests.reader.waves import wave

BUNDLES = Path(__file__).resolve().parents[2] / "mscn_tf" / "bundles"

WIDTHS = {"uint8": 1, "bool": 1, "int16": 2, "float32": 4}
WIDTHS |= {"uint16": 2, "int32": 4, "uint32": 4, "float64": 8, "int64": 8, "uint64": 8}


class Numbers:
    """Inflated data that is read table after table."""

    def __init__(self, payload: bytes, limit: int):
        inflater = zlib.decompressobj(-15)
        try:
            data = inflater.decompress(payload, limit + 1)
        except zlib.error as error:
            raise ValueError("no deflated data") from error
        whole = inflater.eof and not inflater.unused_data and len(data) == limit
        require(whole, "deflated data of a wrong length")
        self.rest = Input(data)

    def table(self, rows: int, samples: int, channels: int, width: int) -> np.ndarray:
        """object ``[R, W, C]`` of whole numbers."""
        filters = self.rest.bytes(rows)
        size = rows * samples * channels
        planes = [self.rest.bytes(size) for _ in range(width)]
        numbers = [sum(byte << 8 * b for b, byte in enumerate(parts)) for parts in zip(*planes)]
        x = np.zeros((rows + 1, samples + 1, channels), object)
        left = np.reshape(np.array(numbers, object), (rows, samples, channels))
        for r in range(rows):
            require(filters[r] < 4, "an unknown filter")
            for i in range(samples):
                here = left[r, i]
                if filters[r] in (1, 3):
                    here = here + x[r + 1, i]
                if filters[r] in (2, 3):
                    here = here + x[r, i + 1]
                if filters[r] == 3:
                    here = here - x[r, i]
                x[r + 1, i + 1] = here % 2 ** (8 * width)
        return x[1:, 1:]


def size_of(rows: int, samples: int, channels: int, width: int) -> int:
    """Bytes of a table."""
    return rows + rows * samples * channels * width


@lru_cache(2)
def networks(bundle_id: bytes) -> Interpolations:
    """Those of a codec of interpolation that comes with the package."""
    for path in BUNDLES.glob("*.mscnb"):
        if path.read_bytes().rstrip()[-64:].startswith(bundle_id.hex().encode()):
            return Interpolations(read_bundle(path.read_bytes()))
    raise ValueError("an unknown codec")


def pixels(file: Input, height: int, width: int, channels: int) -> np.ndarray:
    """uint8 ``[H, W, C]`` of grids."""
    coder, base, bound = networks(file.bytes(8)), file.u8(), file.u8()
    require(channels in (1, 3) and base < channels, "a channel that there is not")
    require(bound < 128, "too large a bound")
    scale = (2 * bound + 1) * (1023 if bound else 1024)
    order = [(base, base), *((c, c + 1) for c in range(base - 1, -1, -1))]
    order += [(c, c - 1) for c in range(base + 1, channels)]
    out = np.zeros((height, width, channels), np.uint8)
    for top, left in itertools.product(range(0, height, 1024), range(0, width, 1024)):
        rows, columns = min(1024, height - top), min(1024, width - left)
        known: list[dict] = [{} for _ in range(channels)]
        for channel, other in order:
            first = file.varint()
            first = -(first // 2) if first % 2 else first // 2
            values = coder.grid(file.bytes(file.varint()), rows, columns, False)
            for at, value in values.items():
                number = first + -((2**19 - value * scale) // 2**20)
                number += known[other].get(at, 0)
                require(-bound <= number <= 255 + bound, "no pixel's value")
                known[channel][at] = number
                out[top + at[0], left + at[1], channel] = min(max(number, 0), 255)
    require(file.at == len(file.data), "bytes left over")
    return out


def slices(file: Input, depth: int, height: int, width: int) -> np.ndarray:
    """float32 ``[D, H, W, 1]`` of slices, each of which may follow from the one before."""
    coder = networks(file.bytes(8))
    bound, first, step = struct.unpack("<dff", file.bytes(16))
    require(0 <= bound < math.inf and math.isfinite(first) and 0 < step < math.inf, "other steps")
    levels = max(height - 1, width - 1).bit_length()
    out = np.zeros((depth, height, width, 1), np.float32)
    for start in range(0, depth, 16):
        series, before = Input(file.bytes(file.varint())), None
        for number in range(start, min(start + 16, depth)):
            b, size = series.varint(), series.varint()
            start_value = -(b // 2) if b % 2 else b // 2
            shares, parent = None, {}
            if size % 2:
                require(before is not None, "a first slice that follows")
                nibbles = [
                    half
                    for byte in series.bytes(-(-levels // 2))
                    for half in (byte & 15, byte >> 4)
                ]
                require(not any(nibbles[levels:]) and max(nibbles) <= 8, "other shares")
                shares = nibbles[:levels]
                parent = {at: min(max(v, -(2**33)), 2**33) for at, v in before.items()}
            before = coder.grid(series.bytes(size // 2), height, width, False, shares, parent)
            for at, v in before.items():
                value = first + (v + start_value) * (step / 1024)
                out[(number, *at)] = math.ceil(value - 0.5) if bound == 0 else value
        require(series.at == len(series.data), "bytes left over")
    require(file.at == len(file.data), "bytes left over")
    return out


TYPES = ("float64", "int32", "uint32", "int64", "uint64")
ALL = 2**64 - 1


def rank(value: float) -> int:
    """Of a double among all."""
    (bits,) = struct.unpack("<Q", struct.pack("<d", value))
    return ALL - bits if bits >> 63 else bits + 2**63


def of_rank(number: int) -> float:
    bits = number - 2**63 if number >> 63 else ALL - number
    return struct.unpack("<d", struct.pack("<Q", bits))[0]


def wide(file: Input, shape: Sequence[int]) -> np.ndarray:
    """``[.., 1]`` of form 6."""
    kind, way = file.u8(), file.u8()
    require(kind < len(TYPES) and shape[-1] == 1, "other wide numbers")
    dtype, rest = np.dtype(TYPES[kind]), file.data[file.at :]
    if way == 0:
        require(rest[:1] < b"\3", "an unknown form")
        return plane(rest, shape, dtype.name)
    require(way < 5 and (kind == 0 or way == 1), "an unknown way")
    doubles = kind == 0 and way < 4
    told = struct.unpack("<dddqBB" if doubles else "<dQQqBB", file.bytes(34))
    bound, step, offset, first, shift, width = told
    finite = math.isfinite(step) and math.isfinite(offset)
    require(0 <= bound < math.inf and finite and step != 0, "other steps")
    require(shift < 64 and width in (0, 1, 2, 4, 8), "other bits")
    coarse = file.bytes(file.varint())
    require(coarse[:1] < b"\5" and coarse[:1] != b"\3", "an unknown form")
    stacked = (math.prod(shape[:-3]), *(1, *shape)[-3:-1], 1)
    high = plane(coarse, stacked, "float32").ravel().tolist()
    require(all(0 <= h <= 2**23 and h == int(h) for h in high), "other numbers")
    low, rest = [0] * len(high), file.data[file.at :]
    if width:
        require(rest[:1] < b"\3", "an unknown form")
        low = plane(rest, shape, f"uint{8 * width}").ravel().tolist()
    else:
        require(not rest, "bytes left over")
    numbers = [first + int(h) * 2**shift + (way != 3) * r & ALL for h, r in zip(high, low)]
    if not doubles:
        numbers = [offset + k * step & ALL for k in numbers]
        if way == 4:
            return np.array([of_rank(k) for k in numbers]).reshape(shape)
        return np.array(numbers, np.uint64).astype(dtype).reshape(shape)
    with np.errstate(all="ignore"):
        k = np.array([float(k - (k >> 63) * 2**64) for k in numbers])
        values = offset + (k / step if way == 2 else k * step)
    if way == 3:
        ranks = [rank(value) for value in values.tolist()]
        order = sorted(range(len(ranks)), key=lambda at: ranks[at] >> 52)
        for at, r in zip(order, low):
            values[at] = of_rank(ranks[at] + (-((r + 1) // 2) if r % 2 else r // 2) & ALL)
    return values.reshape(shape)


def needs_before(payload: bytes) -> bool:
    """Whether a payload has shares of the plane before."""
    return payload[:1] == b"\5" and len(payload) > 10 and payload[10] > 127


def plane(
    payload: bytes, shape: Sequence[int], dtype: str, before: Optional[np.ndarray] = None
) -> np.ndarray:
    """The samples ``[.., C]`` of an exact plane; `before` is that of the item before."""
    file, width, channels = Input(payload), WIDTHS[dtype], shape[-1]
    rows, samples, total = math.prod(shape[:-2]), shape[-2], math.prod(shape[:-1])
    form = file.u8()
    if form == 3:
        require(dtype == "uint8" and len(shape) == 3, "grids of no picture")
        return pixels(file, *shape)
    if form == 4:
        require(dtype == "float32" and len(shape) == 4 and channels == 1, "slices of no volume")
        return slices(file, *shape[:3])
    if form == 5:
        require(dtype == "float32" and len(shape) == 2 and shape[1] == 1, "a wave of no sound")
        return wave(file, networks(file.bytes(8)).tables, shape[0], before)
    if form == 6:
        require(dtype == "float32", "wide numbers of other values")
        return wide(file, shape)
    if form == 7:
        require(dtype == "uint8" and len(shape) == 3, "a drawing of no picture")
        return drawing(file.data[file.at :], *shape)
    require(form < 3, "an unknown form")
    tables = [(rows, samples, channels, width)]
    count = 0
    if form > 0:
        count = file.within(1, min(2**16, total))
        require(form == 1 or count == 2, "bits of more than two samples")
        places = (rows, samples, 1, 1 if count <= 256 else 2)
        if form == 2:
            places = (1, (total + 7) // 8, 1, 1)
        tables = [(1, count, channels, width), places][: 1 if count == 1 else 2]
    numbers = Numbers(payload[file.at :], sum(size_of(*table) for table in tables))
    found = [numbers.table(*table) for table in tables]
    values = found[0]
    if form > 0:
        at = [0] * total
        if len(found) > 1:
            at = found[1].ravel().tolist()
        if form == 2:
            at = [byte >> 7 - bit & 1 for byte in at for bit in range(8)][:total]
        require(max(at) < count, "a place beyond the palette")
        values = values[0][at]
    raw = b"".join(int(number).to_bytes(width, "little") for number in values.ravel())
    if dtype == "bool":
        return np.array([byte > 0 for byte in raw]).reshape(shape)
    return np.frombuffer(raw, np.dtype(dtype).newbyteorder("<")).astype(dtype).reshape(shape)
