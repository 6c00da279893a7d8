"""A picture's own filter: round trips, sums by a formula of their own, tiles' seams."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mscn_tf.codec import Codec
from mscn_tf.export.bundle import write_bundle
from mscn_tf.runtime import adaptive_filter, tables
from mscn_tf.runtime.adaptive_filter import REACH, Taps, add_flow, difference_bound
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.post_filter import GRAPH
from mscn_tf.runtime.pyramid_prior import Fitted, PyramidPrior
from tests import reader
from tests.pyramids import arrays, colour, filter_arrays, tap_arrays, write_codec
from tests.reader import pyramids as second
from tests.runtime.test_pyramid_prior import random_symbols
from tests.runtime.told_in_tiles import (  # noqa: F401
    test_parts_of_any_size_by_several_threads_make_the_whole,
    test_regions_are_parts_of_the_whole,
)

SHAPE = (75, 93)  # of a picture of 3 x 3 tiles


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_codec(tmp_path_factory.mktemp("taps") / "random.mscnb", 32, *[True] * 6)


@pytest.fixture(scope="module")
def codec(path):
    return Codec.load(path)


def random_taps(random: np.random.Generator) -> np.ndarray:
    return random.integers(-15, 16, Taps.count).astype(np.int8)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-15, 15), min_size=48, max_size=48), st.integers(0, 7))
def test_taps_come_back(given_taps, colours):
    model, encoder = Taps(tap_arrays()), tables.RangeEncoder()
    taps = np.array(given_taps, np.int8)
    for number, part in enumerate((slice(24), slice(24, 36), slice(36, 48))):
        taps[part] *= colours >> number & 1
    model.encode(encoder, taps)
    payload = tables.seal(encoder)
    np.testing.assert_array_equal(model.decode(tables.unseal(payload)), taps)
    told = [part for part in np.split(taps, [24, 36]) if part.any()]
    bits = 3 + sum(model.costs[part.astype(int) + 15].sum() for part in told)
    assert 8 * len(payload) == pytest.approx(bits, abs=16)


@pytest.mark.parametrize("bound", [1, 20, 1024])
@pytest.mark.parametrize("colours", [(1, 1, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_filters_as_pixel_after_pixel_does(monkeypatch, bound, colours):
    monkeypatch.setattr(adaptive_filter, "_TOGETHER", 200)
    random = np.random.default_rng(bound)
    values = random.random((30, 41, 3)) * 1.4 - 0.2
    taps = random_taps(random) * np.repeat(colours, [24, 12, 12]).astype(np.int8)
    around, found = np.pad(values, [(REACH, REACH), (REACH, REACH), (0, 0)], "edge"), values.copy()
    wanted = second.filtered(values, np.broadcast_to(taps, (30, 41, 48)), bound)
    add_flow(found, around, taps, bound)
    np.testing.assert_allclose(found, wanted, atol=1e-12)
    assert np.abs(found - values).max() > 0.01


def test_largest_sums_are_exact():
    """In float32: at the largest taps, differences and bounds, in whole numbers."""
    around = np.zeros((2 * REACH + 1, 2 * REACH + 1, 3))
    around[..., 1], around[REACH, REACH] = 1.0, (1, 0, 1)  # far apart in the last colour
    taps = np.full(Taps.count, 31, np.int8)
    wanted = second.filtered(around, np.broadcast_to(taps, (7, 7, 48)), 1023)[REACH, REACH]
    found = around[REACH:-REACH, REACH:-REACH].copy()
    add_flow(found, around, taps, 1023)
    np.testing.assert_allclose(found[0, 0], wanted, atol=1e-12)


def test_bounds_on_differences():
    assert [difference_bound(error) for error in (0.0, 0.02, 1e9)] == [1, 20, 1024]


@pytest.fixture(scope="module")
def told(codec):
    """A file whose tiles say different things of both filters, some nothing."""
    random = np.random.default_rng(5)
    tiles = [
        Fitted(
            random_symbols(min(32, SHAPE[0] - y), min(32, SHAPE[1] - x), y + x),
            filter_update=random.integers(-3, 4, 2).astype(np.int8),
            taps=random_taps(random) // 4 if (y + x) % 96 else None,
        )
        for y in range(0, SHAPE[0], 32)
        for x in range(0, SHAPE[1], 32)
    ]
    return codec.pack(tiles, [SHAPE], [96], [3])


def without(codec, data):
    tiles = [tile._replace(taps=None) for tile in codec.decode_symbols(data)]
    return codec.pack(tiles, [SHAPE], [96], [3])


def test_the_second_reader_agrees(path, codec, told):
    (wanted,) = reader.decode(reader.read_bundle(path.read_bytes()), reader.read_file(told))
    np.testing.assert_array_equal(codec.decode(told), wanted)
    assert np.any(codec.decode(without(codec, told)) != wanted)


def test_smaller_pictures_know_nothing_of_it(codec, told):
    found, wanted = (codec.decode(data, scale=0.4) for data in (told, without(codec, told)))
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    ("frequencies", "message"),
    [
        ([32768, 32768], "wrong number"),
        ([1] * 32 + [65536 - 64] + [1] * 32, "wrong number"),
        ([1, 65534, 2], "add up to 65536"),
        ([0, 65535, 1], "above 0"),
        ([[1, 65534, 1]], "missing or of the wrong kind"),
    ],
)
def test_frequencies_that_do_not_fit(frequencies, message):
    with pytest.raises(MscnError, match=message):
        PyramidPrior({**arrays(), "filter_tap": np.array(frequencies)})


def test_taps_need_a_filter_before_them(codec, tmp_path):
    members = {f"prior/{n}": a for n, a in {**arrays(), **tap_arrays()}.items()}
    members["weights/colour"] = colour()
    manifest = {k: v for k, v in codec.bundle.manifest.record.items() if k != "format"}
    with pytest.raises(MscnError, match="no filter of three colours"):
        write_bundle(tmp_path / "a.mscnb", manifest, members)
    members.update({f"filter/{n}": a for n, a in filter_arrays().items()})
    members[GRAPH] = codec.bundle.members[GRAPH]
    write_bundle(tmp_path / "b.mscnb", manifest, members)
