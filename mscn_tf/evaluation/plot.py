"""The figure of rate-distortion curves."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from mscn_tf.evaluation.curves import Curve

_OURS = ("#c1121f", "#7b2cbf", "#e07a00", "#0a7f5a")
_MEASURED = ("#1f77b4", "#2ca02c", "#17a2b8", "#8c6d31", "#4d5bd1", "#6b7280", "#b5179e")
_PUBLISHED = (
    *("#d1495b", "#8d99ae", "#6a994e", "#9d4edd", "#bc8a5f", "#3d5a80"),
    *("#c9a227", "#e07a9b", "#52796f", "#7f5539", "#5fa8d3", "#a1a1a1"),
)
_DASHES = ((4, 2), (1, 1.2), (6, 1.5, 1, 1.5), (2, 1))
_MARKERS = "osD^vP*X"


def draw(title: str, ours: Sequence[Curve], others: Sequence[Curve]) -> bytes:
    """A PNG: PSNR over bits a pixel, and MS-SSIM beside it where all that was measured has it.

    Args:
      title: above.
      ours: curves drawn thick; they decide which rates are shown.
      others: measured ones are drawn solid, published ones dashed.
    """
    ours, others = ([one for one in curves if one.bpp] for curves in (ours, others))
    measured = [one for one in (*ours, *others) if not one.published]
    with_ssim = bool(measured) and all(one.ms_ssim is not None for one in measured)
    figure = Figure(figsize=(15 if with_ssim else 10.5, 6.2), dpi=160, layout="constrained")
    axes = figure.subplots(1, 1 + with_ssim, squeeze=False)[0]
    for panel in axes:
        _set_up(panel, ours or measured or others)
    axes[0].set_ylabel("PSNR, RGB (dB)")
    for one, style in _styled(ours, others):
        axes[0].plot(one.bpp, one.psnr, label=one.label, **style)
    _fit(axes[0], [(one.bpp, one.psnr) for one in measured], len(ours))
    if with_ssim:
        axes[1].set_ylabel("MS-SSIM, RGB: $-10\\,\\log_{10}(1 - x)$ (dB)")
        for one, style in _styled(ours, others):
            if one.ms_ssim is not None:
                axes[1].plot(one.bpp, _decibels(one.ms_ssim), **style)
        _fit(axes[1], [(one.bpp, _decibels(one.ms_ssim)) for one in measured], len(ours))
    figure.suptitle(title, fontsize=13, fontweight="bold")
    if ours or others:
        figure.legend(loc="outside right center", frameon=False, fontsize=10, handlelength=3)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _set_up(panel: Axes, shown: Sequence[Curve]) -> None:
    panel.set_xscale("log")
    panel.set_xlabel("bits a pixel, whole files")
    panel.grid(True, which="major", color="#d8dce2", linewidth=0.8)
    panel.set_axisbelow(True)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
    if not shown:
        return
    low = min(one.bpp[0] for one in shown) / 1.15
    high = max(one.bpp[-1] for one in shown) * 1.15
    panel.set_xlim(low, high)
    steps = (1, 2, 5) if high / low > 12 else (1, 1.5, 2, 3, 4, 5, 7)
    panel.xaxis.set_major_locator(LogLocator(subs=steps))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.xaxis.set_minor_formatter(NullFormatter())


def _fit(panel: Axes, curves: Sequence[tuple[Sequence[float], Sequence[float]]], ours: int) -> None:
    """Shows the heights of curves at the rates shown, from where the lowest of ours begins."""
    left, right = panel.get_xlim()
    heights = [[y for x, y in zip(bpp, values) if left <= x <= right] for bpp, values in curves]
    low = min((y for some in heights[:ours] or heights for y in some), default=0.0)
    high = max((y for some in heights for y in some), default=1.0)
    margin = 0.05 * (high - low) + 0.1
    panel.set_ylim(low - margin, high + margin)


def _styled(ours: Sequence[Curve], others: Sequence[Curve]):
    """Each curve with how it is drawn."""
    for index, one in enumerate(ours):
        yield (
            one,
            dict(
                color=_OURS[index % len(_OURS)], linewidth=2.8, marker="o", markersize=6, zorder=5
            ),
        )
    for index, one in enumerate(one for one in others if not one.published):
        yield (
            one,
            dict(
                color=_MEASURED[index % len(_MEASURED)],
                linewidth=1.5,
                marker=_MARKERS[1 + index % (len(_MARKERS) - 1)],
                markersize=4,
                zorder=4,
            ),
        )
    for index, one in enumerate(one for one in others if one.published):
        yield (
            one,
            dict(
                color=_PUBLISHED[index % len(_PUBLISHED)],
                linewidth=1.4,
                dashes=_DASHES[index // 2 % len(_DASHES)],
                marker=_MARKERS[index % len(_MARKERS)],
                markersize=3.5,
                zorder=3,
            ),
        )


def _decibels(values: Sequence[float]) -> list[float]:
    return [-10 * math.log10(max(1 - value, 1e-9)) for value in values]
