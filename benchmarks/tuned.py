"""What `--tune=ssim` brings: bytes at equal MS-SSIM, and at equal PSNR, against other codecs.

    python benchmarks/tuned.py FOLDER [--codec=photo] [--others=webp,heic,avif]

A row for each codec: by how much `--tune=ssim` takes fewer (-) or more bytes than it, the mean of
each picture's BD-rate from 0.05 to 0.8 bits a pixel. The others are Pillow's WebP (method 6), HEIC
(4:2:0) and AVIF (4:2:0, speed 6), the latter two tuned for SSIM. All are real files.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from absl import app, flags
from PIL import Image
from pillow_heif import register_heif_opener
from scipy.interpolate import PchipInterpolator

from mscn_tf.codec import Codec
from mscn_tf.evaluation.metrics import ms_ssim
from mscn_tf.runtime.quality import PSNR, SSIM
from mscn_tf.signals.images import psnr

CODEC = flags.DEFINE_string("codec", "photo", "a codec that can be tuned")
OTHERS = flags.DEFINE_list("others", ["webp", "heic", "avif"], "that are compared")
_RATES = (0.05, 0.8)
_QUALITIES = (2.0, 3.5, 5.0, 6.5)
_SETTINGS = {
    "webp": (0, 10, 30, 50, 70, 84),
    "heic": (8, 20, 33, 46, 58),
    "avif": (8, 25, 42, 58, 74),
}
_OPTIONS = {
    "webp": dict(format="WEBP", method=6),
    "heic": dict(format="HEIF", chroma="420", enc_params={"tune": "ssim"}),
    "avif": dict(format="AVIF", subsampling="4:2:0", speed=6, advanced={"tune": "ssim"}),
}
# Bits a pixel, PSNR, and MS-SSIM in dB of one minus it.
Point = tuple[float, float, float]


def other(name: str, picture: np.ndarray, setting: float) -> tuple[int, np.ndarray]:
    """Bytes of a picture in one of Pillow's formats, and what they decode to."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, quality=int(setting), **_OPTIONS[name])
    return file.tell(), np.asarray(Image.open(file).convert("RGB"))


def own(codec: Codec, tune: str, picture: np.ndarray, quality: float) -> tuple[int, np.ndarray]:
    """The same of ours."""
    data = codec.encode(picture, quality=quality, tune=tune)
    return len(data), np.broadcast_to(codec.decode(data), picture.shape)  # grey has one


def curve(
    code: Callable[[np.ndarray, float], tuple[int, np.ndarray]],
    settings: Sequence[float],
    picture: np.ndarray,
) -> list[Point]:
    """A point for each setting."""
    points = []
    for setting in settings:
        size, decoded = code(picture, setting)
        likeness = ms_ssim(picture, decoded)
        if likeness is None or likeness == 1:  # too small a picture, or without loss
            continue
        rate = 8 * size / (picture.shape[0] * picture.shape[1])
        points.append((rate, psnr(picture, decoded), -10 * np.log10(1 - likeness)))
    return points


def bd_rate(anchor: list[Point], test: list[Point], measure: int) -> float:
    """Percent of the bytes, between `_RATES` of the anchor and where both curves are."""
    logs, ends = [], []
    for points in (anchor, test):
        rising = sorted({point[measure]: point[0] for point in points}.items())
        quality, rate = np.array(rising).T
        logs.append(PchipInterpolator(quality, np.log(rate), extrapolate=False))
        ends.append((quality[0], quality[-1]))
    of_rate = sorted((point[0], point[measure]) for point in anchor)
    within = np.interp(_RATES, *np.array(of_rate).T)
    low = max(within[0], *(end[0] for end in ends))
    high = min(within[1], *(end[1] for end in ends))
    if low >= high:
        return np.nan
    at = np.linspace(low, high, 200)
    return 100 * float(np.expm1(np.mean(logs[1](at) - logs[0](at))))


def main(argv: list[str]) -> None:
    """Measures and prints."""
    register_heif_opener()
    codec = Codec.load(CODEC.value, threads=1)
    rows: dict[str, list[tuple[float, float]]] = {}
    for path in sorted(Path(argv[1]).glob("*.png")):
        picture = np.asarray(Image.open(path).convert("RGB"))
        tuned = curve(functools.partial(own, codec, SSIM), _QUALITIES, picture)
        usual = curve(functools.partial(own, codec, PSNR), _QUALITIES, picture)
        curves = {f"{CODEC.value}, tuned for PSNR": usual}
        for name in OTHERS.value:
            curves[name] = curve(functools.partial(other, name), _SETTINGS[name], picture)
        for name, points in curves.items():
            if min(len(points), len(tuned)) < 2:
                continue
            found = bd_rate(points, tuned, 2), bd_rate(points, tuned, 1)
            rows.setdefault(name, []).append(found)
            print(f"{path.stem}, {name}: {found[0]:+.1f} % {found[1]:+.1f} %", flush=True)
    print("\n| against | at equal MS-SSIM | at equal PSNR | pictures |")
    print("|---|---|---|---|")
    for name, found in rows.items():
        of_structure, of_error = np.nanmean(found, axis=0)
        print(f"| {name} | {of_structure:+.1f} % | {of_error:+.1f} % | {len(found)} |")


if __name__ == "__main__":
    app.run(main)
