"""Draws docs/images/gallery_fields.png: a held-out field, decoded, and what is lost.

usage: python benchmarks/gallery_fields.py OUT.png
"""

from __future__ import annotations

import sys

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from mscn_tf.codec import Codec
from mscn_tf.signals import fields

QUALITIES = (4, 7)
EXTENT = (0, 360, -90, 90)


def main() -> None:
    path = "../shared/data/climate/ccm_b003_ts_monthly.npz"
    stack = np.stack(fields.training_signals(path, part=(0.7, 1.0)))
    codec, original = Codec.load("temperature"), stack[-6]
    figure, panels = plt.subplots(2, 3, figsize=(10, 4), layout="constrained")
    shown = dict(extent=EXTENT, cmap="turbo", vmin=original.min(), vmax=original.max())
    panels[0, 0].imshow(original[..., 0], **shown)
    panels[0, 0].set_title(f"original, {original.nbytes:,} bytes")
    for column, quality in enumerate(QUALITIES, 1):
        data = codec.encode(stack, quality)
        decoded = codec.decode(data, len(stack) - 6)
        error = decoded - original
        title = f"{len(data) / len(stack):.1f} bytes, RMSE {np.sqrt(np.mean(error**2)):.2f} K"
        panels[0, column].imshow(decoded[..., 0], **shown)
        panels[0, column].set_title(title)
        drawn = panels[1, column].imshow(
            error[..., 0], extent=EXTENT, cmap="RdBu_r", vmin=-6, vmax=6
        )
        panels[1, column].set_title("error, kelvins")
    fine = codec.decode(data, len(stack) - 6, scale=4)
    panels[1, 0].imshow(fine[..., 0], **shown)
    panels[1, 0].set_title(f"decoded to {fine.shape[1]}x{fine.shape[0]}")
    figure.colorbar(drawn, ax=panels[1], shrink=0.8)
    for panel in panels.ravel():
        panel.set_axis_off()
    figure.savefig(sys.argv[1], dpi=80)


if __name__ == "__main__":
    main()
