"""Training of a pyramid codec: all of it, and the signs alone."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from ml_collections import ConfigDict
from PIL import Image

from mscn_tf.codec import Codec
from mscn_tf.entropy.pyramid_context import freeze_context
from mscn_tf.entropy.sign_context import freeze_signs
from mscn_tf.export.bundle import write_bundle
from mscn_tf.export.codec_bundle import write_codec_bundle
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.errors import MscnError
from mscn_tf.signals.images import psnr
from mscn_tf.training.pyramid import PyramidTrainer
from mscn_tf.training.train import train
from tests import tiny_pyramid
from tests.pyramids import direction_arrays, filter_arrays, write_codec
from tests.tiny import picture


@pytest.fixture(scope="module", autouse=True)
def eager():
    """Tracing the graph would take far longer than the few steps here."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pyramid")
    for seed, name in enumerate(("train/0", "train/1", "validation/0")):
        path = folder / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(picture(48, 40, seed)).save(path)
    return folder


def config(folder: Path, **changes: Any) -> ConfigDict:
    found = tiny_pyramid.get_config(str(folder))
    found.update(changes)
    return found


@pytest.fixture(scope="module")
def bundle(folder) -> Path:
    trainer = PyramidTrainer(config(folder))
    for step in range(2):
        metrics = trainer.update(step)
    assert np.isfinite(float(metrics["loss"]))
    ((label, row),) = trainer.evaluate()
    assert label == "quality 5"
    assert row["bpp"] > 0
    path = folder / "tiny.mscnb"
    write_codec_bundle(path, trainer, trainer.freeze(), {})
    return path


def test_a_trained_codec_codes(bundle):
    codec = Codec.load(bundle)
    original = picture(50, 33, 9)
    assert psnr(original, codec.decode(codec.encode(original, quality=9))) > 30


def test_signs_alone_leave_the_rest_as_it_was(folder, bundle):
    trainer = PyramidTrainer(config(folder, magnitudes=str(bundle)))
    before = [weight.numpy() for weight in trainer.context.trainable_variables]
    trainer.update(0)
    after = [weight.numpy() for weight in trainer.context.trainable_variables]
    assert all(map(np.array_equal, before, after))
    kept, found = Bundle.load(bundle).arrays("prior"), trainer.freeze()
    assert found.keys() == kept.keys()
    for name, array in found.items():
        if not name.startswith(("sign_", "update_", "share_")):
            assert np.array_equal(array, kept[name]), name
    assert not np.array_equal(found["sign_last"], kept["sign_last"])
    assert np.array_equal(trainer.colour, Bundle.load(bundle).weights()["colour"])


def test_goes_on_from_the_networks_of_a_codec(folder, bundle):
    kept, colour = Bundle.load(bundle).arrays("prior"), Bundle.load(bundle).weights()["colour"]
    trainer = PyramidTrainer(config(folder, going_on_from=str(bundle)))
    trainer.start()
    assert np.array_equal(trainer.colour, colour)
    thawed = {**freeze_context(trainer.context), **freeze_signs(trainer.signs)}
    for name in thawed.keys() - {"sign_frequencies"}:
        assert np.array_equal(thawed[name], kept[name]), name
    trainer.update(0)
    assert not np.array_equal(freeze_context(trainer.context)["first"], kept["first"])


def test_networks_that_go_on_stay_beside_the_filter(folder, bundle, tmp_path):
    given = write_codec(tmp_path / "mended.mscnb", 32, True, True, filter_updates=True)
    members = {name: data for name, data in Bundle.load(given).members.items() if "filter" in name}
    for name, data in Bundle.load(bundle).members.items():
        if name.startswith(("prior/", "weights/")):
            members[name] = data
    manifest = {"name": "given", "codec": "pyramid", "modality": "image", "channels": 3}
    manifest.update(tile_edge=32, rate_weight=0.08)
    write_bundle(tmp_path / "given.mscnb", manifest, members)
    trainer = PyramidTrainer(config(folder, going_on_from=str(tmp_path / "given.mscnb")))
    write_codec_bundle(tmp_path / "further.mscnb", trainer, trainer.freeze(), {})
    further = Codec.load(tmp_path / "further.mscnb")
    assert further.scheme.post_filter
    assert further.scheme.prior.filter_updates
    found = further.bundle.arrays("filter")
    for name, array in {**filter_arrays(), **direction_arrays()}.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_refuses_to_go_on_from_networks_of_other_sizes(folder, bundle):
    other = config(folder, going_on_from=str(bundle))
    other.model.context.hidden = 5
    trainer = PyramidTrainer(other)
    with pytest.raises(MscnError, match=r"its networks have other sizes than config\.model says"):
        trainer.start()


@pytest.mark.slow
def test_stopped_and_resumed_it_is_the_same_run(folder, tmp_path, monkeypatch):
    settings = config(folder, steps=3)
    whole = train(settings, tmp_path / "whole")
    update = PyramidTrainer.update

    def stopped(self, step):
        if step == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return update(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(PyramidTrainer, "update", stopped)
        with pytest.raises(KeyboardInterrupt):
            train(settings, tmp_path / "parts")
    resumed = train(settings, tmp_path / "parts")
    assert int(resumed.step) == 3
    pairs = list(zip(whole.context.variables, resumed.context.variables))
    assert len(pairs) > 5
    for one, two in pairs:
        np.testing.assert_array_equal(one, two)


def test_magnitudes_of_another_model(folder, tmp_path):
    path = write_codec(tmp_path / "other.mscnb", 32)
    with pytest.raises(MscnError, match="levels or steps"):
        PyramidTrainer(config(folder, magnitudes=str(path)))
