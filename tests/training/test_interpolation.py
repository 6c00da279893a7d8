"""Training codecs of interpolation: to a bundle, and on after a stop."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from mscn_tf.codec import Codec
from mscn_tf.configs import field
from mscn_tf.export.codec_bundle import write_codec_bundle
from mscn_tf.runtime.errors import MscnError
from mscn_tf.signals.field_sets import load_grids
from mscn_tf.training.interpolation import InterpolationTrainer
from mscn_tf.training.loop import run
from tests import interpolations


@pytest.fixture
def config(tmp_path):
    fields = np.stack([a[..., 0] for a in interpolations.fields((24, 40), 3)])
    np.savez(tmp_path / "f.npz", lat=np.linspace(-80, 80, 24), lon=np.arange(40) * 9.0, t=fields)
    config = field.get_config()
    config.data.update(train=str(tmp_path / "f.npz"), validation=str(tmp_path / "f.npz"))
    config.model.update(hidden=6, last=4, filters=2)
    config.update(steps=6, refresh=4, batch=64, checkpoint_every=3, evaluate_every=6, log_every=1)
    return config


class PowerCutError(Exception):
    """Nothing is written any more."""


def losses(config, workdir, stop=None):
    """Of every step of a run; and its trainer. It is cut off before the step ``stop``."""
    found, trainer = {}, InterpolationTrainer(config)
    update = trainer.update

    def noting(step):
        if step == stop:
            raise PowerCutError
        metrics = update(step)
        found[step] = float(metrics["bits"])
        return metrics

    trainer.update = noting
    with contextlib.suppress(PowerCutError):
        run(trainer, workdir)
    return found, trainer


def test_trains_to_a_bundle_and_resumes_with_the_same_losses(config, tmp_path):
    folders = [tmp_path / name for name in ("whole", "stopped")]
    for folder in folders:
        folder.mkdir()
    whole, trainer = losses(config, folders[0])
    first, _ = losses(config, folders[1], stop=4)  # goes on from 3, with examples made at 0
    second, _ = losses(config, folders[1])
    assert list(second) == [3, 4, 5]
    assert {**first, **second} == whole
    path = tmp_path / "small.mscnb"
    write_codec_bundle(path, trainer, trainer.freeze(), {"seed": 0})
    codec = Codec.load(path)
    (signal,) = interpolations.fields((24, 40), seed=9)
    data = codec.encode(signal, max_error=0.1)
    assert np.abs(codec.decode(data) - signal).max() <= 0.1


def test_periodic_grids_are_known_by_their_longitudes(config):
    assert [grid.periodic for grid in load_grids(config.data.train)] == [True] * 3


def test_no_fields_is_one_line(config):
    with pytest.raises(MscnError, match="no field matches"):
        load_grids("nothing/*.nc,!nothing/a.nc")
