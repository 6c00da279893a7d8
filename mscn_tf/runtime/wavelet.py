"""The biorthogonal 9/7 wavelet of Cohen, Daubechies and Feauveau (1992) on pictures of any size.

A picture is a sum of scaling functions and wavelets at several levels: a basis that reaches over
the whole picture, so that nothing shows where tiles would meet. Computed by lifting (Daubechies
and Sweldens 1998) with mirrored edges, and scaled so that the basis is nearly orthonormal: one
quantiser step does for all coefficients.

All arithmetic is elementwise in the dtype given, in a fixed order: float64 gives the same results
on every machine.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_LIFTING = (-1.586134342059924, -0.052980118572961, 0.882911075530934, 0.443506852043971)
_SCALE = 1.1496043988602418  # sqrt(2) over the lifting scheme's usual 1.2301741


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


def _beside_odd(even: np.ndarray, count: int) -> np.ndarray:
    """Sums of the two even neighbours of each odd element, along the last axis."""
    right = np.concatenate((even[..., 1:], even[..., -1:]), axis=-1)
    return even[..., :count] + right[..., :count]


def _beside_even(odd: np.ndarray, count: int) -> np.ndarray:
    left = np.concatenate((odd[..., :1], odd), axis=-1)
    right = np.concatenate((odd, odd[..., -1:]), axis=-1)
    return left[..., :count] + right[..., :count]


def _split(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Low and high half of signals along the last axis."""
    even, odd = x[..., 0::2].copy(), x[..., 1::2].copy()
    if not odd.shape[-1]:
        return even, odd
    for number, weight in enumerate(_LIFTING):
        if number % 2:
            even += weight * _beside_even(odd, even.shape[-1])
        else:
            odd += weight * _beside_odd(even, odd.shape[-1])
    even *= _SCALE
    odd *= -1 / _SCALE
    return even, odd


def _join(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The inverse of `_split`."""
    if not high.shape[-1]:
        return low.copy()
    even, odd = low * (1 / _SCALE), high * -_SCALE
    for number, weight in reversed(list(enumerate(_LIFTING))):
        if number % 2:
            even -= weight * _beside_even(odd, even.shape[-1])
        else:
            odd -= weight * _beside_odd(even, odd.shape[-1])
    x = np.empty((*even.shape[:-1], even.shape[-1] + odd.shape[-1]), even.dtype)
    x[..., 0::2], x[..., 1::2] = even, odd
    return x


def _turned(x: np.ndarray) -> np.ndarray:
    return x.swapaxes(-1, -2)


def analyse(picture: np.ndarray, levels: int) -> Pyramid:
    """Coefficients of a picture.

    Args:
      picture: float ``[C, H, W]``, not empty.
      levels: how often the low part is split again; it may shrink to one pixel.
    """
    details = []
    for _ in range(levels):
        height, width = picture.shape[-2:]
        low, high = _split(picture)
        coarse, rows = map(_turned, _split(_turned(low)))
        columns, both = map(_turned, _split(_turned(high)))
        detail = np.zeros((len(picture), 3, -(-height // 2), -(-width // 2)), picture.dtype)
        for orientation, part in enumerate((columns, rows, both)):
            detail[:, orientation, : part.shape[-2], : part.shape[-1]] = part
        details.append(detail)
        picture = np.ascontiguousarray(coarse)
    return Pyramid(picture, details)


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
    picture = pyramid.coarse
    for level in range(len(pyramid.details) - 1, skip - 1, -1):
        h, w = sizes(height, width, level)[-1]
        columns, rows, both = (
            pyramid.details[level][:, orientation, :r, :c]
            for orientation, (r, c) in enumerate(detail_sizes(h, w))
        )
        low = _turned(_join(_turned(picture), _turned(rows)))
        high = _turned(_join(_turned(columns), _turned(both)))
        picture = _join(low, high)
    return picture
