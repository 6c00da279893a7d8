"""What was measured: one row a signal and setting, in a CSV file that a later run goes on with."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from mscn_tf.evaluation import assessment
from mscn_tf.evaluation.assessments.images import PICTURES
from mscn_tf.evaluation.signal import Signal
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import atomic_write

Key = tuple[str, str, float, str, str]


@dataclass(frozen=True)
class Row:
    """One signal, coded by one codec at one setting.

    Attributes:
      codec: its name.
      version: of codec, library and options; a bundle's id.
      setting: quality, rate or quantiser step, as the codec has it.
      signal, digest: what was coded.
      shape: of its array, "40x48x3" for instance: of a picture height, width and channels.
      bytes: of the file; for a signal in an archive its share by samples.
      header, side, payload: the parts of these bytes, where the codec's format tells them.
      rate: these bytes in the modality's unit.
      measures: what the modality measures, by name; None where the signal is too small for it.
        Infinite PSNR is that of a signal without loss.
      encode_seconds, decode_seconds: by the clock, while other processes may run: a hint only.
    """

    codec: str
    version: str
    setting: float
    signal: str
    digest: str
    shape: str
    bytes: float
    header: Optional[float]
    side: Optional[float]
    payload: Optional[float]
    rate: float
    measures: Mapping[str, Optional[float]]
    encode_seconds: float
    decode_seconds: float

    @property
    def key(self) -> Key:
        """What a row is found by."""
        return self.codec, self.version, self.setting, self.signal, self.digest


def _number(text: str) -> Optional[float]:
    return float(text) if text else None


_BEFORE: dict[
    str, Callable[[str], Any]
] = {  # columns before and after those that depend on the modality
    "codec": str,
    "version": str,
    "setting": float,
    "signal": str,
    "digest": str,
    "shape": str,
    "bytes": float,
    "header": _number,
    "side": _number,
    "payload": _number,
}
_AFTER = {"encode_seconds": float, "decode_seconds": float}


def columns(modality: str) -> list[str]:
    """Of the file: its own, and those of what is measured of the modality."""
    return [*_BEFORE, *_rate(modality), *_measures(modality), *_AFTER]


def _rate(modality: str) -> list[str]:
    name = assessment.of(modality).rate.name
    return [] if name == "bytes" else [name]  # they have their column already


def _measures(modality: str) -> list[str]:
    return [one.name for one in assessment.of(modality).measures]


@dataclass(frozen=True)
class Family:
    """All rows that make one curve.

    Attributes:
      name, label: of the curve.
      rows: of a codec, or of several ways of using it.
      lossless: each signal comes back as it was.
    """

    name: str
    label: str
    rows: list[Row] = field(default_factory=list)
    lossless: bool = False


class RowFile:
    """The rows in a CSV file; each addition is on disk before the next measurement.

    A last line that was cut short, by a crash for instance, is dropped.

    Args:
      path: of the file; made if need be.
      modality: of the signals, by name.

    Raises:
      MscnError: the file is of another kind, or can't be read or written.
    """

    def __init__(self, path: Path, modality: str = PICTURES.name):
        self.path, self.modality = path, modality
        self._rows: dict[Key, Row] = {}
        try:
            content = path.read_bytes() if path.exists() else b""
        except OSError as error:
            raise MscnError(f"cannot read {path}: {error.strerror}; check --out") from error
        whole = content[: content.rfind(b"\n") + 1]
        try:
            text = io.StringIO(whole.decode() or ",".join(columns(modality)), newline="")
            head, *lines = csv.reader(text)
        except ValueError as error:
            raise MscnError(f"{path}: damaged ({error}); give another --out") from error
        if head != columns(modality):
            raise MscnError(
                f"{path}: not written by this command for the same modality; give another --out"
            )
        try:
            rows = [self._parsed(dict(zip(head, line))) for line in lines]
        except (KeyError, ValueError) as error:
            raise MscnError(f"{path}: damaged ({error}); give another --out") from error
        self._rows = {row.key: row for row in rows}
        if not whole or whole != content:
            self._write(rows)

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, codec: str, version: str, setting: float, signal: Signal) -> Optional[Row]:
        """The row of one measurement, or None."""
        return self._rows.get((codec, version, float(setting), signal.name, signal.digest))

    def is_of(self, signals: Sequence[Signal]) -> bool:
        """Whether any row is of one of these signals, or there is none yet."""
        digests = {signal.digest for signal in signals}
        return not self._rows or any(row.digest in digests for row in self._rows.values())

    def add(self, rows: Iterable[Row]) -> None:
        """Appends rows to the file.

        Raises:
          MscnError: the disk is full, for instance.
        """
        rows = list(rows)
        self._rows.update((row.key, row) for row in rows)
        try:
            with open(self.path, "ab") as file:
                file.write(self._lines(rows))
        except OSError as error:
            raise MscnError(f"cannot write {self.path}: {error.strerror}") from error

    def tidy(self, current: Iterable[Row]) -> None:
        """Drops what rows of the same codecs have replaced, and sorts.

        Args:
          current: all that holds of the codecs in it.
        """
        current = list(current)
        codecs = {row.codec for row in current}
        kept = [row for row in self._rows.values() if row.codec not in codecs] + current
        kept.sort(key=lambda row: (row.codec, row.setting, row.signal))
        self._rows = {row.key: row for row in kept}
        self._write(kept)

    def _write(self, rows: Iterable[Row]) -> None:
        with atomic_write(self.path) as file:
            file.write((",".join(columns(self.modality)) + "\n").encode() + self._lines(rows))

    def _parsed(self, line: dict[str, str]) -> Row:
        fields = {name: parse(line[name]) for name, parse in {**_BEFORE, **_AFTER}.items()}
        (rate,) = _rate(self.modality) or ["bytes"]
        measures = {name: _number(line[name]) for name in _measures(self.modality)}
        return Row(rate=float(line[rate]), measures=measures, **fields)

    def _lines(self, rows: Iterable[Row]) -> bytes:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        for row in rows:
            writer.writerow(
                [getattr(row, name) for name in _BEFORE]
                + [row.rate for _ in _rate(self.modality)]
                + [row.measures[name] for name in _measures(self.modality)]
                + [getattr(row, name) for name in _AFTER]
            )
        return text.getvalue().encode()
