from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from mscn_tf.export.codec_bundle import write_codec_bundle
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.errors import MscnError
from mscn_tf.training.loop import read_record
from mscn_tf.training.tiles import START_STEP


@pytest.fixture(scope="module")
def bundle(tiny):
    return Bundle.load(tiny.bundle)


@pytest.fixture(scope="module")
def frozen(tiny):
    return tiny.trainer.freeze()


def test_manifest(tiny, bundle):
    manifest, config = bundle.manifest, tiny.config
    assert (manifest.name, manifest.modality, manifest.channels) == ("tiny", "image", 3)
    assert (manifest.tile_edge, manifest.code_size) == (8, 32)
    assert manifest.qualities == tuple(range(1, 11))
    assert manifest.rate_weight == config.model.prior.rate_weight
    assert manifest.model == config.model.to_dict()
    record = read_record(tiny.workdir)
    assert manifest.training.keys() == record.keys()
    assert manifest.training["cpu_seconds"] == record["cpu_seconds"]


def test_no_private_folder_is_told(tiny, frozen, tmp_path):
    record = {"config": {"data": {"train": "/home/me/a*.png,data/b.png"}, "scales": [1, "/tmp/c"]}}
    write_codec_bundle(tmp_path / "a.mscnb", tiny.trainer, frozen, record)
    assert Bundle.load(tmp_path / "a.mscnb").manifest.training == {
        "config": {"data": {"train": "a*.png,data/b.png"}, "scales": [1, "c"]}
    }


def test_the_same_again(tiny, frozen, tmp_path):
    path = tmp_path / "again.mscnb"
    identity = write_codec_bundle(path, tiny.trainer, frozen, read_record(tiny.workdir))
    again, first = Bundle.load(path), Bundle.load(tiny.bundle)
    assert again.id == identity
    assert again.members.keys() == first.members.keys()
    for name in first.members.keys() - {"decoder.onnx"}:  # its nodes come in any valid order
        assert again.members[name] == first.members[name]


def test_weights_are_the_averages(tiny, bundle):
    """Whole numbers for the large matrices; all others to single precision."""
    weights, stored = bundle.weights(), bundle.arrays("weights")
    network, average = tiny.trainer.codec.network, tiny.trainer.average
    before = network.out_kernel.numpy()
    with average.swapped_in():
        named = {name: w.numpy() for name, w in network.named_weights().items()}
        named["step_sizes"] = tiny.trainer.codec.step_sizes.numpy()
    assert np.any(before != named["out_kernel"])
    assert sorted(weights) == sorted(named)
    for name, value in named.items():
        if name in ("basis", "feature_basis"):
            assert stored[name].dtype == np.int16
            step = stored[name + ".step"]
            assert step.shape == (len(value), 1)
            assert np.all(np.abs(weights[name] - value) <= 0.5001 * step)
        else:
            np.testing.assert_array_equal(weights[name], value)


def test_whole_numbers_cost_no_more_than_they_may(tiny, bundle):
    """What they add to values, for codes as they vary."""
    trainer = tiny.trainer
    network, weights = trainer.codec.network, bundle.weights()
    with trainer.average.swapped_in():
        tiles = trainer.sampler.draw(256, START_STEP + 1)
        quality = np.full(256, 5.0, "f4")
        code = trainer.codec.fit_code(tiles, quality)
        exact = trainer.codec.synthesise(code, quality).numpy()
    given = {name: tf.constant(weights[name], tf.float32) for name in network.named_weights()}
    error = network.synthesise(given, code, trainer.codec.grid, quality) - exact
    assert 1e-5 < np.sqrt(np.mean(error**2)) < 2e-3


def test_the_prior_is_the_frozen_one(bundle, frozen):
    stored = bundle.arrays("prior")
    assert sorted(stored) == sorted(frozen.arrays)
    for name, array in frozen.arrays.items():
        np.testing.assert_array_equal(stored[name], array)


def test_a_place_that_cannot_be_written(tiny, frozen, tmp_path):
    with pytest.raises(MscnError, match="nosuch"):
        write_codec_bundle(tmp_path / "nosuch" / "a.mscnb", tiny.trainer, frozen, {})
