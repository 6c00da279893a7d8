"""usage: python benchmarks/gallery_silhouettes.py SILHOUETTE.png... OUT.png

Draws silhouettes and what `silhouette64` makes of them at three qualities; errors are orange.
"""

from __future__ import annotations

import sys

import matplotlib.pyplot as plt
import numpy as np

from mscn_tf.codec import Codec
from mscn_tf.signals import images, silhouettes

QUALITIES = (3, 6, 9)


def main() -> None:
    """Draws the picture."""
    *paths, out = sys.argv[1:]
    codec = Codec.load("silhouette64")
    size = (2.2 * (2 + len(QUALITIES)), 2.3 * len(paths))
    figure, axes = plt.subplots(len(paths), 2 + len(QUALITIES), figsize=size, squeeze=False)
    for row, path in zip(axes, paths):
        signals = silhouettes.read(path)
        mask = silhouettes.to_mask(images.read_picture(path))
        row[0].imshow(mask, cmap="gray")
        row[0].set_title(f"{mask.shape[1]}x{mask.shape[0]}", fontsize=8)
        row[1].imshow(signals.arrays[0][..., 0], cmap="RdBu", vmin=-0.25, vmax=0.25)
        row[1].set_title("distances, 64x64", fontsize=8)
        for panel, quality in zip(row[2:], QUALITIES):
            data = codec.encode(signals.arrays, quality=quality, metadata=signals.metadata)
            decoded = codec.decode(data)
            found = silhouettes.to_picture(decoded, mask.shape)[..., 0] > 0
            colours = np.where(mask, 1.0, 0.0)[..., None].repeat(3, -1)
            colours[found != mask] = (0.95, 0.5, 0.1)
            panel.imshow(colours)
            iou = silhouettes.compare(mask, decoded)["IoU"]
            panel.set_title(f"quality {quality}: {len(data)} bytes, IoU {iou:.3f}", fontsize=8)
    for panel in axes.flat:
        panel.set(xticks=[], yticks=[])
    figure.tight_layout()
    figure.savefig(out, dpi=90)


if __name__ == "__main__":
    main()
