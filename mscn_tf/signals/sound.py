"""Sounds: WAV, FLAC, Ogg, AIFF and other files, single or in folders.

In memory a sound is one channel, float32 [N, 1], full scale at -1 and 1. The channels of a file
are signals of their own, coded apart. What no codec of waves should have to say of them is kept
aside, in the metadata: their mean, and runs of equal samples.
"""

from __future__ import annotations

import glob
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

import numpy as np
import scipy.signal

from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike
from mscn_tf.signals import folders
from mscn_tf.signals.signal import Selection, Signals
from mscn_tf.signals.sound_aside import Aside, value_of
from mscn_tf.signals.sound_files import (
    BLOCK,
    FORMATS,
    SUFFIXES,
    Sound,
    has_steps,
    read_file,
    rounded,
    step_of,
    write_file,
    written_as,
)

_OF_EACH = ("rate", "subtype", "mean", "runs")  # lists where channels differ
_SEGMENT = 0.02  # seconds, of the segmental SNR
_LOWEST, _HIGHEST = -10.0, 35.0  # dB, to which the SNR of a segment is clipped
_SILENCE = 1e-12  # mean square, 120 dB below full scale: less counts as this
_KNOWN_RATES = (4000, 16000)  # hertz, that `speech` was made for, more or less
_HIGHEST_RATE = 2**31 - 1  # hertz, that libsndfile takes
_INSIDE = 0.48  # of a step: what is rounded to it
_FLOAT_ROUNDING = 2.0**-24  # by which a mean that is taken out and put back moves samples


def read(path: PathLike, lossless: bool = False) -> Signals:
    """The channels of a file, or of all sounds in a folder, in the order of their names.

    The metadata holds, for all signals or in lists of one for each where they differ:

    - `rate`, hertz;
    - `subtype`, libsndfile's word for the kind of samples;
    - `mean`, which was taken out of the samples, where it was worth it for one of them;
    - `runs` of equal samples, where there are any: "800+1600 9000+900=0.5" are 1,600 samples of 0
      from the 800th on, and 900 of 0.5.

    Where a file has several channels, `file` lists the number of each signal's file.

    Args:
      path: the file or folder.
      lossless: every sample is to come back as it was: floats keep their mean.

    Raises:
      MscnError: there is no sound, or one is damaged, cut short or empty, or holds values that
        aren't finite, too many channels, or, if lossless, more than float32 holds.
    """
    path = Path(path)
    files, left_out = folders.listed(path, SUFFIXES) if path.is_dir() else ([path], "")
    if not files:
        raise MscnError(f"{path}: no sound in this folder; give one with {' '.join(SUFFIXES)}")
    arrays, names, shown, said = [], [], [], []
    columns: dict[str, list[Any]] = {}
    for number, (file, sound) in enumerate(_sounds(files)):
        if lossless and sound.narrowed:
            raise MscnError(
                f"{file}: {sound.subtype} of more digits than the 24 bits that are kept; convert "
                "it to 24 bits, or give a bound with --max-error"
            )
        shown.append(file.name if path.is_dir() else str(file))
        said.append(_notes(sound, lossless))
        kept = lossless and not has_steps(sound.subtype)
        for samples in sound.samples:
            aside = Aside.of_samples(samples, sound, kept)
            if aside.mean:
                samples -= np.float32(aside.mean)
            arrays.append(samples[:, None])
            names.append(file.stem)
            row = {"rate": sound.rate, "subtype": sound.subtype, "file": number}
            for key, value in {**row, "mean": aside.mean, "runs": aside.text}.items():
                columns.setdefault(key, []).append(value)
    metadata = {key: _shortened(columns[key]) for key in ("rate", "subtype")}
    for key in ("mean", "runs"):
        if any(columns[key]):
            metadata[key] = _shortened(columns[key])
    if len(arrays) > len(files):
        metadata["file"] = columns["file"]
    notes = folders.notes_once(shown, said)
    if left_out:
        notes.append(f"{path}: {left_out}")
    return Signals(arrays, names if path.is_dir() else None, metadata, notes)


def _sounds(files: Sequence[Path]) -> list[tuple[Path, Sound]]:
    return list(zip(files, folders.read_all(files, read_file, "sounds")))


def _notes(sound: Sound, lossless: bool) -> list[str]:
    notes = list(sound.notes)
    if sound.narrowed:
        notes.append(f"{sound.subtype} of more digits than the 24 bits that are kept")
    if not lossless and not _KNOWN_RATES[0] <= sound.rate <= _KNOWN_RATES[1]:
        notes.append(
            f"{sound.rate} Hz, while `speech` was made for voices at 8000 Hz: music and other "
            "rates take many bits"
        )
    return notes


def check_metadata(metadata: Mapping[str, Any], container: Container) -> None:
    """As `hooks` says: of each channel the file, its kind, and what was kept aside."""
    for item, (length,) in enumerate(container.shapes):
        for key, default in (("rate", 8000), ("subtype", ""), ("file", item)):
            value_of(metadata, key, item, default, container.source)
        Aside.of_metadata(metadata, item, container.source, length)


def write(
    path: PathLike,
    arrays: Iterable[np.ndarray],
    names: Optional[Sequence[str]],
    metadata: Optional[Mapping[str, Any]],
    selection: Selection,
) -> str:
    """Writes sounds of the originals' kinds of samples: one file, or a folder of WAV files.

    Where there are more or fewer samples than in the original, the rate changes with their number,
    so that the sound lasts as long.

    Args:
      path: ends as `FORMATS` say, or is a folder, which is made if need be.
      arrays: float32 [N, 1] each.
      names: one for each, or None.
      metadata: as `read` gives it; mono, 16 bits and 8,000 Hz where it says nothing.
      selection: which of the file's channels were decoded, and which part of them.

    Raises:
      MscnError: a file can't be written, or several would have to go into one.
    """
    path, items, arrays = Path(path), selection.items, list(arrays)
    files: dict[Any, list[int]] = {}  # its channels, as numbers of arrays
    for number, item in enumerate(items):
        files.setdefault(value_of(metadata, "file", item, item, path), []).append(number)
    written = []
    for channels in files.values():
        item = items[channels[0]]
        (start,), (extent,) = selection.window(selection.shapes[item])
        out = [arrays[number] for number in channels]
        if len({len(array) for array in out}) > 1:
            raise MscnError(f"{path}: the file's channels are damaged; get a fresh copy")
        asides = [
            Aside.of_metadata(metadata, items[number], path).seen(start, extent, len(out[0]))
            for number in channels
        ]
        rate = value_of(metadata, "rate", item, 8000, path) * len(out[0]) / extent
        subtype = value_of(metadata, "subtype", item, "", path)
        written.append((out, asides, min(max(1, round(rate)), _HIGHEST_RATE), subtype))
    suffix = path.suffix.lower()
    if suffix in FORMATS and not path.is_dir():
        if len(written) > 1:
            raise MscnError(f"{path}: {len(written)} sounds; name a folder, or one with --item=I")
        _write(path, *written[0], suffix)
        out, _, rate, subtype = written[0]
        encoding = written_as(subtype, suffix)
        kind = f", {encoding}" if subtype and encoding != subtype else ""
        return f"{len(out[0])} samples at {rate} Hz, {len(out)} channels{kind}"
    if suffix and not path.is_dir():
        raise MscnError(
            f"{path}: sounds are written as {' '.join(FORMATS)}; let it end so, or name a folder"
        )
    stems = [
        names[channels[0]] if names else f"{n:06d}" for n, channels in enumerate(files.values())
    ]
    targets = folders.file_names(stems, ".wav", SUFFIXES)  # names may come from a stranger
    folders.make_folders(path, targets)
    for target, sound in zip(targets, written):
        _write(path / target, *sound)
    return f"{len(targets)} sounds, {targets[0]} to {targets[-1]}"


def _write(
    path: Path,
    channels: Sequence[np.ndarray],
    asides: Sequence[Aside],
    rate: int,
    subtype: str,
    suffix: str = ".wav",
) -> None:
    length = len(channels[0])
    blocks = (
        np.stack([aside.whole(array, at) for array, aside in zip(channels, asides)], axis=1)
        for at in range(0, length, BLOCK)
    )
    write_file(path, blocks, length, len(channels), rate, subtype, suffix)


def measure(
    original: np.ndarray, decoded: np.ndarray, metadata: Optional[Mapping[str, Any]] = None
) -> dict[str, float]:
    """Signal-to-noise ratios in dB of sounds [N, 1]; infinite where a file gets the same samples.

    The signal is what is left without its mean, the noise what `write` makes of it. The segmental
    ratio is the mean over segments of 20 ms, each clipped to -10 to 35 dB (Hansen and Pellom 1998);
    those 120 dB below full scale count as silent there, and are left out.
    """
    length = max(1, round(_SEGMENT * value_of(metadata, "rate", 0, 8000, "input")))
    signal = noise = parts = 0.0
    heard = 0
    for clean, error in _compared(original, decoded, metadata, length):
        starts = np.arange(0, len(clean), length)
        sizes = np.diff(starts, append=len(clean))
        sums = [np.add.reduceat(np.square(x), starts) for x in (clean, error)]
        power, lost = (part / sizes for part in sums)
        loud = power > _SILENCE
        parts += np.clip(_decibels(power[loud], lost[loud]), _LOWEST, _HIGHEST).sum()
        heard += int(np.count_nonzero(loud))
        signal, noise = signal + sums[0].sum(), noise + sums[1].sum()
    if noise == 0:
        return {"dB SNR": math.inf, "dB segmental SNR": math.inf}
    count = len(original)
    return {
        "dB SNR": float(_decibels(signal / count, noise / count)),
        "dB segmental SNR": float(parts / heard) if heard else _LOWEST,
    }


def share_lost(
    original: np.ndarray, decoded: np.ndarray, metadata: Optional[Mapping[str, Any]]
) -> float:
    """RMSE of what `write` writes over the standard deviation of a sound [N, 1]."""
    signal = noise = 0.0
    for clean, error in _compared(original, decoded, metadata):
        signal, noise = signal + float(clean @ clean), noise + float(error @ error)
    if noise == 0:
        return 0.0
    return math.sqrt(noise / signal) if signal else math.inf


def largest_error(
    original: np.ndarray, decoded: np.ndarray, metadata: Optional[Mapping[str, Any]]
) -> float:
    """Largest error of what `write` writes of a sound [N, 1], of full scale 1."""
    pairs = _compared(original, decoded, metadata)
    return max(float(np.abs(error).max()) for _, error in pairs)


def array_bound(bound: float, metadata: Optional[Mapping[str, Any]]) -> float:
    """The bound of decoded arrays with which none of the samples written is off by more.

    Args:
      bound: of full scale 1.
      metadata: of all signals.

    Raises:
      MscnError: samples are rounded by more than that when they are written.
    """
    subtypes = (metadata or {}).get("subtype", "")
    return min(_bound_of(bound, one) for one in np.atleast_1d(subtypes).tolist())


def _bound_of(bound: float, subtype: str) -> float:
    step = step_of(subtype)
    if step is None:
        return max(bound - _FLOAT_ROUNDING, bound / 2)
    if has_steps(subtype):  # then so are all errors, and what is nearer than half a step vanishes
        return (math.floor(bound / step * (1 + 1e-9)) + _INSIDE) * step
    if bound <= step / 2:
        raise MscnError(
            f"--max-error={bound:g}: {subtype} is written in steps of {step:.3g} of full scale, "
            "which alone may be off by half; raise it"
        )
    return bound - step / 2


def _compared(
    original: np.ndarray,
    decoded: np.ndarray,
    metadata: Optional[Mapping[str, Any]],
    length: int = 1,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Parts, of whole segments, of the signal without its mean, and of the noise in its file."""
    aside = Aside.of_metadata(metadata)
    subtype = value_of(metadata, "subtype", 0, "", "input")
    mean = np.mean(original, dtype=np.float64)
    step = -(-BLOCK // length) * length
    for at in range(0, len(original), step):
        clean = original[at : at + step, 0].astype(np.float64)
        written = rounded(aside.whole(decoded, at, step), subtype)
        yield clean - mean, written - (clean + aside.mean)


def metadata_of(metadata: dict[str, Any], item: int) -> dict[str, Any]:
    """What the metadata of several channels say of one, as if it had been alone in its file."""
    return {
        key: value[item] if key in _OF_EACH and isinstance(value, list) else value
        for key, value in metadata.items()
        if key != "file"
    }


def training_signals(pattern: str, speeds: Sequence[Sequence[int]] = ((1, 1),)) -> list[np.ndarray]:
    """float32 [N, 1] of every channel of the files that glob patterns name.

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


def _shortened(column: list[Any]) -> Any:
    return column[0] if len(set(column)) == 1 else column


def _decibels(power: np.ndarray | float, error: np.ndarray | float) -> np.ndarray:
    return 10 * np.log10(np.maximum(power, _SILENCE) / np.maximum(error, _SILENCE))
