"""Measures codecs on pictures: real files, decoded again; one row a picture and setting."""

from __future__ import annotations

import contextlib
import hashlib
import math
import multiprocessing
import signal as system_signal
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import numpy as np
from PIL import Image
from tqdm import tqdm

from mscn_tf.evaluation.baselines import BASELINES, Baseline
from mscn_tf.evaluation.coder import Coder
from mscn_tf.evaluation.metrics import ms_ssim
from mscn_tf.evaluation.rows import Row, RowFile, Signal
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import atomic_write
from mscn_tf.signals import images

ARCHIVE_SIDE = 128  # pictures of at most so many pixels a side share an archive
_TASK_PIXELS = 2**18  # coded by one task: small pictures aren't sent to a process one by one


class Progress:
    """A bar on a terminal; elsewhere a line when a codec is done.

    Args:
      total: rows to come.
    """

    def __init__(self, total: int):
        self._bar = tqdm(total=total, unit="row", disable=not sys.stderr.isatty(), leave=False)

    def add(self, rows: int) -> None:
        """So many rows are there."""
        self._bar.update(rows)

    def done(self, codec: str, rows: int) -> None:
        """All rows of a codec are there, so many of them new."""
        if rows and self._bar.disable:
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
        # New processes block what is blocked here, from their first moment on; this one gets it late.
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
    """A picture, to be coded at some settings of a baseline."""

    baseline: str
    version: str
    settings: Sequence[float]
    signal: Signal


def baseline_tasks(
    baselines: Sequence[Baseline], signals: Sequence[Signal], rows: RowFile
) -> list[BaselineTask]:
    """What is still to be measured, baseline by baseline."""
    tasks = []
    for baseline in baselines:
        version = baseline.version()
        for signal in signals:
            left = [
                setting
                for setting in baseline.settings
                if rows.get(baseline.name, version, setting, signal) is None
            ]
            size = max(1, _TASK_PIXELS // signal.pixels)
            for at in range(0, len(left), size):
                tasks.append(BaselineTask(baseline.name, version, left[at : at + size], signal))
    return tasks


def measure_baselines(
    tasks: Sequence[BaselineTask], rows: RowFile, pool: ProcessPoolExecutor, progress: Progress
) -> None:
    """Runs tasks in parallel; rows are on disk as soon as they are there.

    Raises:
      MscnError: a codec doesn't take a picture.
    """
    futures: dict[str, list[Future[list[Row]]]] = {}
    for task in tasks:
        futures.setdefault(task.baseline, []).append(pool.submit(_measure, task))
    for baseline, running in futures.items():
        count = 0
        for future in as_completed(running):
            found = future.result()
            rows.add(found)
            progress.add(len(found))
            count += len(found)
        progress.done(baseline, count)


def _measure(task: BaselineTask) -> list[Row]:
    measured = []
    for setting in task.settings:
        start = time.perf_counter()
        data = _encode(task.baseline, setting, task.signal)
        middle = time.perf_counter()
        decoded = BASELINES[task.baseline].decode(data, task.signal.picture.shape[2])
        times = (middle - start, time.perf_counter() - middle)
        row = _row(task.baseline, task.version, setting, task.signal, decoded, len(data), {}, times)
        measured.append(row)
    return measured


def at_size(
    name: str, few: float, many: float, size: float, signal: Signal
) -> tuple[int, np.ndarray]:
    """A baseline's file of about a wanted size.

    Args:
      name: of the baseline.
      few, many: settings whose files are smaller and larger than that; whole ones between them
        are searched.
      size: bytes.
      signal: the picture.

    Returns:
      The file's bytes, and its picture, uint8 ``[H, W, C]``.
    """
    few, many = int(few), int(many)
    files = {setting: _encode(name, setting, signal) for setting in (few, many)}
    while abs(many - few) > 1:
        middle = (few + many) // 2
        files[middle] = _encode(name, middle, signal)
        few, many = (middle, many) if len(files[middle]) < size else (few, middle)
    file = min(files.values(), key=lambda file: abs(math.log(len(file) / size)))
    return len(file), BASELINES[name].decode(file, signal.picture.shape[2])


def _encode(name: str, setting: float, signal: Signal) -> bytes:
    baseline = BASELINES[name]
    try:
        return baseline.encode(signal.picture, setting)
    except MscnError:
        raise
    except Exception as error:  # the libraries raise all kinds of errors
        raise MscnError(
            f"{signal.name}: {baseline.label} can't code it ({error}); "
            f"leave {baseline.family} out of --baselines"
        ) from error


@dataclass(frozen=True)
class File:
    """Pictures that a codec puts into one file at one setting.

    Attributes:
      path: where the file is kept.
      version: of the rows measured on it.
      setting: the codec's.
      signals: the pictures.
    """

    path: Path
    version: str
    setting: float
    signals: Sequence[Signal]

    def rows(self, coder: Coder, rows: RowFile) -> Optional[list[Row]]:
        """The rows of its pictures, if all of them and the file are there."""
        found = [rows.get(coder.name, self.version, self.setting, s) for s in self.signals]
        return found if self.path.exists() and None not in found else None


def coder_files(
    coder: Coder, signals: Sequence[Signal], folder: Path, archive: bool = True
) -> list[File]:
    """The files that a codec makes of pictures, setting by setting.

    All pictures share an archive where no side is longer than 128 pixels and ``archive`` is set;
    else each has a file of its own.

    Args:
      coder: the codec.
      signals: the pictures.
      folder: of the files.
      archive: whether small pictures share one.
    """
    sides = [side for signal in signals for side in signal.picture.shape[:2]]
    if archive and max(sides) <= ARCHIVE_SIDE and len(signals) > 1:
        content = hashlib.sha256("".join(signal.digest for signal in signals).encode())
        version = f"{coder.version}; archive of {len(signals)}, {content.hexdigest()[:8]}"
        groups = [("archive", version, signals)]
    else:
        groups = [(signal.name, coder.version, [signal]) for signal in signals]
    return [
        File(folder / coder.name / f"{setting:g}" / f"{name}.{coder.suffix}", version, setting, of)
        for setting in coder.settings
        for name, version, of in groups
    ]


def measure_coder(coder: Coder, files: Sequence[File], rows: RowFile, progress: Progress) -> None:
    """Makes files with a codec and measures them; rows are on disk as soon as they are there.

    The bytes of an archive are shared between its pictures by their pixels.
    """
    count = 0
    for file in files:
        start = time.perf_counter()
        data = coder.encode([signal.picture for signal in file.signals], file.setting)
        middle = time.perf_counter()
        decoded = coder.decode(data)
        times = (middle - start, time.perf_counter() - middle)
        file.path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(file.path) as target:
            target.write(data)
        parts = coder.sizes(data)
        pixels = sum(signal.pixels for signal in file.signals)
        found = []
        for signal, picture in zip(file.signals, decoded):
            share = signal.pixels / pixels
            found.append(
                _row(
                    coder.name,
                    file.version,
                    file.setting,
                    signal,
                    picture,
                    share * len(data),
                    {name: share * size for name, size in parts.items()},
                    tuple(share * seconds for seconds in times),
                )
            )
        rows.add(found)
        progress.add(len(found))
        count += len(found)
    progress.done(coder.name, count)


def _row(
    codec: str,
    version: str,
    setting: float,
    signal: Signal,
    decoded: np.ndarray,
    size: float,
    parts: dict[str, float],
    times: tuple[float, ...],
) -> Row:
    height, width, channels = signal.picture.shape
    return Row(
        codec=codec,
        version=version,
        setting=float(setting),
        signal=signal.name,
        digest=signal.digest,
        width=width,
        height=height,
        channels=channels,
        bytes=float(size),
        header=parts.get("header"),
        side=parts.get("side"),
        payload=parts.get("payload"),
        bpp=8 * size / signal.pixels,
        psnr=images.psnr(signal.picture, decoded),
        ms_ssim=ms_ssim(signal.picture, decoded),
        encode_seconds=round(times[0], 6),
        decode_seconds=round(times[1], 6),
    )
