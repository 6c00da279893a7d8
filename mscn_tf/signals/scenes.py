"""Scenes: posed pictures in NeRF's layout in, renderings from any pose out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Optional, Union

import numpy as np
import scipy.ndimage
from PIL import Image

from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError, naming
from mscn_tf.runtime.files import PathLike, atomic_write
from mscn_tf.runtime.rendering import on_ground, orbit, render_rays
from mscn_tf.signals import hooks, images, voxels
from mscn_tf.signals.cameras import Camera
from mscn_tf.signals.cubes import Cube
from mscn_tf.signals.descriptions import Frame, read_description
from mscn_tf.signals.signal import Selection, Signals
from mscn_tf.signals.views import Views, read_views

_RAYS = 10_000  # of a view at most, that quality is measured on
_ORBIT_VIEWS = 24
_LOOKS, _LOOK_SIDE = 6, 40  # what coding costs is seen by so many cameras, of so many pixels
_LARGEST_VIEW = 2**24  # pixels, of a file that a stranger made


def rendered_psnr(grid: np.ndarray, views: Views) -> float:
    """Mean PSNR in dB of a grid's renderings on white, or the ground of the views, over these.

    Of large pictures only every second, third, ... row and column is rendered.
    """
    return _mean_psnr(_compared(grid, views))


@dataclass(frozen=True)
class Fitted:
    """What a decoded scene is compared with.

    Attributes:
      grid: ``[R, R, R, 4]``, before coding.
      views: those that quality is measured on.
    """

    grid: np.ndarray
    views: Views


def unfit(signals: Signals, most: float) -> Optional[str]:
    """Why a grid, before coding, is none of a scene: its views lose more than that share."""
    (fitted,) = signals.originals or ()
    views, pairs = fitted.views, _compared(fitted.grid, fitted.views)
    lost = _pooled(pairs)
    if lost <= most:
        return None
    return (
        f"the fit misses {views.noun} by {lost:.0%} of their own spread ({_mean_psnr(pairs):.2f} "
        "dB PSNR); give it more --fit-steps, pictures without their background, or another --bound"
    )


def _compared(grid: np.ndarray, views: Views) -> list[tuple[np.ndarray, np.ndarray]]:
    """What is seen of a grid and what was taken, ``[N, 3]`` on the ground, of each view."""
    pairs = []
    for view, picture in enumerate(views.pictures):
        step = max(1, int(np.ceil(np.sqrt(picture[..., 0].size / _RAYS))))
        origin, directions = views.rays(view)
        directions = directions.reshape(*picture.shape[:2], 3)[::step, ::step].reshape(-1, 3)
        seen, taken = render_rays(grid, origin, directions), picture[::step, ::step].reshape(-1, 4)
        pairs.append((on_ground(seen, views.ground), on_ground(taken, views.ground)))
    return pairs


def _mean_psnr(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    errors = [max(np.mean(np.square(seen - taken)), 1e-10) for seen, taken in pairs]
    return float(np.mean(-10 * np.log10(errors)))


def _pooled(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    return _over_spread(*(np.concatenate(each) for each in zip(*pairs)))


def _over_spread(seen: np.ndarray, taken: np.ndarray) -> float:
    error, spread = np.mean(np.square(seen - taken)), np.mean(np.var(taken, axis=0))
    return float(np.sqrt(error / spread)) if spread > 0 else (0.0 if error == 0 else float("inf"))


def share_lost(
    original: Union[np.ndarray, Fitted], decoded: np.ndarray, metadata: Optional[dict[str, Any]]
) -> float:
    """Error of a decoded grid's renderings over the pictures' own spread.

    It is 1 where they are no better than a mean colour. Where there are no pictures, it is that of
    what cameras around see: many values of a grid lie where no camera sees them.
    """
    if isinstance(original, Fitted):
        return _pooled(_compared(decoded, original.views))
    known = metadata or {}
    poses = orbit(_LOOKS, max(float(known.get("distance", 3.0)), 2.0))
    camera = Camera.pinhole(1.2 * _LOOK_SIDE, _LOOK_SIDE, _LOOK_SIDE)
    rays = [camera.rays(pose) for pose in poses]
    before, after = (
        np.concatenate([on_ground(render_rays(grid, *ray), known.get("ground")) for ray in rays])
        for grid in (original, decoded)
    )
    return _over_spread(after, before)


def measure(
    original: Union[np.ndarray, Fitted], decoded: np.ndarray, metadata: Optional[dict[str, Any]]
) -> dict[str, float]:
    """Mean PSNR of views, beside what it was before coding; without views that of the grids."""
    if not isinstance(original, Fitted):
        return {"dB PSNR of the grid": images.psnr(original, decoded, 2.0)}
    views = original.views
    before = rendered_psnr(original.grid, views)
    return {f"dB PSNR of {views.noun} ({before:.2f} before coding)": rendered_psnr(decoded, views)}


def largest_error(
    original: Union[np.ndarray, Fitted], decoded: np.ndarray, metadata: Optional[dict[str, Any]]
) -> float:
    """Of the values of grids."""
    grid = original.grid if isinstance(original, Fitted) else original
    return hooks.largest_error(grid, decoded, metadata)


def drawn_original(path: PathLike, container: Container, item: int) -> Views:
    """Views of the scene that a file was made from, those held out if there are any."""
    return read_views(path, cube=Cube.of(container.metadata)).measured


def check_metadata(metadata: dict[str, Any], container: Container) -> None:
    """As `hooks` says: the cube, the camera, its pictures and the ground."""
    Cube.of(metadata)
    _own_camera(metadata)
    _own_ground(metadata)


def write(
    path: PathLike,
    arrays: Iterable[np.ndarray],
    names: Optional[Sequence[str]],
    metadata: Optional[dict[str, Any]],
    selection: Selection,
) -> str:
    """Writes a scene as the path's ending says.

    ``.npy``: the grid ``[R, R, R, 4]``; ``.gif``: an orbit; ``.png``: its first view; a folder: the
    views of ``selection.poses``, a ``transforms.json``, or an orbit, as PNG files.

    Raises:
      MscnError: another ending, several scenes, or the file can't be written.
    """
    arrays = list(arrays)
    if len(arrays) != 1:
        raise MscnError(f"{path}: {len(arrays)} scenes; name one with --item=I")
    grid, suffix = np.asarray(arrays[0], np.float64), Path(path).suffix.lower()
    if suffix == ".npy":
        with atomic_write(path) as file:
            np.save(file, arrays[0])
        return f"grid of {'x'.join(map(str, arrays[0].shape))}"
    if suffix not in (".gif", ".png", ""):
        raise MscnError(f"{path}: scenes are written as .gif, .png, .npy or a folder of PNGs")
    with naming(path):
        cube = Cube.of(metadata)
        camera, distance = _own_camera(metadata or {})
        ground = _own_ground(metadata or {})
    if selection.poses is None:
        poses = list(orbit(_ORBIT_VIEWS, distance))
        cameras, names = [camera] * len(poses), [f"{i:03d}" for i in range(len(poses))]
    else:
        frames, _ = read_description(selection.poses)
        poses = [cube.placed(frame.pose) for frame in frames]
        cameras = [_camera_of(frame, camera) for frame in frames]
        names = [PurePosixPath(frame.name).name for frame in frames]
    if suffix == ".png":
        poses = poses[:1]
    if suffix == ".gif" and len({(one.width, one.height) for one in cameras}) > 1:
        raise MscnError(f"{path}: the views differ in size; decode them to a folder")
    pictures = _pictures(path, grid, poses, cameras, ground)
    count = "one view" if len(poses) == 1 else f"{len(poses)} views"
    size = f"{cameras[0].width}x{cameras[0].height}"
    if suffix == ".gif":
        orbiting = (Image.fromarray(_on_white(picture)) for picture in pictures)
        first = next(orbiting)
        with atomic_write(path) as file:
            first.save(file, "GIF", save_all=True, append_images=orbiting, duration=80, loop=0)
        return f"{count}, {size}"
    if suffix == ".png":
        with atomic_write(path) as file:
            Image.fromarray(next(pictures)).save(file, "PNG")
        return f"{count}, {size}"
    files = images.write_folder(path, pictures, names)
    return f"{count}, {files[0]} to {files[-1]}"


def _camera_of(frame: Frame, default: Camera) -> Camera:
    """A frame's camera, its picture as wide as those of the scene; that of the scene by default."""
    if not frame.has_lens():
        return default
    across, down = frame.stated_size() or (default.width, default.height)
    height = max(1, round(default.width * down / across))
    _check_view(default.width, height)
    return frame.camera(default.width, height)


def _own_camera(known: dict[str, Any]) -> tuple[Camera, float]:
    """The camera that a file names, and how far from the middle it stands."""
    try:
        width, height = map(int, known.get("picture_size", (128, 128)))
        focal = float(known.get("focal", 1.2 * width))
        distance = float(known.get("distance", 3.0))
    except (TypeError, ValueError, OverflowError) as error:
        raise MscnError(f"damaged metadata ({error}); get a fresh copy") from error
    _check_view(width, height)
    if not 1e-3 < focal / width < 1e6 or not 0 <= distance < 1e30:
        raise MscnError("damaged metadata, no camera; get a fresh copy")
    return Camera.pinhole(focal, width, height), distance


def _own_ground(known: dict[str, Any]) -> Optional[np.ndarray]:
    """The colour that a file names as that of what lies behind the scene."""
    if known.get("ground") is None:
        return None
    try:
        ground = np.array(known["ground"], np.float64)
        sound = ground.shape == (3,) and ((ground >= 0) & (ground <= 1)).all()
    except (TypeError, ValueError, OverflowError):
        sound = False
    if not sound:
        raise MscnError("damaged metadata, no ground; get a fresh copy")
    return ground


def _check_view(width: int, height: int) -> None:
    if width < 1 or height < 1 or width * height > _LARGEST_VIEW:
        raise MscnError(
            f"views of {float(width):g}x{float(height):g} pixels are not of 1 to {_LARGEST_VIEW}"
        )


def _pictures(
    path: PathLike,
    grid: np.ndarray,
    poses: Sequence[np.ndarray],
    cameras: Sequence[Camera],
    ground: Optional[np.ndarray],
) -> Iterator[np.ndarray]:
    """What cameras see, one after the other: together they may be larger than memory."""
    for pose, camera in zip(poses, cameras):
        with naming(path):
            picture = _picture(grid, pose, camera, ground)
        yield picture


def _picture(
    grid: np.ndarray, pose: np.ndarray, camera: Camera, ground: Optional[np.ndarray]
) -> np.ndarray:
    """uint8 RGBA ``[H, W, 4]`` of what a camera sees, before the ground, if there is one."""
    pixels = render_rays(grid, *camera.rays(pose)).reshape(camera.height, camera.width, 4)
    if ground is not None:
        pixels = np.insert(on_ground(pixels, ground), 3, 1.0, axis=-1)
    return _straight(pixels)


def _straight(rgba: np.ndarray) -> np.ndarray:
    """uint8 RGBA of a premultiplied picture."""
    alpha = np.clip(rgba[..., 3:], 0, 1)
    colour = np.clip(rgba[..., :3] / np.maximum(alpha, 1e-6), 0, 1)
    pixels = np.nan_to_num(np.concatenate([colour, alpha], -1))  # NaN: seen from too far away
    return np.rint(255 * pixels).astype(np.uint8)


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
