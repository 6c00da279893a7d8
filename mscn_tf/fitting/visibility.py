"""Where in a picture errors are seen: what bits of its wavelet coefficients are worth there.

MS-SSIM (Wang, Simoncelli and Bovik 2003, "Multi-scale structural similarity for image quality
assessment") counts an error at a scale by the picture's own variance around it there. Its
derivative at the picture itself, for each scale j with exponent beta_j, is the mean of
``beta_j * error^2 / (2 variance + C2)``: errors count little among texture, and hardly at the
finest scale.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, finest first
_C2 = 0.03**2  # of values 0 to 1
_WINDOW = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)  # 11 samples, sigma 1.5
_REACH = 3  # levels below a scale that still are variance within its window, and no mean
_USUAL = slice(1, 4)  # levels whose errors count as usual in the mean
_EASED = 0.5  # power of weights; with the whole of them MS-SSIM gains less
_CHEAPEST, _DEAREST = 0.25, 16.0


def prices(tiles: Sequence[Sequence[np.ndarray]]) -> list[list[np.ndarray]]:
    """How much dearer bits are than where errors count as usual, so that they go where it's seen.

    Args:
      tiles: of one picture, what `weights` gives of each.

    Returns:
      the same shapes.
    """
    logs = np.concatenate([np.log(level).ravel() for tile in tiles for level in tile[_USUAL]])
    usual = np.exp(logs.mean(dtype=np.float64)).astype(np.float32)
    return [
        [np.clip((usual / level) ** _EASED, _CHEAPEST, _DEAREST) for level in tile]
        for tile in tiles
    ]


def weights(pixels: np.ndarray, levels: int) -> list[np.ndarray]:
    """What squared errors of a picture's coefficients count.

    Args:
      pixels: uint8 ``[H, W, C]``.
      levels: of the pyramid.

    Returns:
      for each level, finest first, float32 ``[h, w]`` of its details' size.
    """
    scales: list[np.ndarray] = []  # of the error's weight, halved to the level that is looked at
    values = np.moveaxis(pixels, 2, 0).astype(np.float32) / np.float32(255)
    found = []
    for level in range(levels):
        if level < len(_EXPONENTS):
            variance = np.maximum(_blurred(values**2) - _blurred(values) ** 2, 0)
            scales.append(_EXPONENTS[level] * (1 / (2 * variance + np.float32(_C2))).mean(0))
            values = _halved(values)
        scales = [_halved(scale) for scale in scales]
        last = len(_EXPONENTS) - 1
        first = min(max(level - _REACH, 0), last)
        found.append(np.sum(scales[first:], axis=0, dtype=np.float32))
    return found


def _blurred(values: np.ndarray) -> np.ndarray:
    """Gaussian means along both axes of ``[C, H, W]``, edges mirrored."""
    window = (_WINDOW / _WINDOW.sum()).astype(np.float32)
    reach = len(window) // 2
    for axis in (1, 2):
        margins = [(0, 0)] * values.ndim
        margins[axis] = (reach, reach)
        padded, length = np.pad(values, margins, "symmetric"), values.shape[axis]
        values = np.zeros_like(values)
        for start, weight in enumerate(window):
            inside = [slice(None)] * values.ndim
            inside[axis] = slice(start, start + length)
            values += weight * padded[tuple(inside)]
    return values


def _halved(values: np.ndarray) -> np.ndarray:
    """Means of 2x2 samples of ``[.., H, W]``; an odd last row or column counts twice."""
    height, width = values.shape[-2:]
    margins = [(0, 0)] * (values.ndim - 2) + [(0, height % 2), (0, width % 2)]
    values = np.pad(values, margins, "edge")
    shape = (*values.shape[:-2], -(-height // 2), 2, -(-width // 2), 2)
    return values.reshape(shape).mean((-3, -1))
