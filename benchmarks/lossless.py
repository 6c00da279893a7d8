"""Bytes of pictures without loss: `mscn encode --lossless`, optimised PNG and lossless WebP.

    python benchmarks/lossless.py FOLDER [FOLDER ..]

A row for each `.png` in the folders; the last one has the mean ratios. PNG is Pillow's with
`optimize`, with a palette where that is smaller; WebP's is `method=6`, `quality=100`.
"""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from mscn_tf.codec import Codec
from mscn_tf.signals.colour import grey_if_neutral


def saved(picture: Image.Image, kind: str, **options: object) -> int:
    """Bytes that a picture takes in a format."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.tell()


def png(picture: Image.Image) -> int:
    """Bytes of a picture as optimised PNG."""
    sizes = [saved(picture, "PNG", optimize=True)]
    colours = picture.getcolors(256)
    if colours:
        listed = picture.quantize(len(colours), dither=Image.Dither.NONE)
        if np.array_equal(np.asarray(listed.convert(picture.mode)), np.asarray(picture)):
            sizes.append(saved(listed, "PNG", optimize=True))
    return min(sizes)


def main() -> None:
    """Measures and prints."""
    codec, ratios = Codec.load("photo"), []
    print("| picture | bytes | over PNG | over WebP | encode, CPU s | decode, CPU s |")
    print("|---|---|---|---|---|---|")
    for path in sorted(path for folder in sys.argv[1:] for path in Path(folder).glob("*.png")):
        picture = Image.open(path).convert("RGB")
        begin = time.process_time()
        data = codec.encode(np.asarray(picture), lossless=True, check=False)
        encoded = time.process_time()
        pixels = grey_if_neutral(np.asarray(picture))  # which decoded ones are, too
        if not np.array_equal(codec.decode(data), pixels):
            raise SystemExit(f"{path}: comes back as another")
        decoded = time.process_time()
        webp = saved(picture, "WEBP", lossless=True, quality=100, method=6)
        ratios.append((len(data) / png(picture), len(data) / webp))
        cells = f"{len(data):,} | {ratios[-1][0]:.3f} | {ratios[-1][1]:.3f}"
        times = f"{encoded - begin:.1f} | {decoded - encoded:.1f}"
        print(f"| {path.stem} | {cells} | {times} |", flush=True)
    over_png, over_webp = np.mean(ratios, axis=0)
    print(f"| mean | | {over_png:.3f} | {over_webp:.3f} | | |")


if __name__ == "__main__":
    main()
