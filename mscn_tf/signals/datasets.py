"""Training sets: tiles of pictures, drawn by step number so that a resumed run sees the same."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from mscn_tf.runtime.errors import MscnError
from mscn_tf.signals.picture_files import read_picture


def central_square(picture: Image.Image, edge: int) -> Image.Image:
    """The largest square in a picture's middle, resized to ``edge`` pixels a side."""
    side = min(picture.size)
    left, top = ((length - side) // 2 for length in picture.size)
    box = (left, top, left + side, top + side)
    return picture.resize((edge, edge), Image.Resampling.LANCZOS, box)


def load_pictures(
    pattern: str, edge: int, sheets: bool = False, squares: Sequence[int] = ()
) -> list[np.ndarray]:
    """Loads the RGB pictures that glob patterns name.

    Args:
      pattern: a glob, e.g. ``data/train/*.jpg``, or several separated by commas.
      edge: tile edge in pixels.
      sheets: every picture is a sheet of tiles, ``edge * edge`` wide: each of its rows of pixels
        is one tile.
      squares: in place of every picture take its central square, resized to each of these edges.

    Returns:
      Arrays ``[H, W, 3]`` uint8, or with ``sheets`` ``[N, edge, edge, 3]``.

    Raises:
      MscnError: nothing matches, or a file is no picture that is read, or smaller than one tile.
    """
    matches = (glob.glob(part, recursive=True) for part in pattern.split(","))
    paths = sorted({Path(name) for names in matches for name in names})
    if not paths:
        raise MscnError(
            f"{pattern}: no picture matches; set config.data.train and config.data.validation"
        )
    pictures = []
    for path in paths:
        pixels = _rgb(read_picture(path))
        if squares:
            picture = Image.fromarray(pixels)
            taken = [np.asarray(central_square(picture, side)) for side in squares]
        else:
            taken = [pixels]
        for pixels in taken:
            pictures.append(_checked(pixels, path, edge, sheets))
    return pictures


def _rgb(picture: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] of a picture of any channels, without alpha."""
    colours = picture[..., :3] if picture.shape[-1] >= 3 else picture[..., :1].repeat(3, -1)
    return np.ascontiguousarray(colours)


def _checked(pixels: np.ndarray, path: Path, edge: int, sheets: bool) -> np.ndarray:
    """A picture as it is, or a sheet's tiles."""
    if sheets:
        if pixels.shape[1] != edge * edge:
            raise MscnError(
                f"{path}: a sheet of {edge}x{edge} tiles is {edge * edge} pixels wide, not "
                f"{pixels.shape[1]}; unset config.data.sheets"
            )
        pixels = pixels.reshape(-1, edge, edge, 3)
    elif min(pixels.shape[:2]) < edge:
        raise MscnError(f"{path}: smaller than one {edge}x{edge} tile; leave it out")
    return pixels


class TileSampler:
    """Random tiles of a set of pictures; ``draw(n, step)`` always gives the same tiles.

    Args:
      pictures: as ``load_pictures`` returns them.
      edge: tile edge in pixels.
      seed: of the generator, together with each call's step.
      flips: mirror tiles at random, left to right.
      scales: also cut tiles from pictures shrunk by these whole factors (1: as they are).
    """

    def __init__(
        self,
        pictures: list[np.ndarray],
        edge: int,
        seed: int,
        flips: bool = True,
        scales: tuple[int, ...] = (1,),
    ):
        self.edge, self.seed, self.flips = edge, seed, flips
        self.stacks = [p for p in pictures if p.ndim == 4]
        self.pictures = [
            np.asarray(Image.fromarray(p).reduce(scale))
            for p in pictures
            if p.ndim == 3
            for scale in scales
            if min(p.shape[:2]) // scale >= edge
        ]
        if self.stacks:
            self.stack = np.concatenate(self.stacks)
        elif not self.pictures:
            raise MscnError("the training set holds no tile")
        areas = np.array([p.shape[0] * p.shape[1] for p in self.pictures], float)
        self.shares = areas / areas.sum() if len(areas) else areas

    def draw(self, count: int, step: int) -> np.ndarray:
        """``[count, edge, edge, 3]`` float32 in [0, 1]."""
        random = np.random.default_rng([self.seed, step])
        edge = self.edge
        if self.stacks:
            tiles = self.stack[random.integers(0, len(self.stack), count)]
        else:
            tiles = np.empty((count, edge, edge, 3), np.uint8)
            for i, k in enumerate(random.choice(len(self.pictures), count, p=self.shares)):
                picture = self.pictures[k]
                top = random.integers(0, picture.shape[0] - edge + 1)
                left = random.integers(0, picture.shape[1] - edge + 1)
                tiles[i] = picture[top : top + edge, left : left + edge]
        if self.flips:
            flipped = random.random(count) < 0.5
            mirrored = np.arange(edge)[::-1]  # taken in this order; copying `[::-1]` is slower
            tiles[flipped] = np.take(tiles[flipped], mirrored, axis=2)
        return tiles.astype(np.float32) / 255.0
