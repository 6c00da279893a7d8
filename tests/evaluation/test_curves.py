from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from mscn_tf.evaluation.assessments.images import PICTURES
from mscn_tf.evaluation.curves import (
    Curve,
    apart,
    compare,
    compare_signals,
    curve,
    published,
)
from mscn_tf.runtime.errors import MscnError
from tests.evaluation.test_rows import ROW

CURVE = Curve("a", "A", rate=[0.1, 0.3, 0.7, 1.5], quality=[25.0, 29.0, 33.0, 37.0])


def times(one: Curve, factor: float) -> Curve:
    return dataclasses.replace(one, rate=[factor * rate for rate in one.rate])


def rows(codec: str, points: dict[float, list[tuple[float, float]]]) -> list:
    """Rows of signals "0", "1", ... from (bpp, psnr) of each at each setting."""
    return [
        dataclasses.replace(
            ROW,
            codec=codec,
            setting=setting,
            signal=str(k),
            rate=rate,
            measures={"psnr": psnr, "ms_ssim": 0.9},
        )
        for setting, signals in points.items()
        for k, (rate, psnr) in enumerate(signals)
    ]


def hermite_at(x: list[float], y: list[float], at: float) -> float:
    """Fritsch & Carlson's monotone cubic, as Fritsch & Butland 1984 choose its slopes."""
    h, d = np.diff(x), np.diff(y) / np.diff(x)
    slopes = [_end_slope(h[0], h[1], d[0], d[1])]
    for k in range(1, len(x) - 1):
        one, other = 2 * h[k] + h[k - 1], h[k] + 2 * h[k - 1]
        slopes.append((one + other) / (one / d[k - 1] + other / d[k]))
    slopes.append(_end_slope(h[-1], h[-2], d[-1], d[-2]))
    k = min(max(int(np.searchsorted(x, at)) - 1, 0), len(h) - 1)
    t = (at - x[k]) / h[k]
    return (
        (1 + 2 * t) * (1 - t) ** 2 * y[k]
        + t * (1 - t) ** 2 * h[k] * slopes[k]
        + t * t * (3 - 2 * t) * y[k + 1]
        + t * t * (t - 1) * h[k] * slopes[k + 1]
    )


def _end_slope(h0: float, h1: float, d0: float, d1: float) -> float:
    slope = ((2 * h0 + h1) * d0 - h0 * d1) / (h0 + h1)
    return 0.0 if slope * d0 <= 0 else slope


@given(
    st.lists(
        st.tuples(st.floats(0.05, 1), st.floats(0.5, 5), st.floats(0.05, 1), st.floats(0.5, 5)),
        min_size=4,
        max_size=8,
    )
)
def test_bd_rate_is_the_integral(steps):
    steps = np.array(steps)
    rise = np.cumsum(steps, axis=0)
    anchor = Curve("a", "A", list(np.exp(rise[:, 0] - 3)), list(20 + rise[:, 1]))
    test = Curve("b", "B", list(np.exp(rise[:, 2] - 3)), list(20 + rise[:, 3]))
    low, high = max(anchor.quality[0], test.quality[0]), min(anchor.quality[-1], test.quality[-1])
    found = compare(anchor, test)
    if high - low < 0.1:
        assert math.isnan(found.percent)
        return
    knots = [p for p in (*anchor.quality, *test.quality) if low < p < high]
    areas = [
        quad(
            lambda psnr, one=one: hermite_at(one.quality, list(np.log(one.rate)), psnr),
            low,
            high,
            points=knots or None,
            limit=200,
        )[0]
        for one in (anchor, test)
    ]
    expected = 100 * (math.exp((areas[1] - areas[0]) / (high - low)) - 1)
    assert found.percent == pytest.approx(expected, rel=2e-3, abs=0.05)
    assert found.quality == (low, high)


@given(st.floats(0.2, 5))
def test_every_rate_times_the_same(factor):
    found = compare(CURVE, times(CURVE, factor))
    assert found.percent == pytest.approx(100 * (factor - 1), abs=1e-6)
    assert found.rate == pytest.approx((0.1, 1.5))


def test_range_is_cut():
    """Twice the rate below 29 dB, the same above."""
    test = dataclasses.replace(CURVE, rate=[0.2, 0.3, 0.7, 1.5])
    found = compare(CURVE, test, (0.3, 0.7))
    assert found.quality == pytest.approx((29, 33))
    assert found.rate == pytest.approx((0.3, 0.7))
    assert abs(found.percent) < abs(compare(CURVE, test).percent) / 2
    # `per_signal` is NaN in both, which Python 3.13 finds to differ.
    assert repr(compare(CURVE, test, (0.01, 50))) == repr(compare(CURVE, test))


def test_nothing_where_curves_do_not_overlap():
    above = dataclasses.replace(CURVE, quality=[38.0, 39.0, 40.0, 41.0])
    assert math.isnan(compare(CURVE, above).percent)
    assert math.isnan(compare(CURVE, dataclasses.replace(CURVE, rate=[1], quality=[30])).percent)
    assert math.isnan(compare(CURVE, CURVE, (2, 3)).percent)
    assert compare(CURVE, above).to_json(PICTURES)["percent"] is None


def test_words_where_curves_do_not_overlap():
    above = dataclasses.replace(CURVE, label="B", quality=[38.0, 39.0, 40.0, 41.0])
    words = apart(above, CURVE, PICTURES)
    assert "A gets to 37 dB at 1.5 bpp, B starts from 38 dB at 0.1 bpp" in words
    assert apart(CURVE, above, PICTURES) == words
    one = dataclasses.replace(CURVE, label="B", rate=[1], quality=[30])
    assert "B has one point of PSNR" in apart(one, CURVE, PICTURES)
    assert "--bd-range" in apart(CURVE, CURVE, PICTURES)


def test_settings_that_were_not_measured_for_all_make_no_point():
    measured = rows("a", {1: [(0.1, 20), (0.3, 30)], 2: [(0.4, 30)], 3: [(0.8, 40), (1, 42)]})
    assert curve(measured, "a", "A").quality == pytest.approx([25, 41])
    assert curve([], "a", "A").rate == []


def test_variants_of_one_point_each():
    one, other = rows("a420", {1: [(0.1, 20)]}), rows("a444", {1: [(0.3, 30)]})
    assert curve(one + other, "a", "A").quality == [20, 30]
    exact = rows("a444", {1: [(0.3, math.inf)]})
    assert curve(exact + one, "a", "A").quality == [20]


def test_points_are_means_over_signals():
    found = curve(
        rows(
            "webp",
            {
                1: [(0.1, 20), (0.3, 30)],
                2: [(0.4, 30), (0.8, 32)],
                3: [(0.9, 29), (0.9, 29)],  # beaten by setting 2
                4: [(1.0, 40), (1.0, math.inf)],  # without loss
            },
        ),
        "webp",
        "WebP",
    )
    assert found.rate == pytest.approx([0.2, 0.6])
    assert found.quality == pytest.approx([25, 31])
    assert found.payload is None
    assert found.to_json(PICTURES) == {
        "name": "webp",
        "description": ROW.version,
        "results": {
            "bpp": pytest.approx([0.2, 0.6]),
            "psnr-rgb": pytest.approx([25, 31]),
            "ms-ssim-rgb": pytest.approx([0.9, 0.9]),
            "bytes": pytest.approx([100, 100]),
        },
    }
    json.dumps(found.to_json(PICTURES), allow_nan=False)


def test_better_of_two_variants_at_each_rate():
    low = rows("a420", {1: [(0.1, 26)], 2: [(0.4, 30)], 3: [(1.6, 33)]})
    high = rows("a444", {1: [(0.15, 25)], 2: [(0.6, 32)], 3: [(2.4, 40)]})
    found = curve(low + high, "a", "A")
    assert list(zip(found.rate, found.quality)) == [(0.1, 26), (0.4, 30), (0.6, 32), (2.4, 40)]


def test_better_variant_is_not_diluted():
    """Points of a curve that is always a little worse don't pull down the better one's."""
    settings = np.arange(1, 9)
    better = rows("a420", {s: [(0.1 * 1.5**s, 20 + 2.0 * s)] for s in settings})
    worse = rows("a444", {s: [(0.12 * 1.5**s, 20 + 2.0 * s + 0.8)] for s in settings[:-1]})
    assert curve(better + worse, "a", "A").quality == curve(better, "a", "A").quality


def test_signals_each_on_their_own():
    anchor = rows("a", {s: [(0.1 * s, 20 + s), (0.5 * s, 20 + s)] for s in (1, 2, 3, 4)})
    test = rows("b", {s: [(0.05 * s, 20 + s), (0.75 * s, 20 + s)] for s in (1, 2, 3, 4)})
    assert compare_signals(anchor, test) == pytest.approx((-50 + 50) / 2, abs=1e-6)
    gone = [row for row in test if row.signal == "0" or row.setting == 1]
    assert math.isnan(compare_signals(anchor, gone))


@pytest.mark.parametrize(
    ("dataset", "codec", "point"),
    [
        ("kodak", "MSCN", (0.068714, 25.414)),
        ("kodak", "BPG", (0.161023, 28.6815)),
        ("cifar10", "COIN++", (0.548476, 24.2198)),
        ("cifar10", "RECOMBINER", (0.938, 28.51)),
    ],
)
def test_published(dataset, codec, point):
    curves = {one.label: one for one in published(dataset)}
    one = curves[f"{codec} (published)"]
    assert point in list(zip(one.rate, one.quality))
    assert all(one.published and one.source for one in curves.values())
    assert len({one.name for one in curves.values()}) == len(curves)
    for one in curves.values():
        assert (np.diff(one.rate) > 0).all()
        assert (np.diff(one.quality) > 0).all()


def test_nothing_published():
    with pytest.raises(MscnError, match="cifar10, kodak"):
        published("faces")
