"""Colours of pictures into sRGB: by ICC profiles, or by what PNG, AVIF and HEIC say in numbers."""

from __future__ import annotations

import contextlib
import io
import struct
from dataclasses import dataclass
from typing import Optional

import numpy as np
from PIL import ExifTags, Image, ImageCms

_BLACK_POINT = ImageCms.Flags.BLACKPOINTCOMPENSATION
_SAME = 2  # levels that sRGB's own profiles, of several makers, differ by at most
_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_SRGB_GAMMA = 1 / 2.2
_SRGB = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)  # x, y of white, red, green, blue
# By their numbers in ITU-T H.273; others are taken for sRGB's, which they are near.
_PRIMARIES = {
    9: ("BT.2020", (0.3127, 0.329, 0.708, 0.292, 0.17, 0.797, 0.131, 0.046)),
    11: ("DCI-P3", (0.314, 0.351, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)),
    12: ("Display P3", (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)),
}
# What cameras mean by R03 in EXIF (Design rule for Camera File system 2.0), without a profile.
_ADOBE_RGB = (0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
_ADOBE_GAMMA = 563 / 256
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
HIGH_RANGE = (16, 18)  # transfer functions PQ and HLG


@dataclass(frozen=True)
class Profile:
    """What numbers of a picture stand for.

    Attributes:
      icc: an ICC profile.
      name: what notes call it, empty: as it does itself.
    """

    icc: bytes
    name: str = ""


def of_picture(picture: Image.Image, cicp: Optional[tuple[int, int]]) -> Optional[Profile]:
    """The profile of a picture; None where it is sRGB, or doesn't say.

    Args:
      picture: loaded, as reading EXIF loads some.
      cicp: its primaries and transfer function, numbered as in ITU-T H.273, where it says so.
    """
    info = picture.info
    if "icc_profile" in info:  # None where Pillow found it damaged
        return Profile(info["icc_profile"] or b"")
    if cicp is not None:
        name, primaries = _PRIMARIES.get(cicp[0], ("", _SRGB))
        gamma = _GAMMAS.get(cicp[1])
        if name or gamma:
            return _described(primaries, gamma, name)
        return None
    if "srgb" in info:
        return None
    if _is_adobe_rgb(picture):
        return _described(_ADOBE_RGB, _ADOBE_GAMMA, "Adobe RGB")
    gamma = info.get("gamma") or _SRGB_GAMMA
    primaries = info.get("chromaticity") or _SRGB
    near = max(abs(a - b) for a, b in zip(primaries, _SRGB)) < 0.005
    if near and abs(gamma - _SRGB_GAMMA) < 0.005:
        return None
    # A display gamma of 2.2 alone says sRGB.
    of_srgb = abs(gamma - _SRGB_GAMMA) < 0.005
    return _described(primaries, None if of_srgb else 1 / gamma, "")


def _is_adobe_rgb(picture: Image.Image) -> bool:
    with contextlib.suppress(Exception):  # which damaged EXIF raises, of all kinds
        return picture.getexif().get_ifd(ExifTags.IFD.Interop).get(1) == "R03"
    return False


def to_srgb(colours: Image.Image, profile: Profile) -> tuple[Image.Image, str]:
    """Colours in sRGB, grey where all are neutral, and what to say of it, if anything.

    Args:
      colours: of mode L, RGB or CMYK.
      profile: of the numbers. One that can't be used leaves them as they are.
    """
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile.icc))
        space = source.profile.xcolor_space.strip()
        mode = _MODES.get(space, "")
        if mode != colours.mode and (mode, colours.mode) != ("RGB", "L"):
            said = f"its colour profile is for {space}, not {colours.mode}: left out"
            return colours, said
        transform = ImageCms.buildTransform(
            source,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            _BLACK_POINT,
        )
        if mode != "CMYK" and _changes_little(transform, mode):
            return colours, ""
        converted = ImageCms.applyTransform(colours.convert(mode), transform)
        if converted is None:  # only where it is done in place
            raise ValueError("nothing converted")
        name = profile.name or _name(source)
    except Exception:  # littlecms, and Pillow around it, raise all kinds of errors
        return colours, "its colour profile is damaged: colours are taken as sRGB"
    return converted, f"colours converted to sRGB from {name}"


def grey_if_neutral(pixels: np.ndarray) -> np.ndarray:
    """Pixels ``[H, W, C]`` with one channel for red, green and blue where these are the same.

    Alpha stays behind. Pixels of a colour come back as they are.
    """
    if pixels.shape[-1] < 3 or not np.all(pixels[..., 1:3] == pixels[..., :1]):
        return pixels
    return np.delete(pixels, (1, 2), axis=-1)


def _name(profile: ImageCms.ImageCmsProfile) -> str:
    name = "".join(c for c in ImageCms.getProfileDescription(profile) if c.isprintable())
    return name.strip()[:60] or "another profile"


def _changes_little(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    levels = np.linspace(0, 255, 18).astype(np.uint8)
    cube = np.stack(np.meshgrid(*[levels] * len(mode)), -1).reshape(1, -1, len(mode))
    sample = Image.fromarray(cube[..., 0] if mode == "L" else cube)
    converted = np.asarray(ImageCms.applyTransform(sample, transform)).astype(int)
    return bool(np.abs(converted - cube).max() <= _SAME)


def _described(xy: tuple[float, ...], gamma: Optional[float], name: str) -> Profile:
    """A profile of primaries and a gamma, None for the curve of sRGB.

    The name is what they are called, or, where that is empty, gamma and primaries in words.
    """
    if not name:
        name = "its own primaries" if gamma is None else f"a gamma of {gamma:.3g}"
    try:
        return Profile(_matrix_profile(np.array(xy, np.float64), gamma), name)
    except (np.linalg.LinAlgError, FloatingPointError, struct.error):
        return Profile(b"", name)  # numbers that are none: said to be damaged


def _matrix_profile(xy: np.ndarray, gamma: Optional[float]) -> bytes:
    """An ICC profile, version 4, of three primaries and one curve (ICC.1:2010)."""

    def tristimulus(x: float, y: float) -> np.ndarray:
        return np.array([x, y, 1 - x - y]) / y

    with np.errstate(all="raise"):
        white, *primaries = (tristimulus(*pair) for pair in xy.reshape(4, 2))
        matrix = np.stack(primaries, -1)
        matrix = matrix * np.linalg.solve(matrix, white)
        # To the profile's white, D50 (Bradford).
        cone = np.array(
            [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
        )
        d50 = np.array([0.9642, 1.0, 0.8249])
        matrix = np.linalg.solve(cone, ((cone @ d50) / (cone @ white))[:, None] * (cone @ matrix))

    def fixed(*numbers: float) -> bytes:
        return b"".join(struct.pack(">i", round(65536 * number)) for number in numbers)

    if gamma is None:
        curve = struct.pack(">4sIHH", b"para", 0, 3, 0)
        curve += fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    else:
        curve = struct.pack(">4sIHH", b"para", 0, 0, 0) + fixed(gamma)
    parts = {b"wtpt": d50, b"rXYZ": matrix[:, 0], b"gXYZ": matrix[:, 1], b"bXYZ": matrix[:, 2]}
    bodies = {tag: struct.pack(">4sI", b"XYZ ", 0) + fixed(*xyz) for tag, xyz in parts.items()}
    bodies.update(dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve))
    directory, content = struct.pack(">I", len(bodies)), b""
    start = 128 + 4 + 12 * len(bodies)
    for tag, body in bodies.items():
        directory += struct.pack(">4sII", tag, start + len(content), len(body))
        content += body
    header = struct.pack(
        ">I4xI4s4s4s12x4s28x12s48x",
        start + len(content),
        0x04200000,
        b"mntr",
        b"RGB ",
        b"XYZ ",
        b"acsp",
        fixed(*d50),
    )
    return header + directory + content
