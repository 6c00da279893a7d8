"""Rate and distortion of the `photo` codec beside JPEG, in real file bytes, and its BD-rate.

Per picture and quality both codecs give a file; at every quality setting bits a pixel and PSNR
(RGB, 8-bit) are averaged over the pictures. JPEG is Pillow's, optimised, every fifth quality from
5 to 95; at 4:4:4 and 4:2:0, of which the better curve counts. Prints both curves and the
Bjontegaard rate (Akima interpolation) where they overlap, and over 0.15 to 0.8 bits a pixel.

    make bench, or: python benchmarks/kodak_vs_jpeg.py PICTURE.png ...
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import bjontegaard
import numpy as np
from absl import app
from PIL import Image

from mscn_tf.codec import Codec
from mscn_tf.signals import images

LOWEST, HIGHEST = 0.15, 0.8
Curve = list[tuple[float, float]]


def measure(pictures: list[np.ndarray], code: Callable[[np.ndarray], tuple[int, np.ndarray]]):
    """Mean bits a pixel and PSNR over the pictures."""
    coded = [code(picture) for picture in pictures]
    rates = [8 * size / (p.shape[0] * p.shape[1]) for p, (size, _) in zip(pictures, coded)]
    return np.mean(rates), np.mean([images.psnr(p, d) for p, (_, d) in zip(pictures, coded)])


def jpeg(quality: int, subsampling: str) -> Callable[[np.ndarray], tuple[int, np.ndarray]]:
    """A picture's JPEG size and what it decodes to."""

    def code(picture: np.ndarray) -> tuple[int, np.ndarray]:
        buffer = io.BytesIO()
        options = {"quality": quality, "subsampling": subsampling, "optimize": True}
        Image.fromarray(picture).save(buffer, "JPEG", **options)
        return len(buffer.getvalue()), np.asarray(Image.open(buffer))

    return code


def photo(codec: Codec, quality: float) -> Callable[[np.ndarray], tuple[int, np.ndarray]]:
    """A picture's .mscn size and what it decodes to."""

    def code(picture: np.ndarray) -> tuple[int, np.ndarray]:
        data = codec.encode(picture, quality=quality)
        return len(data), codec.decode(data)

    return code


def between(curve: Curve) -> Curve:
    """The points within the range of rates, and the nearest one on each side."""
    rates = np.array([rate for rate, _ in curve])
    first = max(np.searchsorted(rates, LOWEST) - 1, 0)
    return curve[first : np.searchsorted(rates, HIGHEST) + 1]


def bd_rate(anchor: Curve, test: Curve) -> float:
    """Percent of bytes that ``test`` needs more than ``anchor`` at the same PSNR."""
    return bjontegaard.bd_rate(
        *zip(*anchor), *zip(*test), method="akima", require_matching_points=False
    )


def main(argv: list[str]) -> None:
    """Measures and prints."""
    if len(argv) < 2:
        raise app.UsageError("name the pictures")
    pictures = [images.read_picture(path) for path in argv[1:]]
    codec = Codec.load("photo")
    curves = {"photo": [measure(pictures, photo(codec, q)) for q in np.arange(2, 8.1, 0.5)]}
    for subsampling in ("4:4:4", "4:2:0"):
        curves[f"JPEG {subsampling}"] = [
            measure(pictures, jpeg(quality, subsampling)) for quality in range(5, 96, 5)
        ]
    for name, curve in curves.items():
        print(name, " ".join(f"({rate:.3f}, {psnr:.2f})" for rate, psnr in curve))
    for name, anchor in list(curves.items())[1:]:
        within = bd_rate(between(anchor), between(curves["photo"]))
        print(f"BD-rate against {name}: {within:+.1f} % over {LOWEST} to {HIGHEST} bpp")


if __name__ == "__main__":
    sys.exit(app.run(main))
