"""`photo` beside WebP at equal bytes: PSNR, and MS-SSIM of files tuned for it.

    python benchmarks/equal_bytes.py FOLDER [FOLDER ..] [--codec=photo] [--rates=0.3,0.8]

A row for each picture and rate in bits a pixel: by how much ours is better (+) or worse than WebP
(Pillow's, method 6) of as many bytes, between the two qualities of WebP around it. Both are real
files. "none": WebP's smallest file is larger. "exact": ours are the very pixels, in no more bytes.
Means are by folder, of what is neither.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
from absl import app, flags
from PIL import Image

from mscn_tf.codec import Codec
from mscn_tf.evaluation.metrics import ms_ssim
from mscn_tf.runtime.quality import PSNR, SSIM
from mscn_tf.signals.images import psnr

CODEC = flags.DEFINE_string("codec", "photo", "a codec that can be tuned")
RATES = flags.DEFINE_list("rates", ["0.3", "0.8"], "bits a pixel")
_FINEST = 100  # of WebP's qualities


def webp(picture: np.ndarray, quality: int) -> tuple[int, np.ndarray]:
    """Bytes of a picture, and what they decode to."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="WEBP", method=6, quality=quality)
    return file.tell(), np.asarray(Image.open(file).convert("RGB"))


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """MS-SSIM."""
    found = ms_ssim(one, other)
    if found is None:
        raise SystemExit(f"pictures of {one.shape} are too small for MS-SSIM")
    return found


def ahead(codec: Codec, picture: np.ndarray, rate: float, tune: str) -> float:
    """By how much ours is better; infinity if it is exact, NaN where WebP has no file as small."""
    measure = {PSNR: psnr, SSIM: likeness}[tune]
    data = codec.encode(picture, bpp=rate, tune=tune)
    decoded = np.broadcast_to(codec.decode(data), picture.shape)  # grey has one channel
    if np.array_equal(decoded, picture):
        return np.inf
    coded = cache(partial(webp, picture))
    low, high = 0, _FINEST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if coded(middle)[0] <= len(data) else (low, middle)
    if coded(low)[0] > len(data):
        return np.nan
    at = np.log([coded(low)[0], coded(high)[0]])
    theirs = np.interp(
        np.log(len(data)), at, [measure(picture, coded(quality)[1]) for quality in (low, high)]
    )
    return measure(picture, decoded) - float(theirs)


def line(name: str, cells: Sequence[float]) -> str:
    """A row of the table."""
    kinds = ("{:+.2f} dB", "{:+.4f}") * (len(cells) // 2)
    told = [
        kind.format(cell) if np.isfinite(cell) else "none" if np.isnan(cell) else "exact"
        for kind, cell in zip(kinds, cells)
    ]
    return f"| {name} | {' | '.join(told)} |"


def main(argv: list[str]) -> None:
    """Measures and prints."""
    codec, rates = Codec.load(CODEC.value), [float(rate) for rate in RATES.value]
    heads = [f"{measure}, {rate:g}" for rate in rates for measure in ("PSNR", "MS-SSIM")]
    print(f"| | {' | '.join(heads)} |\n{'|---' * (len(heads) + 1)}|")
    for folder in argv[1:]:
        rows = []
        for path in sorted(Path(folder).glob("*.png")):
            picture = np.asarray(Image.open(path).convert("RGB"))
            rows.append([ahead(codec, picture, rate, t) for rate in rates for t in (PSNR, SSIM)])
            print(line(path.stem, rows[-1]), flush=True)
        finite = np.where(np.isfinite(rows), rows, np.nan)
        counts = np.sum(~np.isnan(finite), axis=0)
        print(line(f"{folder}, mean of {min(counts)} to {max(counts)}", np.nanmean(finite, axis=0)))


if __name__ == "__main__":
    app.run(main)
