"""Held-out signals of each modality as files that `mscn` reads: what the figures in docs/ are of.

    python benchmarks/held_out.py DATA OUT [MODALITY..]

Takes what no shipped codec has seen in training from the data sets in the folder DATA, and writes
into the folder OUT:

    fields.npy      the last 30 % of the times of each source, on 46x90 points
    sound/          five recordings of each digit by the speaker never heard
    sound-known/    five of each, not trained on, by the speaker that was
    voxels.npy      every fourth shape of ModelNet10's test split
    volume.npy      a slab of a head, 60 to 100 % of its first axis, 8 bits
    silhouettes/    two shapes of each of the ten classes left out
    meshes/         three meshes left out
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mscn_tf.signals import fields, volumes, voxels

_EVERY = 4  # shapes of voxels
_CLASSES = "sea_snake shoe spoon spring stef teddy tree truck turtle watch".split()
_SHAPES = (4, 14)  # of each class, by name
_MESHES = ("bunny.obj", "spot_low_resolution.obj", "rocker-arm.obj")


def _copy(files: Iterable[Path], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copyfile(file, out / file.name)


def _field(data: Path, out: Path) -> None:
    pattern = f"{data}/climate/[cgh]*.npz,{data}/climate/echam*.npz"
    found = fields.training_signals(pattern, part=(0.7, 1.0))
    np.save(out / "fields.npy", np.stack(found)[..., 0])


def _sound(data: Path, out: Path) -> None:
    for folder, speaker in (("sound", "george"), ("sound-known", "jackson")):
        _copy((data / "speech").glob(f"*_{speaker}_[0-4].wav"), out / folder)


def _voxels(data: Path, out: Path) -> None:
    grids = voxels.packed_grids(data / "modelnet10" / "modelnet10_32_packed.npz", "test")
    np.save(out / "voxels.npy", grids[::_EVERY, ..., 0])


def _volume(data: Path, out: Path) -> None:
    (slab,) = volumes.training_signals(f"{data}/medical/nilearn_mni152_t1.nii.gz@60-100")
    np.save(out / "volume.npy", np.rint(255 * slab[..., 0]).astype(np.uint8))


def _silhouette(data: Path, out: Path) -> None:
    folder = data / "mpeg7" / "partB"
    classes = [sorted(folder.glob(f"{name}-*.png")) for name in _CLASSES]
    _copy((files[shape] for files in classes for shape in _SHAPES), out / "silhouettes")


def _mesh(data: Path, out: Path) -> None:
    _copy((data / "meshes" / name for name in _MESHES), out / "meshes")


_WRITERS = {
    "field": _field,
    "sound": _sound,
    "voxels": _voxels,
    "volume": _volume,
    "silhouette": _silhouette,
    "mesh": _mesh,
}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("modality", nargs="*", help=f"of {', '.join(_WRITERS)}; default all")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for name in given.modality or _WRITERS:
        _WRITERS[name](given.data, given.out)


if __name__ == "__main__":
    main()
