"""The figure of rate-distortion curves."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any, Optional

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from mscn_tf.evaluation.assessment import Assessment, Measure
from mscn_tf.evaluation.assessments.images import PICTURES
from mscn_tf.evaluation.curves import Curve

_OURS = ("#c1121f", "#7b2cbf", "#e07a00", "#0a7f5a")
_MEASURED = ("#1f77b4", "#2ca02c", "#17a2b8", "#8c6d31", "#4d5bd1", "#6b7280", "#b5179e")
_PUBLISHED = (
    *("#d1495b", "#8d99ae", "#6a994e", "#9d4edd", "#bc8a5f", "#3d5a80"),
    *("#c9a227", "#e07a9b", "#52796f", "#7f5539", "#5fa8d3", "#a1a1a1"),
)
_DASHES = ((4, 2), (1, 1.2), (6, 1.5, 1, 1.5), (2, 1))
_MARKERS = "osD^vP*X"


def draw(
    title: str,
    ours: Sequence[Curve],
    others: Sequence[Curve],
    assessment: Assessment = PICTURES,
    payload: bool = False,
) -> bytes:
    """A PNG: quality over rate; beside it the second measure where all that was measured has it.

    Args:
      title: above.
      ours: curves drawn thick; they decide which rates are shown: theirs, and those at which other
        measured ones are as good.
      others: measured ones are drawn solid, published ones dashed.
      assessment: names the axes.
      payload: rates are without headers.
    """
    ours, others = ([one for one in curves if one.rate] for curves in (ours, others))
    measured = [one for one in (*ours, *others) if not one.published]
    shown = [assessment.quality]
    for beside in assessment.measures[1:2]:
        if measured and all(one.beside.get(beside.name) is not None for one in measured):
            shown.append(beside)
    figure = Figure(figsize=(6 + 4.5 * len(shown), 6.2), dpi=160, layout="constrained")
    axes = figure.subplots(1, len(shown), squeeze=False)[0]
    for panel, measure in zip(axes, shown):
        _set_up(panel, ours or measured or others, assessment, measure)
        panel.set_xlabel(
            f"{assessment.rate.label}, {'without headers' if payload else 'whole files'}"
        )
        if ours:
            panel.set_xlim(right=max(panel.get_xlim()[1], 1.15 * _farthest(ours, measured)))
        heights = {one.name: _heights(one, measure) for one in (*ours, *others)}
        for one, style in _styled(ours, others):
            if heights[one.name] is not None:
                label = one.label if panel is axes[0] else None
                panel.plot(one.rate, heights[one.name], label=label, **style)
        drawn = [(one.rate, seen) for one in measured if (seen := heights[one.name]) is not None]
        _fit(panel, drawn, len(ours), measure)
    figure.suptitle(title, fontsize=13, fontweight="bold")
    if ours or others:
        figure.legend(loc="outside right center", frameon=False, fontsize=10, handlelength=3)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _heights(one: Curve, measure: Measure) -> Optional[Sequence[float]]:
    """What is drawn of a measure: of errors their values, of others levels; None without any."""
    values = one.quality if one.measure.name == measure.name else one.beside.get(measure.name)
    if values is None or measure.falls:
        return values
    return [measure.level(value) for value in values]


def _farthest(ours: Sequence[Curve], measured: Sequence[Curve]) -> float:
    """The highest rate at which a measured curve is no better than the best of ours."""
    best = max(one.levels[-1] for one in ours)
    return max(
        rate
        for one in measured
        for rate, level in zip(one.rate, one.levels)
        if level <= best or rate == one.rate[0]
    )


def _set_up(panel: Axes, shown: Sequence[Curve], assessment: Assessment, measure: Measure) -> None:
    panel.set_xscale("log")
    panel.set_ylabel(measure.axis + measure.drawn)
    panel.grid(True, which="major", color="#d8dce2", linewidth=0.8)
    panel.set_axisbelow(True)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
    if measure.falls:
        panel.set_yscale("log")
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        panel.yaxis.set_minor_formatter(NullFormatter())
    if not shown:
        return
    low = min(one.rate[0] for one in shown) / 1.15
    high = max(one.rate[-1] for one in shown) * 1.15
    panel.set_xlim(low, high)
    steps = (1, 2, 5) if high / low > 12 else (1, 1.5, 2, 3, 4, 5, 7)
    panel.xaxis.set_major_locator(LogLocator(subs=steps))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.xaxis.set_minor_formatter(NullFormatter())


def _fit(
    panel: Axes,
    curves: Sequence[tuple[Sequence[float], Sequence[float]]],
    ours: int,
    measure: Measure,
) -> None:
    """Shows the heights of curves at the rates shown, from where the worst of ours begins."""
    left, right = panel.get_xlim()
    heights = [[y for x, y in zip(rates, values) if left <= x <= right] for rates, values in curves]
    our_heights = [y for some in heights[:ours] or heights for y in some]
    every = [y for some in heights for y in some]
    if measure.falls:
        # Better is up, also where less is better.
        panel.set_ylim(1.1 * max(our_heights, default=1.0), min(every, default=0.1) / 1.1)
        return
    low, high = min(our_heights, default=0.0), max(every, default=1.0)
    margin = 0.05 * (high - low) + 0.1
    panel.set_ylim(low - margin, high + margin)


def _styled(
    ours: Sequence[Curve], others: Sequence[Curve]
) -> Iterator[tuple[Curve, dict[str, Any]]]:
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
