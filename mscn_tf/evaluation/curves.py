"""Rate-distortion curves: means of what was measured, published ones, and the rate between two."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional, Union

import numpy as np
from scipy.interpolate import PchipInterpolator

from mscn_tf.evaluation.assessment import Assessment, Measure
from mscn_tf.evaluation.assessments.images import PICTURES
from mscn_tf.evaluation.rows import Row
from mscn_tf.runtime.errors import MscnError

PUBLISHED = Path(__file__).with_name("published.csv")
_BYTES = ("bytes", "header", "side", "payload")
_BD_POINTS = 200  # that both curves are sampled at before they are integrated
_LEAST_OVERLAP = 0.1  # dB or %


@dataclass(frozen=True)
class Curve:
    """Rate against quality; the points rise in both.

    Attributes:
      name: without spaces.
      label: for readers.
      rate: of each point, in the modality's unit: bits a pixel of pictures.
      quality: of each point: dB of pictures.
      measure: what quality is.
      beside: further measures of each point by their names; None where signals are too small, or
        without loss.
      bytes, header, side, payload: mean bytes of a signal of each point, where they are known.
      source: how it was made.
      published: taken from the literature.
    """

    name: str
    label: str
    rate: Sequence[float]
    quality: Sequence[float]
    measure: Measure = field(default_factory=lambda: PICTURES.quality)
    beside: Mapping[str, Optional[Sequence[float]]] = field(default_factory=dict)
    bytes: Optional[Sequence[float]] = None
    header: Optional[Sequence[float]] = None
    side: Optional[Sequence[float]] = None
    payload: Optional[Sequence[float]] = None
    source: str = ""
    published: bool = False

    @cached_property
    def levels(self) -> list[float]:
        """Quality on a scale that rises."""
        return [self.measure.level(value) for value in self.quality]

    def log_rate_at(self, level: Union[float, np.ndarray]) -> np.ndarray:
        """Natural logarithm of the rate that reaches a level within the curve's range."""
        return PchipInterpolator(self.levels, np.log(self.rate))(level)

    def rate_at(self, quality: float) -> float:
        """The rate that reaches a quality; nan outside of the curve's range."""
        level = self.measure.level(quality)
        if len(self.rate) < 2 or not self.levels[0] <= level <= self.levels[-1]:
            return math.nan
        return float(np.exp(self.log_rate_at(level)))

    def level_at(self, rate: float) -> float:
        """Level at a rate; outside of the curve's range that of its end."""
        if len(self.rate) < 2:
            return self.levels[0]
        at = np.clip(np.log(rate), *np.log([self.rate[0], self.rate[-1]]))
        return float(PchipInterpolator(np.log(self.rate), self.levels)(at))

    def to_json(self, assessment: Assessment) -> dict[str, Any]:
        """The curve as CompressAI writes them: name, description, results."""
        results = {assessment.rate.name: list(self.rate)}
        for measure in assessment.measures:
            values = self.quality if measure.name == self.measure.name else None
            values = values or self.beside.get(measure.name)
            if values is not None:
                results[measure.key or measure.name] = list(values)
        for part in _BYTES:
            if getattr(self, part) is not None:
                results["bytes" if part == "bytes" else f"{part}-bytes"] = list(getattr(self, part))
        return {"name": self.name, "description": self.source, "results": results}


def curve(
    rows: Sequence[Row],
    name: str,
    label: str,
    assessment: Assessment = PICTURES,
    payload: bool = False,
) -> Curve:
    """The curve of a codec, or the better one at each rate where its rows are of several variants.

    A point is the mean over the signals at one setting. Settings at which a signal came back
    without loss, where PSNR is infinite, or was not measured are left out.

    Args:
      rows: of the codec.
      name, label: of the curve.
      assessment: of the signals; its first measure is the curve's quality.
      payload: rates without headers; rows that don't tell them make no point.
    """
    variants: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        variants[row.codec].append(row)
    made = _Made(name, label, assessment)
    curves = [made.mean_curve(group, payload) for group in variants.values()]
    curves = [one for one in curves if one.rate]
    if len(curves) < 2:
        return curves[0] if curves else made.rising([], "")
    kept = [
        point
        for one in curves
        for point in made.points(one)
        if all(made.level(point) >= _extended(other, point.rate) for other in curves)
    ]
    return made.rising(kept, " | ".join(one.source for one in curves))


def _extended(one: Curve, rate: float) -> float:
    """Level at a rate, below the curve's range on the line through its first points, if any."""
    if rate >= one.rate[0]:
        return one.level_at(rate)
    if len(one.rate) < 2:
        return -math.inf
    slope = (one.levels[1] - one.levels[0]) / math.log(one.rate[1] / one.rate[0])
    return one.levels[0] + slope * math.log(rate / one.rate[0])


class Point(NamedTuple):
    """A point of a curve: its rate and quality, and by name what else is known of it."""

    rate: float
    quality: float
    beside: Mapping[str, Optional[float]]


@dataclass(frozen=True)
class _Made:
    """Makes one curve.

    Attributes:
      name, label: of the curve.
      assessment: of the signals.
    """

    name: str
    label: str
    assessment: Assessment

    @property
    def _measures(self) -> list[Measure]:
        """Of the modality, but for the curve's quality."""
        quality = self.assessment.quality
        return [measure for measure in self.assessment.measures if measure.name != quality.name]

    def level(self, point: Point) -> float:
        """Of a point's quality."""
        return self.assessment.quality.level(point.quality)

    def mean_curve(self, rows: Sequence[Row], payload: bool) -> Curve:
        """The curve of rows of one codec."""
        settings: dict[float, list[Row]] = defaultdict(list)
        for row in rows:
            settings[row.setting].append(row)
        count = len({row.signal for row in rows})
        points = []
        for group in settings.values():
            rate = known_mean([_rate(row, payload) for row in group])
            quality = self._mean(group, self.assessment.quality)
            if len(group) < count or rate is None or quality is None:
                continue
            beside = {part: known_mean([getattr(row, part) for row in group]) for part in _BYTES}
            beside.update({one.name: self._mean(group, one) for one in self._measures})
            points.append(Point(rate, quality, beside))
        return self.rising(points, rows[0].version)

    def _mean(self, rows: Sequence[Row], measure: Measure) -> Optional[float]:
        return known_mean([row.measures[measure.name] for row in rows], measure.mean)

    def points(self, one: Curve) -> list[Point]:
        """Of a curve that was made so."""
        columns = {**{part: getattr(one, part) for part in _BYTES}, **one.beside}
        return [
            Point(
                one.rate[i],
                one.quality[i],
                {name: None if values is None else values[i] for name, values in columns.items()},
            )
            for i in range(len(one.rate))
        ]

    def rising(self, points: Sequence[Point], source: str, published: bool = False) -> Curve:
        """A curve of those points that none with fewer bits equals."""
        kept: list[Point] = []
        for point in sorted(points, key=lambda point: (point.rate, -self.level(point))):
            if not kept or self.level(point) > self.level(kept[-1]):
                kept.append(point)
        return Curve(
            name=self.name,
            label=self.label,
            rate=[point.rate for point in kept],
            quality=[point.quality for point in kept],
            measure=self.assessment.quality,
            source=source,
            published=published,
            **{part: _column(kept, part) for part in _BYTES},
            beside={one.name: _column(kept, one.name) for one in self._measures},
        )


def _rate(row: Row, payload: bool) -> Optional[float]:
    """Of a row; without headers the same share of it as of the bytes, where that is known."""
    if not payload:
        return row.rate
    return None if row.payload is None else row.rate * (row.payload / row.bytes)


def _column(points: Sequence[Point], name: str) -> Optional[list[float]]:
    """What is known beside of all points; None where one lacks it."""
    values = [value for point in points if (value := point.beside.get(name)) is not None]
    return values if len(values) == len(points) else None


def known_mean(
    values: Sequence[Optional[float]], mean: Callable[[Sequence[float]], float] = np.mean
) -> Optional[float]:
    """None where one is not known, or infinite: of what is without loss."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    return float(mean(known)) if len(known) == len(values) else None


def published(dataset: str, assessment: Assessment = PICTURES) -> list[Curve]:
    """Curves from the literature; the names of data sets are in `published.csv`.

    Raises:
      MscnError: there are none of this data set, or not of what is measured.
    """
    with open(PUBLISHED, newline="") as file:
        rows = list(csv.DictReader(file))
    known = sorted({row["dataset"] for row in rows if row["modality"] == assessment.name})
    if dataset not in known:
        words = f"there are curves of {', '.join(known)}" if known else "there are none of these"
        raise MscnError(f"--published={dataset}: {words}")
    if assessment.quality.name != "psnr":
        raise MscnError(f"--published={dataset}: those curves are of PSNR; give --metric=psnr")
    by_codec: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        if row["dataset"] == dataset:
            by_codec[row["codec"]].append(row)
    return [
        _Made(
            f"published-{codec.lower().replace(' ', '-')}", f"{codec} (published)", assessment
        ).rising(
            [Point(float(row["bpp"]), float(row["psnr_db"]), {}) for row in group],
            group[0]["source"],
            published=True,
        )
        for codec, group in by_codec.items()
    ]


@dataclass(frozen=True)
class Comparison:
    """Rate that a codec needs more than an anchor at equal quality, on average (Bjontegaard 2001).

    Attributes:
      percent: on the mean curves; nan where they don't overlap.
      per_signal: mean of the same on each signal's curves; nan where that can't be said.
      quality: from and to which was averaged, or None.
      rate: what the anchor spends there, or None.
      apart: in words why there is no such rate, else empty.
    """

    percent: float
    per_signal: float = math.nan
    quality: Optional[tuple[float, float]] = None
    rate: Optional[tuple[float, float]] = None
    apart: str = ""

    def to_json(self, assessment: Assessment) -> dict[str, Any]:
        """Numbers by name; null where there is none."""
        return {
            "percent": None if math.isnan(self.percent) else self.percent,
            "per_signal": None if math.isnan(self.per_signal) else self.per_signal,
            f"{assessment.quality.name}_range": self.quality,
            f"anchor_{assessment.rate.name}_range": self.rate,
        }


def compare(anchor: Curve, test: Curve, rate: Optional[tuple[float, float]] = None) -> Comparison:
    """BD-rate of ``test`` over ``anchor`` where both curves reach.

    The curves are log rate over quality, interpolated by monotone piecewise cubics (PCHIP), which
    never swing past their points as Bjontegaard's polynomials can.

    Args:
      anchor, test: the curves.
      rate: only between these rates of the anchor.
    """
    if min(len(anchor.rate), len(test.rate)) < 2:
        return Comparison(math.nan)
    low = max(anchor.levels[0], test.levels[0])
    high = min(anchor.levels[-1], test.levels[-1])
    if rate is not None:
        low, high = max(low, anchor.level_at(rate[0])), min(high, anchor.level_at(rate[1]))
    if high - low < _LEAST_OVERLAP:
        return Comparison(math.nan)
    import bjontegaard  # and with it matplotlib.pyplot, which takes a second

    levels = np.linspace(low, high, _BD_POINTS)
    rates = [np.exp(one.log_rate_at(levels)) for one in (anchor, test)]
    percent = bjontegaard.bd_rate(rates[0], levels, rates[1], levels, method="pchip")
    value = anchor.measure.value
    return Comparison(
        float(percent), quality=(value(low), value(high)), rate=(rates[0][0], rates[0][-1])
    )


def apart(anchor: Curve, test: Curve, assessment: Assessment) -> str:
    """Why two curves can't be compared: which reaches what, and at what rate."""
    for one in (test, anchor):
        if len(one.rate) < 2:
            count = "one point" if one.rate else "no points"
            return (
                f"no BD-rate, for {one.label} has {count} of {assessment.quality.label}: all else "
                "is without loss, or not measured"
            )
    lower, upper = sorted((test, anchor), key=lambda one: one.levels[-1])
    if lower.levels[-1] - max(lower.levels[0], upper.levels[0]) >= _LEAST_OVERLAP:
        return "no BD-rate, for they don't meet in --bd-range"
    return (
        f"no {assessment.quality.label} that both reach: {lower.label} gets to "
        f"{_point_text(lower, -1, assessment)}, {upper.label} starts from "
        f"{_point_text(upper, 0, assessment)}"
    )


def _point_text(one: Curve, index: int, assessment: Assessment) -> str:
    quality = assessment.quality.text(one.quality[index])
    return f"{quality} at {one.rate[index]:.3g} {assessment.rate.unit}"


def compare_signals(
    anchor: Sequence[Row],
    test: Sequence[Row],
    rate: Optional[tuple[float, float]] = None,
    assessment: Assessment = PICTURES,
    payload: bool = False,
) -> float:
    """Mean BD-rate over the signals, each on its own curves; nan if one of them has none."""
    percents = []
    for signal in dict.fromkeys(row.signal for row in test):
        pair = [
            curve([row for row in rows if row.signal == signal], "", "", assessment, payload)
            for rows in (anchor, test)
        ]
        percents.append(compare(pair[0], pair[1], rate).percent)
    return float(np.mean(percents))
