from __future__ import annotations

import base64
import io
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from mscn_tf.evaluation import plot
from mscn_tf.evaluation.curves import Comparison, Curve
from mscn_tf.evaluation.report import Report, render
from mscn_tf.evaluation.side_by_side import Cell, PictureRow
from tests.evaluation.conftest import picture

_VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """What a page refers to and says; all elements must be closed in order."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        if tag not in _VOID:
            self.open.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def report():
    ours = Curve("photo", "mscn photo", [0.1, 0.4, 1.2], [25.0, 30.0, 36.0], source="0123abcd")
    nasty = Curve("b", "<b>&\"'", [0.2, 0.5, 1.0], [24.0, 29.0, 33.0], published=True)
    shown = picture(300, 280)
    return Report(
        title="photo on <holiday>",
        summary="Two pictures.",
        comparisons={
            "mscn photo": {
                "JPEG": Comparison(-23.14, -20.0, (25, 33), (0.2, 1.0)),
                "AVIF": Comparison(7.5),
                "none": Comparison(math.nan),
            }
        },
        shared={"mscn photo": 5_000_000},
        samples=1_000_000,
        figure=plot.draw("title", [ours], [nasty]),
        curves=[ours, nasty],
        lossless={"PNG": 12.345},
        picture_rows=[
            PictureRow("a <1>.png", [Cell("original", shown), Cell("JPEG", shown, 1234, 33.333)])
        ],
        notes=["1 < 2"],
        versions={"Python": "3"},
        command="mscn evaluate --data='a b'",
    )


def test_page_needs_nothing_else(report):
    text = render(report)
    page = Page(text)
    assert "http" not in text
    assert "<script" not in text
    assert "url(" not in text
    assert len(page.links) == 3
    assert all(link.startswith("data:image/") for link in page.links)


def test_page_says_what_was_found(report):
    text = Page(render(report)).text
    for said in (
        "photo on <holiday>",
        "a <1>.png",
        "<b>&\"'",
        "1 < 2",
        "\N{MINUS SIGN}23.1\N{THIN SPACE}%",
        "+7.5\N{THIN SPACE}%",
        "PNG12.35",
        "5,000,000 bytes",
        "40.00 bits for each of their pixels",
        "1,234 bytes \N{MIDDLE DOT} 33.33\N{THIN SPACE}dB",
        "mscn evaluate --data='a b'",
    ):
        assert said in text


def test_pictures_in_the_page_are_those_given(report):
    strip = re.findall(r'src="data:image/webp;base64,([^"]+)"', render(report))
    for data in strip:
        image = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
        np.testing.assert_array_equal(image, report.picture_rows[0].cells[0].picture)


def test_figure_with_and_without_points():
    one = Curve("a", "A", [0.1, 0.4], [25.0, 30.0], beside={"ms_ssim": [0.9, 0.95]})
    without = Image.open(io.BytesIO(plot.draw("t", [], [Curve("a", "A", [], [])])))
    with_ssim = Image.open(io.BytesIO(plot.draw("t", [one], [])))
    assert with_ssim.width > without.width  # a second panel
    assert len(np.unique(np.asarray(with_ssim))) > 20
