"""Distortion of pictures beyond PSNR, which is `signals.images.psnr`."""

from __future__ import annotations

from typing import Optional

import numpy as np
import scipy.ndimage

_SCALES = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])  # their weights
_WINDOW, _SIGMA = 11, 1.5
_SMALLEST = (_WINDOW - 1) * 2 ** (len(_SCALES) - 1) + 1  # pixels: a window on the last scale


def ms_ssim(original: np.ndarray, decoded: np.ndarray) -> Optional[float]:
    """Multi-scale structural similarity, averaged over the channels; 1 where pictures are equal.

    Wang, Simoncelli & Bovik 2003, "Multi-scale structural similarity for image quality
    assessment", with their five weights and an 11x11 Gaussian window; scales are halved by
    averaging. Equal to `tf.image.ssim_multiscale`, which the test compares it with, without the
    seconds that TensorFlow takes to start in every process.

    Args:
      original, decoded: uint8 ``[H, W, C]``.

    Returns:
      None where a side is below 161 pixels: the window does not fit the fifth scale.
    """
    if min(original.shape[:2]) < _SMALLEST:
        return None
    x, y = (np.moveaxis(p, 2, 0).astype(np.float32) for p in (original, decoded))
    score = np.ones(len(x))
    for scale, weight in enumerate(_SCALES):
        if scale:
            x, y = _halved(x), _halved(y)
        similarity, contrast = _ssim(x, y)
        last = scale == len(_SCALES) - 1
        score *= np.maximum(similarity if last else contrast, 0.0) ** weight
    return float(score.mean())


def _ssim(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """SSIM and its contrast-structure part of ``[C, H, W]``, each ``[C]``."""
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_x, mean_y = _blurred(x), _blurred(y)
    cross = mean_x * mean_y
    squares = mean_x**2 + mean_y**2
    covariance = _blurred(x * y) - cross
    variances = _blurred(x * x + y * y) - squares
    contrast = (2 * covariance + c2) / (variances + c2)
    luminance = (2 * cross + c1) / (squares + c1)
    return (luminance * contrast).mean((1, 2)), contrast.mean((1, 2))


def _blurred(x: np.ndarray) -> np.ndarray:
    """Gaussian means of all windows that lie within the picture."""
    at = np.arange(_WINDOW) - _WINDOW // 2
    window = np.exp(-0.5 * (at / _SIGMA) ** 2)
    window /= window.sum()
    edge = _WINDOW // 2
    rows = scipy.ndimage.correlate1d(x, window, axis=1)[:, edge:-edge]
    return scipy.ndimage.correlate1d(rows, window, axis=2)[:, :, edge:-edge]


def _halved(x: np.ndarray) -> np.ndarray:
    """Means of 2x2 pixels; an odd last row or column counts twice."""
    x = np.pad(x, ((0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2)), mode="symmetric")
    return x.reshape(len(x), x.shape[1] // 2, 2, x.shape[2] // 2, 2).mean((2, 4))
