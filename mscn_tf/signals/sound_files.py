"""Files of sounds, as libsndfile reads and writes them: WAV, FLAC, Ogg, AIFF and others."""

from __future__ import annotations

import contextlib
import io
import os
import re
import struct
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Optional

import numpy as np
import soundfile

from mscn_tf.runtime.container import MAX_PIXELS
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike, atomic_write

# Endings of what is written, and libsndfile's words for them.
FORMATS = {
    ".wav": "WAV",
    ".wave": "WAV",
    ".w64": "W64",
    ".rf64": "RF64",
    ".flac": "FLAC",
    ".ogg": "OGG",
    ".oga": "OGG",
    ".opus": "OGG",
    ".aif": "AIFF",
    ".aiff": "AIFF",
    ".au": "AU",
    ".caf": "CAF",
}
SUFFIXES = (*FORMATS, ".aifc", ".snd", ".mp3")
MAX_CHANNELS = 255
BLOCK = 2**18  # samples that are handled at once: what bounds the memory
_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
_FLOATS = ("FLOAT", "DOUBLE")
# Decoded to numbers between the steps of 16 bits, as which WAV gets them.
_PERCEPTUAL = ("VORBIS", "OPUS", "MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III")
_WHOLE_BITS = 24  # that float32 holds
_UNKNOWN = 0xFFFFFFFF  # as a length: written to a pipe
_LARGEST_WAV = 2**32 - 2**16  # bytes
# What none of the formats' samples are: chunks of WAV and AIFF by what they hold.
_MARKS = {
    b"cue ": "cue points",
    b"smpl": "loops",
    b"bext": "broadcast metadata",
    b"iXML": "iXML",
    b"MARK": "markers",
    b"INST": "loops",
}
_PROGRAM = {"software", "comment"}  # tags that programs write of themselves
_CUT = re.compile(r": (\d+) \(should be (\d+)\)|count (\d+) does not match value .* of (\d+)")


@dataclass(frozen=True)
class Sound:
    """What a file holds.

    Attributes:
      samples: float32 [channels, N], full scale at -1 and 1.
      rate: hertz.
      subtype: libsndfile's word for the kind of samples.
      narrowed: whether float32 holds less than the file did.
      notes: what was not read, a few words each.
    """

    samples: np.ndarray
    rate: int
    subtype: str
    narrowed: bool
    notes: tuple[str, ...]


def read_file(path: Path) -> Sound:
    """The sound of a file.

    Raises:
      MscnError: it is no sound that libsndfile reads, or is damaged, cut short or empty, or holds
        values that aren't finite or too many channels.
    """
    try:
        with open(path, "rb") as opened:
            missing, marks = _chunks(opened, path.stat().st_size)
            unended = _lacks_end(opened)
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        reason = getattr(error, "strerror", None) or error
        raise MscnError(f"cannot read {path}: {reason}; check the path") from error
    if missing:
        raise MscnError(f"{path}: cut short, {missing} bytes are missing; get a fresh copy")
    try:
        with _quiet(), soundfile.SoundFile(path) as file:
            return _read(path, file, marks, unended)
    except soundfile.LibsndfileError as error:
        reason = error.error_string.rstrip(".").lower()
        raise MscnError(
            f"{path}: no sound that can be read, or damaged ({reason}); get a fresh copy, or "
            "convert it to WAV"
        ) from error
    except TypeError as error:  # of soundfile, where the name ends in .raw
        raise MscnError(f"{path}: samples without a header; convert them to WAV") from error


def _read(path: Path, file: soundfile.SoundFile, marks: list[str], unended: bool) -> Sound:
    if file.channels > MAX_CHANNELS:
        raise MscnError(f"{path}: {file.channels} channels, {MAX_CHANNELS} are allowed; split it")
    for counts in _CUT.findall(file.extra_info) if file.format != "WAV" else ():
        declared, there = (int(number) for number in counts if number)
        declared, there = (declared, there) if counts[0] else (there, declared)
        if there < declared < _UNKNOWN:
            raise MscnError(f"{path}: cut short, {there} of {declared} are there; get a fresh copy")
    if not 0 < file.frames <= MAX_PIXELS:
        raise MscnError(f"{path}: {file.frames} samples; there must be 1 to {MAX_PIXELS} a channel")
    samples = np.empty((file.channels, file.frames), np.float32)
    at, narrowed = 0, False
    while at < file.frames:
        block = file.read(min(BLOCK, file.frames - at), "float64", always_2d=True).T
        if not block.size:
            raise MscnError(
                f"{path}: cut short, {at} of {file.frames} samples are there; get a fresh copy"
            )
        part = samples[:, at : at + block.shape[1]]
        with np.errstate(over="ignore"):
            part[:] = block
        if not np.isfinite(part).all():
            raise MscnError(f"{path}: NaN or infinite samples; replace them")
        narrowed |= not np.array_equal(part, block)
        at += block.shape[1]
    tags = sorted(set(file.copy_metadata()) - _PROGRAM)
    notes = [f"not kept: {', '.join([*tags, *marks])}"] if tags or marks else []
    if unended:
        notes.append("its end is missing; what is there was read")
    return Sound(samples, file.samplerate, file.subtype, narrowed, tuple(notes))


def _chunks(file: BinaryIO, size: int) -> tuple[int, list[str]]:
    """Of WAV and AIFF: bytes by which the samples fall short, and what else is there.

    libsndfile reads what is left of a file without a word.
    """
    orders = {b"RIFF": "<", b"RIFX": ">", b"FORM": ">"}
    order = orders.get(file.read(12)[:4])
    at, missing, marks = 12, 0, []
    while order and at + 8 <= size:
        file.seek(at)
        head = file.read(8)
        name, length = head[:4], struct.unpack(f"{order}I", head[4:])[0]
        if name in (b"data", b"SSND"):
            if length == _UNKNOWN:
                break
            missing = max(0, at + 8 + length - size)
        elif name in _MARKS and _MARKS[name] not in marks:
            marks.append(_MARKS[name])
        at += 8 + length + length % 2
    return missing, marks


def _lacks_end(file: BinaryIO) -> bool:
    """Whether a file is an Ogg stream whose last page does not say that it is the last."""
    file.seek(0)
    if file.read(4) != b"OggS":
        return False
    file.seek(max(0, file.seek(0, os.SEEK_END) - 2**17))  # a page is shorter
    tail = file.read()
    last = tail.rfind(b"OggS")
    return last < 0 or last + 5 >= len(tail) or not tail[last + 5] & 4


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps off standard error what libmpg123 writes there of MP3 files that it reads all right."""
    if sys.stderr is None:  # closed
        yield
        return
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def written_as(subtype: str, suffix: str = ".wav") -> str:
    """The kind of samples that a file gets: the original's where its format can hold it.

    Args:
      subtype: of the original; libsndfile's word.
      suffix: of the file, in `FORMATS`.
    """
    kind = FORMATS[suffix]
    if kind == "OGG":
        return "OPUS" if "OPUS" in (subtype, suffix[1:].upper()) else "VORBIS"
    if subtype not in _BITS and subtype not in _FLOATS:
        return "PCM_16"  # holds what any of them did
    if soundfile.check_format(kind, subtype):
        return subtype
    other = {"PCM_S8": "PCM_U8", "PCM_U8": "PCM_S8"}.get(subtype, "PCM_24")
    return other if soundfile.check_format(kind, other) else "PCM_16"


def step_of(subtype: str) -> Optional[float]:
    """Distance of neighbouring samples of a kind, of full scale 1; None of floats."""
    if subtype in _FLOATS:
        return None
    return 2.0 ** (1 - _BITS.get(subtype, 16))


def has_steps(subtype: str) -> bool:
    """Whether samples, as they are read, lie on the steps that they are written in."""
    return subtype not in (*_FLOATS, *_PERCEPTUAL) and _BITS.get(subtype, 16) <= _WHOLE_BITS


def rounded(samples: np.ndarray, subtype: str) -> np.ndarray:
    """Samples, float64, as a WAV file of an original of this kind holds them."""
    step = step_of(subtype)
    return samples if step is None else np.clip(np.rint(samples / step) * step, -1, 1 - step)


def write_file(
    path: PathLike,
    blocks: Iterable[np.ndarray],
    length: int,
    channels: int,
    rate: int,
    subtype: str,
    suffix: str = ".wav",
) -> None:
    """Writes a file.

    Args:
      path: of the file.
      blocks: of samples, one after the other, float64 [n, channels].
      length: samples of each channel.
      channels: how many there are.
      rate: hertz.
      subtype: of the original.
      suffix: of the format.

    Raises:
      MscnError: it can't be written, or the format can't hold such a sound.
    """
    kind, encoding = FORMATS[suffix], written_as(subtype, suffix)
    if kind == "WAV" and length * channels * 8 > _LARGEST_WAV:
        kind = "RF64"
    buffer = io.BytesIO()  # headers are written last, which pipes can't take
    try:
        with soundfile.SoundFile(buffer, "w", rate, channels, encoding, format=kind) as file:
            for block in blocks:
                if encoding in _BITS and step_of(subtype) is None and np.abs(block).max() > 1:
                    raise MscnError(
                        f"{path}: samples beyond full scale, which {encoding} can't hold; "
                        "write .wav"
                    )
                file.write(_whole(block, encoding) if encoding in _BITS else block)
    except soundfile.LibsndfileError as error:
        reason = error.error_string.rstrip(".").lower()
        raise MscnError(
            f"{path}: {suffix[1:]} can't hold {channels} channels at {rate} Hz ({reason}); "
            "write .wav"
        ) from error
    with atomic_write(path) as target:
        target.write(buffer.getbuffer())


def _whole(samples: np.ndarray, subtype: str) -> np.ndarray:
    """int32, whose upper bits are the samples: libsndfile's own rounding goes to 2^15 - 1."""
    steps = np.rint(rounded(samples, subtype) * 2.0 ** (_BITS[subtype] - 1)).astype(np.int64)
    return (steps << (32 - _BITS[subtype])).astype(np.int32)
