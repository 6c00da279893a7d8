"""What is wanted of a file: signals, or parts of them, at a size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mscn_tf.runtime.container import MAX_PIXELS, MAX_SIDE, Container, longest, size_text
from mscn_tf.runtime.errors import MscnError

LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601: of red, green, blue


@dataclass(frozen=True)
class View:
    """One wanted signal: an item seen through a region at a size.

    Attributes:
      item: which, from 0.
      start: first source sample along each axis.
      extent: source samples along each axis.
      shape: samples of the output along each axis.
      plane: of the item's planes, or 0 where all of them are meant.
    """

    item: int
    start: tuple[int, ...]
    extent: tuple[int, ...]
    shape: tuple[int, ...]
    plane: int = 0


def of_planes(container: Container, views: Sequence[View]) -> list[View]:
    """Views of each plane of what views show, but for exact ones."""
    return [replace(v, plane=p) for v in views for p in container.coded(v.item)]


def join_planes(
    container: Container, views: Sequence[View], outputs: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """What `of_planes` shows, ``[.., C]`` each, put together: an array for each of the views."""
    rest = iter(outputs)
    parts = [[next(rest) for _ in container.coded(v.item)] for v in views]
    return [part[0] if len(part) == 1 else np.concatenate(part, axis=-1) for part in parts]


def view(
    container: Container,
    item: int,
    scale: float | None = None,
    size: Sequence[int] | None = None,
    region: Sequence[int] | None = None,
) -> View:
    """The view that the arguments of `Codec.decode` ask for.

    Raises:
      MscnError: an argument is out of range, or there is no such item.
    """
    source = container.source
    shape = container.shapes[container.check_item(item)]
    axes = len(shape)
    start: tuple[int, ...]
    extent: tuple[int, ...]
    if region is None:
        start, extent = (0,) * axes, shape
    elif len(region) != 2 * axes:
        raise MscnError(
            f"{source}: a region takes {2 * axes} numbers here; of a picture X,Y,WIDTH,HEIGHT"
        )
    else:
        start, extent = tuple(region[:axes][::-1]), tuple(region[axes:][::-1])
        if any(e < 1 or s < 0 or s + e > side for s, e, side in zip(start, extent, shape)):
            raise MscnError(
                f"{source}: region {','.join(map(str, region))} does not lie within its "
                f"{size_text(shape)} {'pixels' if axes == 2 else 'samples'}"
            )
    if scale is not None and size is not None:
        raise MscnError("give scale or size, not both")
    if size is not None and len(size) != axes:
        raise MscnError(f"{source}: a size takes {axes} numbers here; of a picture WIDTHxHEIGHT")
    out = extent if size is None else tuple(size[::-1])
    if scale is not None:
        if not 0 < scale <= MAX_SIDE:
            raise MscnError(f"scale {scale} must be more than 0 and at most {MAX_SIDE}")
        out = tuple(max(1, round(side * scale)) for side in extent)
    if not all(1 <= side <= longest(axes) for side in out) or math.prod(out) > MAX_PIXELS:
        raise MscnError(
            f"{source}: output of {size_text(out)} {'pixels' if axes == 2 else 'samples'}; sides "
            f"must be 1 to {longest(axes)}, the product at most {MAX_PIXELS}: lower scale or size"
        )
    return View(item, start, extent, out)


def to_bytes(values: np.ndarray, channels: int) -> np.ndarray:
    """uint8 [h, w, channels] of float64 [h, w, C]; three channels become one as BT.601 luma."""
    values = np.fmax(np.fmin(values, 1.0), 0.0)  # not numbers become 1 everywhere alike
    if channels == 1 and values.shape[-1] == 3:
        values = (values @ LUMA)[..., None]
    return np.rint(values * 255.0).astype(np.uint8)
