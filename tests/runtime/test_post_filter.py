"""The filter of pyramid codecs: exact, the same in every strip and region, and checked."""

from __future__ import annotations

import numpy as np
import pytest

from mscn_tf.codec import Codec
from mscn_tf.export.bundle import write_bundle
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.post_filter import GRAPH, MARGIN, SHIFT, PostFilter
from mscn_tf.signals import images
from tests.pyramids import filter_arrays, write_codec
from tests.reader.pyramids import mended


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Bundle:
    return Bundle.load(write_codec(tmp_path_factory.mktemp("m") / "m.mscnb", 32, True, True))


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    rows, columns = np.indices((75, 93))
    waves = [np.sin(rows / 7 + c) + np.cos(columns / (3 + c)) for c in range(3)]
    return (127 + 60 * np.stack(waves, -1)).astype(np.uint8)


@pytest.mark.parametrize("q16", [16, 90, 160])
def test_adds_what_whole_numbers_give(bundle, q16):
    """As written down independently, for int64."""
    values = np.random.default_rng(q16).random((44, 52, 3))
    expected = mended(values, bundle.arrays("filter"), q16)[MARGIN:-MARGIN, MARGIN:-MARGIN]
    found = PostFilter(bundle)(values, q16)
    np.testing.assert_array_equal(found, expected)
    assert np.abs(found - values[MARGIN:-MARGIN, MARGIN:-MARGIN]).max() > 0.01


@pytest.mark.parametrize("together", [64, 1000, 2**19])
def test_strips_give_the_same(bundle, monkeypatch, together):
    values = np.random.default_rng(0).random((60, 40, 3))
    whole = PostFilter(bundle)(values, 100)
    monkeypatch.setattr("mscn_tf.runtime.post_filter._TOGETHER", together)
    np.testing.assert_array_equal(PostFilter(bundle)(values, 100), whole)


@pytest.mark.parametrize(
    "region", [(0, 0, 1, 1), (5, 3, 31, 22), (40, 64, 53, 11), (92, 74, 1, 1), (1, 0, 92, 75)]
)
def test_regions_are_parts_of_the_whole(bundle, picture, region):
    codec = Codec(bundle)
    data = codec.encode(picture, quality=6)
    whole = codec.decode(data)
    x, y, w, h = region
    np.testing.assert_array_equal(codec.decode(data, region=region), whole[y : y + h, x : x + w])


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (3, 5), (2, 40)])
def test_small_pictures(bundle, picture, shape):
    codec = Codec(bundle)
    small = picture[: shape[0], : shape[1]]
    assert codec.decode(codec.encode(small, quality=8)).shape == small.shape


def test_changes_the_original_size_alone(bundle, picture, tmp_path):
    """Half a picture is made of coarser levels, which the filter hasn't learned."""
    plain = Codec.load(write_codec(tmp_path / "plain.mscnb", 32, True))
    codec = Codec(bundle)
    even = picture[:64, :80]
    data, other = (c.encode(even, quality=6, effort=1) for c in (codec, plain))
    assert np.any(codec.decode(data) != plain.decode(other))
    np.testing.assert_array_equal(codec.decode(data, scale=0.5), plain.decode(other, scale=0.5))


def changed(bundle: Bundle, path, **members) -> Bundle:
    """A bundle with other members; None leaves one out."""
    arrays = {
        f"{f}/{n}": a for f in ("prior", "weights", "filter") for n, a in bundle.arrays(f).items()
    }
    arrays[GRAPH] = bundle.members[GRAPH]
    arrays.update({name.replace("__", "/"): member for name, member in members.items()})
    arrays = {name: member for name, member in arrays.items() if member is not None}
    write_bundle(path, {**bundle.manifest.record}, arrays)
    return Bundle.load(path)


def test_symbols_leave_out_what_is_added(bundle, picture, tmp_path):
    """From the second choice on; this filter makes every pixel brighter by as much."""
    arrays = filter_arrays()
    last = {f"filter__{name}": 0 * arrays[name] for name in arrays if name.endswith("_3")}
    last["filter__bias_3"] = np.full_like(arrays["bias_3"], 150 << SHIFT)
    codec = Codec(changed(bundle, tmp_path / "brighter.mscnb", **last))
    once, twice = (codec.encode(picture, quality=7, effort=effort) for effort in (1, 2))
    reached = [images.psnr(picture, codec.decode(data), 255) for data in (once, twice)]
    assert reached[1] > reached[0] + 3
    assert len(twice) < 1.05 * len(once)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("kernel_1", lambda a: a * 10**4, "too large to be exact"),
        ("kernel_slope_2", lambda a: a * 10**4, "too large to be exact"),
        ("bias_0", lambda a: a * 10**5, "too large to be exact"),
        ("kernel_3", lambda a: a[:11], "do not fit"),
        ("bias_slope_1", lambda a: a[:2], "do not fit"),
        ("kernel_0", lambda a: a.astype(float), "missing or of the wrong kind"),
        ("bias_2", lambda _: None, "missing or of the wrong kind"),
    ],
)
def test_refuses_other_arrays(bundle, tmp_path, name, change, message):
    array = change(filter_arrays()[name])
    with pytest.raises(MscnError, match=message):
        changed(bundle, tmp_path / "bad.mscnb", **{f"filter__{name}": array})


def test_verify_tries_the_graph(bundle, tmp_path):
    bad = changed(bundle, tmp_path / "bad.mscnb", **{GRAPH: b"rubbish"})
    with pytest.raises(MscnError, match=r"unusable post_filter\.onnx"):
        Codec(bad).scheme.check()
