from __future__ import annotations

import numpy as np
import pytest

from mscn_tf.export.bundle import write_bundle
from mscn_tf.export.post_filter_graph import post_filter_graph
from mscn_tf.networks.post_filter import PostFilter
from mscn_tf.runtime import post_filter
from mscn_tf.runtime.bundle import Bundle
from tests.harness import check_layer
from tests.pyramids import write_codec


def test_round_trips():
    values = np.random.default_rng(0).random((2, 24, 20, 3)).astype("f4")
    check_layer(PostFilter(width=6), values, np.float32(70))


@pytest.mark.parametrize("q16", [16, 37, 88, 131, 160])
def test_is_what_the_runtime_adds(tmp_path, q16):
    """Down to the last bit, from its own frozen arrays."""
    random = np.random.default_rng(1)
    layer = PostFilter(width=6)
    layer.build()
    layer.set_weights([w + random.normal(0, 0.05, w.shape) for w in layer.get_weights()])
    plain = Bundle.load(write_codec(tmp_path / "plain.mscnb"))
    members = {f"filter/{name}": array for name, array in layer.frozen().items()}
    for folder in ("prior", "weights"):
        members.update({f"{folder}/{n}": array for n, array in plain.arrays(folder).items()})
    manifest = {"name": "m", "codec": "pyramid", "modality": "image", "tile_edge": 16}
    manifest.update(channels=3, rate_weight=0.1)
    members[post_filter.GRAPH] = post_filter_graph()
    write_bundle(tmp_path / "m.mscnb", manifest, members)
    runs = post_filter.PostFilter(Bundle.load(tmp_path / "m.mscnb"))

    values = random.integers(0, 1025, (1, 40, 34, 3)) / 1024
    added = 512 * (runs(values[0], q16) - values[0, 8:-8, 8:-8])
    expected = 512 * layer(values.astype("f4"), np.float32(q16))[0].numpy()
    assert np.abs(added).max() > 20
    # Units are exponentials, in float32 there: what is added is a whole number of them.
    unit = np.exp(np.interp(q16 / 16, range(1, 11), layer.log_error.numpy()))
    np.testing.assert_array_equal(np.rint(expected / unit), np.rint(added / unit))
    np.testing.assert_allclose(expected, added, rtol=1e-5, atol=1e-4)


def test_thaws_what_it_froze():
    random = np.random.default_rng(2)
    layer, other = PostFilter(width=5), PostFilter(width=5)
    layer.build()
    other.build()
    layer.set_weights([w + random.normal(0, 0.05, w.shape) for w in layer.get_weights()])
    frozen = layer.frozen()
    other.thaw(frozen)
    for name, array in other.frozen().items():
        np.testing.assert_array_equal(array, frozen[name], err_msg=name)


@pytest.mark.parametrize("argument", ["channels", "width"])
def test_refuses_no_channels(argument):
    with pytest.raises(ValueError, match="1 or more"):
        PostFilter(**{argument: 0})
