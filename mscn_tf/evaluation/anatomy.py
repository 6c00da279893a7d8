"""A figure of one item of a file: the signal, its error, and where its code is not zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Union

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mscn_tf.runtime.container import MODALITIES, Container, size_text
from mscn_tf.runtime.file_decoder import FileDecoder
from mscn_tf.runtime.rendering import on_ground, on_white, orbit, render
from mscn_tf.runtime.scheme import Survivors
from mscn_tf.signals.views import Views

_VIEW = 160  # pixels of a scene's rendering


@dataclass(frozen=True)
class _Style:
    """How a modality is drawn: what of it, in which colours, with which units at the bar.

    ``ranges`` are the limits of the colours: "codec", those of its codec; "own"; or "zero", own and
    symmetric, with a line where the values are zero.
    """

    what: str = ""
    colours: str = "gray"
    units: str = ""
    ranges: str = "codec"


_STYLES = {
    "image": _Style(),
    "field": _Style(colours="viridis", ranges="own"),
    "sound": _Style(),
    "volume": _Style("middle slice"),
    "voxels": _Style("filled along the first axis", "magma", "voxels", "own"),
    "silhouette": _Style("distances", "PuOr", "of the longer side", "zero"),
    "mesh": _Style("distances, middle of x", "PuOr", "cells", "zero"),
    "scene": _Style("a view"),
}


def anatomy(
    codec: FileDecoder,
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
    modality = MODALITIES[container.modality]
    decoded = codec.decode(container, item)
    size = size_text(decoded.shape[:-1])
    if modality == "scene":
        decoded, original = _seen(decoded, original)
    if original is not None and original.shape != decoded.shape:
        raise ValueError(f"the original is {list(original.shape)}, not {list(decoded.shape)}")
    coded = bool(container.coded(item))
    panels = 1 + (original is not None) + coded
    figure = Figure(figsize=(4.8 * panels, 4.2), layout="constrained")
    signal, *beside = figure.subplots(1, panels, squeeze=False)[0]
    code = beside.pop() if coded else None
    style = _STYLES[modality]
    name = f" {container.names[item]}" if container.names else ""
    exact = "" if coded else ", without loss"
    what = f"\n{style.what}" if style.what else ""
    signal.set_title(f"{modality}{name}, {size}{exact}{what}")
    if modality == "sound":
        _draw_waves(signal, decoded)
    else:
        _draw_signal(signal, decoded, modality, codec.range, _extent(container))
    for panel in beside:
        _draw_error(panel, decoded, original, modality, _extent(container))
        if style.ranges == "zero":
            _draw_zero(signal, original, "dashed")
    if code is not None:
        _draw_survivors(code, codec.scheme.survivors(container, item))
    return figure


def _seen(radiance: np.ndarray, views: Optional[Views]) -> tuple[np.ndarray, Optional[np.ndarray]]:
    """``[H, W, 3]`` on the ground: a rendering, and the picture from there, if there is one."""
    if views is None:
        seen = render(radiance, next(orbit(1, 3.0)), 1.2 * _VIEW, _VIEW, _VIEW)
        return np.clip(on_white(seen), 0, 1), None
    seen, taken = views.rendered(0, radiance), views.pictures[0]
    return tuple(np.clip(on_ground(pixels, views.ground), 0, 1) for pixels in (seen, taken))


def _extent(container: Container) -> Optional[tuple[float, ...]]:
    """Of a field: degrees of its left, right, lower and upper edge, as far as they are known."""
    try:
        edges = []
        for name in ("longitude", "latitude"):
            degrees = container.metadata[name]
            half = (degrees[-1] - degrees[0]) / (len(degrees) - 1) / 2
            edges.append((degrees[0] - half, degrees[-1] + half))
        (left, right), (first, last) = edges
        return left, right, last, first
    except (KeyError, TypeError, ZeroDivisionError):  # unknown, or a single row has no height
        return None


def _flat(values: np.ndarray, modality: str) -> np.ndarray:
    """``[H, W, C]`` of an array of two or three axes."""
    if values.ndim < 4:
        return values
    return values.sum(0) if modality == "voxels" else values[len(values) // 2]


def _draw_signal(
    axes: Axes,
    values: np.ndarray,
    modality: str,
    limits: tuple[float, float],
    extent: Optional[tuple[float, ...]],
) -> None:
    style, flat = _STYLES[modality], _flat(values, modality)
    if flat.shape[-1] > 1 or modality == "image":
        axes.set_axis_off()
        if flat.shape[-1] < 3:  # grey, with transparency or without
            flat = flat[..., [0, 0, 0, *range(1, flat.shape[-1])]]
        axes.imshow(flat)
        return
    if style.ranges == "own":
        limits = (flat.min(), flat.max())
    elif style.ranges == "zero":
        high = np.abs(flat).max()
        limits = (-high, high)
    _draw_map(axes, flat[..., 0], style.colours, limits, style.units, extent)
    if style.ranges == "zero":
        _draw_zero(axes, values, "solid")


def _draw_map(
    axes: Axes,
    values: np.ndarray,
    colours: str,
    limits: tuple[float, float],
    units: str,
    extent: Optional[tuple[float, ...]],
) -> None:
    """Numbers ``[H, W]`` as colours, with a bar that says which."""
    drawn = axes.imshow(values, colours, vmin=limits[0], vmax=limits[1], extent=extent)
    axes.figure.colorbar(drawn, ax=axes, shrink=0.7, label=units)
    if extent is None:
        axes.set_axis_off()
        return
    axes.set_ylim(min(extent[2:]), max(extent[2:]))  # north is up
    axes.set_xlabel("degrees east")
    axes.set_ylabel("degrees north")


def _draw_zero(axes: Axes, values: np.ndarray, line: str) -> None:
    flat = _flat(values, "mesh")[..., 0]
    if flat.min() < 0 < flat.max():
        axes.contour(flat, [0.0], colors="black", linestyles=line, linewidths=1.0)


def _draw_waves(axes: Axes, values: np.ndarray) -> None:
    axes.plot(values, linewidth=0.5)
    high = 1.05 * np.abs(values).max() or 1.0
    axes.set_ylim(-high, high)
    axes.set_xlabel("sample")


def _draw_error(
    axes: Axes,
    decoded: np.ndarray,
    original: np.ndarray,
    modality: str,
    extent: Optional[tuple[float, ...]],
) -> None:
    style = _STYLES[modality]
    error = decoded.astype(np.float64) - original.astype(np.float64)
    if decoded.dtype == bool:
        axes.set_title(f"error: {np.count_nonzero(error):,} of {error.size:,} voxels")
    else:
        axes.set_title(f"error: {np.sqrt(np.mean(np.square(error))):.3g} RMS")
    if modality == "sound":
        _draw_waves(axes, error)
        return
    flat = _flat(error, modality).mean(-1)
    limit = np.abs(flat).max() if modality == "voxels" else 4 * np.sqrt(np.mean(np.square(flat)))
    limit = limit or 1.0
    _draw_map(axes, flat, "RdBu_r", (-limit, limit), style.units, extent)


def _draw_survivors(axes: Axes, found: Survivors) -> None:
    axes.set_title(f"not zero: {found.count:,} of {found.total:,}\n{found.by}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if found.places.ndim == 1:
        axes.bar(np.arange(len(found.places)), found.places, 1.0)
        return
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    drawn = axes.imshow(found.places, "viridis", vmin=0, interpolation="nearest")
    if found.places.max() > 1:
        axes.figure.colorbar(drawn, ax=axes, shrink=0.7)
