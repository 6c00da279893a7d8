"""Measures codecs on signals: real files, decoded again; one row a signal and setting."""

from __future__ import annotations

import contextlib
import hashlib
import math
import multiprocessing
import signal as system_signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np
from PIL import Image
from tqdm import tqdm

from mscn_tf.evaluation import assessment, baselines
from mscn_tf.evaluation.assessment import Assessment
from mscn_tf.evaluation.baselines import Baseline
from mscn_tf.evaluation.coder import Coder
from mscn_tf.evaluation.left_out import Failure
from mscn_tf.evaluation.rows import Row, RowFile
from mscn_tf.evaluation.signal import Signal
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import atomic_write

_TASK_SAMPLES = 2**18  # coded by one task: small signals aren't sent to a process one by one


class Progress:
    """A bar on a terminal; elsewhere a line when a codec is done.

    Args:
      total: rows to come.
      quiet: shows nothing at all.
    """

    def __init__(self, total: int, quiet: bool = False):
        self._quiet = quiet
        hidden = quiet or not sys.stderr.isatty()
        self._bar = tqdm(total=total, unit="row", disable=hidden, leave=False)

    def add(self, rows: int) -> None:
        """So many rows are there."""
        self._bar.update(rows)

    def done(self, codec: str, rows: int) -> None:
        """All rows of a codec are there, so many of them new."""
        if rows and self._bar.disable and not self._quiet:
            print(f"{codec}: {rows} rows measured", flush=True)

    def close(self) -> None:
        """Takes the bar away."""
        self._bar.close()


@contextlib.contextmanager
def workers(count: int) -> Iterator[ProcessPoolExecutor]:
    """Processes for baselines; when the block ends, what they have not begun is dropped.

    They ignore Ctrl-C, which reaches every process of a terminal: each finishes its task and is
    told to end. To be called in the main thread.

    Raises:
      MscnError: a process was killed.
    """
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads can hang
    pool = ProcessPoolExecutor(count, context, _start_worker)
    try:
        # New processes block what is blocked here, from their first moment; this one gets it late.
        system_signal.pthread_sigmask(system_signal.SIG_BLOCK, [system_signal.SIGINT])
        for _ in range(count):
            pool.submit(_do_nothing)
        system_signal.pthread_sigmask(system_signal.SIG_UNBLOCK, [system_signal.SIGINT])
        yield pool
    except BrokenProcessPool as error:
        raise MscnError(
            "a worker process was killed, perhaps for want of memory; give fewer --workers"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    system_signal.signal(system_signal.SIGINT, system_signal.SIG_IGN)
    Image.MAX_IMAGE_PIXELS = None


def _do_nothing() -> None:
    """What the first tasks do, so that processes are there for the others."""


@dataclass(frozen=True)
class BaselineTask:
    """Signals that share a file, to be coded at some settings of a baseline."""

    modality: str
    baseline: str
    version: str
    settings: Sequence[float]
    signals: Sequence[Signal]


def baseline_files(
    baseline: Baseline, signals: Sequence[Signal]
) -> list[tuple[str, Sequence[Signal]]]:
    """The signals that share a file at each setting, with the version of their rows."""
    version = baseline.version()
    if baseline.together:
        return [(_of_archive(version, signals), signals)]
    return [(version, [signal]) for signal in signals]


def baseline_tasks(
    chosen: Sequence[Baseline], signals: Sequence[Signal], rows: RowFile
) -> list[BaselineTask]:
    """What is still to be measured, baseline by baseline."""
    tasks = []
    for baseline in chosen:
        for version, group in baseline_files(baseline, signals):
            left = [
                setting
                for setting in baseline.settings
                if any(rows.get(baseline.name, version, setting, one) is None for one in group)
            ]
            size = max(1, _TASK_SAMPLES // sum(signal.samples for signal in group))
            for at in range(0, len(left), size):
                settings = left[at : at + size]
                tasks.append(BaselineTask(rows.modality, baseline.name, version, settings, group))
    return tasks


def measure_baselines(
    tasks: Sequence[BaselineTask], rows: RowFile, pool: ProcessPoolExecutor, progress: Progress
) -> list[Failure]:
    """Runs tasks in parallel; rows are on disk as soon as they are there.

    Returns:
      What could not be measured.
    """
    failures: list[Failure] = []
    futures: dict[str, list[Future[tuple[list[Row], list[Failure]]]]] = {}
    for task in tasks:
        futures.setdefault(task.baseline, []).append(pool.submit(_measure, task))
    for baseline, running in futures.items():
        count = 0
        for future in as_completed(running):
            measured, failed = future.result()
            rows.add(measured)
            failures += failed
            progress.add(len(measured) + sum(len(one.signals) for one in failed))
            count += len(measured)
        progress.done(baseline, count)
    return failures


def _measure(task: BaselineTask) -> tuple[list[Row], list[Failure]]:
    baseline = baselines.of(task.modality)[task.baseline]
    signal = Signal.stack(task.signals) if baseline.together else task.signals[0]
    measured: list[Row] = []
    failures = []
    for setting in task.settings:
        try:
            measured += _measured_at(baseline, setting, task, signal)
        except Exception as error:  # the libraries raise all kinds of errors
            failures.append(Failure.of(task.baseline, baseline.label, task.signals, error))
    return measured, failures


def _measured_at(
    baseline: Baseline, setting: float, task: BaselineTask, signal: Signal
) -> list[Row]:
    start = time.perf_counter()
    data = baseline.encode(signal, setting)
    middle = time.perf_counter()
    decoded = baseline.decode(data, signal, setting)
    times = (middle - start, time.perf_counter() - middle)
    parts = {}
    if baseline.payload:
        parts["payload"] = baseline.payload(data, signal, setting)
    return _rows(
        assessment.of(task.modality),
        (task.baseline, task.version, setting),
        task.signals,
        decoded if baseline.together else [decoded],
        len(data),
        parts,
        times,
    )


def at_size(
    modality: str, name: str, few: float, many: float, size: float, signal: Signal
) -> tuple[int, np.ndarray]:
    """A baseline's file of about a wanted size.

    Args:
      modality: of the baseline.
      name: of the baseline.
      few, many: settings whose files are smaller and larger than that; whole ones between them
        are searched.
      size: bytes.
      signal: the picture.

    Returns:
      The file's bytes, and its picture, uint8 ``[H, W, C]``.
    """
    baseline = baselines.of(modality)[name]
    few, many = int(few), int(many)
    files = {setting: baseline.encode(signal, setting) for setting in (few, many)}
    while abs(many - few) > 1:
        middle = (few + many) // 2
        files[middle] = baseline.encode(signal, middle)
        few, many = (middle, many) if len(files[middle]) < size else (few, middle)
    setting, file = min(files.items(), key=lambda pair: abs(math.log(len(pair[1]) / size)))
    return len(file), baseline.decode(file, signal, setting)


@dataclass(frozen=True)
class File:
    """Signals that a codec puts into one file at one setting.

    Attributes:
      path: where the file is kept.
      version: of the rows measured on it.
      setting: the codec's.
      signals: of the file.
      metadata: of these signals together.
    """

    path: Path
    version: str
    setting: float
    signals: Sequence[Signal]
    metadata: Optional[dict[str, Any]] = None

    def rows(self, coder: Coder, rows: RowFile) -> Optional[list[Row]]:
        """The rows of its signals, if all of them and the file are there."""
        every = (rows.get(coder.name, self.version, self.setting, s) for s in self.signals)
        known = [row for row in every if row is not None]
        return known if self.path.exists() and len(known) == len(self.signals) else None


def coder_files(
    coder: Coder,
    signals: Sequence[Signal],
    folder: Path,
    shared_side: float,
    metadata: Optional[dict[str, Any]] = None,
) -> list[File]:
    """The files that a codec makes of signals, setting by setting.

    All signals share an archive where no side is longer than ``shared_side``; else each has a file
    of its own.

    Args:
      coder: the codec.
      signals: to code.
      folder: of the files.
      shared_side: samples.
      metadata: of the signals together.
    """
    sides = [side for signal in signals for side in signal.array.shape[:-1]]
    if max(sides) <= shared_side and len(signals) > 1:
        groups = [("archive", _of_archive(coder.version, signals), signals, metadata)]
    else:
        groups = [(one.name, coder.version, [one], one.metadata) for one in signals]
    return [
        File(
            folder / coder.name / f"{setting:g}" / f"{name}.{coder.suffix}",
            version,
            setting,
            of,
            known,
        )
        for setting in coder.settings
        for name, version, of, known in groups
    ]


def _of_archive(version: str, signals: Sequence[Signal]) -> str:
    """The version of rows of signals that share a file: with others it is another file."""
    content = hashlib.sha256("".join(signal.digest for signal in signals).encode())
    return f"{version}; archive of {len(signals)}, {content.hexdigest()[:8]}"


def measure_coder(
    coder: Coder, files: Sequence[File], rows: RowFile, progress: Progress
) -> list[Failure]:
    """Makes files with a codec and measures them; rows are on disk as soon as they are there.

    Returns:
      What could not be measured.
    """
    count, failures = 0, []
    for file in files:
        try:
            data, measured = _coded(coder, file, assessment.of(rows.modality))
        except Exception as error:  # one odd signal shall not cost what else is measured
            failures.append(Failure.of(coder.name, coder.label, file.signals, error))
        else:
            file.path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(file.path) as target:
                target.write(data)
            rows.add(measured)
            count += len(measured)
        progress.add(len(file.signals))
    progress.done(coder.name, count)
    return failures


def _coded(coder: Coder, file: File, assessed: Assessment) -> tuple[bytes, list[Row]]:
    """A file's bytes and its rows."""
    start = time.perf_counter()
    arrays = [signal.array for signal in file.signals]
    data = coder.encode(arrays, file.setting, file.metadata)
    middle = time.perf_counter()
    decoded = coder.decode(data)
    times = (middle - start, time.perf_counter() - middle)
    coded = (coder.name, file.version, file.setting)
    sizes = coder.sizes(data)
    return data, _rows(assessed, coded, file.signals, decoded, len(data), sizes, times)


def _rows(
    assessed: Assessment,
    coded: tuple[str, str, float],
    signals: Sequence[Signal],
    decoded: Iterable[np.ndarray],
    size: int,
    parts: dict[str, int],
    times: tuple[float, float],
) -> list[Row]:
    """Of the signals of one file, whose bytes and seconds are shared by their samples.

    Args:
      assessed: how their modality is.
      coded: by which codec, its version, its setting.
      signals: of the file.
      decoded: from it.
      size: of the file.
      parts: of its bytes.
      times: seconds of encoding and decoding.
    """
    samples = sum(signal.samples for signal in signals)
    rows = []
    for signal, array in zip(signals, decoded):
        share = signal.samples / samples
        codec, version, setting = coded
        rows.append(
            Row(
                codec=codec,
                version=version,
                setting=float(setting),
                signal=signal.name,
                digest=signal.digest,
                shape="x".join(map(str, signal.array.shape)),
                bytes=float(share * size),
                **{
                    part: share * parts[part] if part in parts else None
                    for part in ("header", "side", "payload")
                },
                rate=share * size * assessed.rate.of_byte(signal),
                measures=assessed.measure(signal, array),
                encode_seconds=round(share * times[0], 6),
                decode_seconds=round(share * times[1], 6),
            )
        )
    return rows
