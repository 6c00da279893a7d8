"""Runs an experiment: trains what isn't trained, measures what isn't measured, reports."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ml_collections
import tensorflow as tf
from tqdm import tqdm

from mscn_tf.experiments.baselines import measure_codec
from mscn_tf.experiments.data import SignalSet, load
from mscn_tf.experiments.measure import measure
from mscn_tf.experiments.report import write_report
from mscn_tf.experiments.runs import Run, code_size, runs_of
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import atomic_write
from mscn_tf.training.loop import read_record, run
from mscn_tf.training.modulated import ModulatedTrainer

Row = dict[str, Any]


def experiment(config: ml_collections.ConfigDict, workdir: str | os.PathLike[str]) -> list[Row]:
    """Does all of an experiment's runs that ``workdir`` doesn't hold, and writes the report.

    A run has a folder in ``workdir/runs`` with its checkpoints, record and, when it is measured,
    ``result.json``. Interrupted, the same command goes on. Several processes may work in the same
    workdir: each takes runs that no other holds, and the last one writes the report.

    Returns:
      A row for each run that is no mere first half of others; fewer while other processes work.

    Raises:
      MscnError: data are missing, a folder holds a run of another configuration, or the
        configuration names a method that there isn't.
      KeyboardInterrupt: after Ctrl-C or SIGTERM, when a checkpoint is on disk.
    """
    tf.get_logger().setLevel("ERROR")  # every run traces its functions anew, which it would warn of
    workdir, signals = Path(workdir), load(config)
    runs = runs_of(config)
    for one in runs:
        _check_same(_folder(workdir, one), one.config)
    runs = [one for one in runs if one.measured]
    left = [one for one in runs if not _result(workdir, one).exists()]
    for one in tqdm(left, unit="run", desc=config.name, disable=None):
        with _held(workdir, one, wait=False) as mine:
            if mine and not _result(workdir, one).exists():
                print(f"{one.name} of {config.name}", flush=True)
                _do(one, signals, workdir, code_size(config.model))
    results = [path for path in (_result(workdir, one) for one in runs) if path.exists()]
    rows = [json.loads(path.read_text()) for path in results]
    if len(rows) == len(runs):
        write_report(config, rows, workdir)
    return rows


def _do(one: Run, signals: SignalSet, workdir: Path, reference: int) -> None:
    if one.begin is not None:
        with _held(workdir, one.begin, wait=True):
            _train(one.begin, signals, workdir)
    trainer = _train(one, signals, workdir)
    began = time.process_time()
    if "codec" in one.config:
        row = measure_codec(trainer.freeze(), signals, one.config.codec)
    else:
        row = measure(trainer.freeze(), signals, one.config)
    folder = _folder(workdir, one)
    training = read_record(folder)["cpu_seconds"]
    before = read_record(_folder(workdir, one.begin))["cpu_seconds"] if one.begin else 0
    head = {"arm": one.arm, "wanted": one.kept, "seed": one.seed, "outer_steps": one.config.steps}
    head.update(reference=reference, signals=len(signals.test))
    times = {"cpu_seconds": training + before, "measuring": round(time.process_time() - began)}
    with atomic_write(_result(workdir, one)) as file:
        file.write(json.dumps({**head, **row, **times}, indent=1).encode())


def _train(one: Run, signals: SignalSet, workdir: Path) -> ModulatedTrainer:
    """Trains, or goes on, or only loads."""
    tf.keras.backend.clear_session()
    begin = None if one.begin is None else _folder(workdir, one.begin)
    folder = _folder(workdir, one)
    _check_same(folder, one.config)
    trainer = ModulatedTrainer(
        one.config, signals.train, signals.coordinates, signals.validation, begin
    )
    run(trainer, folder)
    return trainer


def _check_same(folder: Path, config: ml_collections.ConfigDict) -> None:
    if not (folder / "record.json").exists():
        return
    known = json.loads((folder / "record.json").read_text())["config"]
    if known != json.loads(config.to_json_best_effort()):
        raise MscnError(f"{folder}: a run of another configuration; give a new --workdir")


def _folder(workdir: Path, one: Run) -> Path:
    folder = workdir / "runs" / one.name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _result(workdir: Path, one: Run) -> Path:
    return _folder(workdir, one) / "result.json"


@contextmanager
def _held(workdir: Path, one: Run, wait: bool) -> Iterator[bool]:
    """Whether this process alone has the run, for as long as the block lasts."""
    with open(_folder(workdir, one) / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
