"""What was measured: one row a signal and setting, in a CSV file that a later run goes on with."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path
from typing import Optional

import numpy as np

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import atomic_write

Key = tuple[str, str, float, str, str]


@dataclass(frozen=True)
class Signal:
    """A picture that all codecs are measured on.

    Attributes:
      name: of its file, or its number in a stack.
      picture: uint8 ``[H, W, C]``.
      digest: of its pixels and shape: a row is of this picture only if it has the same.
    """

    name: str
    picture: np.ndarray
    digest: str

    @classmethod
    def of(cls, name: str, picture: np.ndarray) -> Signal:
        """A signal with the digest that belongs to it."""
        content = hashlib.sha256(repr(picture.shape).encode())
        content.update(np.ascontiguousarray(picture))
        return cls(name, picture, content.hexdigest()[:12])

    @property
    def pixels(self) -> int:
        """Height times width."""
        return self.picture.shape[0] * self.picture.shape[1]


@dataclass(frozen=True)
class Row:
    """One signal, coded by one codec at one setting.

    Attributes:
      codec: its name.
      version: of codec, library and options; a bundle's id.
      setting: quality, rate or quantiser step, as the codec has it.
      signal, digest, width, height, channels: what was coded.
      bytes: of the file; for a signal in an archive its share by pixels.
      header, side, payload: the parts of these bytes, where the codec's format tells them.
      bpp: bits a pixel, ``8 bytes / (width height)``.
      psnr: dB of the 8-bit pixels; infinite without loss.
      ms_ssim: None where the picture is too small for it.
      encode_seconds, decode_seconds: by the clock, while other processes may run: a hint only.
    """

    codec: str
    version: str
    setting: float
    signal: str
    digest: str
    width: int
    height: int
    channels: int
    bytes: float
    header: Optional[float]
    side: Optional[float]
    payload: Optional[float]
    bpp: float
    psnr: float
    ms_ssim: Optional[float]
    encode_seconds: float
    decode_seconds: float

    @property
    def key(self) -> Key:
        """What a row is found by."""
        return self.codec, self.version, self.setting, self.signal, self.digest


COLUMNS = [column.name for column in fields(Row)]
_PARSERS = {
    "str": str,
    "int": int,
    "float": float,
    "Optional[float]": lambda text: float(text) if text else None,
}
_PARSE = [_PARSERS[column.type] for column in fields(Row)]


@dataclass(frozen=True)
class Family:
    """All rows that make one curve.

    Attributes:
      name, label: of the curve.
      rows: of a codec, or of several ways of using it.
      lossless: each picture comes back as it was.
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

    Raises:
      MscnError: the file is of another kind, or can't be read or written.
    """

    def __init__(self, path: Path):
        self.path = path
        self._rows: dict[Key, Row] = {}
        try:
            content = path.read_bytes() if path.exists() else b""
        except OSError as error:
            raise MscnError(f"cannot read {path}: {error.strerror}; check --out") from error
        whole = content[: content.rfind(b"\n") + 1]
        try:
            text = io.StringIO(whole.decode() or ",".join(COLUMNS), newline="")
            head, *lines = csv.reader(text)
            rows = [Row(*(parse(text) for parse, text in zip(_PARSE, line))) for line in lines]
        except (TypeError, ValueError) as error:
            raise MscnError(f"{path}: damaged ({error}); give another --out") from error
        if head != COLUMNS:
            raise MscnError(f"{path}: not written by this command; give another --out")
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
                file.write(_lines(rows))
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
            file.write((",".join(COLUMNS) + "\n").encode() + _lines(rows))


def _lines(rows: Iterable[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerows(astuple(row) for row in rows)
    return text.getvalue().encode()
