"""What is kept of a channel beside the samples that are coded: its mean, and runs of one value."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Optional

import numpy as np

from mscn_tf.runtime.container import MAX_PIXELS
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike
from mscn_tf.signals.sound_files import BLOCK, Sound, step_of

_LEAST_MEAN = 0.02  # of the deviation from it: a smaller mean costs nothing
_LONG_RUN, _SHORTEST_RUN = 0.1, 256  # seconds and samples: from there on it is worth its bytes
_RUN = re.compile(r"(\d{1,10})\+(\d{1,10})(?:=(-?[\d.e-]{1,30}))?")
_FARTHEST = 1e30  # that float32 holds


@dataclass(frozen=True)
class Aside:
    """What is kept of a channel beside the samples that are coded.

    Attributes:
      mean: which they lack.
      runs: of equal samples: where each starts and stops, and the value, mean included.
    """

    mean: float = 0.0
    runs: tuple[tuple[int, int, float], ...] = ()

    @classmethod
    def of_samples(cls, samples: np.ndarray, sound: Sound, mean_kept: bool) -> Aside:
        """That of float32 [N] of a sound, whose mean may have to stay where it is."""
        least = max(_SHORTEST_RUN, round(_LONG_RUN * sound.rate))
        runs = _equal_runs(samples, least)
        if runs == [(0, len(samples))]:
            return cls()  # constant: the codec keeps it as it is
        mean = float(np.mean(samples, dtype=np.float64))
        square = float(np.einsum("i,i", samples, samples, dtype=np.float64)) / len(samples)
        if mean_kept or abs(mean) <= _LEAST_MEAN * math.sqrt(max(square - mean**2, 0)):
            mean = 0.0
        step = step_of(sound.subtype)  # whole steps leave no error behind
        mean = float(np.float32(mean) if step is None else np.rint(mean / step) * step)
        return cls(mean, tuple((start, stop, float(samples[start])) for start, stop in runs))

    @classmethod
    def of_metadata(
        cls,
        metadata: Optional[Mapping[str, Any]],
        item: int = 0,
        path: PathLike = "input",
        length: int = MAX_PIXELS,
    ) -> Aside:
        """That of an item of so many samples, of metadata that may come from a stranger."""
        mean = value_of(metadata, "mean", item, 0.0, path)
        text = value_of(metadata, "runs", item, "", path)
        try:
            if text.count("+") > length or not abs(mean) <= _FARTHEST:
                raise ValueError("more runs than samples, or no mean")
            runs = _runs(text)
            if runs and runs[-1][1] > length:
                raise ValueError("runs beyond the end")
        except (AttributeError, ValueError) as error:
            raise MscnError(
                f"{path}: the file's mean or runs are damaged; get a fresh copy"
            ) from error
        return cls(mean, runs)

    @property
    def text(self) -> str:
        """The runs as metadata have them."""
        return " ".join(
            f"{start}+{stop - start}" + (f"={value!r}" if value else "")
            for start, stop, value in self.runs
        )

    def seen(self, start: int, extent: int, out: int) -> Aside:
        """The same for so many samples, from a region's start, of so much of the original."""

        def moved(edge: int) -> int:
            return math.ceil((edge - start) * out / extent - 0.5)

        runs = [(moved(first), moved(last), value) for first, last, value in self.runs]
        return replace(self, runs=tuple(runs))

    def whole(self, array: np.ndarray, at: int, most: int = BLOCK) -> np.ndarray:
        """float64 [n]: samples of a decoded channel [N, 1], from one on, with all put back."""
        samples = array[at : at + most, 0].astype(np.float64) + self.mean
        for start, stop, value in self.runs:
            samples[max(start - at, 0) : max(stop - at, 0)] = value
        return samples


@lru_cache(1)  # all channels of a file may have the same
def _runs(text: str) -> tuple[tuple[int, int, float], ...]:
    """Those that metadata have, one behind the other.

    Raises:
      AttributeError, ValueError: the text is damaged.
    """
    runs, last = [], 0
    for part in text.split():
        match = _RUN.fullmatch(part)
        if match is None:
            raise ValueError(f"no such run: {part}")
        start, count, value = match.groups("0")
        run = int(start), int(start) + int(count), float(value)
        if run[0] < last or not abs(run[2]) <= _FARTHEST:
            raise ValueError("runs")
        runs.append(run)
        last = run[1]
    return tuple(runs)


def _equal_runs(samples: np.ndarray, least: int) -> list[tuple[int, int]]:
    """Where runs of at least so many equal samples start and stop."""
    runs: list[tuple[int, int]] = []
    start = 0
    for at in range(1, len(samples), BLOCK):
        part = samples[at - 1 : at + BLOCK]
        edges = np.concatenate([[start], at + np.flatnonzero(part[1:] != part[:-1])])
        long = np.flatnonzero(np.diff(edges) >= least)
        runs += zip(edges[long].tolist(), edges[long + 1].tolist())
        start = int(edges[-1])
    return runs + ([(start, len(samples))] if len(samples) - start >= least else [])


def value_of(
    metadata: Optional[Mapping[str, Any]], key: str, item: int, default: Any, path: PathLike
) -> Any:
    """An item's value of the metadata, which may come from a stranger."""
    value = (metadata or {}).get(key, default)
    if isinstance(value, list):
        value = value[item] if item < len(value) else None
    if type(value) is not type(default) or (key == "rate" and not 1 <= value < 2**31):
        raise MscnError(f"{path}: the file's {key} is damaged; get a fresh copy")
    return value
