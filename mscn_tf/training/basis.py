"""The outer loop: meta-learns a codec over a training set, resumable to the bit."""

from __future__ import annotations

import json
import os
import platform
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ml_collections
import numpy as np
import tensorflow as tf
from absl import logging
from tqdm import tqdm

from mscn_tf.entropy.scale_prior import LEVELS
from mscn_tf.fitting.basis_codec import BasisCodec
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.prior import Prior
from mscn_tf.signals.datasets import TileSampler, load_pictures
from mscn_tf.training.closed_form_start import start_from_principal_components
from mscn_tf.training.ema import ExponentialMovingAverage
from mscn_tf.training.evaluate import CodecMeasure, Frozen

START_STEP = 1 << 40  # random draws before the first step must not repeat those of any step


class Trainer:
    """State and step of one training run.

    The loss of a tile is its rate-distortion cost in bits, ``rate + squared error / lambda(q)``,
    over what the closed-form start costs at that quality, so that every quality counts alike;
    plus ``fitted_weight`` times the distortion of its code before quantisation. Quality is drawn
    uniformly for each tile; ``lambda(q)`` is the prior's ``rate_weight * step(q)^2``.

    Args:
      config: see ``mscn_tf/configs``.
      sampler: the training tiles.
    """

    def __init__(self, config: ml_collections.ConfigDict, sampler: TileSampler):
        self.config, self.sampler = config, sampler
        tf.keras.utils.set_random_seed(config.seed)
        self.codec = BasisCodec(config.model)
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        self.reference_cost = tf.Variable(tf.ones([LEVELS]), trainable=False, name="reference")
        network = self.codec.network
        transform = [network.mean, network.basis, network.feature_basis]
        step_sizes = [self.codec.step_sizes]
        known = {id(v) for v in transform + step_sizes}
        others = [v for v in self.codec.trainable_variables if id(v) not in known]
        rates = config.optimizer
        self.groups = [
            (transform, self._optimizer(rates.transform_rate)),
            (step_sizes, self._optimizer(rates.step_size_rate)),
            (others, self._optimizer(rates.rate)),
        ]
        for variables, optimizer in self.groups:
            optimizer.build(variables)
        self.average = ExponentialMovingAverage(
            self.codec.trainable_variables, config.optimizer.average
        )
        self.update = tf.function(self._update, jit_compile=config.xla)
        self.measure = CodecMeasure(self.codec)

    def _optimizer(self, rate: float) -> tf.keras.optimizers.Optimizer:
        schedule = tf.keras.optimizers.schedules.CosineDecay(
            rate / 100,
            self.config.steps - self.config.optimizer.warmup,
            alpha=0.01,
            warmup_target=rate,
            warmup_steps=self.config.optimizer.warmup,
        )
        return tf.keras.optimizers.Adam(schedule, beta_2=self.config.optimizer.beta_2)

    def start(self) -> None:
        """The closed-form start, and what it costs at every quality."""
        tiles = self.sampler.draw(self.config.start_tiles, START_STEP)
        start_from_principal_components(self.codec, tiles, self.config.seed)
        tiles = tf.constant(tiles[:256])
        for level in range(LEVELS):
            quality = tf.fill([len(tiles)], level + 1.0)
            fit = self.codec.fit(tiles, quality, self._seed())
            cost = fit.coded.bits + fit.squared_error / self._trade_off(quality)
            self.reference_cost[level].assign(tf.reduce_mean(cost))
        self.average.reset()

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Tiles ``[B, edge, edge, C]`` and qualities ``[B]`` of one outer step."""
        size = self.config.batch
        random = np.random.default_rng([self.config.seed, step, 1])
        # Stratified: each batch spans all qualities.
        quality = 1 + (LEVELS - 1) * (random.permutation(size) + random.random(size)) / size
        return self.sampler.draw(size, step), quality.astype(np.float32)

    def _seed(self) -> tf.Tensor:
        return tf.stack([self.config.seed, tf.cast(self.step, tf.int32)])

    def _trade_off(self, quality: tf.Tensor) -> tf.Tensor:
        """lambda ``[B]``: squared error that one bit must save."""
        prior = self.codec.prior
        share = (quality - 1) / (LEVELS - 1)
        ratio = np.log(prior.finest_step / prior.coarsest_step)
        step = prior.coarsest_step * tf.exp(share * ratio)
        return prior.rate_weight * tf.square(step)

    def _cost(self, tiles: tf.Tensor, quality: tf.Tensor) -> tuple[tf.Tensor, ...]:
        fit = self.codec.fit(tiles, quality, self._seed())
        reference = self.codec.prior.at_quality(self.reference_cost[:, None], quality)[:, 0]
        cost = fit.coded.bits + fit.squared_error / self._trade_off(quality)
        fitted = fit.fitted_error / self._trade_off(quality)
        return cost / reference, fitted / reference, fit.coded.bits, fit.squared_error

    def _update(self, tiles: tf.Tensor, quality: tf.Tensor) -> dict[str, tf.Tensor]:
        variables = [v for group, _ in self.groups for v in group]
        with tf.GradientTape() as tape:
            cost, fitted, bits, squared_error = self._cost(tiles, quality)
            loss = tf.reduce_mean(cost)
            total = loss + self.config.fitted_weight * tf.reduce_mean(fitted)
        gradients, norm = tf.clip_by_global_norm(
            tape.gradient(total, variables), self.config.optimizer.clip
        )
        for group, optimizer in self.groups:
            optimizer.apply_gradients(zip(gradients[: len(group)], group))
            gradients = gradients[len(group) :]
        self.codec.network.normalise()
        self.average.update()
        self.step.assign_add(1)
        return {
            "loss": loss,
            "bits": tf.reduce_mean(bits),
            "gradient_norm": norm,
            "squared_error": tf.reduce_mean(squared_error),
        }


def evaluate(
    trainer: Trainer, tiles: np.ndarray, qualities: Sequence[float]
) -> list[dict[str, float]]:
    """Real bytes and PSNR of held-out tiles, with averaged weights where there are any."""
    with trainer.average.swapped_in():
        drawn = trainer.sampler.draw(trainer.config.freeze_tiles // 4, START_STEP + 1)
        prior = Prior(trainer.measure.freeze(drawn, trainer.config.seed).arrays)
        rows = [(q, *trainer.measure.rate_and_psnr(prior, tiles, q)) for q in qualities]
    return [dict(zip(("quality", "bpp", "psnr"), row)) for row in rows]


def freeze_trained(trainer: Trainer) -> Frozen:
    """The finished entropy model."""
    drawn = trainer.sampler.draw(trainer.config.freeze_tiles, START_STEP + 1)
    with trainer.average.swapped_in():
        return trainer.measure.freeze(drawn, trainer.config.seed)


def train(config: ml_collections.ConfigDict, workdir: str | os.PathLike[str]) -> Trainer:
    """Trains until ``config.steps``, going on from the newest checkpoint in ``workdir``.

    Ctrl-C and SIGTERM write a checkpoint first. A run that was stopped, by kill -9 too, and
    started again gives the same losses as one that never was.

    Raises:
      MscnError: the training set is missing, or the checkpoint is of another model.
      KeyboardInterrupt: after Ctrl-C or SIGTERM, when the checkpoint is on disk.
    """
    workdir = Path(workdir)
    workdir.mkdir(parents=True, exist_ok=True)
    edge = config.model.network.edge
    data = config.data
    sampler = TileSampler(
        load_pictures(data.train, edge, data.sheets),
        edge,
        config.seed,
        data.flips,
        tuple(data.scales),
    )
    held_out = TileSampler(
        load_pictures(data.validation, edge, data.sheets), edge, config.seed, flips=False
    )
    validation = held_out.draw(config.validation_tiles, START_STEP)
    trainer = Trainer(config, sampler)
    checkpoint = tf.train.Checkpoint(
        codec=trainer.codec,
        step=trainer.step,
        reference_cost=trainer.reference_cost,
        optimizers=[optimizer for _, optimizer in trainer.groups],
        average=trainer.average,
    )
    manager = tf.train.CheckpointManager(
        checkpoint, str(workdir / "checkpoints"), max_to_keep=2, step_counter=trainer.step
    )
    checkpoint.save_counter  # noqa: B018 made now: else a failed restore warns that it isn't there
    if manager.latest_checkpoint:
        try:
            checkpoint.restore(manager.latest_checkpoint).assert_consumed()
        except (AssertionError, ValueError) as error:
            raise MscnError(
                f"{workdir}: its checkpoint is of another model than this config; "
                "give a new --workdir"
            ) from error
        logging.info("resumed at step %d", int(trainer.step))
    else:
        trainer.start()
    summaries = tf.summary.create_file_writer(str(workdir / "summaries"))
    _record(workdir, config)

    stop = []
    handlers = {
        number: signal.signal(number, lambda *_: stop.append(True))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    first = int(trainer.step)
    bar = tqdm(total=config.steps, initial=first, unit="step", disable=not sys.stderr.isatty())
    began, losses = time.process_time(), []
    try:
        for step in range(first, config.steps):
            tiles, quality = trainer.batch(step)
            metrics = trainer.update(tf.constant(tiles), tf.constant(quality))
            losses.append(metrics)
            bar.update()
            done = step + 1
            last = done == config.steps or bool(stop)
            if done % config.log_every == 0 or last:
                mean = {k: float(np.mean([m[k] for m in losses])) for k in metrics}
                losses.clear()
                _report(summaries, bar, done, "train", mean)
            if done % config.evaluate_every == 0 or done == config.steps:
                for row in evaluate(trainer, validation, config.evaluate_qualities):
                    label = f"quality {row.pop('quality'):g}"
                    _report(summaries, bar, done, label, row)
            if done % config.checkpoint_every == 0 or last:
                manager.save()
                _record_time(workdir, done, time.process_time() - began)
                began = time.process_time()
            if stop:
                raise KeyboardInterrupt
    finally:
        bar.close()
        summaries.close()
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return trainer


def _report(
    writer: tf.summary.SummaryWriter, bar: tqdm, step: int, label: str, values: dict[str, float]
) -> None:
    with writer.as_default(step=step):
        for name, value in values.items():
            tf.summary.scalar(f"{label}/{name}", value)
    text = f"step {step}  {label}  " + "  ".join(f"{k} {v:.4f}" for k, v in values.items())
    if bar.disable:
        print(text, flush=True)
    else:
        bar.write(text)


def _record(workdir: Path, config: ml_collections.ConfigDict) -> None:
    """Writes what the run was started with beside its checkpoints."""
    record: dict[str, Any] = {
        "config": json.loads(config.to_json_best_effort()),
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
    }
    (workdir / "record.json").write_text(json.dumps(record, indent=2, sort_keys=True))


def read_record(workdir: str | os.PathLike[str]) -> dict[str, Any]:
    """How a run was made: its config, versions, and CPU seconds over all its parts."""
    workdir = Path(workdir)
    record = json.loads((workdir / "record.json").read_text())
    lines = (workdir / "cpu_seconds.csv").read_text().splitlines()
    record["cpu_seconds"] = round(sum(float(line.split(",")[1]) for line in lines))
    return record


def _record_time(workdir: Path, step: int, seconds: float) -> None:
    """Appends the CPU seconds since the last checkpoint, over interruptions."""
    with open(workdir / "cpu_seconds.csv", "a") as log:
        log.write(f"{step},{seconds:.1f}\n")
