"""Masks as fax machines code pictures (ITU-T T.6): shores move little from row to row."""

from __future__ import annotations

import io
import struct
from typing import Optional

import numpy as np
from PIL import Image, TiffImagePlugin

_LARGEST = 2**19  # points that Pillow writes as one strip
_STRIP_OFFSETS, _STRIP_BYTES = 273, 279
_SHORT, _LONG = 3, 4  # types of numbers in TIFF
_HEADER = struct.Struct("<2sHIH")
_TAG = struct.Struct("<HHII")


def encode(mask: np.ndarray) -> Optional[bytes]:
    """What `decode` takes, of bool ``[H, W]``; None where it is too large, or Pillow lacks it."""
    if mask.size > _LARGEST:
        return None
    file = io.BytesIO()
    try:
        Image.fromarray(mask).save(file, "TIFF", compression="group4")
        file.seek(0)
        with TiffImagePlugin.TiffImageFile(file) as image:
            (offset,), (size,) = (image.tag_v2[tag] for tag in (_STRIP_OFFSETS, _STRIP_BYTES))
    except (OSError, ValueError):
        return None
    return file.getvalue()[offset : offset + size]


def decode(strip: bytes, shape: tuple[int, int]) -> np.ndarray:
    """bool ``[H, W]``, such a shape.

    Raises:
      ValueError: it is none of `encode`'s.
    """
    height, width = shape
    if height * width > _LARGEST:
        raise ValueError("too large a mask")
    tags = [
        (256, _LONG, width),
        (257, _LONG, height),
        (258, _SHORT, 1),  # bits a sample
        (259, _SHORT, 4),  # T.6
        (262, _SHORT, 1),  # ones are white
        (_STRIP_OFFSETS, _LONG, 0),
        (277, _SHORT, 1),  # samples a pixel
        (278, _LONG, height),  # rows a strip
        (_STRIP_BYTES, _LONG, len(strip)),
    ]
    start = _HEADER.size + _TAG.size * len(tags) + 4
    tags = [(tag, kind, start if tag == _STRIP_OFFSETS else value) for tag, kind, value in tags]
    head = _HEADER.pack(b"II", 42, 8, len(tags))
    directory = b"".join(_TAG.pack(tag, kind, 1, value) for tag, kind, value in tags)
    try:
        with Image.open(io.BytesIO(head + directory + bytes(4) + strip)) as image:
            return np.asarray(image).astype(bool)
    except (OSError, SyntaxError) as error:
        raise ValueError(str(error)) from error
