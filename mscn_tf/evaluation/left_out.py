"""What could not be measured, and what is left out so that all curves are of the same signals."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mscn_tf.evaluation.assessment import Assessment
from mscn_tf.evaluation.rows import Family, Row
from mscn_tf.evaluation.signal import Signal
from mscn_tf.signals.folders import some

_CURVE = 2  # points at least
_LONGEST = 160  # characters of a reason


@dataclass(frozen=True)
class Failure:
    """A file that a codec could not make, or that could not be measured.

    Attributes:
      codec: its name in rows.
      label: of the codec, for readers.
      signals: names of what the file was to hold.
      reason: in a few words.
    """

    codec: str
    label: str
    signals: tuple[str, ...]
    reason: str

    @classmethod
    def of(cls, codec: str, label: str, signals: Iterable[Signal], error: Exception) -> Failure:
        """The failure that an error is; codecs and their libraries raise all kinds of them."""
        reason = " ".join(str(error).split()) or type(error).__name__
        if len(reason) > _LONGEST:
            reason = reason[: _LONGEST - 3] + "..."
        return cls(codec, label, tuple(signal.name for signal in signals), reason)


def comparable(
    families: Sequence[Family],
    signals: Sequence[Signal],
    failures: Sequence[Failure],
    assessment: Assessment,
) -> tuple[list[Family], list[Signal], list[str]]:
    """Codecs and signals of which every codec has a curve of every signal.

    A codec that could not take most of the signals is left out. Then a signal is that some codec
    left has too few points of: it could not take it, or gives it back without loss, where there is
    no PSNR, or the signal is too small for the measure. Where that were all signals, those stay
    that anything was measured of, and codecs have what points there are.

    Args:
      families: all rows that were measured.
      signals: all of them.
      failures: why rows are missing.
      assessment: of the signals.

    Returns:
      The families with the rows that stay, the signals that stay, and in words what was left out
      and why.
    """
    failed = {(one.codec, name) for one in failures for name in one.signals}
    kept = [replace(one, rows=_of_most(one.rows, signals)) for one in families]
    kept = [one for one in kept if one.rows]
    odd: dict[str, list[str]] = defaultdict(list)
    for family in kept:
        for codec in dict.fromkeys(row.codec for row in family.rows):
            rows = [row for row in family.rows if row.codec == codec]
            for name in _short_of_points(rows, signals, assessment, family.lossless):
                odd[name].append(family.label if (codec, name) not in failed else "")
    words = _failure_words(failures)
    stay = [signal for signal in signals if signal.name not in odd]
    reasons: dict[str, list[str]] = defaultdict(list)
    for name, labels in odd.items():
        labels = [label for label in dict.fromkeys(labels) if label]
        if labels:
            reasons[f"too few points of {assessment.quality.label} by {some(labels)}"].append(name)
    if not stay:
        known = {row.signal for family in kept for row in family.rows}
        return kept, [signal for signal in signals if signal.name in known], words
    for reason, left in reasons.items():
        words.append(f"{some(left)} ({reason}: without loss, or too small for it)")
    names = {signal.name for signal in stay}
    families = [replace(one, rows=[r for r in one.rows if r.signal in names]) for one in kept]
    return families, stay, words


def _of_most(rows: Sequence[Row], signals: Sequence[Signal]) -> list[Row]:
    """The rows of those codecs that took at least half of the signals."""
    taken: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        taken[row.codec].add(row.signal)
    return [row for row in rows if 2 * len(taken[row.codec]) >= len(signals)]


def _short_of_points(
    rows: Sequence[Row], signals: Sequence[Signal], assessment: Assessment, lossless: bool
) -> list[str]:
    """Names of the signals that one codec has too few points of to make a curve."""
    counts = {signal.name: 0 for signal in signals}
    for row in rows:
        counts[row.signal] += lossless or is_point(row, assessment)
    wanted = 1 if lossless else min(_CURVE, len({row.setting for row in rows}))
    return [name for name, count in counts.items() if count < wanted]


def is_point(row: Row, assessment: Assessment) -> bool:
    """Whether a row has a quality that can be drawn."""
    quality = row.measures[assessment.quality.name]
    return quality is not None and math.isfinite(quality)


def _failure_words(failures: Sequence[Failure]) -> list[str]:
    """Each codec once with each reason, and the signals that it's about."""
    about: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for one in failures:
        about[one.label, one.reason].update(dict.fromkeys(one.signals))
    return [
        f"{some(list(names))} by {label} ({reason})" for (label, reason), names in about.items()
    ]
