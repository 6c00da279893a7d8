"""`report.html`: all results on one page that needs no other file and no network."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from string import Template

import numpy as np
from PIL import Image

from mscn_tf.evaluation.assessment import Assessment
from mscn_tf.evaluation.assessments.images import PICTURES
from mscn_tf.evaluation.curves import Comparison, Curve
from mscn_tf.evaluation.side_by_side import Cell, PictureRow


@dataclass(frozen=True)
class Report:
    """What the page shows.

    Attributes:
      title: of the page.
      summary: one sentence about the signals.
      comparisons: of each of our codecs, by label, with each anchor, by label.
      shared: bytes that all files of a codec share, by its label.
      samples: of all signals together.
      figure: PNG.
      curves: all that are drawn, ours first.
      lossless: rates of lossless codecs by label.
      picture_rows: pictures side by side.
      notes: sentences that qualify the results.
      versions: of libraries, by name.
      command: that made the page.
      assessment: of the signals.
    """

    title: str
    summary: str
    comparisons: dict[str, dict[str, Comparison]]
    shared: dict[str, int]
    samples: int
    figure: bytes
    curves: Sequence[Curve]
    lossless: dict[str, float]
    picture_rows: Sequence[PictureRow]
    notes: Sequence[str]
    versions: dict[str, str]
    command: str
    assessment: Assessment = PICTURES


def render(report: Report) -> str:
    """The page as HTML."""
    sections = [
        _section("Bytes at equal quality", _comparisons(report)) if report.comparisons else "",
        _section(
            "Curves",
            f'<img class="figure" alt="Rate-distortion curves" src="{_uri(report.figure, "png")}">'
            if any(one.rate for one in report.curves)
            else "",
        ),
        _section("Without loss", _lossless(report)),
        _section("At equal quality", _equal(report)),
        _section("Side by side at about equal bytes", _picture_rows(report.picture_rows)),
        _section(
            "Points",
            "".join(
                _points(one, index == 0, report.assessment)
                for index, one in enumerate(report.curves)
            ),
        ),
        _section("How it was measured", _list(report.notes)),
        _section(
            "Made with",
            _table([], [[name, version] for name, version in report.versions.items()])
            + f"<pre>{escape(report.command)}</pre>",
        ),
    ]
    return _PAGE.substitute(
        title=escape(report.title), summary=escape(report.summary), body="".join(sections)
    )


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>" if body else ""


def _list(items: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


class _Html(str):
    """A table's cell that is HTML already."""


_NONE = _Html('<span class="none">&ndash;</span>')


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def cells(tag: str, values: Sequence[str]) -> str:
        return "".join(
            f"<{tag}>{value if isinstance(value, _Html) else escape(value)}</{tag}>"
            for value in values
        )

    top = f"<thead><tr>{cells('th', head)}</tr></thead>" if head else ""
    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f'<div class="scroll"><table>{top}<tbody>{body}</tbody></table></div>'


def _comparisons(report: Report) -> str:
    parts, kind = [], report.assessment
    for label, comparisons in report.comparisons.items():
        size = report.shared[label]
        parts.append(
            f"<h3>{escape(label)}</h3><p>Files read only with a bundle of {size:,} bytes, paid "
            f"once and in no rate on this page; spread over these {kind.nouns} alone it would be "
            f"{8 * size / report.samples:,.2f} bits for each of their {kind.samples}.</p>"
        )
        rows = [
            [
                anchor,
                _percent(comparison.percent),
                _percent(comparison.per_signal),
                _span(comparison.quality, "{:.4g} to {:.4g} " + kind.quality.unit),
                _span(comparison.rate, "{:.3g} to {:.3g} " + kind.rate.unit),
            ]
            for anchor, comparison in comparisons.items()
        ]
        head = ["against", "BD-rate", f"each {kind.noun}, mean", "over", "where the other spends"]
        parts.append(_table(head, rows))
        apart = [f"{anchor}: {one.apart}." for anchor, one in comparisons.items() if one.apart]
        parts.append(_list(apart) if apart else "")
    parts.append(
        f"<p>BD-rate: how many more bytes are needed for the same {escape(kind.quality.label)}, on "
        "average over the range that both curves reach; less than zero is better. A dash: the "
        "curves don't overlap, or there is only a mean curve.</p>"
    )
    return "".join(parts)


def _equal(report: Report) -> str:
    """At each point of ours what others take for the same quality."""
    kind, parts = report.assessment, []
    for ours in report.curves[: len(report.comparisons)]:
        others = [one for one in report.curves if one is not ours]
        rows = []
        for quality, rate in zip(ours.quality, ours.rate):
            rates = [one.rate_at(quality) for one in others]
            rows.append(
                [kind.quality.text(quality), f"{rate:.4g}"]
                + [_NONE if math.isnan(r) else f"{r:.4g} ({r / rate:.3g} x)" for r in rates]
            )
        if others and rows:
            head = [kind.quality.label, ours.label, *(one.label for one in others)]
            parts.append(_table(head, rows))
    if not parts:
        return ""
    return (
        f"<p>{escape(kind.rate.label[0].upper() + kind.rate.label[1:])}, on the mean curves. A "
        "dash: the other curve doesn't reach so far.</p>" + "".join(parts)
    )


def _percent(value: float) -> str:
    if math.isnan(value):
        return _NONE
    kind, sign = ("better", "&minus;") if value < 0 else ("worse", "+")
    return _Html(f'<span class="{kind}">{sign}{abs(value):.1f}&thinsp;%</span>')


def _span(values: tuple[float, float] | None, form: str) -> str:
    return _NONE if values is None else form.format(*values)


def _lossless(report: Report) -> str:
    by_size = sorted(report.lossless.items(), key=lambda pair: pair[1])
    unit = report.assessment.rate.label
    rows = [[label, f"{rate:,.4g}"] for label, rate in by_size]
    return _table(["", unit], rows) if rows else ""


def _points(one: Curve, is_open: bool, assessment: Assessment) -> str:
    head = [assessment.rate.label]
    columns = [[f"{value:.4f}" for value in one.rate]]
    for measure in assessment.measures:
        values = one.quality if measure.name == one.measure.name else one.beside.get(measure.name)
        if values is not None:
            head.append(measure.axis)
            columns.append([f"{value:.{4 if not measure.unit else 2}f}" for value in values])
    for part, name in (
        ("bytes", "file"),
        ("header", "header"),
        ("side", "side information"),
        ("payload", "payload"),
    ):
        values = getattr(one, part)
        if values is not None:
            head.append(f"{name} (bytes a {assessment.noun})")
            columns.append([f"{value:,.2f}" for value in values])
    opened = " open" if is_open else ""
    return (
        f"<details{opened}><summary>{escape(one.label)}</summary>"
        f'<p class="source">{escape(one.source)}</p>{_table(head, list(zip(*columns)))}</details>'
    )


def _picture_rows(picture_rows: Sequence[PictureRow]) -> str:
    if not picture_rows:
        return ""
    rows = "".join(
        f'<h3>{escape(row.signal)}</h3><div class="strip">'
        + "".join(map(_cell, row.cells))
        + "</div>"
        for row in picture_rows
    )
    return (
        "<p>A codec whose smallest file is larger is shown with that file. Of large pictures "
        f"only the middle is shown, unscaled; small ones are enlarged.</p>{rows}"
    )


def _cell(cell: Cell) -> str:
    height, width = cell.picture.shape[:2]
    factor = max(1, 128 // max(height, width))  # small pictures are shown in large pixels
    if cell.bytes is None:
        text = "&nbsp;"
    else:
        text = f"{cell.bytes:,.0f} bytes &middot; {cell.psnr:.2f}&thinsp;dB"
    return (
        f'<figure style="width:{width * factor}px"><img alt="{escape(cell.label)}" '
        f'width="{width * factor}" height="{height * factor}" src="{_picture_uri(cell.picture)}">'
        f"<figcaption><b>{escape(cell.label)}</b><br>{text}</figcaption></figure>"
    )


def _picture_uri(picture: np.ndarray) -> str:
    file = io.BytesIO()
    pixels = picture[..., 0] if picture.shape[2] == 1 else picture
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "WEBP", lossless=True)
    return _uri(file.getvalue(), "webp")


def _uri(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light; --ink: #1c2430; --soft: #5b6675; --line: #dfe3e9; --ground: #f6f7f9; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -0.01em; }
h2 { font-size: 19px; margin: 0 0 14px; }
h3 { font-size: 15px; margin: 20px 0 8px; }
section > h3:first-of-type { margin-top: 0; }
header p { margin: 0; color: var(--soft); }
section { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: 22px 24px;
  margin-top: 22px; }
p { margin: 8px 0; max-width: 88ch; }
.figure { display: block; width: 100%; height: auto; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: 10px 0; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 6px 18px 6px 0; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th { font-weight: 600; color: var(--soft); font-size: 13px; }
.better { color: #0a7f4f; font-weight: 600; }
.worse { color: #b42318; font-weight: 600; }
.none, .source { color: var(--soft); }
details { border-bottom: 1px solid var(--line); padding: 8px 0; }
details:last-child { border: 0; }
summary { cursor: pointer; font-weight: 600; }
.strip { display: flex; flex-wrap: wrap; gap: 14px; }
figure { margin: 0; }
figure img { display: block; border-radius: 4px; image-rendering: pixelated; }
figcaption { font-size: 12.5px; line-height: 1.4; margin-top: 5px; color: var(--soft); }
figcaption b { color: var(--ink); }
pre { background: var(--ground); border: 1px solid var(--line); border-radius: 6px; padding: 12px;
  overflow-x: auto; white-space: pre-wrap; font-size: 13px; }
ul { margin: 0; padding-left: 20px; max-width: 100ch; }
</style>
</head>
<body>
<main>
<header><h1>$title</h1><p>$summary</p></header>
$body
</main>
</body>
</html>
""")
