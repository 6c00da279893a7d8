"""Scenes: posed pictures in NeRF's layout in, renderings from any pose out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np
import scipy.ndimage
from PIL import Image

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike, atomic_write
from mscn_tf.runtime.rendering import on_white, orbit, render
from mscn_tf.signals import images, voxels

BOUND = 1.5  # of NeRF's synthetic scenes
_HELD_OUT = 8  # every so many views, where the folder doesn't say
_ORBIT_VIEWS = 24


@dataclass(frozen=True)
class Views:
    """Pictures of a scene and where they were taken from.

    Attributes:
      pictures: float32 ``[H, W, 4]`` each, premultiplied RGBA in [0, 1], all of one size.
      poses: ``[4, 4]`` each, camera to world, in units of half the side of the scene's cube.
      focal: length in pixels.
    """

    pictures: Sequence[np.ndarray]
    poses: Sequence[np.ndarray]
    focal: float


def read_views(path: PathLike, bound: float) -> tuple[Views, Views]:
    """The views to fit and those held out to measure by.

    Args:
      path: a folder with ``transforms_train.json`` (and ``transforms_test.json``) or
        ``transforms.json``, of which every eighth view is held out.
      bound: half the side of the cube about the origin that holds the scene, in the poses' units.

    Raises:
      MscnError: a file is missing or damaged, pictures differ in size, or a pose is none.
    """
    path = Path(path)
    if path.suffix == ".json":
        path = path.parent
    if (path / "transforms_train.json").exists():
        fitted = _read(path / "transforms_train.json", bound)
        test = path / "transforms_test.json"
        return fitted, _read(test, bound) if test.exists() else fitted
    views = _read(path / "transforms.json", bound)
    held_out = range(_HELD_OUT - 1, len(views.poses), _HELD_OUT)
    kept = [i for i in range(len(views.poses)) if i not in held_out]

    def part(which: Sequence[int]) -> Views:
        which = which or kept
        return Views(
            [views.pictures[i] for i in which], [views.poses[i] for i in which], views.focal
        )

    return part(kept), part(list(held_out))


def _read(path: Path, bound: float) -> Views:
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
        angle, frames = float(described["camera_angle_x"]), described["frames"]
        names = [frame["file_path"] for frame in frames]
        poses = [np.array(frame["transform_matrix"], np.float64) for frame in frames]
        sound = 0 < angle < np.pi and all(isinstance(name, str) for name in names)
    except OSError as error:
        raise MscnError(f"cannot read {path}: {error.strerror}; give a folder with it") from error
    except (KeyError, TypeError, ValueError) as error:
        raise MscnError(
            f"{path}: not a NeRF description (camera_angle_x, frames with file_path and "
            f"transform_matrix): {error}"
        ) from error
    if not frames or not sound:
        raise MscnError(f"{path}: no frame, or a camera_angle_x that is no angle; correct it")
    pictures = []
    for name, pose in zip(names, poses):
        _check_pose(path, name, pose)
        pose[:3, 3] /= bound
        file = path.parent / name
        pictures.append(_read_picture(file if file.suffix else file.with_suffix(".png")))
        if pictures[-1].shape != pictures[0].shape:
            raise MscnError(f"{file}: its size differs from the first picture's; resize it")
    focal = 0.5 * pictures[0].shape[1] / np.tan(0.5 * angle)
    return Views(pictures, poses, float(focal))


def _read_picture(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as picture:
            rgba = np.asarray(picture.convert("RGBA"), np.float32) / 255
    except OSError as error:
        reason = error.strerror or "not a picture, or damaged"
        raise MscnError(f"cannot read {path}: {reason}; every frame needs its picture") from error
    return np.concatenate([rgba[..., :3] * rgba[..., 3:], rgba[..., 3:]], -1)


def rendered_psnr(grid: np.ndarray, views: Views) -> float:
    """Mean PSNR in dB of a grid's renderings on white, over views."""
    found = []
    for pose, picture in zip(views.poses, views.pictures):
        seen = render(grid, pose, views.focal, *picture.shape[:2])
        error = on_white(seen) - on_white(picture)
        found.append(-10 * np.log10(max(np.mean(np.square(error)), 1e-10)))
    return float(np.mean(found))


def measure(
    original: np.ndarray, decoded: np.ndarray, metadata: Optional[dict[str, Any]]
) -> dict[str, float]:
    """PSNR of the grids themselves; that of views is ``rendered_psnr``."""
    return {"dB PSNR of the grid": images.psnr(original, decoded, 2.0)}


def write(
    path: PathLike,
    arrays: Sequence[np.ndarray],
    names: Optional[Sequence[str]],
    metadata: Optional[dict[str, Any]],
    view: Optional[dict[str, Any]] = None,
) -> str:
    """Writes a scene as the path's ending says.

    ``.npy``: the grid ``[R, R, R, 4]``; ``.gif``: an orbit; ``.png``: its first view; a folder: the
    views of ``view["poses"]``, a ``transforms.json``, or an orbit, as PNG files.

    Raises:
      MscnError: another ending, several scenes, or the file can't be written.
    """
    if len(arrays) != 1:
        raise MscnError(f"{path}: {len(arrays)} scenes; name one with --item=I")
    grid, known = np.asarray(arrays[0], np.float64), metadata or {}
    suffix = Path(path).suffix.lower()
    if suffix == ".npy":
        with atomic_write(path) as file:
            np.save(file, arrays[0])
        return f"grid of {'x'.join(map(str, arrays[0].shape))}"
    width, height = known.get("picture_size", (128, 128))
    focal = known.get("focal", 1.2 * width)
    chosen = (view or {}).get("poses")
    if chosen:
        poses, names = _read_poses(chosen, known.get("bound", 1.0))
    else:
        poses = list(orbit(_ORBIT_VIEWS, known.get("distance", 3.0)))
        names = [f"{i:03d}" for i in range(len(poses))]
    if suffix == ".png":
        poses = poses[:1]
    elif suffix not in (".gif", ""):
        raise MscnError(f"{path}: scenes are written as .gif, .png, .npy or a folder of PNGs")
    pictures = [_straight(render(grid, pose, focal, height, width)) for pose in poses]
    if suffix == ".gif":
        frames = [Image.fromarray(_on_white(picture)) for picture in pictures]
        with atomic_write(path) as file:
            frames[0].save(
                file, "GIF", save_all=True, append_images=frames[1:], duration=80, loop=0
            )
        return f"{len(frames)} views, {width}x{height}"
    if suffix == ".png":
        with atomic_write(path) as file:
            Image.fromarray(pictures[0]).save(file, "PNG")
        return f"one view, {width}x{height}"
    files = images.write_folder(path, pictures, names)
    return f"{len(files)} views, {files[0]} to {files[-1]}"


def _read_poses(path: PathLike, bound: float) -> tuple[list[np.ndarray], list[str]]:
    try:
        frames = json.loads(Path(path).read_text(encoding="utf-8"))["frames"]
        poses = [np.array(frame["transform_matrix"], np.float64) for frame in frames]
        names = [Path(frame["file_path"]).name for frame in frames]
    except OSError as error:
        raise MscnError(f"cannot read {path}: {error.strerror}; check --poses") from error
    except (KeyError, TypeError, ValueError) as error:
        raise MscnError(f"{path}: no frames with transform_matrix and file_path") from error
    for pose, name in zip(poses, names):
        _check_pose(path, name, pose)
        pose[:3, 3] /= bound
    if not poses:
        raise MscnError(f"{path}: no frame; give poses")
    return poses, names


def _check_pose(path: PathLike, name: str, pose: np.ndarray) -> None:
    if pose.shape != (4, 4) or not np.isfinite(pose).all():
        raise MscnError(f"{path}: the pose of {name} is no 4x4 matrix; correct it")
    if abs(np.linalg.det(pose[:3, :3])) < 1e-6:
        raise MscnError(f"{path}: the pose of {name} is singular; correct it")


def _straight(rgba: np.ndarray) -> np.ndarray:
    """uint8 RGBA of a premultiplied picture."""
    alpha = np.clip(rgba[..., 3:], 0, 1)
    colour = np.clip(rgba[..., :3] / np.maximum(alpha, 1e-6), 0, 1)
    return np.rint(255 * np.concatenate([colour, alpha], -1)).astype(np.uint8)


def _on_white(rgba: np.ndarray) -> np.ndarray:
    alpha = rgba[..., 3:] / 255.0
    return np.rint(rgba[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)


def training_signals(
    pattern: str, count: int = 200, seed: int = 0, **options: Any
) -> list[np.ndarray]:
    """Radiance grids made of solid voxels: coloured, lit, with a random texture.

    Args:
      pattern: glob of files that the module ``voxels`` reads.
      count: scenes that are drawn.
      seed: of the drawing and of colours.
      options: of ``voxels.training_signals``.

    Returns:
      float32 ``[R, R, R, 4]`` each, as ``fitting.radiance.fit_radiance`` gives them.

    Raises:
      MscnError: there is no such file, or it holds something else.
    """
    solids = voxels.training_signals(pattern, **options)
    random = np.random.default_rng(seed)
    chosen = random.permutation(len(solids))[:count]
    return [coloured(solids[i][..., 0], random) for i in chosen]


def coloured(solid: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A radiance grid float32 ``[R, R, R, 4]`` of solid voxels bool ``[R, R, R]``."""
    distance = scipy.ndimage.distance_transform_edt(solid)
    distance = distance - scipy.ndimage.distance_transform_edt(~solid)
    distance = scipy.ndimage.gaussian_filter(distance, 0.6)
    normal = np.stack(np.gradient(-scipy.ndimage.gaussian_filter(distance, 1.0)), -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True) + 1e-6
    light = random.normal(size=3)
    lit = 0.65 + 0.35 * (normal @ (light / np.linalg.norm(light)))
    # Two colours that a smooth random field mixes.
    field = scipy.ndimage.gaussian_filter(random.normal(size=solid.shape), random.uniform(1, 4))
    share = 1 / (1 + np.exp(-6 * field / field.std()))[..., None]
    first, second = random.uniform(0.1, 1, (2, 3))
    colour = np.clip(lit[..., None] * (share * first + (1 - share) * second), 0, 1)
    return np.concatenate([np.clip(distance / 2, -1, 1)[..., None], colour], -1).astype(np.float32)
