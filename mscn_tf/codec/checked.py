"""Files that are checked before they are kept: what they lose, and whether that is too much."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

import numpy as np

from mscn_tf.codec.codec import Codec
from mscn_tf.codec.read_back import MOST_LOST, ReadBack, describe, read_back
from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.quality import PSNR
from mscn_tf.signals import modalities
from mscn_tf.signals.signal import Signals

_RAISED = (8, 10)  # qualities that are tried where the default one loses too much
_MUCH = 0.25  # of a signal's spread: what codecs lose of their own kind of signals is less


@dataclass(frozen=True)
class Wanted:
    """What a file is to be.

    Attributes:
      goal: one of ``quality``, ``bpp``, ``size`` and ``psnr``, as of `Codec.encode`, or nothing.
      bound: that no value may be off by more than, in the units of the signals' file.
      relative: the same as a share of a signal's range, of a field's variable's.
      lossless: whether every value is to come back as it was.
      alpha_quality: 1 to 10, or None: transparency without loss.
      effort: 0 to 9, or None: the codec's own default.
      tune: what is to be best for the bytes, as of `Codec.encode`.
      measure: whether the file is read back where no bound asks for it.
    """

    goal: Mapping[str, float] = field(default_factory=dict)
    bound: Optional[float] = None
    relative: Optional[float] = None
    lossless: bool = False
    alpha_quality: Optional[float] = None
    effort: Optional[int] = None
    measure: bool = True
    tune: str = PSNR

    def of(self, codec: Codec, signals: Signals) -> Wanted:
        """The same, where nothing is said as it suits the signals."""
        bound, lossless = self.bound, self.lossless or signals.lossless
        truth = codec.values.dtype == "bool"  # which codecs keep by a code of their own
        if bound is None and not self.goal and truth and not lossless:
            bound = 0.0  # takes hardly more bytes than what is lossy at the default quality
        if signals.lossless and (self.goal or bound is not None or self.relative is not None):
            lossless = False  # losses were asked for
        if bound == 0 and not truth:
            lossless, bound = True, None
        return dataclasses.replace(self, bound=bound, lossless=lossless)

    @property
    def bounded(self) -> bool:
        """Whether there is a bound on errors."""
        return self.bound is not None or self.relative is not None

    @property
    def free(self) -> bool:
        """Whether any quality will do."""
        return not self.goal and not self.bounded and not self.lossless

    def promises(self, codec: Codec, signals: Signals) -> Optional[list[float]]:
        """How far values of each signal may be off, in the units of the file; None: that's open."""
        if self.relative is not None:
            spans = modalities.spans(codec.bundle.manifest.modality, signals)
            return [self.relative * span for span in spans]
        # Whole numbers within less than half come back, and take less so than in the exact form.
        within = self.lossless and codec.scheme.any_values and codec.scheme.keeps_bounds
        bound = 0.0 if within else self.bound
        return None if bound is None else [bound] * len(signals.arrays)


@dataclass(frozen=True)
class Checked:
    """A file, and what it is worth.

    Attributes:
      data: the file.
      comparison: what reading it back showed, where that was to be done.
      notes: what was done otherwise than asked for, and what is lost where nothing was.
    """

    data: bytes
    comparison: Optional[ReadBack]
    notes: tuple[str, ...] = ()


def misfit(codec: Codec, signals: Signals, wanted: Wanted) -> Optional[str]:
    """Why a codec was made for other signals; None where it does, or keeps a bound."""
    if wanted.lossless or wanted.bounded or codec.scheme.any_values:
        return None
    problem = modalities.misfit(codec.bundle.manifest.modality, signals, codec.values)
    return problem and f"{problem}, and {codec.bundle.name} was made for others"


def encode(
    codec: Codec,
    signals: Signals,
    wanted: Wanted,
    progress: bool = False,
) -> Checked:
    """A file of signals, read back.

    Where any quality will do for a signal, the default one is raised until less than half of the
    signal's spread is lost; more than a quarter is noted.

    Args:
      codec: of the signals' modality.
      signals: as their reader gave them.
      wanted: as `Wanted.of` gives it.
      progress: shows bars on standard error.

    Raises:
      MscnError: as of `Codec.encode`, or a bound can't be kept.
    """
    modality = codec.bundle.manifest.modality
    fitted = bool(Modality.named(modality).fit)  # which has lost something in any case
    options: dict[str, Any] = {"lossless": wanted.lossless, "alpha_quality": wanted.alpha_quality}
    promises = wanted.promises(codec, signals)
    if promises is not None:
        options["lossless"] = False
        options["max_error"] = modalities.array_bounds(modality, promises, signals)
    tries: list[Mapping[str, Any]] = [wanted.goal]
    if wanted.free and wanted.measure and len(signals.arrays) == 1:
        tries += [{"quality": quality} for quality in _RAISED]
        tries += [] if fitted else [{"lossless": True}]
    reads_back = wanted.measure or wanted.bounded
    for attempt in tries:
        asked = {**options, **attempt}
        data = codec.encode(
            signals.arrays,
            names=signals.names,
            metadata=signals.metadata,
            effort=wanted.effort,
            tune=wanted.tune,
            progress=progress,
            check=not reads_back,
            **asked,
        )
        if not reads_back:
            return Checked(data, None)
        kept = [0.0] * len(signals.arrays) if asked["lossless"] else asked.get("max_error")
        comparison = read_back(codec, data, signals, progress, kept)
        if promises is not None:
            comparison.check_bounds(promises)
        if not comparison.lost:
            break
    notes = []
    if attempt is not wanted.goal:
        kept = "kept the values as they were read" if "lossless" in attempt else None
        told = kept or f"took --quality={attempt['quality']}"
        notes.append(f"the default quality would lose too much of it; {told}")
    elif wanted.free and not fitted and _MUCH < comparison.share <= MOST_LOST:
        notes.append(
            f"it loses {comparison.share:.0%} of its own spread ({describe(comparison.figures)}); "
            "a higher quality or a bound keeps more"
        )
    return Checked(data, comparison, tuple(notes))


def loss(comparison: Optional[ReadBack], signals: Signals) -> Optional[str]:
    """What is lost of signals that came back as little more than noise; None if none did."""
    if comparison is None or not comparison.lost:
        return None
    if len(signals.arrays) == 1:
        return f"it loses {comparison.share:.0%} of its own spread ({describe(comparison.figures)})"
    worst = int(np.argmax(comparison.shares))
    name = f" ({signals.names[worst]})" if signals.names else ""
    return (
        f"{len(comparison.lost)} of {len(signals.arrays)} signals lose more than half of their own "
        f"spread; the worst is item {worst}{name}, with {comparison.shares[worst]:.0%}"
    )
