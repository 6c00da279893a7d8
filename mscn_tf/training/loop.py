"""The outer loop, whatever it trains: steps, checkpoints, summaries, resumable to the bit."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import signal
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import ml_collections
import numpy as np
import tensorflow as tf
from absl import logging
from tqdm import tqdm

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import atomic_write
from mscn_tf.stack.keras_versions import variables_of
from mscn_tf.training.checkpoints import newest_whole, set_newest
from mscn_tf.training.distribution import AnyWorker, is_chief, share_from_chief

Row = tuple[str, dict[str, float]]


class Trainer(ABC):
    """State and step of one training run.

    Args:
      config: see ``mscn_tf/configs``.
    """

    def __init__(self, config: ml_collections.ConfigDict):
        self.config = config
        tf.keras.utils.set_random_seed(config.seed)
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")

    def start(self) -> None:  # noqa: B027 most have nothing to do
        """Sets what the first step starts from; not called when a run goes on."""

    @abstractmethod
    def checkpointed(self) -> dict[str, Any]:
        """What a checkpoint holds besides ``step``, by name."""

    @abstractmethod
    def update(self, step: int) -> dict[str, tf.Tensor]:
        """Takes one step, counts it in ``step``, and returns its metrics."""

    @abstractmethod
    def evaluate(self) -> list[Row]:
        """Labelled measures on held-out signals, as they stand."""

    @abstractmethod
    def freeze(self) -> Any:
        """What the bundle's writer needs of the finished codec."""


def run(trainer: Trainer, workdir: str | os.PathLike[str]) -> None:
    """Trains until ``config.steps``, going on from the newest whole checkpoint in ``workdir``.

    Ctrl-C and SIGTERM write a checkpoint first. A run that was stopped, by kill -9 too, and
    started again gives the same losses as one that never was. Where several workers train
    together, all of them call this; only the chief reads and writes ``workdir``, and prints.

    Raises:
      MscnError: the checkpoint is of another model, none is whole, or one can't be written.
      KeyboardInterrupt: after Ctrl-C or SIGTERM, at any of the workers, when the checkpoint is on
        disk.
    """
    strategy = tf.distribute.get_strategy()
    parts = checkpoint_parts(trainer)
    checkpoint = tf.train.Checkpoint(**parts)
    checkpoint.save_counter  # noqa: B018 made now: else a failed restore warns that it isn't there
    chief = _Chief(trainer, checkpoint, Path(workdir)) if is_chief(strategy) else None
    share_from_chief(strategy, variables_of(parts))

    asked_to_stop, any_worker = [], AnyWorker(strategy)
    handlers = {
        number: signal.signal(number, lambda *_: asked_to_stop.append(True))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        with chief or contextlib.nullcontext():
            for step in range(int(trainer.step.numpy()), trainer.config.steps):
                metrics = trainer.update(step)
                stop = any_worker(bool(asked_to_stop))
                if chief:
                    chief.after(step + 1, metrics, stop)
                if stop:
                    raise KeyboardInterrupt
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def checkpoint_parts(trainer: Trainer) -> dict[str, list[tf.Variable]]:
    """What a checkpoint of a trainer holds, by part.

    Plain variables in an order of our own: what TensorFlow finds by itself leaves out the layers
    that stand in lists where Keras is version 3.
    """
    parts = {"step": trainer.step, **trainer.checkpointed()}
    return {name: variables_of(part) for name, part in parts.items()}


class _Chief:
    """Keeps the workdir: checkpoints, summaries, the record; and tells how the run goes.

    Made, it has the trainer at the newest checkpoint, or at its start. To be entered while steps
    are taken.
    """

    def __init__(self, trainer: Trainer, checkpoint: tf.train.Checkpoint, workdir: Path):
        self._trainer, self._workdir = trainer, workdir
        folder = workdir / "checkpoints"
        newest = newest_whole(folder)
        if newest is None:
            trainer.start()
        else:
            try:
                checkpoint.restore(newest).assert_consumed()
            except (AssertionError, ValueError) as error:
                raise MscnError(
                    f"{workdir}: its checkpoint is of another model than this config; "
                    "give a new --workdir"
                ) from error
            set_newest(newest)
            logging.info("resumed at step %d", int(trainer.step.numpy()))
        self._manager = tf.train.CheckpointManager(
            checkpoint, str(folder), max_to_keep=2, step_counter=trainer.step
        )
        _record(workdir, trainer.config)

    def __enter__(self) -> None:
        self._summaries = tf.summary.create_file_writer(str(self._workdir / "summaries"))
        self._bar = tqdm(
            total=self._trainer.config.steps,
            initial=int(self._trainer.step.numpy()),
            unit="step",
            disable=not sys.stderr.isatty(),
        )
        self._began = time.process_time()
        self._metrics: list[dict[str, tf.Tensor]] = []

    def __exit__(self, *_: object) -> None:
        self._bar.close()
        self._summaries.close()

    def after(self, done: int, metrics: dict[str, tf.Tensor], stop: bool) -> None:
        """What is due when so many steps are done; `stop`: no other will follow."""
        config = self._trainer.config
        self._metrics.append(metrics)
        self._bar.update()
        last = done == config.steps or stop
        if done % config.log_every == 0 or last:
            # Where a run has stages, earlier steps may have had other metrics.
            mean = {k: float(np.mean([m[k] for m in self._metrics if k in m])) for k in metrics}
            self._metrics.clear()
            self._report(done, "train", mean)
        if done % config.evaluate_every == 0 or done == config.steps:
            for label, row in self._trainer.evaluate():
                self._report(done, label, row)
        if done % config.checkpoint_every == 0 or last:
            _save(self._manager, self._workdir)
            _record_time(self._workdir, done, time.process_time() - self._began)
            self._began = time.process_time()

    def _report(self, step: int, label: str, values: dict[str, float]) -> None:
        with self._summaries.as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(f"{label}/{name}", value)
        text = f"step {step}  {label}  " + "  ".join(f"{k} {v:.4f}" for k, v in values.items())
        if self._bar.disable:
            print(text, flush=True)
        else:
            self._bar.write(text)


def _save(manager: tf.train.CheckpointManager, workdir: Path) -> None:
    try:
        manager.save()
    except tf.errors.OpError as error:  # TensorFlow's own, of a full disk too
        reason = " ".join(error.message.split())[:200]
        raise MscnError(f"cannot write to {workdir}: {reason}; check folder and space") from error


def _record(workdir: Path, config: ml_collections.ConfigDict) -> None:
    """Writes what the run was started with beside its checkpoints."""
    record: dict[str, Any] = {
        "config": json.loads(config.to_json_best_effort()),
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
    }
    with atomic_write(workdir / "record.json") as file:
        file.write(json.dumps(record, indent=2, sort_keys=True).encode())


def read_record(workdir: str | os.PathLike[str]) -> dict[str, Any]:
    """How a run was made: its config, versions, and CPU seconds over all its parts."""
    workdir = Path(workdir)
    record = json.loads((workdir / "record.json").read_text())
    log = workdir / "cpu_seconds.csv"  # missing or cut short where the run was killed
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    matches = (re.fullmatch(r"\d+,(\d+\.\d)", line) for line in lines)
    record["cpu_seconds"] = round(sum(float(match[1]) for match in matches if match))
    return record


def _record_time(workdir: Path, step: int, seconds: float) -> None:
    """Appends the CPU seconds since the last checkpoint, over interruptions."""
    with open(workdir / "cpu_seconds.csv", "a") as log:
        log.write(f"{step},{seconds:.1f}\n")
