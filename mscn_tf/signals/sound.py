"""Sounds: WAV files, single or in folders.

In memory a sound is one channel, float32 [N, 1], full scale at -1 and 1. The channels of a file
are signals of their own, coded apart.
"""

from __future__ import annotations

import glob
import io
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

import numpy as np
import scipy.signal
import soundfile

from mscn_tf.runtime.container import MAX_PIXELS
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike, atomic_write
from mscn_tf.signals import images
from mscn_tf.signals.folders import make_folders
from mscn_tf.signals.signal import Signals

MAX_CHANNELS = 255
# How samples can be written again; 16 bits hold what any other kind did.
_SUBTYPES = ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")
_SEGMENT = 0.02  # seconds, of the segmental SNR
_LOWEST, _HIGHEST = -10.0, 35.0  # dB, to which the SNR of a segment is clipped
_SILENCE = 1e-12  # mean square, 120 dB below full scale: less counts as this


def read(path: PathLike) -> Signals:
    """The channels of a WAV file, or of all those in a folder, in the order of their names.

    The metadata holds `rate` (hertz) and `subtype` (libsndfile's word for the kind of samples): one
    value, or a list of one for each signal where they differ. Where a file has several channels,
    `file` lists the number of each signal's file.

    Raises:
      MscnError: there is no WAV file, or one is damaged, cut short or empty, or holds values that
        aren't finite or too many channels.
    """
    path = Path(path)
    files = _files_in(path) if path.is_dir() else [path]
    arrays, names, rates, subtypes, owners = [], [], [], [], []
    for number, file in enumerate(files):
        samples, rate, subtype = _read_file(file)
        for channel in samples.T:
            arrays.append(np.ascontiguousarray(channel[:, None]))
            names.append(file.stem)
            rates.append(rate)
            subtypes.append(subtype)
            owners.append(number)
    metadata = {"rate": _shortened(rates), "subtype": _shortened(subtypes)}
    if len(arrays) > len(files):
        metadata["file"] = owners
    return Signals(arrays, names if path.is_dir() else None, metadata)


def write(
    path: PathLike,
    arrays: Sequence[np.ndarray],
    names: Optional[Sequence[str]],
    metadata: Optional[Mapping[str, Any]],
    view: Mapping[str, Any],
) -> str:
    """Writes WAV files of the originals' kinds of samples: one, or a folder of them.

    Where there are more or fewer samples than in the original, the rate changes with their number,
    so that the sound lasts as long.

    Args:
      path: ends in `.wav`, or is a folder, which is made if need be.
      arrays: float32 [N, 1] each.
      names: one for each, or None.
      metadata: as `read` gives it; mono, 16 bits and 8,000 Hz where it says nothing.
      view: `item`, the only one that was decoded, or None; `region`, or None; and `shapes`, those
        of all originals.

    Raises:
      MscnError: a file can't be written, or several would have to go into one.
    """
    path, items = Path(path), range(len(view["shapes"]))
    if view["item"] is not None:
        items = range(view["item"], view["item"] + 1)
    files: dict[Any, list[int]] = {}  # its channels, as numbers of arrays
    for number, item in enumerate(items):
        files.setdefault(_value(metadata, "file", item, item, path), []).append(number)
    written = []
    for channels in files.values():
        item = items[channels[0]]
        length = view["region"][1] if view["region"] else view["shapes"][item][0]
        joined = np.concatenate([arrays[number] for number in channels], axis=1)
        rate = _value(metadata, "rate", item, 8000, path) * len(joined) / length
        written.append((joined, max(1, round(rate)), _value(metadata, "subtype", item, "", path)))
    if path.suffix.lower() == ".wav":
        if len(written) > 1:
            raise MscnError(f"{path}: {len(written)} sounds; name a folder, or one with --item=I")
        samples, rate, subtype = written[0]
        _write_file(path, samples, rate, subtype)
        return f"{len(samples)} samples at {rate} Hz, {samples.shape[1]} channels"
    if path.suffix and not path.is_dir():
        raise MscnError(f"{path}: sounds are written as WAV; let it end in .wav, or name a folder")
    stems = [
        names[channels[0]] if names else f"{n:06d}" for n, channels in enumerate(files.values())
    ]
    # Names may come from a stranger.
    targets = images.file_names(stems, ".wav")
    make_folders(path, targets)
    for target, sound in zip(targets, written):
        _write_file(path / target, *sound)
    return f"{len(targets)} sounds, {targets[0]} to {targets[-1]}"


def measure(
    original: np.ndarray, decoded: np.ndarray, metadata: Optional[Mapping[str, Any]] = None
) -> dict[str, float]:
    """Signal-to-noise ratios in dB of sounds [N, 1].

    The segmental one is the mean over segments of 20 ms, each clipped to -10 to 35 dB (Hansen and
    Pellom 1998); those 120 dB below full scale count as silent there, and are left out.
    """
    rates = (metadata or {}).get("rate", 8000)
    length = max(1, round(_SEGMENT * np.min(rates)))
    clean = original.astype(np.float64).ravel()
    noise = decoded.astype(np.float64).ravel() - clean
    starts = np.arange(0, len(clean), length)
    sizes = np.diff(starts, append=len(clean))
    power, error = (np.add.reduceat(x**2, starts) / sizes for x in (clean, noise))
    heard = power > _SILENCE
    parts = np.clip(_decibels(power[heard], error[heard]), _LOWEST, _HIGHEST)
    return {
        "dB SNR": float(_decibels(np.mean(clean**2), np.mean(noise**2))),
        "dB segmental SNR": float(np.mean(parts)) if heard.any() else _HIGHEST,
    }


def training_signals(pattern: str, speeds: Sequence[Sequence[int]] = ((1, 1),)) -> list[np.ndarray]:
    """float32 [N, 1] of every channel of the WAV files that glob patterns name.

    Args:
      pattern: a glob, or several separated by commas.
      speeds: fractions (p, q): each sound is also taken p / q times as fast, by polyphase
        resampling (speed perturbation, Ko et al. 2015).

    Raises:
      MscnError: nothing matches, or a file can't be read.
    """
    paths = sorted({name for part in pattern.split(",") for name in glob.glob(part)})
    if not paths:
        raise MscnError(
            f"{pattern}: no sound matches; set config.data.train and config.data.validation"
        )
    sounds = [sound for path in paths for sound in read(path).arrays]
    return [
        scipy.signal.resample_poly(sound, q, p).astype(np.float32) if p != q else sound
        for p, q in speeds
        for sound in sounds
    ]


def _files_in(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        raise MscnError(f"cannot read {folder}: {error.strerror}; check the path") from error
    files = [entry for entry in entries if entry.suffix.lower() == ".wav" and entry.name[0] != "."]
    if not files:
        raise MscnError(f"{folder}: no sound in this folder; give one with WAV files")
    return files


def _read_file(path: Path) -> tuple[np.ndarray, int, str]:
    """float32 [N, channels], hertz, and the kind of samples."""
    try:
        with open(path, "rb") as file:
            missing = _missing(file.read(1 << 16), path.stat().st_size)
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        reason = getattr(error, "strerror", None) or error
        raise MscnError(f"cannot read {path}: {reason}; check the path") from error
    if missing:
        raise MscnError(f"{path}: cut short, {missing} bytes are missing; get a fresh copy")
    try:
        with soundfile.SoundFile(path) as file:
            if file.format not in ("WAV", "WAVEX", "RF64"):
                raise MscnError(f"{path}: {file.format}, not WAV; convert it to WAV")
            if file.channels > MAX_CHANNELS:
                raise MscnError(
                    f"{path}: {file.channels} channels, {MAX_CHANNELS} are allowed; split it"
                )
            if not 0 < file.frames <= MAX_PIXELS:
                raise MscnError(
                    f"{path}: {file.frames} samples; there must be 1 to {MAX_PIXELS} a channel"
                )
            samples = file.read(dtype="float32", always_2d=True)
            rate, subtype = file.samplerate, file.subtype
    except soundfile.SoundFileError as error:
        raise MscnError(f"{path}: not a WAV file, or damaged; get a fresh copy") from error
    if not np.isfinite(samples).all():
        raise MscnError(f"{path}: NaN or infinite samples; replace them")
    return samples, rate, subtype


def _missing(head: bytes, size: int) -> int:
    """Bytes by which a file falls short of what its data chunk declares: libsndfile reads it so."""
    at = 12
    while head[:4] == b"RIFF" and at + 8 <= len(head):
        name, length = struct.unpack_from("<4sI", head, at)
        if name == b"data":  # a program that writes to a pipe can't know the length
            return 0 if length == 0xFFFFFFFF else max(0, at + 8 + length - size)
        at += 8 + length + length % 2
    return 0


def _write_file(path: Path, samples: np.ndarray, rate: int, subtype: str) -> None:
    subtype = subtype if subtype in _SUBTYPES else "PCM_16"
    buffer = io.BytesIO()  # WAV files can't be written front to back, as pipes take them
    soundfile.write(buffer, samples, rate, subtype, format="WAV")
    with atomic_write(path) as file:
        file.write(buffer.getvalue())


def _shortened(column: list[Any]) -> Any:
    return column[0] if len(set(column)) == 1 else column


def _value(
    metadata: Optional[Mapping[str, Any]], key: str, item: int, default: Any, path: Path
) -> Any:
    """An item's value of the metadata, which may come from a stranger."""
    value = (metadata or {}).get(key, default)
    if isinstance(value, list):
        value = value[item] if item < len(value) else None
    if type(value) is not type(default) or (key == "rate" and not 1 <= value < 2**31):
        raise MscnError(f"{path}: the file's {key} is damaged; get a fresh copy")
    return value


def _decibels(power: np.ndarray, error: np.ndarray) -> np.ndarray:
    return 10 * np.log10(np.maximum(power, _SILENCE) / np.maximum(error, _SILENCE))
