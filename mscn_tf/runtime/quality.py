"""Qualities: what is asked for is 1 to 10, what is stored are sixteenths of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mscn_tf.runtime.errors import MscnError

LEVELS = 10  # whole qualities; between two of them everything is interpolated
LOWEST, HIGHEST = 16, 16 * LEVELS  # in sixteenths
PSNR, SSIM = "psnr", "ssim"  # what a file can be best in for its bytes
MIDDLE = (LOWEST + HIGHEST) // 2  # networks are told how far from it a quality is


def check_sixteenths(q16: npt.ArrayLike) -> None:
    """Raises MscnError where one of the qualities, in sixteenths, is none."""
    beyond = np.asarray(q16)[(np.asarray(q16) < LOWEST) | (np.asarray(q16) > HIGHEST)]
    if beyond.size:
        raise MscnError(f"quality {beyond[0] / 16:g} is not 1 to {LEVELS}")


def centred(quality: Any) -> Any:
    """Qualities, an array or a tensor, as networks are told them: -1 to 1."""
    return (quality - (1 + LEVELS) / 2) / ((LEVELS - 1) / 2)
