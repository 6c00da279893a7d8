"""docs/format.md, "Exact planes"."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence

import numpy as np

from tests.reader.container import Input, require

WIDTHS = {"uint8": 1, "bool": 1, "int16": 2, "float32": 4}


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


def plane(payload: bytes, shape: Sequence[int], dtype: str) -> np.ndarray:
    """The samples ``[.., C]`` of an exact plane."""
    file, width, channels = Input(payload), WIDTHS[dtype], shape[-1]
    rows, samples, total = math.prod(shape[:-2]), shape[-2], math.prod(shape[:-1])
    form = file.u8()
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
