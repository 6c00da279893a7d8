"""The biorthogonal 9/7 wavelet of Cohen, Daubechies and Feauveau (1992) on pictures of any size.

A picture is a sum of scaling functions and wavelets at several levels: a basis that reaches over
the whole picture, so that nothing shows where tiles would meet. Computed by lifting (Daubechies
and Sweldens 1998) with mirrored edges, and scaled so that the basis is nearly orthonormal: one
quantiser step does for all coefficients.

All arithmetic is elementwise in the dtype given, in a fixed order: float64 gives the same results
on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

LIFTING = (-1.586134342059924, -0.052980118572961, 0.882911075530934, 0.443506852043971)
SCALE = 1.1496043988602418  # sqrt(2) over the lifting scheme's usual 1.2301741
_REACH = 2  # coefficients beside a value's own, on each side, that it depends on
_TOGETHER = 2**15  # values of a channel that are made at once


class Pyramid(NamedTuple):
    """Coefficients of a picture of C channels.

    Attributes:
      coarse: ``[C, h, w]``, what is left after the last level.
      details: for each level, finest first, ``[C, 3, ceil(h / 2), ceil(w / 2)]`` for its
        h x w input: high along columns, along rows, along both. A picture of odd size has one
        coefficient less in the high direction: that place holds zero.
    """

    coarse: np.ndarray
    details: list[np.ndarray]


def sizes(height: int, width: int, levels: int) -> list[tuple[int, int]]:
    """(height, width) of the input of each level, finest first, and of the coarse part."""
    return [(-(-height >> level), -(-width >> level)) for level in range(levels + 1)]


def detail_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """(rows, columns) of the three details of an input of this size."""
    low, high = (-(-height // 2), -(-width // 2)), (height // 2, width // 2)
    return [(low[0], high[1]), (high[0], low[1]), high]


def _add_neighbours(target: np.ndarray, source: np.ndarray, weight: float, before: bool) -> None:
    """Adds to each element, along the first axis, `weight` times its two neighbours' sum.

    Args:
      target: even or odd elements of a line; changed.
      source: the others.
      weight: what counts.
      before: whether the line begins with `source`'s neighbour: `target` is the even elements.
    """
    # In the memory order of `target`, which may be turned.
    total = np.empty_like(target)
    whole = min(len(target) - before, len(source) - 1)  # those with a neighbour on both sides
    inside = slice(before, before + whole)
    np.add(source[:whole], source[1 : whole + 1], out=total[inside])
    if before:
        np.add(source[0], source[0], out=total[0])
    if before + whole < len(target):
        np.add(source[-1], source[-1], out=total[-1])
    total *= weight
    target += total


def _split(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Low and high half of lines along the first axis."""
    even, odd = x[0::2].copy("K"), x[1::2].copy("K")
    if not len(odd):
        return even, odd
    for number, weight in enumerate(LIFTING):
        if number % 2:
            _add_neighbours(even, odd, weight, before=True)
        else:
            _add_neighbours(odd, even, weight, before=False)
    even *= SCALE
    odd *= -1 / SCALE
    return even, odd


def _join(low: np.ndarray, high: np.ndarray, out: np.ndarray) -> None:
    """The inverse of `_split`."""
    if not len(high):
        out[:] = low
        return
    even, odd = low * (1 / SCALE), high * -SCALE
    for number, weight in reversed(list(enumerate(LIFTING))):
        if number % 2:
            _add_neighbours(even, odd, -weight, before=True)
        else:
            _add_neighbours(odd, even, -weight, before=False)
    out[0::2], out[1::2] = even, odd


def analyse(picture: np.ndarray, levels: int) -> Pyramid:
    """Coefficients of a picture.

    Args:
      picture: float ``[C, H, W]``, not empty.
      levels: how often the low part is split again; it may shrink to one pixel.
    """
    details = []
    for _ in range(levels):
        channels, height, width = picture.shape
        coarse = np.empty((channels, -(-height // 2), -(-width // 2)), picture.dtype)
        detail = np.zeros((channels, 3, *coarse.shape[1:]), picture.dtype)
        for channel, plane in enumerate(picture):
            low, high = (half.T for half in _split(plane.T))
            low, rows = _split(low)
            columns, both = _split(high)
            coarse[channel] = low
            for orientation, part in enumerate((columns, rows, both)):
                detail[channel, orientation, : part.shape[0], : part.shape[1]] = part
        details.append(detail)
        picture = coarse
    return Pyramid(picture, details)


def part_at(halvings: int, part: Sequence[tuple[int, int]]) -> tuple[Any, ...]:
    """Index of what is halved so often that belongs to a part of the picture.

    Args:
      halvings: along both axes.
      part: first row and the one after the last, and likewise columns.
    """
    return (..., *(slice(first >> halvings, -(-last >> halvings)) for first, last in part))


def reach_of(
    shape: Sequence[int], part: Sequence[tuple[int, int]], levels: int
) -> list[tuple[int, int]]:
    """Which rows and columns of a picture those coefficients depend on that belong to a part of it.

    Args:
      shape: rows and columns of the picture.
      part: first row and the one after the last, and likewise columns.
      levels: as of `analyse`.
    """
    reach = 4 << levels  # a low value depends on four others to each side; two for each level more
    return [
        (max(first - reach, 0), min(last + reach, side)) for (first, last), side in zip(part, shape)
    ]


def analyse_part(
    seen: np.ndarray,
    corner: Sequence[int],
    part: Sequence[tuple[int, int]],
    levels: int,
) -> Pyramid:
    """Those coefficients of a picture that belong to a part of it; equal to the whole's.

    Args:
      seen: float ``[C, r, c]``, rows and columns that `reach_of` tells.
      corner: the first of these rows and columns.
      part: first row and the one after the last, and likewise columns: multiples of
        ``2**levels``, or the last of the picture.
      levels: as of `analyse`.
    """
    coarse, details = analyse(seen, levels)
    inside = [(first - at, last - at) for (first, last), at in zip(part, corner)]
    return Pyramid(
        coarse[part_at(levels, inside)],
        [detail[part_at(level, inside)] for level, detail in enumerate(details, 1)],
    )


def synthesise(pyramid: Pyramid, height: int, width: int, skip: int = 0) -> np.ndarray:
    """The picture of given coefficients; the inverse of `analyse`.

    Args:
      pyramid: of a picture of this size.
      height: in pixels.
      width: in pixels.
      skip: finest levels to leave out; each halves the result.

    Returns:
      ``[C, H, W]``; with ``skip`` the low part at that level, in its own scale: ``2**skip`` times
      the values, sampled at every ``2**skip``-th pixel.
    """
    levels = len(pyramid.details)
    arrays = [*pyramid.details, pyramid.coarse]
    spans = [(0, side) for side in sizes(height, width, levels)[skip]]
    return synthesise_part(
        lambda level, rows, columns: arrays[level][..., rows, columns],
        sizes(height, width, levels),
        spans,
        skip,
    )


def in_one_plane(
    coefficients: Callable[[int, slice, slice], np.ndarray], shapes: Sequence[tuple[int, int]]
) -> np.ndarray:
    """``[C, H, W]``: a picture's coefficients in Mallat's layout, as many as it has pixels.

    The coarse part lies in the upper left corner; to its right, below it and beyond its corner the
    details of the last level, around them those of the level before, and so on.

    Args:
      coefficients: as of `synthesise_part`.
      shapes: `sizes` of the picture.
    """
    plane = coefficients(len(shapes) - 1, *(slice(0, side) for side in shapes[-1]))
    for level in range(len(shapes) - 2, -1, -1):
        (height, width), (rows, columns) = shapes[level], shapes[level + 1]
        details = coefficients(level, slice(0, rows), slice(0, columns))
        right, below, both = np.moveaxis(details, 1, 0)
        right, both = right[..., : width - columns], both[..., : width - columns]
        upper = np.concatenate([plane, right], -1)
        lower = np.concatenate([below, both], -1)[:, : height - rows]
        plane = np.concatenate([upper, lower], -2)
    return plane


def spans_of(
    shapes: Sequence[tuple[int, int]], part: Sequence[tuple[int, int]], skip: int = 0
) -> list[list[tuple[int, int]]]:
    """Which coefficients reach a part of a picture, as `synthesise_part` has it.

    Returns:
      for each level from ``skip`` on first row and the one after the last, and likewise columns, of
      its details; those of the last level are those of the coarse part, too.
    """
    spans, within = [], list(part)
    for shape in shapes[skip + 1 :]:
        within = [
            (max(first // 2 - _REACH, 0), min(-(-last // 2) + _REACH, side))
            for (first, last), side in zip(within, shape)
        ]
        spans.append(within)
    return spans


def synthesise_part(
    coefficients: Callable[[int, slice, slice], np.ndarray],
    shapes: Sequence[tuple[int, int]],
    part: Sequence[tuple[int, int]],
    skip: int = 0,
) -> np.ndarray:
    """A part of a picture, from those coefficients alone that reach it; equal to the whole's.

    Args:
      coefficients: gives those of a level at some rows and columns: the details ``[C, 3, r, c]``
        or, after the last level, the coarse part ``[C, r, c]``.
      shapes: `sizes` of the picture.
      part: first row and the one after the last, and likewise columns, of the result that
        `synthesise` gives with the same ``skip``.
      skip: finest levels to leave out.

    Returns:
      ``[C, rows, columns]``.
    """
    spans = [part, *spans_of(shapes, part, skip)]
    picture = coefficients(len(shapes) - 1, *(slice(*span) for span in spans[-1]))
    for level in range(len(shapes) - 2, skip - 1, -1):
        span, within = spans[level + 1 - skip], spans[level - skip]
        details = coefficients(level, *(slice(*s) for s in span))
        high = [min(last, side // 2) - first for (first, last), side in zip(span, shapes[level])]
        whole = _joined(picture, details, *high)
        picture = whole[
            (slice(None), *(slice(a - 2 * o, b - 2 * o) for (a, b), (o, _) in zip(within, span)))
        ]
    return picture


def _joined(low: np.ndarray, details: np.ndarray, high_rows: int, high_columns: int) -> np.ndarray:
    """``[C, h, w]`` of one level, a few rows after the other, which stay in the cache.

    Args:
      low: ``[C, r, c]``.
      details: ``[C, 3, r, c]``.
      high_rows: of details along rows.
      high_columns: of details along columns.
    """
    channels, low_rows, low_columns = low.shape
    height, width = low_rows + high_rows, low_columns + high_columns
    picture = np.empty((channels, height, width), low.dtype)
    strip = max(_TOGETHER // width, 4 * _REACH)  # rows of coefficients
    for channel in range(channels):
        columns, rows, both = details[channel]
        for top in range(0, low_rows, strip):
            bottom = min(top + strip, low_rows)
            first, last = max(top - _REACH, 0), min(bottom + _REACH, low_rows)
            lows, highs = slice(first, last), slice(first, min(last, high_rows))
            tall = 2 * first, min(2 * last, height)
            halves = []
            for a, d, count in (
                (low[channel], rows, low_columns),
                (columns, both, high_columns),
            ):
                half = np.empty((tall[1] - tall[0], count), low.dtype)
                _join(a[lows, :count], d[highs, :count], half)
                halves.append(half[2 * (top - first) :][: 2 * (bottom - top)].T)
            _join(halves[0], halves[1], picture[channel, 2 * top : 2 * bottom].T)
    return picture
