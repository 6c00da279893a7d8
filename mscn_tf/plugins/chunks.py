"""Chunks of arrays as `.mscn` files of the codec `field`: what Zarr and numcodecs store.

The last two axes of a chunk are those of fields, and all before them make items of the file.
Numbers that stand for none, as NaN does, come back exactly. docs/plugins.md has the layout.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from mscn_tf.codec.parts import Parts, StoredEncoding
from mscn_tf.plugins import marks
from mscn_tf.plugins.goals import Goal, check_dtype, field_codec
from mscn_tf.plugins.layout import Layout, folded
from mscn_tf.runtime.container import MAX_PIXELS, MAX_SIDE, Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.file_decoder import FileDecoder
from mscn_tf.runtime.quality import HIGHEST

_REGION = {"longitude": [0.0, 1.0]}  # tells the encoder that columns don't go round
_SEAM = 2.0  # times the usual step; a larger one from last to first column, and they don't
_BELOW_HALF = 0.5 - 2.0**-12  # whole numbers that are off by as much are rounded to themselves
_LARGEST_WHOLE = 2.0**53  # that float64 holds with all below it
_LARGEST_REAL = 1e38
_QUALITY = 5.0  # where nothing is asked for


def encode(chunk: np.ndarray, goal: Goal) -> bytes:
    """A chunk as a file.

    Args:
      chunk: float32, float64 or integers, of any number of axes.
      goal: what for.

    Raises:
      MscnError: it is of another type, holds nothing, or numbers too large for a quality.
    """
    check_dtype(chunk.dtype)
    if not chunk.size:
        raise MscnError(f"a chunk of shape {list(chunk.shape)} holds nothing")
    if chunk.size > MAX_PIXELS or max(chunk.shape[-2:], default=1) > MAX_SIDE:
        raise MscnError(
            f"a chunk of shape {list(chunk.shape)} is too large: at most {MAX_PIXELS} numbers, "
            f"and {MAX_SIDE} along each of the last two axes; choose smaller chunks"
        )
    columns_first = chunk.flags.f_contiguous and not chunk.flags.c_contiguous
    native = chunk.astype(chunk.dtype.newbyteorder("="), copy=False)
    values = native.reshape(folded(chunk.shape))
    used = _without_padding(values)
    pad = values[-1, -1, -1:] if used.shape != values.shape else values[0, 0, :0]
    found, labels = marks.find(used, goal.missing)
    planes, numbers = _planes(labels)
    order = "F" if columns_first else "C"
    found, pad = found.astype(chunk.dtype), pad.astype(chunk.dtype)
    layout = Layout(chunk.shape, chunk.dtype, order, found, numbers, pad)
    return _packed(used, labels > 0, planes, layout, goal)


def _without_padding(values: np.ndarray) -> np.ndarray:
    """Items, rows and columns but for the last ones that hold nothing but the last number."""
    corner = values[-1, -1, -1]

    def alike(part: np.ndarray) -> np.ndarray:
        return (part == corner) | ((part != part) & (corner != corner))

    ends = (values[-1], values[:, -1], values[:, :, -1])
    if not any(side > 1 and alike(end).all() for side, end in zip(values.shape, ends)):
        return values
    other = ~alike(values)
    extents = [np.flatnonzero(other.any(axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    items, rows, columns = (int(places[-1]) + 1 if len(places) else 1 for places in extents)
    return values[:items, :rows, :columns]


def _planes(labels: np.ndarray) -> tuple[list[np.ndarray], list[int]]:
    """Different planes of labels ``[N, H, W]``, none all 0, and each item's index of one or -1."""
    numbers: dict[bytes, int] = {}
    planes: list[np.ndarray] = []
    owners = []
    for plane in labels:
        owners.append(numbers.setdefault(plane.tobytes(), len(planes)) if plane.any() else -1)
        if owners[-1] == len(planes):
            planes.append(plane)
    return planes, owners


def _packed(
    values: np.ndarray, holes: np.ndarray, planes: list[np.ndarray], layout: Layout, goal: Goal
) -> bytes:
    """The file of values ``[N, H, W]`` and of planes ``[H, W]`` of labels.

    Raises:
      MscnError: numbers are too large for a quality.
    """
    known = values[~holes]
    bound = goal.bound(known)
    fields = marks.filled(values, holes)
    largest = float(np.abs(fields).max())
    if largest <= (_LARGEST_WHOLE if values.dtype.kind in "iu" else _LARGEST_REAL):
        stored, told, lost = fields.astype(np.float32), layout, 0.0
        if not np.array_equal(stored[~holes], known):
            offset = float(known[0])
            told, stored = layout._replace(offset=offset), (fields - offset).astype(np.float32)
            back = stored[~holes].astype(np.float64) + offset
            lost = float(np.abs(back - known).max() + 2 * np.spacing(largest))
        room = None if bound is None else _room(bound, known, layout.marks, np.float32) - lost
        if room is None or room > 0:
            with contextlib.suppress(MscnError):  # finer than float32
                return _file(stored, planes, told, goal, room)
        if not lost:
            return _file(stored, planes, told, goal, 0.0)
    elif bound is None:
        raise MscnError(f"mscn doesn't code numbers as large as {largest:g}; scale them")
    room = _room(bound or 0.0, known, layout.marks, known.dtype.type)
    return _file(marks.filled_alike(values, holes), planes, layout, goal, max(room, 0.0))


def _room(bound: float, known: np.ndarray, found: np.ndarray, kind: type) -> float:
    """How far decoded numbers of a kind may be off before they are rounded, apart from marks."""
    if not known.size:
        return bound
    low, high = (float(end) for end in (known.min(), known.max()))
    near = bool(((found >= low - bound) & (found <= high + bound)).any())
    if known.dtype.kind == "f":
        apart = np.spacing(kind(max(abs(low), abs(high)) + bound))
        return bound - near * float(apart)
    return max(math.floor(bound) - near, 0) + _BELOW_HALF


def _file(
    fields: np.ndarray, planes: list[np.ndarray], layout: Layout, goal: Goal, bound: float | None
) -> bytes:
    """The file of fields ``[N, H, W]`` and planes ``[H, W]`` of labels; without loss within 0."""
    codec = field_codec()
    arrays = [*fields[..., None], *(plane[..., None].astype(np.float32) for plane in planes)]
    kept = dict.fromkeys(range(0 if bound == 0 else len(fields), len(arrays)), 0.0)
    bounds = [bound or 0.0] * len(arrays)
    parts = Parts(codec, arrays, None, {"chunk": layout.to_json()}, kept, bounds)
    if not parts.coded:
        return StoredEncoding(parts).file(HIGHEST)
    told = _told(layout.shape, _goes_round(arrays[: len(fields)]))
    effort = codec.scheme.lowest_effort
    encoding: Any = codec.encoder.encoding(parts, told, tqdm(disable=True), effort)
    q16 = round(16 * (goal.quality or _QUALITY))
    if bound is None:
        return parts.cheapest(encoding.file(q16))
    return parts.cheapest(encoding.file_within(bounds))


def _told(shape: Sequence[int], goes_round: bool) -> dict[str, Any]:
    """What the encoder is told of a chunk's fields, as metadata of a file would."""
    dims = [f"axis {axis}" for axis in range(len(shape))]
    structure = {
        "dims": [[dim, size, False] for dim, size in zip(dims, shape)],
        "variables": [{"name": "chunk", "dims": dims}],
    }
    of_fields = [{"name": "chunk", "count": math.prod(shape[:-2])}]
    told = {"axes": dims[-2:], "fields": of_fields, "netcdf": structure}
    return told if goes_round else {**told, **_REGION}


def _goes_round(fields: list[np.ndarray]) -> bool:
    """Whether the last column of fields ``[H, W, 1]`` seems to be followed by the first."""
    if fields[0].shape[1] < 3:
        return False
    seam = sum(float(np.abs(field[:, 0] - field[:, -1]).mean()) for field in fields)
    step = sum(float(np.abs(np.diff(field, axis=1)).mean()) for field in fields)
    return seam <= _SEAM * step


def decode(data: bytes, shape: Sequence[int] | None = None, selection: Any = ()) -> np.ndarray:
    """The chunk of a file, or what an index selects of it; decodes only the items it needs.

    Args:
      data: the file.
      shape: that the chunk must have, where that is known.
      selection: any index of an array.

    Raises:
      MscnError: it is no file of such a chunk, is damaged, or its codec isn't there.
    """
    container = Container.from_bytes(data, "chunk", lazy=True)
    layout = Layout.of(container)
    if shape is not None and layout.shape != tuple(shape):
        raise MscnError(f"chunk: of shape {list(layout.shape)}, not {list(shape)}")
    own = field_codec()
    known = container.bundle_id == own.bundle.id[:8]
    codec = own if known else FileDecoder.of(container)
    found = np.empty(folded(layout.shape), layout.dtype)
    needed = _needed(layout.shape, selection)
    coded = [item for item in needed if item < len(layout.labels)]
    decoded = iter(codec.decode_all(container, items=coded))
    for item in needed:
        field = next(decoded)[..., 0] if item < len(layout.labels) else None
        found[item] = _item(codec, container, layout, item, field)
    whole = found.reshape(layout.shape)
    return np.asarray(whole[selection], order="F" if layout.order == "F" else "C")


def _needed(shape: tuple[int, ...], selection: Any) -> list[int]:
    """Items of which an index selects something."""
    items = np.arange(folded(shape)[0]).reshape(shape[:-2] + (1,) * len(shape[-2:]))
    selected = np.unique(np.broadcast_to(items, shape)[selection])
    return [int(item) for item in selected]


def _item(
    codec: FileDecoder,
    container: Container,
    layout: Layout,
    item: int,
    values: np.ndarray | None,
) -> np.ndarray:
    """One item ``[H, W]`` of a chunk, with its marks; of decoded values, if it has any."""
    whole = np.empty(folded(layout.shape)[1:], layout.dtype.newbyteorder("="))
    if len(layout.pad):
        whole[:] = layout.pad
    if values is None:
        return whole
    values = _typed(values, layout.offset, whole.dtype)
    for mark in layout.marks:  # no number that is known may look like none
        values = np.where(values == mark, _beside(mark), values)
    plane = layout.labels[item]
    if plane >= 0:
        labels = codec.decode(container, len(layout.labels) + plane)[..., 0].astype(np.intp)
        if not 0 <= labels.min() <= labels.max() <= len(layout.marks):
            raise MscnError(f"{container.source}: its labels are damaged")
        table = np.append(np.zeros(1, values.dtype), layout.marks)
        values = np.where(labels > 0, table[labels], values)
    whole[: values.shape[0], : values.shape[1]] = values
    return whole


def _typed(values: np.ndarray, offset: float, dtype: np.dtype) -> np.ndarray:
    """Decoded float32, or wide numbers, as those of a chunk's type."""
    if dtype in (np.float32, values.dtype):
        return values
    values = values.astype(np.float64) + offset
    if dtype.kind == "f":
        return values
    limits = np.iinfo(dtype)
    whole = np.rint(values)
    return np.clip(whole, max(limits.min, -_LARGEST_WHOLE), min(limits.max, _LARGEST_WHOLE)).astype(
        dtype
    )


def _beside(mark: Any) -> Any:
    """The next number of its type."""
    if mark.dtype.kind == "f":
        return np.nextafter(mark, mark.dtype.type(np.inf))
    one = mark.dtype.type(1)
    return mark + one if mark < np.iinfo(mark.dtype).max else mark - one
