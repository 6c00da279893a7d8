"""Views of a scene: posed pictures in the layouts of instant-ngp, nerfstudio and Blender."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Optional

import numpy as np
from PIL import Image

from mscn_tf.runtime.errors import MscnError, naming
from mscn_tf.runtime.files import PathLike
from mscn_tf.runtime.rendering import render_rays
from mscn_tf.signals import cubes
from mscn_tf.signals.cameras import Camera
from mscn_tf.signals.cubes import Cube
from mscn_tf.signals.descriptions import Frame, read_description, with_pictures
from mscn_tf.signals.picture_files import read_picture

_FEWEST = 2  # views
_HELD_OUT = 8  # every so many views, where the folder doesn't say
_MEASURED = 20  # views at most
_SIDE = 400  # pixels, of pictures at most: a cell of the grid is some of them


@dataclass(frozen=True)
class Views:
    """Pictures of a scene and where they were taken from.

    Attributes:
      pictures: float32 ``[H, W, 4]`` each, premultiplied RGBA in [0, 1].
      poses: ``[4, 4]`` each, camera to world, in units of half the side of the scene's cube.
      cameras: one for each.
      held_out: whether the fit of the scene doesn't see them.
      ground: the colour behind the scene, RGB in [0, 1], of pictures that are opaque throughout;
        None of pictures that aren't.
    """

    pictures: Sequence[np.ndarray]
    poses: Sequence[np.ndarray]
    cameras: Sequence[Camera]
    held_out: bool = False
    ground: Optional[tuple[float, ...]] = None

    @property
    def noun(self) -> str:
        """What they are called, which makes no claim that isn't true."""
        return "views not fitted" if self.held_out else "views that were fitted"

    def rays(self, view: int) -> tuple[np.ndarray, np.ndarray]:
        """Origin ``[3]`` and directions ``[H * W, 3]`` of a view's pixels."""
        return self.cameras[view].rays(self.poses[view])

    def rendered(self, view: int, grid: np.ndarray) -> np.ndarray:
        """``[H, W, 4]``, premultiplied RGBA: a radiance grid as that view sees it."""
        return render_rays(grid, *self.rays(view)).reshape(self.pictures[view].shape)

    def some(self, part: slice) -> Views:
        """Those of a slice."""
        return replace(
            self,
            pictures=self.pictures[part],
            poses=self.poses[part],
            cameras=self.cameras[part],
        )


class Posed(NamedTuple):
    """Views to fit, views to measure by (the same, where none are held out), and what was done."""

    fitted: Views
    measured: Views
    cube: Cube
    notes: list[str]


def read_views(path: PathLike, bound: Optional[float] = None, cube: Optional[Cube] = None) -> Posed:
    """The views to fit and those held out to measure by.

    Args:
      path: a folder with ``transforms_train.json`` or ``transforms.json``, or one such file. Held
        out are the views of ``transforms_test.json`` or ``transforms_val.json`` beside the first,
        else every eighth one.
      bound: half the side of the cube that holds the scene, in the poses' units; chosen where it
        is not given.
      cube: the whole cube, of a scene that was coded.

    Raises:
      MscnError: a file is missing or damaged, too few pictures are there, a camera is none that
        can be read, or no cube can be chosen.
    """
    source, other = _descriptions(Path(path))
    frames, described = read_description(source)
    kept, notes = with_pictures(frames, _FEWEST)
    if other is not None:  # which may hold out nothing: its pictures are missing
        held_out, more = with_pictures(read_description(other)[0], 0)
        notes += more
        held_out = held_out[:: max(1, -(-len(held_out) // _MEASURED))]
    else:
        every = max(_HELD_OUT, -(-len(kept) // _MEASURED))
        held_out = kept[every - 1 :: every]
        del kept[every - 1 :: every]
    masked = sum(frame.words.get("mask_path") is not None for frame, _ in kept)
    if masked:
        notes.append(f"{source}: masks of {masked} frames (mask_path) are not used")
    pictures, cameras, more = _read_pictures(kept)
    poses = [frame.pose for frame, _ in kept]
    if cube is None:
        cube, told = _cube(source, described, poses, cameras, bound)
        more += told
    ground = _ground(pictures)
    fitted = Views(pictures, [cube.placed(pose) for pose in poses], cameras, ground=ground)
    if not held_out:
        return Posed(fitted, fitted, cube, notes + more)
    pictures, cameras, _ = _read_pictures(held_out)
    poses = [cube.placed(frame.pose) for frame, _ in held_out]
    measured = Views(pictures, poses, cameras, held_out=True, ground=ground)
    return Posed(fitted, measured, cube, notes + more)


def _descriptions(path: Path) -> tuple[Path, Optional[Path]]:
    """What describes the views to fit, and those held out, where another file does."""
    train = path / "transforms_train.json" if path.is_dir() else path
    if train.name == "transforms_train.json" and train.exists():
        others = [train.with_name(f"transforms_{name}.json") for name in ("test", "val")]
        return train, next((other for other in others if other.exists()), None)
    if not path.is_dir():
        return path, None
    alone = path / "transforms.json"
    names = sorted(file.name for file in path.glob("*.json"))
    if not alone.exists() and names:
        raise MscnError(
            f"{path}: neither transforms.json nor transforms_train.json; if {names[0]} describes "
            "its pictures, give that file"
        )
    return alone, None


def _read_pictures(
    frames: Sequence[tuple[Frame, Path]],
) -> tuple[list[np.ndarray], list[Camera], list[str]]:
    """Premultiplied pictures, their cameras, and a note if they were made smaller."""
    pictures, cameras, large = [], [], None
    for frame, file in frames:
        rgba = _rgba(read_picture(file))
        height, width = rgba.shape[:2]
        camera = frame.camera(width, height)
        if max(width, height) > _SIDE:
            share = _SIDE / max(width, height)
            camera = camera.resized(*(max(1, round(side * share)) for side in (width, height)))
            size = (camera.width, camera.height)
            rgba = np.asarray(Image.fromarray(rgba).resize(size, Image.Resampling.BOX))
            large = large or f"{width}x{height} to {camera.width}x{camera.height}"
        values = rgba.astype(np.float32) / 255
        pictures.append(np.concatenate([values[..., :3] * values[..., 3:], values[..., 3:]], -1))
        cameras.append(camera)
    if large is None:
        return pictures, cameras, []
    source = frames[0][0].source
    return pictures, cameras, [f"{source}: pictures are made smaller, from {large} pixels"]


def _ground(pictures: Sequence[np.ndarray]) -> Optional[tuple[float, ...]]:
    """The colour at the edges of pictures, if all of them are opaque."""
    if any(picture[..., 3].min() < 1 for picture in pictures):
        return None
    sides = [picture[at] for picture in pictures for at in (0, -1, np.s_[:, 0], np.s_[:, -1])]
    colour = np.median(np.concatenate(sides)[:, :3], axis=0)
    return tuple(round(float(value), 4) for value in colour)


def _rgba(picture: np.ndarray) -> np.ndarray:
    """uint8 ``[H, W, 4]`` of a picture of 1 to 4 channels."""
    colours, alpha = picture, np.full_like(picture[..., :1], 255)
    if picture.shape[-1] in (2, 4):
        colours, alpha = picture[..., :-1], picture[..., -1:]
    return np.concatenate([np.broadcast_to(colours, (*alpha.shape[:2], 3)), alpha], -1)


def _cube(
    source: Path,
    described: dict[str, Any],
    poses: Sequence[np.ndarray],
    cameras: Sequence[Camera],
    bound: Optional[float],
) -> tuple[Cube, list[str]]:
    """The cube to code, and a note where it isn't the usual one."""
    with naming(source):
        cube = cubes.stated(described)
        if cube is not None:
            return (cube if bound is None else replace(cube, bound=bound)), []
        cube = cubes.choose(poses, [camera.reach for camera in cameras], bound)
    if cube == Cube(bound=bound or cubes.BOUND):
        return cube, []
    place = ", ".join(f"{at:g}" for at in cube.centre)
    return cube, [
        f"{source}: the cameras look at ({place}); what is coded is the cube about it, half its "
        f"side {cube.bound:g} (--bound)"
    ]
