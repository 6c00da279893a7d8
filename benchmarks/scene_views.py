"""Posed pictures as folders that `mscn encode` reads.

    python benchmarks/scene_views.py lego_100.npz OUT     # a scene in arrays, as PNGs
    python benchmarks/scene_views.py voxels.npy OUT       # renders solid voxels, coloured at random

Arrays: `train_rgba_premult`, `train_poses`, `test_rgba_premult`, `test_poses`, `camera_angle_x`.
Voxels: bool [R, R, R] or [N, R, R, R]; each becomes a folder.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from mscn_tf.runtime.rendering import orbit, render
from mscn_tf.signals.scenes import coloured

SIZE, ANGLE = 100, 0.6911112


def write(
    folder: Path, split: str, pictures: Iterable[np.ndarray], poses: Iterable[np.ndarray]
) -> None:
    """One split's description and its pictures, uint8 premultiplied RGBA."""
    frames = []
    for i, (picture, pose) in enumerate(zip(pictures, poses)):
        alpha = picture[..., 3:] / 255
        colour = np.rint(np.clip(picture[..., :3] / np.maximum(alpha, 1e-6), 0, 255))
        (folder / split).mkdir(parents=True, exist_ok=True)
        straight = np.concatenate([colour.astype(np.uint8), picture[..., 3:]], -1)
        Image.fromarray(straight).save(folder / split / f"{i:03d}.png")
        frames.append({"file_path": f"./{split}/{i:03d}", "transform_matrix": pose.tolist()})
    text = json.dumps({"camera_angle_x": ANGLE, "frames": frames})
    (folder / f"transforms_{split}.json").write_text(text)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    if options.source.suffix == ".npz":
        arrays = np.load(options.source)
        for split in ("train", "test"):
            write(options.out, split, arrays[f"{split}_rgba_premult"], arrays[f"{split}_poses"])
        return
    voxels = np.load(options.source)
    focal = 0.5 * SIZE / np.tan(0.5 * ANGLE)
    for i, solid in enumerate(voxels.reshape(-1, *voxels.shape[-3:])):
        random = np.random.default_rng(i)
        grid = coloured(solid, random)
        for split, views, elevations in (("train", 12, (-10, 20, 50)), ("test", 5, (5, 35))):
            poses = [pose for e in elevations for pose in orbit(views, 4.0, e)]
            pictures = [
                np.rint(255 * np.clip(render(grid, pose, focal, SIZE, SIZE), 0, 1)).astype("u1")
                for pose in poses
            ]
            write(options.out / f"{i:03d}", split, pictures, poses)


if __name__ == "__main__":
    main()
