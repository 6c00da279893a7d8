"""Rate and quality of one scene.

    python benchmarks/scenes.py FOLDER      # of posed pictures, see benchmarks/scene_views.py

Fits the grid once, then prints bytes and PSNR of views that weren't fitted, at several qualities,
and with at most so many stored values (symbols other than zero) at the finest.
--picture=OUT.png draws the first of these views, and its errors.
"""

from __future__ import annotations

import argparse

import matplotlib.pyplot as plt
import numpy as np

from mscn_tf.codec import Codec
from mscn_tf.codec.scenes import read_scene
from mscn_tf.codec.tiling import to_tiles
from mscn_tf.runtime.rendering import on_ground
from mscn_tf.signals.scenes import rendered_psnr
from mscn_tf.signals.views import Views


def draw(path: str, views: Views, grids: dict[str, np.ndarray]) -> None:
    """The first view beside what each grid renders; errors below, black is 0.3."""
    figure, axes = plt.subplots(2, 1 + len(grids), figsize=(2.4 * (1 + len(grids)), 5), dpi=80)
    original = on_ground(views.pictures[0], views.ground)
    axes[0, 0].imshow(original)
    axes[0, 0].set_title("held-out view")
    for (title, grid), (above, below) in zip(grids.items(), axes.T[1:]):
        decoded = np.clip(on_ground(views.rendered(0, grid), views.ground), 0, 1)
        above.imshow(decoded)
        above.set_title(title)
        below.imshow(np.abs(decoded - original).mean(-1), cmap="gray_r", vmin=0, vmax=0.3)
    for ax in axes.flat:
        ax.set_axis_off()
    figure.tight_layout()
    figure.savefig(path)


def with_values(codec: Codec, grid: np.ndarray, count: int) -> np.ndarray:
    """Encoded at the finest quality with the largest values of all tiles alone, and decoded."""
    tiles = to_tiles(codec.scheme.values.normalise(grid), codec.bundle.manifest.tile_edge)
    quality, prior = np.full(len(tiles), 160), codec.scheme.prior
    symbols = prior.quantise(codec.encoder.codes(tiles, quality), quality, 0.0)
    sizes = np.abs(prior.dequantise(symbols, quality))
    order = np.argsort(-sizes, axis=None, kind="stable")
    symbols.flat[order[count:]] = 0
    return codec.decode(codec.pack(symbols, [grid.shape[:-1]], quality[:1], [grid.shape[-1]]))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--resolution", type=int, default=48)
    parser.add_argument("--fit_steps", type=int, default=600)
    parser.add_argument("--every", type=int, default=1, help="which of the views are measured")
    parser.add_argument("--picture", help="file to draw")
    options = parser.parse_args()
    signals = read_scene(options.folder, None, options.resolution, options.fit_steps)
    held_out = signals.originals[0].views
    views = held_out.some(slice(None, None, options.every))
    print(f"grid before coding: {rendered_psnr(signals.arrays[0], views):.2f} dB")
    codec, drawn = Codec.load("scene"), {}
    for quality in (2, 4, 6, 8, 10):
        data = codec.encode(signals.arrays, quality=quality, metadata=signals.metadata)
        grid = codec.decode(data)
        print(
            f"quality {quality}: {len(data):,} bytes, {rendered_psnr(grid, views):.2f} dB",
            flush=True,
        )
        if quality in (2, 6, 10):
            drawn[f"{len(data):,} bytes"] = grid
    for count in (64, 128, 256, 512, 1024):
        grid = with_values(codec, signals.arrays[0], count)
        print(f"{count} stored values: {rendered_psnr(grid, views):.2f} dB", flush=True)
    if options.picture:
        draw(options.picture, views, drawn)


if __name__ == "__main__":
    main()
