"""A filter learned for a codec that is there, from pictures to a bundle that mends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

from mscn_tf.codec import Codec
from mscn_tf.configs import photo_filter
from mscn_tf.export.codec_bundle import write_codec_bundle
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.errors import MscnError
from mscn_tf.signals import images
from mscn_tf.training.post_filter import PostFilterTrainer
from mscn_tf.training.train import train
from tests import tiny
from tests.pyramids import filter_arrays, write_codec


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> ConfigDict:
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    for number in range(3):  # discs with sharp edges, which ring
        rows, columns = np.indices((120, 140))
        picture = np.full((120, 140, 3), 90, np.uint8)
        for _ in range(25):
            centre, radius = random.uniform(0, 130, 2), random.uniform(5, 25)
            disc = np.hypot(rows - centre[0], columns - centre[1]) < radius
            picture[disc] = random.integers(0, 256, 3)
        picture = np.clip(picture + random.normal(0, 2, picture.shape), 0, 255).astype(np.uint8)
        Image.fromarray(picture).save(folder / f"{number}.png")
    config = photo_filter.get_config()
    config.coded_by = "photo-plain"
    config.update(steps=500, batch=4, patch=32, validation_pictures=1, checkpoint_every=250)
    config.update(evaluate_qualities=(4.0,), log_every=250, evaluate_every=500)
    config.optimizer.update(rate=1e-3, warmup=50)
    config.data.update(scales=(1.0,), qualities=(1.0, 5.5, 10.0), qualities_of_picture=2)
    config.data.update(train=str(folder / "[01].png"), validation=str(folder / "2.png"))
    return config


def test_a_trained_filter_mends(config, tmp_path):
    trainer = train(config, tmp_path / "run")
    told = tiny.scalars(tmp_path / "run")
    assert told["train/left"][500] < 0.95 * told["train/unmended"][500]
    ((_, row),) = trainer.evaluate()
    assert row["psnr"] > row["unmended"] - 0.3  # of a picture it hasn't seen, after two that it has

    write_codec_bundle(tmp_path / "m.mscnb", trainer, trainer.freeze(), {})
    given, bundle = Bundle.load(config.coded_by), Bundle.load(tmp_path / "m.mscnb")
    for member in given.members:
        if member.startswith(("prior/", "weights/")):
            assert bundle.members[member] == given.members[member]
    picture = np.asarray(Image.open(Path(config.data.train).with_name("0.png")))
    found = {}
    for name, codec in (("photo", Codec(given)), ("mended", Codec(bundle))):
        data = codec.encode(picture, quality=4, effort=1)
        found[name] = len(data), images.psnr(picture, codec.decode(data), 255)
    assert found["mended"][0] <= found["photo"][0] + 1  # where no channel follows, that is said
    # After so few steps little by the filter; the picture's own taps take away what rings.
    assert 0.1 < found["mended"][1] - found["photo"][1] < 2
    (tile,) = Codec(bundle).decode_symbols(data)
    assert tile.taps.any()


def test_wants_a_codec_of_pyramids(config, tmp_path):
    other = ConfigDict(config)
    other.coded_by = "thumb32"
    with pytest.raises(MscnError, match="not a codec of pyramids"):
        train(other, tmp_path)


def test_goes_on_from_a_filter_that_is_there(config, tmp_path):
    other = config.copy_and_resolve_references()
    other.coded_by = str(write_codec(tmp_path / "m.mscnb", 32, True, True, filter_updates=True))
    other.post_filter.width, other.directions = 5, 0
    trainer = PostFilterTrainer(other)
    frozen = trainer.network.frozen()
    for name, array in filter_arrays().items():
        np.testing.assert_allclose(frozen[name], array, rtol=1e-6, err_msg=name)
    write_codec_bundle(tmp_path / "further.mscnb", trainer, trainer.freeze(), {})
    further = Codec.load(tmp_path / "further.mscnb")
    assert further.scheme.post_filter.directions is None  # as they were another filter's
    other.post_filter.width = 6
    with pytest.raises(MscnError, match=r"filter isn't of config\.post_filter\.width=6"):
        PostFilterTrainer(other)
