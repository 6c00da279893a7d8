"""How signals are drawn: those of one axis as waves, others as pictures or as maps of numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Optional, cast

import numpy as np
from matplotlib.axes import Axes

from mscn_tf.runtime.container import Container
from mscn_tf.runtime.lazy import imported
from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.rendering import on_ground, on_white, orbit, render
from mscn_tf.signals.views import Views

Extent = Optional[tuple[float, float, float, float]]  # of axes: left, right, lower and upper edge

_VIEW = 160  # pixels of a scene's rendering


def middle(values: np.ndarray) -> np.ndarray:
    """``[H, W, C]`` of an array of two or three axes: of three the slice in the middle."""
    return values if values.ndim < 4 else values[len(values) // 2]


def unchanged(
    decoded: np.ndarray, original: Optional[np.ndarray]
) -> tuple[np.ndarray, Optional[np.ndarray]]:
    """The arrays themselves."""
    return decoded, original


def nowhere(container: Container) -> Extent:
    """No places but the numbers of samples."""
    return None


@dataclass(frozen=True)
class Drawing:
    """How signals of a modality are drawn, and errors of decoded ones.

    Attributes:
      what: is drawn of one, in words.
      colours: a map of Matplotlib.
      units: at the bar of the colours.
      limits: of the colours: "codec", those of its codec; "own"; "zero", own and symmetric, with a
        line where the values are zero; or "pixels", where values are colours.
      flat: an array of two or three axes, or what is left of it, to ``[H, W, C]``.
      extent: the places that a file says its samples have.
      seen: what is drawn in place of a decoded signal and of its original, which may be None.
    """

    what: str = ""
    colours: str = "gray"
    units: str = ""
    limits: str = "codec"
    flat: Callable[[np.ndarray], np.ndarray] = middle
    extent: Callable[[Container], Extent] = nowhere
    seen: Callable[[np.ndarray, Any], tuple[np.ndarray, Optional[np.ndarray]]] = unchanged

    def draw(
        self, axes: Axes, values: np.ndarray, limits: tuple[float, float], container: Container
    ) -> None:
        """Draws a signal.

        Args:
          axes: to draw on.
          values: ``[.., C]``.
          limits: lowest and highest value of the codec.
          container: the signal's file.
        """
        if values.ndim == 2:
            _draw_waves(axes, values)
            return
        flat = self.flat(values)
        if flat.shape[-1] > 1 or self.limits == "pixels":
            axes.set_axis_off()
            if flat.shape[-1] < 3:  # grey, with transparency or without
                flat = flat[..., [0, 0, 0, *range(1, flat.shape[-1])]]
            axes.imshow(flat)
            return
        if self.limits == "own":
            limits = (flat.min(), flat.max())
        elif self.limits == "zero":
            high = np.abs(flat).max()
            limits = (-high, high)
        _draw_map(axes, flat[..., 0], self.colours, limits, self.units, self.extent(container))
        self.draw_contour(axes, values, "solid")

    def draw_contour(self, axes: Axes, values: np.ndarray, line: str) -> None:
        """A line of that style where values are zero, if that is where something ends."""
        if self.limits != "zero":
            return
        flat = self.flat(values)[..., 0]
        if flat.min() < 0 < flat.max():
            axes.contour(flat, [0.0], colors="black", linestyles=line, linewidths=1.0)

    def draw_error(
        self, axes: Axes, decoded: np.ndarray, original: np.ndarray, container: Container
    ) -> None:
        """Draws the difference of a decoded signal and its original, ``[.., C]`` each."""
        error = decoded.astype(np.float64) - original.astype(np.float64)
        truth = decoded.dtype == bool
        if truth:
            axes.set_title(f"error: {np.count_nonzero(error):,} of {error.size:,} voxels")
        else:
            axes.set_title(f"error: {np.sqrt(np.mean(np.square(error))):.3g} RMS")
        if error.ndim == 2:
            _draw_waves(axes, error)
            return
        flat = self.flat(error).mean(-1)
        limit = np.abs(flat).max() if truth else 4 * np.sqrt(np.mean(np.square(flat)))
        limit = float(limit) or 1.0
        extent = self.extent(container)
        _draw_map(axes, flat, "RdBu_r", (-limit, limit), self.units, extent)


def drawing_of(modality: Modality) -> Drawing:
    """How signals of a modality are drawn: as it says, or by their axes."""
    if modality.drawing:
        return cast(Drawing, imported(modality.drawing))
    return Drawing("middle slice" if modality.axes == 3 else "")


def _draw_map(
    axes: Axes,
    values: np.ndarray,
    colours: str,
    limits: tuple[float, float],
    units: str,
    extent: Extent,
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


def _draw_waves(axes: Axes, values: np.ndarray) -> None:
    axes.plot(values, linewidth=0.5)
    high = 1.05 * np.abs(values).max() or 1.0
    axes.set_ylim(-high, high)
    axes.set_xlabel("sample")


def _filled(values: np.ndarray) -> np.ndarray:
    return np.asarray(values.sum(0))


def _degrees(container: Container) -> Extent:
    """Of a field: its edges as far as they are known."""
    try:
        edges = []
        for name in ("longitude", "latitude"):
            degrees = (container.metadata or {})[name]
            half = (degrees[-1] - degrees[0]) / (len(degrees) - 1) / 2
            edges.append((degrees[0] - half, degrees[-1] + half))
        (left, right), (first, last) = edges
        return left, right, last, first
    except (KeyError, TypeError, ZeroDivisionError):  # unknown, or a single row has no height
        return None


def _rendered(
    radiance: np.ndarray, views: Optional[Views]
) -> tuple[np.ndarray, Optional[np.ndarray]]:
    """``[H, W, 3]`` on the ground: a rendering, and the picture from there, if there is one."""
    if views is None:
        seen = render(radiance, next(orbit(1, 3.0)), 1.2 * _VIEW, _VIEW, _VIEW)
        return np.clip(on_white(seen), 0, 1), None
    seen, taken = (
        np.clip(on_ground(pixels, views.ground), 0, 1)
        for pixels in (views.rendered(0, radiance), views.pictures[0])
    )
    return seen, taken


PICTURE = Drawing(limits="pixels")
FIELD = Drawing(colours="viridis", limits="own", extent=_degrees)
VOXELS = Drawing("filled along the first axis", "magma", "voxels", "own", _filled)
SILHOUETTE = Drawing("distances", "PuOr", "of the longer side", "zero")
MESH = Drawing("distances, middle of x", "PuOr", "cells", "zero")
SCENE = Drawing("a view", seen=_rendered)
