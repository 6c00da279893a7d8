"""The exact form of a plane: its samples without loss, for what no lossy code suits.

Rows are predicted from their left and upper neighbours, as PNG's are (RFC 2083), but by sums alone,
which NumPy undoes for all rows at once; the bytes of wider numbers are put apart (as in Blosc's
shuffle) and deflated. Few different samples are listed once, in a palette. Photographs, volumes
and sounds take less in other ways, those of `exact_grids`, `exact_slices` and `exact_waves`.
docs/format.md says all that a second decoder needs.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Optional

import numpy as np

from mscn_tf.runtime import exact_grids, exact_slices, exact_waves
from mscn_tf.runtime.input import Input, varint

SAMPLES, PALETTE, BITS, GRIDS, SLICES, WAVES = range(6)  # forms of a payload
_GRIDDED = {GRIDS: exact_grids, SLICES: exact_slices}
_BOUNDED = {**_GRIDDED, WAVES: exact_waves}
_LARGEST_PALETTE = 2**16
_STRIP = 2**18  # numbers whose filters are chosen together
_SAMPLE = 2**17  # numbers that an estimate looks at
_STRIPS = 8  # in which they lie
_FAST, _GOOD, _BEST = 1, 6, 9  # levels of zlib: the last one takes minutes for 24 megapixels
_LARGE, _HUGE = 2**19, 2**22  # bytes
_SURE = 0.8  # of an estimate: a wave of fewer bytes than that is the shortest form
_SMALL = 2**9  # bytes of a payload that nothing else is tried for


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


def encode(
    values: np.ndarray,
    threads: int = 1,
    bound: float = 0,
    before: Optional[np.ndarray] = None,
) -> bytes:
    """The payload of a plane.

    Args:
      values: ``[.., C]``, not empty: uint8, int16, float32 or bool.
      threads: that may share the work.
      bound: values may be off by so much, where that saves anything; most are not even then.
      before: the plane before, as it will be decoded, which this one may be like.
    """
    if exact_waves.suit(values):
        wave = exact_waves.encode(values, threads, bound, before)
        coded = [] if wave is None else [bytes((WAVES,)) + wave]
        if coded and len(coded[0]) < _SURE * _estimated(values):
            return coded[0]
        return min([_deflated(values), *coded], key=len)
    deflated = _deflated(values)
    form = next((form for form, coder in _GRIDDED.items() if coder.suit(values, bound)), None)
    if form is None or (len(deflated) < _SMALL and not bound):
        return deflated
    part = _GRIDDED[form].sample(values)
    if part.size < values.size:
        fast = min(len(way.packed(_FAST)) for way in _ways(_numbers(part)))
        if len(_GRIDDED[form].encode(part, 1, bound)) > fast:
            return deflated
    return min(deflated, bytes((form,)) + _GRIDDED[form].encode(values, threads, bound), key=len)


def bound_of(payload: bytes) -> float:
    """How far values of a plane may be off: 0 for all that were coded without a bound."""
    coder = _BOUNDED.get(payload[0]) if payload else None
    return coder.bound_of(payload[1:]) if coder else 0


def may_share(values: np.ndarray) -> bool:
    """Whether the plane before may help to code a plane."""
    return exact_waves.suit(values)


def needs_before(payload: bytes) -> bool:
    """Whether a plane is decoded from the one before."""
    return payload[:1] == bytes((WAVES,)) and exact_waves.shared(payload[1:])


def _deflated(values: np.ndarray) -> bytes:
    ways = list(_ways(_numbers(values)))
    if values.nbytes > _LARGE:  # which way is shortest, the fast level tells mostly
        fast = min(ways, key=lambda way: len(way.packed(_FAST)))
        ways = [way for way in ways if way is fast or way.table.nbytes <= _LARGE]
    level = _BEST if values.nbytes <= _HUGE else _GOOD
    return min((way.packed(level) for way in ways), key=len)


def estimate(values: np.ndarray, bound: float = 0) -> float:
    """About how many bytes `encode` makes, from a few rows; of photographs more than that."""
    if exact_waves.suit(values):
        start = max(0, len(values) - _SAMPLE) // 2
        part = values[start : start + _SAMPLE]
        wave = exact_waves.encode(part, bound=bound)
        if wave is not None:
            return min(len(wave) * len(values) / len(part), _estimated(values))
    return _estimated(values)


def _estimated(values: np.ndarray) -> float:
    """The same of what is deflated."""
    rows = values.reshape(-1, *values.shape[-2:])
    if len(rows) == 1 or values.size <= _SAMPLE:
        part = rows[:, :_SAMPLE]
    else:
        height = max(1, _SAMPLE // (_STRIPS * rows[0].size))
        tops = np.linspace(0, len(rows) - height, _STRIPS).round().astype(int)
        part = np.concatenate([rows[top : top + height] for top in np.unique(tops)])
    sizes = (len(way.packed(_FAST)) for way in _ways(_numbers(part)))
    return min(sizes) * values.size / part.size


def decode(
    payload: bytes,
    shape: Sequence[int],
    dtype: str,
    threads: int = 1,
    before: Optional[np.ndarray] = None,
) -> np.ndarray:
    """What ``encode`` coded.

    Args:
      payload: of a plane.
      shape: ``[.., C]`` of the plane.
      dtype: of its samples.
      threads: that may share the work.
      before: the plane before, where `needs_before` says so.

    Raises:
      MscnError: the payload is damaged.
    """
    number = _number(np.dtype(dtype))
    rows = (math.prod(shape[:-2]), *shape[-2:])
    reader = Input(payload, "exact plane")
    (form,) = reader.take(1)
    if form == SAMPLES:
        (table,) = _tables(reader, [(rows, number)])
        return _values(table, dtype).reshape(shape)
    if form == GRIDS and dtype == "uint8":
        return exact_grids.decode(reader, shape, threads)
    if form == SLICES and dtype == "float32":
        return exact_slices.decode(reader, shape, threads)
    if form == WAVES and dtype == "float32":
        return exact_waves.decode(reader, shape, threads, before)
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
