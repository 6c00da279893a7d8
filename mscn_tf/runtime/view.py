"""What is wanted of a file: pictures, or parts of them, at a size; and how values become pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mscn_tf.runtime.container import MAX_PIXELS, MAX_SIDE, Container
from mscn_tf.runtime.errors import MscnError

_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


@dataclass(frozen=True)
class View:
    """One wanted picture: an item seen through a region at a size.

    Attributes:
      item: which, from 0.
      region: (x, y, width, height) in source pixels.
      shape: (height, width) of the output.
    """

    item: int
    region: tuple[int, int, int, int]
    shape: tuple[int, int]


def view(
    container: Container,
    item: int,
    scale: float | None = None,
    size: tuple[int, int] | None = None,
    region: tuple[int, int, int, int] | None = None,
) -> View:
    """The view that the arguments of `Codec.decode` ask for.

    Raises:
      MscnError: an argument is out of range, or there is no such item.
    """
    source = container.source
    height, width = container.shapes[container.check_item(item)]
    x, y, w, h = (0, 0, width, height) if region is None else region
    if w < 1 or h < 1 or x < 0 or y < 0 or x + w > width or y + h > height:
        raise MscnError(
            f"{source}: region {x},{y},{w},{h} does not lie within its {width}x{height} pixels"
        )
    if scale is not None and size is not None:
        raise MscnError("give scale or size, not both")
    out_w, out_h = (w, h) if size is None else size
    if scale is not None:
        if not 0 < scale <= MAX_SIDE:
            raise MscnError(f"scale {scale} must be more than 0 and at most {MAX_SIDE}")
        out_w, out_h = max(1, round(w * scale)), max(1, round(h * scale))
    sides = 1 <= out_w <= MAX_SIDE and 1 <= out_h <= MAX_SIDE
    if not sides or out_w * out_h > MAX_PIXELS:
        raise MscnError(
            f"{source}: output of {out_w}x{out_h} pixels; sides must be 1 to {MAX_SIDE} and the "
            f"product at most {MAX_PIXELS}: lower scale or size"
        )
    return View(item, (x, y, w, h), (out_h, out_w))


def to_bytes(values: np.ndarray, channels: int) -> np.ndarray:
    """uint8 [h, w, channels] of float64 [h, w, C]; three channels become one as BT.601 luma."""
    values = np.fmax(np.fmin(values, 1.0), 0.0)  # not numbers become 1 everywhere alike
    if channels == 1 and values.shape[-1] == 3:
        values = (values @ _LUMA)[..., None]
    return np.rint(values * 255.0).astype(np.uint8)
