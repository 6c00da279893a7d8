"""The outer loop, whatever it trains: steps, checkpoints, summaries, resumable to the bit."""

from __future__ import annotations

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
    """Trains until ``config.steps``, going on from the newest checkpoint in ``workdir``.

    Ctrl-C and SIGTERM write a checkpoint first. A run that was stopped, by kill -9 too, and
    started again gives the same losses as one that never was.

    Raises:
      MscnError: the checkpoint is of another model, or can't be written.
      KeyboardInterrupt: after Ctrl-C or SIGTERM, when the checkpoint is on disk.
    """
    workdir, config = Path(workdir), trainer.config
    checkpoint = tf.train.Checkpoint(step=trainer.step, **trainer.checkpointed())
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
            metrics = trainer.update(step)
            losses.append(metrics)
            bar.update()
            done = step + 1
            last = done == config.steps or bool(stop)
            if done % config.log_every == 0 or last:
                mean = {k: float(np.mean([m[k] for m in losses])) for k in metrics}
                losses.clear()
                _report(summaries, bar, done, "train", mean)
            if done % config.evaluate_every == 0 or done == config.steps:
                for label, row in trainer.evaluate():
                    _report(summaries, bar, done, label, row)
            if done % config.checkpoint_every == 0 or last:
                _save(manager, workdir)
                _record_time(workdir, done, time.process_time() - began)
                began = time.process_time()
            if stop:
                raise KeyboardInterrupt
    finally:
        bar.close()
        summaries.close()
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _save(manager: tf.train.CheckpointManager, workdir: Path) -> None:
    try:
        manager.save()
    except tf.errors.OpError as error:  # TensorFlow's own, of a full disk too
        reason = " ".join(error.message.split())[:200]
        raise MscnError(f"cannot write to {workdir}: {reason}; check folder and space") from error


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
    with atomic_write(workdir / "record.json") as file:
        file.write(json.dumps(record, indent=2, sort_keys=True).encode())


def read_record(workdir: str | os.PathLike[str]) -> dict[str, Any]:
    """How a run was made: its config, versions, and CPU seconds over all its parts."""
    workdir = Path(workdir)
    record = json.loads((workdir / "record.json").read_text())
    log = workdir / "cpu_seconds.csv"  # missing or cut short where the run was killed
    lines = log.read_text().splitlines() if log.exists() else []
    found = (re.fullmatch(r"\d+,(\d+\.\d)", line) for line in lines)
    record["cpu_seconds"] = round(sum(float(match[1]) for match in found if match))
    return record


def _record_time(workdir: Path, step: int, seconds: float) -> None:
    """Appends the CPU seconds since the last checkpoint, over interruptions."""
    with open(workdir / "cpu_seconds.csv", "a") as log:
        log.write(f"{step},{seconds:.1f}\n")
