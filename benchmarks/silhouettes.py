"""usage: python benchmarks/silhouettes.py MPEG7_FOLDER [BUNDLE]

Bytes a shape and what is lost of held-out silhouettes (two shapes of each of ten classes) at their
original size, beside lossless pictures of one bit a pixel: PNG, and TIFF with CCITT group 4.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from mscn_tf.codec import Codec
from mscn_tf.signals import images, silhouettes

QUALITIES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
# Whole classes that `silhouette64` was not trained on.
CLASSES = "sea_snake shoe spoon spring stef teddy tree truck turtle watch".split()
SHAPES = (4, 14)  # of each, by name
LOSSLESS = {
    "PNG": {"format": "PNG", "optimize": True},
    "TIFF group 4": {"format": "TIFF", "compression": "group4"},
}


def lossless_bytes(mask: np.ndarray, options: dict[str, object]) -> int:
    """Bytes of a silhouette bool [H, W] as a picture of one bit a pixel."""
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, **options)
    return len(buffer.getvalue())


def main() -> None:
    """Prints a table."""
    folder = Path(sys.argv[1])
    files = [sorted(folder.glob(f"{name}-*.png"))[shape] for name in CLASSES for shape in SHAPES]
    masks = [silhouettes.to_mask(images.read_picture(file)) for file in files]
    codec = Codec.load(sys.argv[2] if len(sys.argv) > 2 else "silhouette64")
    signals = [silhouettes.to_signal(mask) for mask in masks]
    print(f"{len(masks)} silhouettes, longer sides {np.mean([max(m.shape) for m in masks]):.0f}")
    print("| | file, bytes | in one archive, bytes | IoU | contour error, px | PSNR, dB |")
    print("|---|---|---|---|---|---|")
    for label, options in LOSSLESS.items():
        size = np.mean([lossless_bytes(mask, options) for mask in masks])
        print(f"| {label} | {size:.0f} | | 1 | 0 | |")
    rows = [("64x64 samples, not coded", None)] + [(f"quality {q}", q) for q in QUALITIES]
    for label, quality in rows:
        decoded, sizes = signals, ""
        if quality is not None:
            metadata = [{"size": [[mask.shape[1], mask.shape[0]]]} for mask in masks]
            alone = [
                len(codec.encode(signal, quality=quality, metadata=own))
                for signal, own in zip(signals, metadata)
            ]
            together = {"size": [own["size"][0] for own in metadata]}
            data = codec.encode(signals, quality=quality, metadata=together)
            decoded = list(codec.decode_all(data))
            sizes = f"{np.mean(alone):.0f} | {len(data) / len(masks):.0f}"
        found = [
            [*silhouettes.compare(mask, d).values(), images.psnr(s, d, 2 * silhouettes.TRUNCATION)]
            for mask, s, d in zip(masks, signals, decoded)
        ]
        iou, error, psnr = np.mean(found, axis=0)
        print(f"| {label} | {sizes or ' | '} | {iou:.4f} | {error:.2f} | {psnr:.1f} |")


if __name__ == "__main__":
    main()
