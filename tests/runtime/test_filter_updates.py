"""What pictures change in the filter: round trips, sums by a formula of their own, tiles' seams."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mscn_tf.codec import Codec
from mscn_tf.export.bundle import write_bundle
from mscn_tf.runtime import tables
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.filter_updates import FilterUpdates
from mscn_tf.runtime.post_filter import GRAPH, MARGIN
from mscn_tf.runtime.pyramid_prior import Fitted, PyramidPrior
from tests import reader
from tests.pyramids import arrays, step_arrays, write_codec
from tests.reader.pyramids import mended
from tests.runtime.test_pyramid_prior import random_symbols
from tests.runtime.told_in_tiles import (  # noqa: F401
    test_parts_of_any_size_by_several_threads_make_the_whole,
    test_regions_are_parts_of_the_whole,
)

LIMITS = [3, 3]  # of `step_arrays`
SHAPE = (75, 93)  # of a picture of 3 x 3 tiles


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    told = dict(signs=True, mends=True, updates=True, shares=True, filter_updates=True)
    return write_codec(tmp_path_factory.mktemp("updates") / "random.mscnb", 32, **told)


@pytest.fixture(scope="module")
def codec(path):
    return Codec.load(path)


def random_update(random: np.random.Generator) -> np.ndarray:
    return random.integers(-np.array(LIMITS), np.array(LIMITS) + 1).astype(np.int8)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=2, max_size=2))
def test_updates_come_back(steps):
    updates, encoder = FilterUpdates(step_arrays()), tables.RangeEncoder()
    update = np.array(steps, np.int8)
    updates.encode(encoder, update)
    payload = tables.seal(encoder)
    np.testing.assert_array_equal(updates.decode(tables.unseal(payload)), update)
    bits = 1 + update.any() * sum(row[step + 3] for row, step in zip(updates.costs, steps))
    assert 8 * len(payload) == pytest.approx(bits, abs=16)


def test_a_block_says_more_after_shares_and_as_much_without():
    prior, plain = PyramidPrior({**arrays(), **step_arrays()}), PyramidPrior(arrays())
    symbols = random_symbols(20, 30, 3)
    fitted = Fitted(symbols, filter_update=np.array([2, -3], np.int8))
    coded = prior.decode(prior.encode(fitted, 20, 30, 80), 20, 30, 80)
    np.testing.assert_array_equal(coded.filter_update, [2, -3])
    before = plain.decode(plain.encode(fitted, 20, 30, 80), 20, 30, 80)
    assert before.filter_update is None
    for found, wanted in zip(coded.symbols.details, before.symbols.details):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("q16", [16, 90, 160])
@pytest.mark.parametrize("update", [[0, 0], [3, 0], [-3, 3], [1, -2]])
def test_mends_as_whole_numbers_do(codec, q16, update):
    values = np.random.default_rng(q16).random((44, 52, 3))
    steps = np.broadcast_to(update, (22, 26, 2))
    wanted = mended(values, codec.bundle.arrays("filter"), q16, steps)[
        MARGIN:-MARGIN, MARGIN:-MARGIN
    ]
    mend = codec.scheme.post_filter
    found = mend(values, q16, np.array(update, np.int8))
    np.testing.assert_array_equal(found, wanted)
    assert np.any(update) == np.any(found != mend(values, q16))


def test_what_the_last_layer_sees(codec):
    """Of which its kernels at every place make the corrections."""
    mend, values = codec.scheme.post_filter, np.random.default_rng(1).random((60, 700, 3))
    y, x = (axis.ravel() for axis in np.mgrid[:22, :342])
    y, x = y[::5], x[::5]
    mended, hidden = mend.at_blocks(values, 90, y, x)

    def blocks(pixels: np.ndarray) -> np.ndarray:
        return pixels.reshape(22, 2, 342, 2, 3).transpose(1, 3, 4, 0, 2)[..., y, x]

    np.testing.assert_array_equal(mended, blocks(mend(values, 90)))
    np.testing.assert_array_equal(hidden, np.rint(hidden))
    given = mend._feed(90)
    sums = np.tensordot(given["kernel_3"], hidden.astype(np.float64), 3)
    sums = np.floor(sums + given["bias_3"][:, None]).reshape(mended.shape)
    added = mended - blocks(values[MARGIN:-MARGIN, MARGIN:-MARGIN])
    np.testing.assert_allclose(added, sums * mend.unit(90), atol=1e-9)


@pytest.fixture(scope="module")
def told(codec):
    """A file whose tiles say different things of the filter, some nothing."""
    random = np.random.default_rng(5)
    tiles = [
        Fitted(
            random_symbols(min(32, SHAPE[0] - y), min(32, SHAPE[1] - x), y + x),
            filter_update=random_update(random) if (y + x) % 96 else None,
        )
        for y in range(0, SHAPE[0], 32)
        for x in range(0, SHAPE[1], 32)
    ]
    return codec.pack(tiles, [SHAPE], [96], [3])


def test_the_second_reader_agrees(path, codec, told):
    (wanted,) = reader.decode(reader.read_bundle(path.read_bytes()), reader.read_file(told))
    np.testing.assert_array_equal(codec.decode(told), wanted)
    kept = codec.decode_symbols(told)
    assert any(fitted.filter_update.any() for fitted in kept)
    again = codec.pack([tile._replace(filter_update=None) for tile in kept], [SHAPE], [96], [3])
    assert np.any(codec.decode(again) != wanted)


def test_smaller_pictures_know_nothing_of_it(codec, told):
    kept = codec.decode_symbols(told)
    plain = codec.pack([tile._replace(filter_update=None) for tile in kept], [SHAPE], [96], [3])
    found, wanted = (codec.decode(data, scale=0.4) for data in (told, plain))
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    ("frequencies", "message"),
    [
        ([[32768, 32768]], "wrong number"),
        ([[1] * 32 + [65536 - 64] + [1] * 32], "wrong number"),
        ([[1, 65534, 1], [1, 65534, 2]], "add up to 65536"),
        ([[0, 65535, 1]], "above 0"),
        ([1, 65534, 1], "missing or of the wrong kind"),
    ],
)
def test_frequencies_that_do_not_fit(frequencies, message):
    with pytest.raises(MscnError, match=message):
        PyramidPrior({**arrays(), "update_filter": np.array(frequencies)})


def changed(bundle: Bundle, path, **members) -> Bundle:
    """A bundle with other members; None leaves one out."""
    folders = ("prior", "weights", "filter")
    given = {f"{f}/{n}": array for f in folders for n, array in bundle.arrays(f).items()}
    given[GRAPH] = bundle.members[GRAPH]
    given.update({name.replace("__", "/"): member for name, member in members.items()})
    kept = {name: member for name, member in given.items() if member is not None}
    write_bundle(path, {**bundle.manifest.record}, kept)
    return Bundle.load(path)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"filter__update_kernel": None}, "array update_kernel is missing"),
        ({"filter__update_bias": None}, "array update_bias is missing"),
        ({"prior__update_filter": None}, "directions, but its prior no update_filter"),
        ({"post_filter.onnx": None}, "updates of a filter, but it has none"),
        (
            {"filter__update_bias": np.ones((3, 12), np.int16)},
            "directions of its filter do not fit",
        ),
        ({"filter__update_bias": np.full((2, 12), 2**36)}, "too large to be exact"),
        (
            {"filter__update_kernel": np.full((2, 12, 5, 3, 3), 2**25, np.int32)},
            "too large to be exact",
        ),
    ],
)
def test_bundles_that_do_not_fit(codec, tmp_path, members, message):
    with pytest.raises(MscnError, match=message):
        Codec(changed(codec.bundle, tmp_path / "bad.mscnb", **members))


def test_the_largest_weights_are_exact(codec, tmp_path):
    """Just below what is refused: sums beyond 2^24, of which float32 alone would lose bits."""
    kernel = np.random.default_rng(0).choice([-1, 1], (2, 12, 5, 3, 3)) * 650_001
    bundle = changed(codec.bundle, tmp_path / "large.mscnb", filter__update_kernel=kernel)
    values, update = np.random.default_rng(3).random((44, 52, 3)), np.array([3, 3], np.int8)
    steps = np.broadcast_to(update, (22, 26, 2))
    wanted = mended(values, bundle.arrays("filter"), 90, steps)[MARGIN:-MARGIN, MARGIN:-MARGIN]
    np.testing.assert_array_equal(Codec(bundle).scheme.post_filter(values, 90, update), wanted)
