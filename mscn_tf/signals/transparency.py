"""Alpha of pictures, and the colours of pixels that it hides."""

from __future__ import annotations

from typing import Optional

import numpy as np
from PIL import Image

# Bits of grey values, by Pillow's name for how they lie in a PNG.
_GREY_BITS = {"1": 1, "L;2": 2, "L;4": 4}


def scale_key(picture: Image.Image) -> None:
    """Gives a PNG's transparent colour in 8 bits, as Pillow gives pixels, before they are loaded.

    Bits above those of the file's values don't count (PNG, tRNS).
    """
    key = picture.info.get("transparency")
    if picture.format != "PNG":
        return
    if isinstance(key, tuple):
        picture.info["transparency"] = tuple(value & 255 for value in key)
    tiles = getattr(picture, "tile", ())  # of what was opened from a file
    if isinstance(key, int) and picture.mode in ("1", "L") and tiles:
        most = 2 ** _GREY_BITS.get(tiles[0][3], 8) - 1
        picture.info["transparency"] = (key & most) * 255 // most


def alpha_of(picture: Image.Image) -> Optional[np.ndarray]:
    """uint8 [H, W], 255 opaque; None where all of it is."""
    if not picture.has_transparency_data:
        return None
    if picture.mode == "1":
        clear = np.array(picture.convert("L")) == picture.info["transparency"]
        alpha = np.where(clear, 0, 255).astype(np.uint8)
    else:
        alpha = np.array(picture.convert("RGBA"))[..., 3]
    return None if alpha.min() == 255 else alpha


def filled(pixels: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Pixels uint8 [H, W, C] that aren't seen, bool [H, W], in smooth colours of those around.

    From means of those seen in squares of 2, 4, 8 ... pixels (pull-push, Gortler et al. 1996).
    """
    if seen.all():
        return pixels
    height, width, channels = pixels.shape
    pad = ((0, height % 2), (0, width % 2))
    squares = [-(-height // 2), 2, -(-width // 2), 2]
    weights = np.pad(seen, pad).reshape(squares).sum((1, 3))
    kept = np.pad(pixels * seen[..., None], (*pad, (0, 0)))
    sums = kept.reshape(*squares, channels).sum((1, 3), dtype=np.uint32)
    means = (sums // np.maximum(weights, 1)[..., None]).astype(np.uint8)
    if height * width > 1:
        means = filled(means, weights > 0)
    size = (2 * squares[2], 2 * squares[0])
    larger = Image.fromarray(squeezed(means)).resize(size, Image.Resampling.BILINEAR)
    around = np.asarray(larger).reshape(size[1], size[0], channels)[:height, :width]
    return np.where(seen[..., None], pixels, around)


def squeezed(picture: np.ndarray) -> np.ndarray:
    """Without its last axis where there is one channel, as Pillow wants it."""
    return picture[..., 0] if picture.shape[-1] == 1 else picture
