"""What decoding a new file shows, before the file is kept: errors, bounds, noise."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mscn_tf.codec.bounds import check_kept
from mscn_tf.codec.codec import Codec
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.progress import shown
from mscn_tf.signals import modalities
from mscn_tf.signals.signal import Signals

MOST_LOST = 0.5  # of a signal's own spread: what is left is worth less than half of it
_ROUNDING = 1e-9  # of a bound: float64 sums


@dataclass(frozen=True)
class ReadBack:
    """What a file's signals are worth.

    Attributes:
      figures: means over the signals that aren't exact, by names that begin with a unit:
        ``{"dB PSNR": 31.2}``.
      shares: what each signal lost, over its own spread.
      errors: the largest of any value of each signal, in the units of the signals' file.
    """

    figures: Mapping[str, float]
    shares: Sequence[float]
    errors: Sequence[float]

    @property
    def largest_error(self) -> float:
        """Of any value of any signal."""
        return max(self.errors)

    @property
    def lost(self) -> list[int]:
        """Signals that lost more than half of their spread."""
        return [item for item, share in enumerate(self.shares) if share > MOST_LOST]

    @property
    def share(self) -> float:
        """What all of them lost, as the root of the mean square."""
        return float(np.sqrt(np.mean(np.square(self.shares))))

    @property
    def too_much(self) -> bool:
        """Whether what is left of all of them is worth less than half."""
        return self.share > MOST_LOST

    def check_bounds(self, bounds: Sequence[float]) -> None:
        """Makes sure that the promise of each signal was kept.

        Raises:
          MscnError: one wasn't.
        """
        for bound, error in zip(bounds, self.errors):
            if not error <= bound * (1 + _ROUNDING):
                raise MscnError(
                    f"--max-error={bound:g} can't be kept: a value came back off by {error:g}; "
                    "raise it, or use --lossless"
                )

    def __str__(self) -> str:
        if any(self.shares):
            return describe(self.figures)
        if self.largest_error:  # a reader's own rounding
            return f"within {self.largest_error:.2g} of the original"
        return "exact"


def read_back(
    codec: Codec,
    data: bytes,
    signals: Signals,
    progress: bool = False,
    bounds: Sequence[float] | None = None,
) -> ReadBack:
    """Decodes a file and compares it with the signals that it was made from.

    Args:
      codec: that made the file.
      data: the file.
      signals: as their modality's reader gave them.
      progress: shows a bar on standard error.
      bounds: that were promised on errors of each array, 0 without loss; None where none was.

    Raises:
      MscnError: the promise wasn't kept.
    """
    modality = codec.bundle.manifest.modality
    figures: dict[str, list[float]] = defaultdict(list)
    shares, errors = [], []
    container = Container.from_bytes(data)
    originals = signals.arrays if signals.originals is None else signals.originals
    with shown(container, "reading back", progress):
        for item, (original, array) in enumerate(zip(originals, codec.decode_all(container))):
            if bounds is not None:
                check_kept(signals.arrays[item], array, bounds[item])
            metadata = modalities.metadata_of(modality, signals.metadata, item)
            for name, value in modalities.measure(modality, original, array, metadata).items():
                figures[name].append(value)
            shares.append(modalities.share_lost(modality, original, array, metadata))
            errors.append(modalities.largest_error(modality, original, array, metadata))
    return ReadBack({name: _mean(values) for name, values in figures.items()}, shares, errors)


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return float(np.mean(finite or values))


def describe(figures: Mapping[str, float]) -> str:
    """Figures in words: "31.20 dB PSNR, 1.53 K RMSE"."""
    return ", ".join(f"{_number(value, name)} {name}" for name, value in figures.items())


def _number(value: float, name: str) -> str:
    return f"{value:.2f}" if name.startswith(("dB", "%")) or 1 <= value < 1e4 else f"{value:.3g}"
