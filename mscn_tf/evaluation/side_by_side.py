"""The same picture from every codec, side by side at about equal bytes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Callable, Optional

import numpy as np

from mscn_tf.evaluation import baselines
from mscn_tf.evaluation.assessments.images import PICTURES
from mscn_tf.evaluation.coder import Coder
from mscn_tf.evaluation.measure import File, at_size
from mscn_tf.evaluation.rows import Family, Row
from mscn_tf.evaluation.signal import Signal
from mscn_tf.runtime.files import read_bytes
from mscn_tf.signals import images

CROP = 256  # pixels a side that are shown of larger pictures
_LARGE, _SMALL = 4, 8  # pictures shown


@dataclass(frozen=True)
class Cell:
    """One picture of a row.

    Attributes:
      label: of the codec, or "original".
      picture: uint8 ``[H, W, C]``, at most 256x256 from the middle.
      bytes, psnr: of the whole file; None for the original.
    """

    label: str
    picture: np.ndarray
    bytes: Optional[float] = None
    psnr: Optional[float] = None


@dataclass(frozen=True)
class PictureRow:
    """A signal from all codecs, the original first."""

    signal: str
    cells: Sequence[Cell]


def chosen(signals: Sequence[Signal]) -> list[Signal]:
    """The signals that are shown: some, evenly spread."""
    large = max(side for signal in signals for side in signal.array.shape[:2]) > CROP // 2
    count = min(len(signals), _LARGE if large else _SMALL)
    return [signals[i] for i in np.linspace(0, len(signals) - 1, count).round().astype(int)]


def picture_rows(
    signals: Sequence[Signal],
    families: Sequence[Family],
    coders: Sequence[tuple[Coder, Sequence[File]]],
    pool: ProcessPoolExecutor,
) -> list[PictureRow]:
    """Rows of some signals, each with about as many bytes as the first codec spends on it.

    Args:
      signals: to show.
      families: every lossy codec, ours first. The others come near to the bytes of the first one
        at its setting in the middle of its rates.
      coders: codecs whose files are kept, and all these files.
      pool: runs the baselines.
    """
    if not families:
        return []
    first = families[0].rows
    setting = _middle(first)
    jobs: list[tuple[Signal, str, Callable[[], tuple[float, np.ndarray]]]] = []
    decoded: dict[Path, list[np.ndarray]] = {}
    for signal in signals:
        at = {r.signal: r.bytes for r in first if r.setting == setting}
        if signal.name not in at:
            continue
        size = at[signal.name]
        for family in families:
            rows = [row for row in family.rows if row.signal == signal.name]
            if not rows:
                continue
            get: Callable[[], tuple[float, np.ndarray]]
            row = min(
                rows,
                key=lambda row: (abs(math.log(row.bytes / size)), -(row.measures["psnr"] or 0)),
            )
            if row.codec in baselines.of(PICTURES.name):
                few, many = _neighbours([r for r in rows if r.codec == row.codec], size)
                get = pool.submit(at_size, PICTURES.name, row.codec, few, many, size, signal).result
            else:
                get = partial(_kept, coders, row, decoded)
            jobs.append((signal, family.label, get))
    shown = {one.name: [Cell("original", _crop(one.array))] for one in signals}
    for signal, label, get in jobs:
        try:
            size, picture = get()
        except Exception:  # whatever a codec raises between settings that it took
            continue
        psnr = images.psnr(signal.array, picture)
        shown[signal.name].append(Cell(label, _crop(picture), size, psnr))
    return [PictureRow(name, cells) for name, cells in shown.items()]


def _neighbours(rows: Sequence[Row], size: float) -> tuple[float, float]:
    """The settings of the files next smaller and next larger than so many bytes.

    Both are the same where all files are smaller, or all larger.
    """
    rising = sorted(rows, key=lambda row: row.bytes)
    above = sum(row.bytes <= size for row in rows)
    return rising[max(above - 1, 0)].setting, rising[min(above, len(rows) - 1)].setting


def _middle(rows: Sequence[Row]) -> float:
    """The setting whose mean rate is nearest to the geometric middle of all settings' rates."""
    rates = {
        setting: np.mean([row.rate for row in rows if row.setting == setting])
        for setting in {row.setting for row in rows}
    }
    middle = math.sqrt(min(rates.values()) * max(rates.values()))
    return min(rates, key=lambda setting: abs(math.log(rates[setting] / middle)))


def _kept(
    coders: Sequence[tuple[Coder, Sequence[File]]], row: Row, decoded: dict[Path, list[np.ndarray]]
) -> tuple[float, np.ndarray]:
    """What a row was measured on, out of the file that was kept; remembers what files hold."""
    coder, files = next(pair for pair in coders if pair[0].name == row.codec)
    for file in files:
        names = [signal.name for signal in file.signals]
        if file.setting == row.setting and row.signal in names:
            if file.path not in decoded:
                decoded[file.path] = coder.decode(read_bytes(file.path))
            return row.bytes, decoded[file.path][names.index(row.signal)]
    raise KeyError(row.key)


def _crop(picture: np.ndarray) -> np.ndarray:
    top, left = (max(0, (side - CROP) // 2) for side in picture.shape[:2])
    return picture[top : top + CROP, left : left + CROP]
