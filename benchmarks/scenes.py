"""Rate and quality of one scene.

    python benchmarks/scenes.py FOLDER      # of posed pictures, see benchmarks/scene_views.py

Fits the grid once, then prints bytes and PSNR of views that weren't fitted, at several qualities.
"""

from __future__ import annotations

import argparse

from mscn_tf.codec import Codec
from mscn_tf.codec.scenes import read_scene
from mscn_tf.signals.scenes import BOUND, Views, rendered_psnr


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--resolution", type=int, default=48)
    parser.add_argument("--fit_steps", type=int, default=600)
    parser.add_argument("--every", type=int, default=10, help="which held-out views are measured")
    options = parser.parse_args()
    signals, held_out = read_scene(options.folder, BOUND, options.resolution, options.fit_steps)
    part = slice(None, None, options.every)
    views = Views(held_out.pictures[part], held_out.poses[part], held_out.focal)
    print(f"grid before coding: {rendered_psnr(signals.arrays[0], views):.2f} dB")
    codec = Codec.load("scene")
    for quality in (2, 4, 6, 8, 10):
        data = codec.encode(signals.arrays, quality=quality, metadata=signals.metadata)
        psnr = rendered_psnr(codec.decode(data), views)
        print(f"quality {quality}: {len(data):,} bytes, {psnr:.2f} dB", flush=True)


if __name__ == "__main__":
    main()
