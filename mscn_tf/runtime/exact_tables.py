"""Exact planes as tables of numbers, filtered and deflated.

Rows are predicted from their left and upper neighbours, as PNG's are (RFC 2083), but by sums alone,
which NumPy undoes for all rows at once; the bytes of wider numbers are put apart (as in Blosc's
shuffle) and deflated. Few different samples are listed once, in a palette. docs/format.md says all
that a second decoder needs.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mscn_tf.runtime.input import Input, varint

SAMPLES, PALETTE, BITS = range(3)  # forms of a payload
_LARGEST_PALETTE = 2**16
_STRIP = 2**18  # numbers whose filters are chosen together
_SAMPLE = 2**17  # numbers that an estimate looks at
_STRIPS = 8  # in which they lie
_FAST, _GOOD, _BEST = 1, 6, 9  # levels of zlib: the last one takes minutes for 24 megapixels
_LARGE, _HUGE = 2**19, 2**22  # bytes


@dataclass(frozen=True)
class _Way:
    """One way to write a plane: a form, its palette and a table of numbers."""

    form: int
    palette: np.ndarray | None
    table: np.ndarray
    filtered: bool

    def packed(self, level: int) -> bytes:
        """The payload."""
        head, deflater = bytes((self.form,)), zlib.compressobj(level, zlib.DEFLATED, -15)
        if self.palette is not None:
            head += varint(len(self.palette))
            head += deflater.compress(_filtered(self.palette[None], True))
        if self.palette is None or len(self.palette) > 1:
            head += deflater.compress(_filtered(self.table, self.filtered))
        return head + deflater.flush()


def encode(values: np.ndarray, large: int = _LARGE) -> bytes:
    """The payload of a plane ``[.., C]`` of a type of 1, 2, 4 or 8 bytes.

    Args:
      values: not empty.
      large: bytes of a plane from which on a fast look tells which way is shortest.
    """
    ways = list(_ways(_numbers(values)))
    if values.nbytes > large:  # which way is shortest, the fast level tells mostly
        fast = min(ways, key=lambda way: len(way.packed(_FAST)))
        ways = [way for way in ways if way is fast or way.table.nbytes <= large]
    level = _BEST if values.nbytes <= _HUGE else _GOOD
    return min((way.packed(level) for way in ways), key=len)


def estimate(values: np.ndarray) -> float:
    """About how many bytes `encode` makes, from a few rows."""
    rows = values.reshape(-1, *values.shape[-2:])
    if len(rows) == 1 or values.size <= _SAMPLE:
        part = rows[:, :_SAMPLE]
    else:
        height = max(1, _SAMPLE // (_STRIPS * rows[0].size))
        tops = np.linspace(0, len(rows) - height, _STRIPS).round().astype(int)
        part = np.concatenate([rows[top : top + height] for top in np.unique(tops)])
    return quick_size(part) * values.size / part.size


def quick_size(values: np.ndarray) -> int:
    """How many bytes the fast level of zlib leaves of a plane."""
    return min(len(way.packed(_FAST)) for way in _ways(_numbers(values)))


def decode(reader: Input, form: int, shape: Sequence[int], dtype: str) -> np.ndarray:
    """What `encode` coded, of what is left behind its form.

    Args:
      reader: of the payload.
      form: of it.
      shape: ``[.., C]`` of the plane.
      dtype: of its samples.

    Raises:
      MscnError: the payload is damaged.
    """
    number = _number(np.dtype(dtype))
    rows = (math.prod(shape[:-2]), *shape[-2:])
    if form == SAMPLES:
        (table,) = _tables(reader, [(rows, number)])
        return _values(table, dtype).reshape(shape)
    if form not in (PALETTE, BITS):
        raise reader.damaged(f"form {form}")
    count, samples = reader.varint(), math.prod(shape[:-1])
    if not 1 <= count <= min(_LARGEST_PALETTE, samples) or (form == BITS and count != 2):
        raise reader.damaged(f"a palette of {count}")
    listed = ((1, count, shape[-1]), number)
    if count == 1:
        (palette,) = _tables(reader, [listed])
        return np.broadcast_to(_values(palette, dtype)[0, 0], shape)
    if form == BITS:
        palette, packed = _tables(reader, [listed, ((1, -(-samples // 8), 1), np.dtype("u1"))])
        index = np.unpackbits(packed.ravel(), count=samples)
    else:
        palette, index = _tables(reader, [listed, ((*rows[:2], 1), _index_type(count))])
        if index.max() >= count:
            raise reader.damaged("a place beyond the palette")
    return _values(palette, dtype)[0][index.ravel()].reshape(shape)


def _number(dtype: np.dtype) -> np.dtype:
    """Whole numbers as wide as a type."""
    return np.dtype(f"<u{dtype.itemsize}")


def _index_type(count: int) -> np.dtype:
    return np.dtype("u1" if count <= 256 else "<u2")


def _numbers(values: np.ndarray) -> np.ndarray:
    """Whole numbers ``[R, W, C]`` with the bits of values, rows one after the other."""
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return little.view(_number(little.dtype)).reshape(-1, *values.shape[-2:])


def _values(numbers: np.ndarray, dtype: str) -> np.ndarray:
    if dtype == "bool":
        return numbers != 0
    return numbers.view(np.dtype(dtype).newbyteorder("<")).astype(dtype, copy=False)


def _ways(rows: np.ndarray) -> Iterator[_Way]:
    """Ways to write rows ``[R, W, C]``, one of which will be shortest."""
    if rows.size > _STRIP and (rows == rows[:1, :1]).all():  # silence, maybe hours of it
        yield _Way(PALETTE, rows[0, :1], rows[:0], False)
        return
    yield _Way(SAMPLES, None, rows, True)
    yield _Way(SAMPLES, None, rows, False)
    samples = _joined(rows)
    if len(np.unique(samples[:: max(1, len(samples) // _STRIP)])) > _LARGEST_PALETTE:
        return
    _, first, index = np.unique(samples, return_index=True, return_inverse=True)
    if len(first) > min(_LARGEST_PALETTE, max(1, len(samples) // 2)):
        return
    palette = rows.reshape(-1, rows.shape[-1])[first]
    table = index.astype(_index_type(len(first))).reshape(*rows.shape[:2], 1)
    yield _Way(PALETTE, palette, table, True)
    yield _Way(PALETTE, palette, table, False)
    if len(first) == 2:
        yield _Way(BITS, palette, np.packbits(index.astype(np.uint8))[None, :, None], False)


def _joined(rows: np.ndarray) -> np.ndarray:
    """Each sample of rows ``[R, W, C]`` as something that can be sorted, as its numbers are."""
    wide = rows.dtype.itemsize * rows.shape[-1]
    if wide > 8:
        return rows.reshape(-1, rows.shape[-1]).view(f"V{wide}").ravel()
    joined = np.zeros(rows.shape[:2], np.uint64)
    for channel in np.moveaxis(rows, -1, 0):
        joined = (joined << np.uint64(8 * rows.dtype.itemsize)) | channel
    return joined.ravel()


def _filtered(rows: np.ndarray, choose: bool) -> bytes:
    """A table ``[R, W, C]``: the filter of each row, then the bytes of what is left of them.

    Args:
      choose: the filter whose numbers add up to least, else none.
    """
    filters, out = np.zeros(len(rows), np.uint8), rows
    if choose:
        out = np.empty_like(rows)
        strip = max(1, _STRIP // rows[0].size)
        for top in range(0, len(rows), strip):
            part = slice(top, top + strip)
            first = rows[top - 1 : top] if top else np.zeros_like(rows[:1])
            above = np.concatenate((first, rows[part][:-1]))
            kinds = [rows[part], _across(rows[part]), rows[part] - above]
            kinds.append(_across(kinds[2]))
            filters[part] = np.argmin([_sizes(kind) for kind in kinds], axis=0)
            for number, kind in enumerate(kinds):
                chosen = filters[part] == number
                out[part][chosen] = kind[chosen]
    planes = out.reshape(-1, 1).view(np.uint8)
    return filters.tobytes() + planes.T.tobytes()


def _across(rows: np.ndarray) -> np.ndarray:
    """Rows less their left neighbours."""
    out = rows.copy()
    out[:, 1:] -= rows[:, :-1]
    return out


def _sizes(rows: np.ndarray) -> np.ndarray:
    """Of each row, the sum of its numbers taken as signed ones, without their signs."""
    signed = rows.view(rows.dtype.str.replace("u", "i"))
    return np.abs(signed).view(rows.dtype).sum(axis=(1, 2), dtype=np.float64)


def _tables(reader: Input, kinds: Sequence[tuple[tuple[int, ...], np.dtype]]) -> list[np.ndarray]:
    """Tables ``[R, W, C]`` of the rest of a payload."""
    sizes = [shape[0] + math.prod(shape) * dtype.itemsize for shape, dtype in kinds]
    data, at, tables = reader.inflated(reader.left, sum(sizes), "exact plane", -15), 0, []
    if len(data) != sum(sizes):
        raise reader.damaged("exact plane")
    for (shape, dtype), size in zip(kinds, sizes):
        part = np.frombuffer(data, np.uint8, size, at)
        filters, planes = part[: shape[0]], part[shape[0] :].reshape(dtype.itemsize, -1)
        if filters.max() > 3:
            raise reader.damaged(f"filter {filters.max()}")
        rows = planes.T.copy().view(dtype).reshape(shape)
        tables.append(_restored(rows, filters))
        at += size
    return tables


def _restored(rows: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Rows whose filters are undone: sums along them, then down as far as each run goes."""
    across, down = (filters & 1).astype(bool), filters > 1
    rows[across] = np.cumsum(rows[across], axis=1, dtype=rows.dtype)
    if not down.any():
        return rows
    # A row that stands for itself begins a run, from which sums go down.
    first = np.maximum.accumulate(np.where(down, 0, np.arange(len(rows))))
    sums = np.cumsum(rows, axis=0, dtype=rows.dtype)
    before = np.concatenate((np.zeros_like(sums[:1]), sums[:-1]))
    return sums - before[first]
