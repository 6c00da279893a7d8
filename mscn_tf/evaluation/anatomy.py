"""A figure of one item of a file: the signal, its error, and where its code is not zero."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Optional, Union

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mscn_tf.evaluation.drawing import drawing_of
from mscn_tf.runtime.codec import Codec
from mscn_tf.runtime.container import Container, grid, size_text
from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.wavelet import Pyramid
from mscn_tf.signals.views import Views

_BLOCK = 8  # coefficients of a pyramid's finest level, along each axis: 16 pixels


def anatomy(
    codec: Codec,
    container: Container,
    item: int = 0,
    original: Optional[Union[np.ndarray, Views]] = None,
) -> Figure:
    """Panels side by side: the decoded signal, its error, and the survivors of its code.

    A signal that is stored without loss has no code, and no panel of it.

    Args:
      codec: that of the file.
      container: the file.
      item: which of its signals.
      original: the same signal before coding, of a scene views of it, the first of which is drawn;
        or None: then there is no panel of errors.

    Raises:
      MscnError: there is no such item, or it can't be decoded.
      ValueError: the original has another shape.
    """
    modality = Modality.numbered(container.modality)
    drawing = drawing_of(modality)
    decoded = codec.decode(container, item)
    size = size_text(decoded.shape[:-1])
    if drawing.seen:
        decoded, original = drawing.seen(decoded, original)
    if original is not None and original.shape != decoded.shape:
        raise ValueError(f"the original is {list(original.shape)}, not {list(decoded.shape)}")
    coded = bool(container.coded(item))
    panels = 1 + (original is not None) + coded
    figure = Figure(figsize=(4.8 * panels, 4.2), layout="constrained")
    signal, *beside = figure.subplots(1, panels, squeeze=False)[0]
    gates = beside.pop() if coded else None
    name = f" {container.names[item]}" if container.names else ""
    exact = "" if coded else ", without loss"
    what = f"\n{drawing.what}" if drawing.what else ""
    signal.set_title(f"{modality.name}{name}, {size}{exact}{what}")
    drawing.draw(signal, decoded, codec.range, container)
    for panel in beside:
        drawing.draw_error(panel, decoded, original, container)
        drawing.draw_contour(signal, original, "dashed")
    if gates is not None:
        _draw_gates(gates, survivors(codec, container, item))
    return figure


@dataclass(frozen=True)
class Survivors:
    """Elements of a code that aren't zero.

    Attributes:
      places: counts by tile, where there are several: ``[.., tiles]``, of three axes summed over
        the first one; of a single tile by element, ``[rows, 32]``; of a pyramid by block of 16x16
        pixels, a coarse coefficient in equal parts among the blocks that it spans.
      by: what a place is, in words.
      count: of elements that aren't zero.
      total: of all elements.
    """

    places: np.ndarray
    by: str
    count: int
    total: int


def survivors(codec: Codec, container: Container, item: int) -> Survivors:
    """The survivors of the code of an item, of which a plane at least isn't exact.

    Raises:
      MscnError: there is no such item, or it can't be decoded.
    """
    symbols = codec.decode_symbols(container, item)
    tiles = grid(container.shapes[item], container.tile_edge, container.tile_overlap)
    planes = len(container.coded(item))
    if isinstance(symbols[0], Pyramid):
        maps, (rows, columns) = [_by_block(pyramid) for pyramid in symbols], tiles
        lines = [
            np.concatenate(maps[first : first + columns], 1)
            for first in range(0, len(maps), columns)
        ]
        places = sum(np.concatenate(lines[plane * rows :][:rows]) for plane in range(planes))
        parts = [part for pyramid in symbols for part in (pyramid.coarse, *pyramid.details)]
        count, total = sum(map(np.count_nonzero, parts)), sum(part.size for part in parts)
        return Survivors(places, "by 16x16 pixels", count, total)
    is_open = symbols != 0
    count = int(is_open.sum())
    if math.prod(tiles) == 1:
        kept = is_open.sum(0)
        places = np.pad(kept, (0, -len(kept) % 32)).reshape(-1, 32)
        return Survivors(places, "by element, 32 a row", count, symbols.size)
    places = is_open.sum(1).reshape(planes, *tiles).sum(0)
    if places.ndim < 3:
        return Survivors(places, "by tile", count, symbols.size)
    return Survivors(places.sum(0), "by tile, summed over the first axis", count, symbols.size)


def _by_block(pyramid: Pyramid) -> np.ndarray:
    """float64 ``[H, W]``: coefficients that aren't zero."""
    rows, columns = (-(-side // _BLOCK) for side in pyramid.details[0].shape[2:])
    kept = np.zeros((rows, columns))
    parts = [*enumerate(pyramid.details), (len(pyramid.details) - 1, pyramid.coarse[:, None])]
    for level, part in parts:
        counts = np.count_nonzero(part, axis=(0, 1)).astype(float)
        spans, held = max(1, 2**level // _BLOCK), max(1, _BLOCK // 2**level)
        counts = np.kron(counts, np.full((spans, spans), 1 / spans**2))
        counts = counts[: rows * held, : columns * held]
        missing = np.array([rows * held, columns * held]) - counts.shape
        counts = np.pad(counts, [(0, missing[0]), (0, missing[1])])
        kept += counts.reshape(rows, held, columns, held).sum((1, 3))
    return kept


def _draw_gates(axes: Axes, found: Survivors) -> None:
    axes.set_title(f"open gates: {found.count:,} of {found.total:,}\n{found.by}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if found.places.ndim == 1:
        axes.bar(np.arange(len(found.places)), found.places, 1.0)
        return
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    drawn = axes.imshow(found.places, "viridis", vmin=0, interpolation="nearest")
    if found.places.max() > 1:
        axes.figure.colorbar(drawn, ax=axes, shrink=0.7)
