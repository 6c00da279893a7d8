"""Descriptions of posed pictures: `transforms.json` of instant-ngp, nerfstudio and Blender."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Optional, cast

import numpy as np

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike
from mscn_tf.signals.cameras import Camera
from mscn_tf.signals.picture_files import SUFFIXES

ENDINGS = (".png", ".jpg", ".jpeg", ".webp")  # that a picture without one is looked for with
# `camera_model`s that are pinholes, with Brown's distortion or without.
_PERSPECTIVE = frozenset("PERSPECTIVE PINHOLE SIMPLE_PINHOLE RADIAL SIMPLE_RADIAL OPENCV".split())
_OTHER_LENSES = ("is_fisheye", "ftheta_p0", "latlong", "equirectangular")  # instant-ngp's words
_LENS = ("fl_x", "fl_y", "camera_angle_x", "camera_angle_y", "x_fov", "y_fov")
_DISTORTION = ("k1", "k2", "k3", "k4", "p1", "p2")
_STRETCHED = 0.02  # more, and more than a pixel: pictures aren't what the description says
_NAMED = 3  # of what is missing
_FLAT = 1e-3  # the volume of a pose's axes, over that of a box: they span no space
_LARGEST = 1e30  # of a pose's numbers: their products are still finite


@dataclass(frozen=True)
class Frame:
    """One view of a description.

    Attributes:
      source: the description.
      name: of the picture, with forward slashes, as the description says it.
      pose: float64 ``[4, 4]``, camera to world, in the description's units.
      words: what the description says of this frame, or else of all frames.
    """

    source: Path
    name: str
    pose: np.ndarray
    words: Mapping[str, Any]

    def picture(self) -> Optional[Path]:
        """Its file, or None where there is none."""
        folder, name = self.source.parent, PurePosixPath(self.name)
        places = [folder / name]
        if name.is_absolute() or PureWindowsPath(self.name).drive:  # of the machine it was made on
            places += [folder.joinpath(*name.parts[i:]) for i in range(1, len(name.parts))]
        for place in places:
            stem = place.with_suffix("") if place.suffix.lower() in SUFFIXES else place
            others = [
                Path(f"{path}{ending}")
                for path in dict.fromkeys((place, stem))
                for suffix in ENDINGS
                for ending in (suffix, suffix.upper())
            ]
            for file in (place, *others):
                if os.path.isfile(file):  # which takes names too long for the system
                    return file
        return None

    def stated_size(self) -> Optional[tuple[float, float]]:
        """Width and height of the picture that the intrinsics are of, where they are said."""
        width, height = self._number("w"), self._number("h")
        if width is None or height is None:
            return None
        if width < 1 or height < 1:
            raise self._error(f"w and h of {width:g} and {height:g} are no size; correct them")
        return width, height

    def has_lens(self) -> bool:
        """Whether the description says anything of the camera."""
        return any(name in self.words for name in _LENS)

    def camera(self, width: int, height: int) -> Camera:
        """The camera of a picture of that size, whatever size the description says.

        Raises:
          MscnError: there is no focal length, a number is none, the picture has other proportions,
            or the lens is not a perspective one.
        """
        self._check_lens()
        across, down = self.stated_size() or (width, height)
        if not abs(width * down / across - height) <= max(1.0, _STRETCHED * height):
            raise self._error(
                f"{across:g}x{down:g} pixels, but the picture has {width}x{height}; correct w and "
                "h, or the picture's EXIF orientation"
            )
        right, below = self._focal("x", across), self._focal("y", down)
        right, below = below if right is None else right, right if below is None else below
        if right is None or below is None:
            raise self._error("no focal length; add fl_x in pixels, or camera_angle_x in radians")
        camera = Camera(
            # Fractions of pixels do no harm here: `resized` leaves none.
            width=cast(int, across),
            height=cast(int, down),
            focal=(right, below),
            centre=(self._centre("cx", across), self._centre("cy", down)),
            distortion=self._distortion(),
        )
        if not camera.can_be_undone():
            raise self._error(
                "its distortion folds the picture and can't be undone; correct k1 to p2, or "
                "undistort the pictures and describe those"
            )
        return camera.resized(width, height)

    def _check_lens(self) -> None:
        model = self.words.get("camera_model") or "OPENCV"
        words = [word for word in _OTHER_LENSES if self.words.get(word)]
        if str(model).upper() not in _PERSPECTIVE:
            words = [f"camera_model {_short(model)}"]
        if words:
            raise self._error(
                f"{words[0]}: not a perspective camera; undistort the pictures (colmap "
                "image_undistorter) and describe those"
            )

    def _focal(self, axis: str, side: float) -> Optional[float]:
        length = self._number(f"fl_{axis}")
        if length is not None:
            if not 1e-3 * side < length < 1e6 * side:
                raise self._error(
                    f"fl_{axis} is {length:g} for {side:g} pixels, no focal length; correct it"
                )
            return length
        angle, degrees = self._number(f"camera_angle_{axis}"), self._number(f"{axis}_fov")
        if angle is None and degrees is not None:
            angle = math.radians(degrees)
        if angle is None:
            return None
        if not 1e-6 < angle < math.pi:
            raise self._error(f"camera_angle_{axis} is no angle between 0 and pi; correct it")
        return 0.5 * side / math.tan(0.5 * angle)

    def _centre(self, name: str, side: float) -> float:
        place = self._number(name)
        if place is None:
            return side / 2
        if not -side < place < 2 * side:
            raise self._error(f"{name} is {place:g}, far off its {side:g} pixels; correct it")
        return place

    def _distortion(self) -> tuple[float, ...]:
        words = self.words
        if isinstance(words.get("distortion_params"), list):
            words = dict(zip(_DISTORTION, words["distortion_params"]))
        return tuple(self._number(name, words) or 0.0 for name in _DISTORTION)

    def _number(self, name: str, words: Optional[Mapping[str, Any]] = None) -> Optional[float]:
        value = (self.words if words is None else words).get(name)
        if value is None:
            return None
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise self._error(f"{name} is {_short(value)}, no number; correct it")
        return number

    def _error(self, text: str) -> MscnError:
        return MscnError(f"{self.source}: {self.name}: {text}")


def read_description(path: PathLike) -> tuple[list[Frame], dict[str, Any]]:
    """The frames of a description, and all that it says besides.

    Raises:
      MscnError: missing, damaged, no description, or a frame without a sound pose.
    """
    path = Path(path)
    try:
        described = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise MscnError(f"cannot read {path}: {error.strerror}; check the path") from error
    except (ValueError, RecursionError) as error:
        raise MscnError(f"{path}: damaged, no JSON ({error}); get a fresh copy") from error
    frames = described.pop("frames", None) if isinstance(described, dict) else None
    if not isinstance(frames, list):
        raise MscnError(
            f"{path}: no NeRF description; it has a list of frames, with file_path and "
            "transform_matrix, as instant-ngp, nerfstudio and Blender's scripts write it"
        )
    if not frames:
        raise MscnError(f"{path}: no frame; describe at least one")
    return [_frame(path, i, frame, described) for i, frame in enumerate(frames)], described


def _frame(path: Path, number: int, frame: Any, described: dict[str, Any]) -> Frame:
    if not isinstance(frame, dict):
        raise MscnError(f"{path}: frame {number} is {_short(frame)}; correct it")
    name = frame.get("file_path", f"{number:06d}")
    if not isinstance(name, str) or any(c < " " for c in name):
        raise MscnError(f"{path}: frame {number}: file_path is {_short(name)}, no name; correct it")
    name = name.replace("\\", "/")
    try:
        pose = np.array(frame["transform_matrix"], np.float64)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise MscnError(f"{path}: {name} has no pose; give a transform_matrix") from error
    if pose.shape == (3, 4):
        pose = np.concatenate([pose, [[0.0, 0, 0, 1]]])
    if pose.shape != (4, 4) or not (np.abs(pose) < _LARGEST).all():
        raise MscnError(f"{path}: the pose of {name} is no 4x4 matrix of numbers; correct it")
    lengths = np.linalg.norm(pose[:3, :3], axis=0)
    if abs(np.linalg.det(pose[:3, :3])) <= _FLAT * np.prod(lengths):
        raise MscnError(f"{path}: the pose of {name} is singular; correct it")
    return Frame(path, name, pose, {**described, **frame})


def with_pictures(
    frames: Sequence[Frame], fewest: int
) -> tuple[list[tuple[Frame, Path]], list[str]]:
    """The frames whose pictures are there, with these; and a note of the others, if there are any.

    Raises:
      MscnError: they are fewer than that.
    """
    pairs = [(frame, frame.picture()) for frame in frames]
    kept = [(frame, file) for frame, file in pairs if file is not None]
    missing = [frame.name for frame, file in pairs if file is None]
    source = frames[0].source
    if len(kept) < fewest:
        lacking = f"; there is no {source.parent / missing[0]}" if missing else ""
        raise MscnError(
            f"{source}: {len(kept)} of {len(frames)} frames have a picture, a scene needs "
            f"{fewest}{lacking}"
        )
    if not missing:
        return kept, []
    names = ", ".join(missing[:_NAMED]) + (", ..." if len(missing) > _NAMED else "")
    return kept, [
        f"{source}: {len(missing)} of {len(frames)} frames are left out, their pictures are "
        f"missing: {names}"
    ]


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."
