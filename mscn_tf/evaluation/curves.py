"""Rate-distortion curves: means of what was measured, published ones, and the rate between two."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np
from scipy.interpolate import PchipInterpolator

from mscn_tf.evaluation.rows import Row
from mscn_tf.runtime.errors import MscnError

PUBLISHED = Path(__file__).with_name("published.csv")
_MEANS = ("bpp", "psnr", "ms_ssim", "header", "side", "payload")
_BD_POINTS = 200  # that both curves are sampled at before they are integrated
_LEAST_OVERLAP = 0.1  # dB


@dataclass(frozen=True)
class Curve:
    """Rate against distortion; the points rise in both.

    Attributes:
      name: without spaces.
      label: for readers.
      bpp, psnr: bits a pixel and dB of each point.
      ms_ssim: of each point, or None where the pictures are too small.
      header, side, payload: mean bytes of a picture of each point, where the format tells them.
      source: how it was made.
      published: taken from the literature.
    """

    name: str
    label: str
    bpp: Sequence[float]
    psnr: Sequence[float]
    ms_ssim: Optional[Sequence[float]] = None
    header: Optional[Sequence[float]] = None
    side: Optional[Sequence[float]] = None
    payload: Optional[Sequence[float]] = None
    source: str = ""
    published: bool = False

    def log_bpp_at(self, psnr: np.ndarray) -> np.ndarray:
        """Natural logarithm of the rate that reaches a PSNR within the curve's range."""
        return PchipInterpolator(self.psnr, np.log(self.bpp))(psnr)

    def psnr_at(self, bpp: float) -> float:
        """PSNR at a rate; outside of the curve's range that of its end."""
        at = np.clip(np.log(bpp), *np.log([self.bpp[0], self.bpp[-1]]))
        return float(PchipInterpolator(np.log(self.bpp), self.psnr)(at))

    def to_json(self) -> dict[str, Any]:
        """The curve as CompressAI writes them: name, description, results."""
        results = {"bpp": list(self.bpp), "psnr-rgb": list(self.psnr)}
        if self.ms_ssim is not None:
            results["ms-ssim-rgb"] = list(self.ms_ssim)
        for part in ("header", "side", "payload"):
            if getattr(self, part) is not None:
                results[f"{part}-bytes"] = list(getattr(self, part))
        return {"name": self.name, "description": self.source, "results": results}


def curve(rows: Sequence[Row], name: str, label: str) -> Curve:
    """The curve of a codec, or the better one at each rate where its rows are of several variants.

    A point is the mean over the signals at one setting. Settings at which a signal came back
    without loss, where PSNR is infinite, are left out.
    """
    variants: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        variants[row.codec].append(row)
    curves = [_mean_curve(group, name, label) for group in variants.values()]
    if len(curves) == 1 or not all(one.bpp for one in curves):
        return curves[0]
    kept = [
        _point(one, index)
        for one in curves
        for index, (bpp, psnr) in enumerate(zip(one.bpp, one.psnr))
        if all(psnr >= _extended(other, bpp) for other in curves)
    ]
    return _rising(kept, name, label, " | ".join(one.source for one in curves))


def _extended(one: Curve, bpp: float) -> float:
    """PSNR at a rate, below the curve's range on the line through its first points."""
    if bpp >= one.bpp[0] or len(one.bpp) < 2:
        return one.psnr_at(bpp)
    slope = (one.psnr[1] - one.psnr[0]) / math.log(one.bpp[1] / one.bpp[0])
    return one.psnr[0] + slope * math.log(bpp / one.bpp[0])


def _mean_curve(rows: Sequence[Row], name: str, label: str) -> Curve:
    settings: dict[float, list[Row]] = defaultdict(list)
    for row in rows:
        settings[row.setting].append(row)
    points = [
        {column: _mean([getattr(row, column) for row in group]) for column in _MEANS}
        for group in settings.values()
        if all(math.isfinite(row.psnr) for row in group)
    ]
    return _rising(points, name, label, rows[0].version)


def _mean(values: Sequence[Optional[float]]) -> Optional[float]:
    return None if None in values else float(np.mean(values))


def _point(one: Curve, index: int) -> dict[str, Optional[float]]:
    return {column: None if (v := getattr(one, column)) is None else v[index] for column in _MEANS}


def _rising(points: list[dict], name: str, label: str, source: str, published=False) -> Curve:
    """A curve of those points that none with fewer bits equals."""
    rising: list[dict] = []
    for point in sorted(points, key=lambda point: (point["bpp"], -point["psnr"])):
        if not rising or point["psnr"] > rising[-1]["psnr"]:
            rising.append(point)
    columns = {
        column: None
        if any(point[column] is None for point in rising)
        else [point[column] for point in rising]
        for column in _MEANS
    }
    return Curve(name=name, label=label, source=source, published=published, **columns)


def published(dataset: str) -> list[Curve]:
    """Curves from the literature; the names of data sets are in `published.csv`.

    Raises:
      MscnError: there are none of this data set.
    """
    with open(PUBLISHED, newline="") as file:
        rows = list(csv.DictReader(file))
    found: dict[str, list[dict]] = defaultdict(list)
    for row in rows:
        if row["dataset"] == dataset:
            found[row["codec"]].append(row)
    if not found:
        known = ", ".join(sorted({row["dataset"] for row in rows}))
        raise MscnError(f"--published={dataset}: there are curves of {known}")
    return [
        _rising(
            [
                {**dict.fromkeys(_MEANS), "bpp": float(row["bpp"]), "psnr": float(row["psnr_db"])}
                for row in group
            ],
            f"published-{codec.lower().replace(' ', '-')}",
            f"{codec} (published)",
            group[0]["source"],
            published=True,
        )
        for codec, group in found.items()
    ]


@dataclass(frozen=True)
class Comparison:
    """Rate that a codec needs more than an anchor at equal PSNR, on average (Bjontegaard 2001).

    Attributes:
      percent: on the mean curves; nan where they don't overlap.
      per_signal: mean of the same on each signal's curves; nan where that can't be said.
      psnr: the dB from and to which was averaged, or None.
      bpp: what the anchor spends there, or None.
    """

    percent: float
    per_signal: float = math.nan
    psnr: Optional[tuple[float, float]] = None
    bpp: Optional[tuple[float, float]] = None

    def to_json(self) -> dict[str, Any]:
        """Numbers by name; null where there is none."""
        return {
            "percent": None if math.isnan(self.percent) else self.percent,
            "per_signal": None if math.isnan(self.per_signal) else self.per_signal,
            "psnr_range": self.psnr,
            "anchor_bpp_range": self.bpp,
        }


def compare(anchor: Curve, test: Curve, bpp: Optional[tuple[float, float]] = None) -> Comparison:
    """BD-rate of ``test`` over ``anchor`` where both curves reach.

    The curves are log rate over PSNR, interpolated by monotone piecewise cubics (PCHIP), which
    never swing past their points as Bjontegaard's polynomials can.

    Args:
      anchor, test: the curves.
      bpp: only between these bits a pixel of the anchor.
    """
    if min(len(anchor.psnr), len(test.psnr)) < 2:
        return Comparison(math.nan)
    low = max(anchor.psnr[0], test.psnr[0])
    high = min(anchor.psnr[-1], test.psnr[-1])
    if bpp is not None:
        low, high = max(low, anchor.psnr_at(bpp[0])), min(high, anchor.psnr_at(bpp[1]))
    if high - low < _LEAST_OVERLAP:
        return Comparison(math.nan)
    import bjontegaard  # and with it matplotlib.pyplot, which takes a second

    psnr = np.linspace(low, high, _BD_POINTS)
    rates = [np.exp(one.log_bpp_at(psnr)) for one in (anchor, test)]
    percent = bjontegaard.bd_rate(rates[0], psnr, rates[1], psnr, method="pchip")
    return Comparison(float(percent), psnr=(low, high), bpp=(rates[0][0], rates[0][-1]))


def compare_signals(
    anchor: Sequence[Row], test: Sequence[Row], bpp: Optional[tuple[float, float]] = None
) -> float:
    """Mean BD-rate over the signals, each on its own curves; nan if one of them has none."""
    found = []
    for signal in dict.fromkeys(row.signal for row in test):
        pair = [
            curve([row for row in rows if row.signal == signal], "", "") for rows in (anchor, test)
        ]
        found.append(compare(*pair, bpp).percent)
    return float(np.mean(found))
