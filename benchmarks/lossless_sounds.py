"""Sounds without loss and within a bound: bytes of `speech` files, of FLAC and of the file itself.

    python benchmarks/lossless_sounds.py FILE..

FLAC is libFLAC at its highest level, through soundfile; bytes are those of whole files. Files that
FLAC can't hold are left out.
"""

from __future__ import annotations

import io
import os

import soundfile
from absl import app

from mscn_tf.codec import Codec
from mscn_tf.signals import modalities, sound

_BOUNDS = (0.001, 0.01)  # of full scale
_FLAC = {"PCM_U8": "PCM_S8", "PCM_S8": "PCM_S8", "PCM_16": "PCM_16", "PCM_24": "PCM_24"}


def _flac(path: str, subtype: str) -> int:
    samples, rate = soundfile.read(path, dtype="int32", always_2d=True)
    out = io.BytesIO()
    soundfile.write(out, samples, rate, subtype, format="FLAC", compression_level=1.0)
    return len(out.getvalue())


def _row(codec: Codec, path: str) -> dict[str, int] | None:
    subtype = _FLAC.get(soundfile.info(path).subtype)
    if subtype is None:
        return None
    row = {"file": os.path.getsize(path), "flac": _flac(path, subtype)}
    signals = sound.read(path, lossless=True)
    data = codec.encode(signals.arrays, lossless=True, metadata=signals.metadata)
    row["lossless"] = len(data)
    signals = sound.read(path)
    for bound in _BOUNDS:
        bounds = modalities.array_bounds("sound", [bound] * len(signals.arrays), signals)
        data = codec.encode(signals.arrays, max_error=bounds, metadata=signals.metadata)
        row[f"within {bound}"] = len(data)
    return row


def main(argv: list[str]) -> None:
    """Measures and prints a line a file, and their sums."""
    if len(argv) < 2:
        raise app.UsageError("give sounds")
    codec, sums = Codec.load("speech"), {}
    for path in argv[1:]:
        if row := _row(codec, path):
            print(os.path.basename(path), row, flush=True)
            sums = {name: sums.get(name, 0) + size for name, size in row.items()}
    print("all", sums)


if __name__ == "__main__":
    app.run(main)
