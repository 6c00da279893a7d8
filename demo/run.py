"""Turns kodim.png into a .mscn file and back with `mscn`, and sets it beside JPEG.

Prints bytes, bits a pixel and PSNR of both and writes comparison.png into this folder.
kodim.png is picture 23 of the Kodak Lossless True Color Image Suite (unrestricted use).
"""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mscn_tf.signals import images

HERE = Path(__file__).resolve().parent
BPP = 0.3
CROP, ZOOM = (80, 195, 256, 170), 3  # left, top, width, height of the part shown enlarged
MARGIN, CAPTION = 12, 30


def mscn(*arguments: str) -> None:
    """Runs a command of this installation, shown as the user would type it."""
    print("$ mscn", *arguments, flush=True)
    program = Path(sys.executable).with_name("mscn")
    subprocess.run([str(program), *arguments], cwd=HERE, check=True)


def jpeg_within(original: np.ndarray, limit: int) -> tuple[int, np.ndarray]:
    """The best JPEG of at most `limit` bytes: its size and its pixels, uint8 [H, W, 3].

    Optimised Huffman tables; every quality, with chroma at full (4:4:4) and half (4:2:0)
    resolution.
    """
    candidates = []
    for subsampling in ("4:4:4", "4:2:0"):
        for quality in range(1, 96):
            buffer = io.BytesIO()
            Image.fromarray(original).save(
                buffer, "JPEG", quality=quality, optimize=True, subsampling=subsampling
            )
            size = len(buffer.getvalue())
            if size <= limit:
                decoded = np.asarray(Image.open(buffer))
                candidates.append((images.psnr(original, decoded), size, decoded))
    _, size, decoded = max(candidates, key=lambda candidate: candidate[0])
    return size, decoded


def compare(columns: list[tuple[str, np.ndarray]]) -> Image.Image:
    """Pictures side by side, captions above, an enlarged part of each below."""
    height, width = columns[0][1].shape[:2]
    left, top, crop_width, crop_height = CROP
    zoomed = (crop_width * ZOOM, crop_height * ZOOM)
    step = max(width, zoomed[0]) + MARGIN
    size = (
        len(columns) * step + MARGIN,
        CAPTION + height + MARGIN + zoomed[1] + 2 * MARGIN,
    )
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for index, (caption, pixels) in enumerate(columns):
        x, y = MARGIN + index * step, MARGIN + CAPTION
        draw.text((x, MARGIN), caption, fill="black", font=ImageFont.load_default(20))
        picture = Image.fromarray(pixels)
        part = picture.crop((left, top, left + crop_width, top + crop_height))
        sheet.paste(picture, (x, y))
        draw.rectangle(
            (x + left, y + top, x + left + crop_width, y + top + crop_height), None, "white"
        )
        sheet.paste(part.resize(zoomed, Image.Resampling.NEAREST), (x, y + height + MARGIN))
    return sheet


def main() -> None:
    """Encodes, decodes, compares."""
    mscn("encode", f"--bpp={BPP}", "kodim.png", "kodim.mscn")
    mscn("decode", "--force", "kodim.mscn", "decoded.png")
    mscn("info", "kodim.mscn")

    original = images.read_picture(HERE / "kodim.png")
    ours = images.read_picture(HERE / "decoded.png")
    size = (HERE / "kodim.mscn").stat().st_size
    jpeg_size, jpeg = jpeg_within(original, size)

    pixels = original.shape[0] * original.shape[1]
    columns = [(f"original: {(HERE / 'kodim.png').stat().st_size:,} bytes", original)]
    print(f"\n{'':6}{'bytes':>8}{'bpp':>8}{'PSNR':>11}")
    for name, count, decoded in (("mscn", size, ours), ("JPEG", jpeg_size, jpeg)):
        psnr = images.psnr(original, decoded)
        print(f"{name:6}{count:8,}{8 * count / pixels:8.3f}{psnr:8.2f} dB")
        columns.append((f"{name}: {count:,} bytes, {psnr:.2f} dB", decoded))
    compare(columns).save(HERE / "comparison.png")
    print(f"\nSee {HERE / 'comparison.png'}")


if __name__ == "__main__":
    main()
