from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from mscn_tf.codec import Codec
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.prior import Prior
from mscn_tf.runtime.quality import LEVELS
from mscn_tf.signals import datasets
from mscn_tf.signals.images import psnr
from mscn_tf.training import train as training
from mscn_tf.training.loop import read_record
from mscn_tf.training.tiles import START_STEP, TileTrainer, evaluate
from tests import tiny as small

KILLED = """
import os, signal
from tests import tiny
from mscn_tf.training import tiles, train
update = tiles.TileTrainer.update

def dying(self, step):
    if step == {step}:
        os.kill(os.getpid(), signal.SIGKILL)
    return update(self, step)

tiles.TileTrainer.update = dying
train.train(tiny.get_config({folder!r}), {workdir!r})
"""


@pytest.fixture(scope="module")
def validation(tiny):
    """The tiles that the training run evaluated on."""
    pictures = datasets.load_pictures(tiny.config.data.validation, 8)
    sampler = datasets.TileSampler(pictures, 8, tiny.config.seed, flips=False)
    return sampler.draw(tiny.config.validation_tiles, START_STEP)


@pytest.fixture(scope="module")
def start(tiny):
    """A trainer at the closed-form start of the same run."""
    trainer = TileTrainer(tiny.config, tiny.trainer.sampler, tiny.trainer.validation)
    trainer.start()
    return trainer


def cost(trainer, tiles, quality):
    """Mean rate-distortion cost in bits, from its definition."""
    with trainer.average.swapped_in():
        fit = trainer.codec.fit(tiles, tf.fill([len(tiles)], quality), [0, 0])
    prior = trainer.codec.prior
    nominal = np.geomspace(prior.coarsest_step, prior.finest_step, LEVELS)
    step = np.exp(np.interp(quality, np.arange(1, LEVELS + 1), np.log(nominal)))
    return float(np.mean(fit.coded.bits + fit.squared_error / (prior.rate_weight * step**2)))


def test_the_loss_is_one_at_the_start_and_falls(start):
    tiles = start.sampler.draw(3000, START_STEP)[:256]
    for level in (0, 4, 9):
        expected = cost(start, tiles, level + 1.0)
        np.testing.assert_allclose(start.reference_cost[level], expected, rtol=1e-4)

    losses = [float(start.update(0)["loss"]) for _ in range(15)]
    assert losses[-1] < 0.95 * losses[0]
    assert int(start.step) == 15


@pytest.mark.slow
def test_xla_gives_the_same_losses(tiny):
    losses = []
    for xla in (False, True):
        config = tiny.config
        config.xla = xla
        trainer = TileTrainer(config, tiny.trainer.sampler, tiny.trainer.validation)
        trainer.start()
        losses.append([float(trainer.update(step)["loss"]) for step in range(3)])
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_bfloat16_gives_nearly_the_same_losses(tiny):
    losses = []
    for precision in ("float32", "bfloat16"):
        config = tiny.config
        config.precision = precision
        trainer = TileTrainer(config, tiny.trainer.sampler, tiny.trainer.validation)
        trainer.start()
        trainer.codec.network.out_kernel.assign_add(tf.fill([config.model.network.width, 3], 0.1))
        losses.append([float(trainer.update(step)["loss"]) for step in range(5)])
        assert {v.dtype for v in trainer.codec.trainable_variables} == {tf.float32}
    np.testing.assert_allclose(*losses, rtol=0.03)
    assert losses[0] != losses[1]
    config.precision = "half"
    with pytest.raises(MscnError, match="precision=half: must be one of float32, bfloat16"):
        TileTrainer(config, tiny.trainer.sampler, tiny.trainer.validation)


@pytest.mark.parametrize("steps", [1, 2])
def test_a_run_may_be_shorter_than_its_warm_up(tiny, steps):
    config = tiny.config
    config.steps = steps
    assert config.optimizer.warmup == 2
    trainer = TileTrainer(config, tiny.trainer.sampler, tiny.trainer.validation)
    rates = [float(optimizer.learning_rate) for _, optimizer in trainer.groups]
    assert 0 < min(rates) <= max(rates) < config.optimizer.rate


def saved_step(workdir):
    """The step of the newest checkpoint."""
    path = tf.train.latest_checkpoint(str(workdir / "checkpoints"))
    return tf.train.load_variable(path, "step/0/.ATTRIBUTES/VARIABLE_VALUE")


def test_batches_span_all_qualities(tiny):
    for step in (0, 7):
        tiles, quality = tiny.trainer.batch(step)
        assert tiles.shape == (8, 8, 8, 3)
        np.testing.assert_array_equal(np.sort(np.floor((quality - 1) / 9 * 8)), np.arange(8))
        again = tiny.trainer.batch(step)
        np.testing.assert_array_equal(tiles, again[0])
        np.testing.assert_array_equal(quality, again[1])
    assert np.any(tiny.trainer.batch(0)[1] != tiny.trainer.batch(7)[1])


def test_the_basis_keeps_its_scale(tiny):
    norms = np.linalg.norm(tiny.trainer.codec.network.basis, axis=1)
    np.testing.assert_allclose(norms, 1, atol=1e-5)


def test_what_is_logged(tiny):
    found = small.scalars(tiny.workdir)
    assert sorted(found["train/loss"]) == list(range(1, small.STEPS + 1))
    for name in ("bpp", "psnr"):
        assert sorted(found[f"quality 3/{name}"]) == [6, 12]
        assert found[f"quality 3/{name}"][12] < found[f"quality 8/{name}"][12]


def test_evaluation_is_repeatable_and_leaves_weights_alone(tiny, validation):
    before = [v.numpy() for v in tiny.trainer.codec.variables]
    rows = evaluate(tiny.trainer, validation, (3.0, 8.0))
    found = small.scalars(tiny.workdir)
    for row in rows:
        for name in ("bpp", "psnr"):
            logged = found[f"quality {row['quality']:g}/{name}"][small.STEPS]
            np.testing.assert_allclose(row[name], logged, rtol=1e-6)
    for value, variable in zip(before, tiny.trainer.codec.variables):
        np.testing.assert_array_equal(value, variable)


def test_evaluation_says_what_files_take(tiny, validation):
    """The bundle gives about the same on the same tiles: its encoder fits fewer elements."""
    codec = Codec.load(tiny.bundle)
    pictures = np.rint(validation * 255).astype(np.uint8)
    for row in evaluate(tiny.trainer, validation, (3.0, 8.0)):
        data = codec.encode(pictures, quality=row["quality"], effort=1)
        payload = codec.info(data)["bytes"]["payload"]
        np.testing.assert_allclose(8 * payload / (len(pictures) * 64), row["bpp"], rtol=0.08)
        reached = np.mean([psnr(*pair) for pair in zip(pictures, codec.decode_all(data))])
        np.testing.assert_allclose(reached, row["psnr"], atol=0.15)


def test_frozen_is_a_prior(tiny):
    frozen = tiny.trainer.freeze()
    assert Prior(frozen.arrays).coefficients == 32
    assert frozen.code_scale.shape == (32,)
    assert np.all(frozen.code_scale > 0)


def test_record(tiny):
    record = read_record(tiny.workdir)
    assert record["config"]["model"]["network"]["code_size"] == 32
    assert record["tensorflow"] == tf.__version__
    assert record["cpu_seconds"] >= 0
    assert json.loads(json.dumps(record)) == record


def test_killed_and_interrupted_it_goes_on_to_the_bit(tiny, tmp_path, monkeypatch, capfd):
    """Killed at step 8 of 12, three after a checkpoint; then Ctrl-C at step 10; then finished."""
    workdir = tmp_path / "run"
    program = KILLED.format(step=8, folder=str(tiny.folder), workdir=str(workdir))
    killed = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=300)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert b"step 8  train" in killed.stdout
    assert saved_step(workdir) == 5

    update = TileTrainer.update

    def interrupted(self, step):
        if step == 9:
            os.kill(os.getpid(), signal.SIGINT)
        return update(self, step)

    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with monkeypatch.context() as patch:
        patch.setattr(TileTrainer, "update", interrupted)
        with pytest.raises(KeyboardInterrupt):
            training.train(tiny.config, workdir)
    assert handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert saved_step(workdir) == 10
    assert "step 6  train" in capfd.readouterr().out

    trainer = training.train(tiny.config, workdir)
    assert "step 11  train" in capfd.readouterr().out
    assert small.scalars(workdir) == small.scalars(tiny.workdir)
    pairs = zip(trainer.codec.variables, tiny.trainer.codec.variables)
    averages = zip(trainer.average.shadows, tiny.trainer.average.shadows)
    for one, two in [*pairs, *averages]:
        np.testing.assert_array_equal(one, two)
    # Finished: nothing is left to do.
    again = training.train(tiny.config, workdir)
    assert "train" not in capfd.readouterr().out
    np.testing.assert_array_equal(again.codec.step_sizes, trainer.codec.step_sizes)


@pytest.mark.parametrize(
    "change", [{"width": 9}, {"depth": 1}, {"depth": 3}, {"code_size": 24}, {"features": 5}]
)
def test_the_checkpoint_of_another_model(tiny, tmp_path, change):
    shutil.copytree(tiny.workdir / "checkpoints", tmp_path / "checkpoints")
    config = tiny.config
    config.model.network.update(change)
    with pytest.raises(MscnError, match=r"checkpoint is of another model.*new --workdir") as raised:
        training.train(config, tmp_path)
    assert "\n" not in str(raised.value)
    assert str(tmp_path) in str(raised.value)


@pytest.mark.parametrize("part", ["train", "validation"])
def test_missing_pictures(tiny, tmp_path, part):
    config = tiny.config
    config.data[part] = f"{tmp_path}/nothing/*.png"
    with pytest.raises(MscnError, match=rf"nothing/\*\.png: no picture.*config\.data\.{part}"):
        training.train(config, tmp_path)
