"""Updates of the filter that pay are found, and others left out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mscn_tf.codec import Codec
from mscn_tf.codec.pyramid_encoding import _Plane
from mscn_tf.fitting.filter_update import chosen_filter_update, with_margins
from mscn_tf.fitting.pyramid import added_by_filter
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.post_filter import GRAPH
from mscn_tf.runtime.wavelet import Pyramid, analyse
from mscn_tf.signals import images
from tests.pyramids import write_codec
from tests.tiny import picture

Q16 = 96


@pytest.fixture(scope="module")
def codec(tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "random.mscnb"
    return Codec.load(write_codec(path, 32, *[True] * 5))


@pytest.fixture(scope="module")
def values():
    """What a picture is decoded to, before it is mended."""
    return picture(61, 47, 3) / 255.0


def chosen(codec, original, values, bit_error):
    updates, mend = codec.scheme.prior.filter_updates, codec.scheme.post_filter
    around = with_margins(values)
    return chosen_filter_update(updates, mend, original, around, Q16, bit_error)


@pytest.mark.parametrize("update", [[1, -1], [0, 3], [-3, 3], [2, 0]])
def test_an_update_that_was_made_is_found(codec, values, update):
    told = np.array(update, np.int8)
    original = codec.scheme.post_filter(with_margins(values), Q16, told)[:61, :47]
    np.testing.assert_array_equal(chosen(codec, original, values, 1e-6), told)


def test_none_pays_where_the_filter_is_right_or_bits_are_dear(codec, values):
    mend = codec.scheme.post_filter
    right = mend(with_margins(values), Q16)[:61, :47]
    assert not chosen(codec, right, values, 1e-6).any()
    other = mend(with_margins(values), Q16, np.array([1, -1], np.int8))[:61, :47]
    assert not chosen(codec, other, values, 1e6).any()


@pytest.mark.parametrize("bit_error", [1e-4, 0.05, 0.4])
def test_none_is_much_better(codec, values, bit_error):
    """Of all that there are, by the error of what is really mended."""
    mend, updates = codec.scheme.post_filter, codec.scheme.prior.filter_updates
    between = mend(with_margins(values), Q16, np.array([2, -2], np.int8))[:61, :47]
    original = between + np.random.default_rng(0).normal(0, 0.02, between.shape)

    def cost(update):
        mended = mend(with_margins(values), Q16, np.array(update, np.int8))[:61, :47]
        bits = sum(row[step + 3] for row, step in zip(updates.costs, update)) if any(update) else 0
        return np.square(original - mended).sum() + bit_error * bits

    all_of_them = [cost(update) for update in itertools.product(range(-3, 4), repeat=2)]
    found = cost(chosen(codec, original, values, bit_error).tolist())
    assert found <= min(all_of_them) + 0.02 * (max(all_of_them) - min(all_of_them))


@pytest.mark.parametrize("shape", [(1, 40), (40, 1), (1, 1), (2, 2)])
def test_of_tiles_that_hold_hardly_a_block(codec, shape):
    values = picture(40, 40, 1)[: shape[0], : shape[1]] / 255.0
    assert chosen(codec, values, values, 1e-3).shape == (2,)


def test_files_tell_updates_that_mend(codec):
    original = picture(70, 90, 4)
    data = codec.encode(original, quality=7)
    tiles = codec.decode_symbols(data)
    assert any(tile.filter_update.any() for tile in tiles)
    plain = [tile._replace(filter_update=None) for tile in tiles]
    without = codec.pack(plain, [(70, 90)], [112], [3])
    gained, before = (images.psnr(original, codec.decode(each), 255) for each in (data, without))
    assert gained > before + 0.01
    assert codec.encode(original, quality=7) == data
    grey = codec.encode(original[..., :1], quality=7)
    assert codec.decode(grey).shape == (70, 90, 1)


def test_a_graph_without_what_the_last_layer_sees(codec, tmp_path):
    import onnx

    from tests.runtime.test_filter_updates import changed

    graph = onnx.load_from_string(codec.bundle.members[GRAPH])
    graph.graph.output.pop()
    bundle = changed(codec.bundle, tmp_path / "old.mscnb", **{GRAPH: graph.SerializeToString()})
    with pytest.raises(MscnError, match="its filter fails"):
        Codec(bundle).encode(picture(20, 20, 1), quality=5)


def test_of_tiles_beside_others_the_filter_sees_what_is_decoded(codec):
    """Not what their own coefficients are synthesised to, which is far off at edges."""
    scheme, original = codec.scheme, picture(64, 96, 6)
    plane = _Plane(scheme, original)
    seen = plane.seen(plane.spans[0])
    fine = seen.analysed(scheme.colour, scheme.prior.levels)
    coefficients = Pyramid(plane.coarser(plane.spans[0]).coarse, fine.details)
    values = seen.own() / 255.0
    mended = scheme.post_filter(with_margins(values), Q16)[:32, :32]
    channels = np.tensordot(scheme.colour, mended - values, (1, 2)).astype(np.float32)
    wanted = analyse(channels, scheme.prior.levels)

    def off(added):
        found = added(coefficients, coefficients, 32, 32)
        return np.abs(found.details[0] - wanted.details[0]).max()

    assert len(plane.spans) == 6
    assert off(added_by_filter(scheme, Q16, seen.own())) < 1e-5
    assert off(added_by_filter(scheme, Q16)) > 1e-3
