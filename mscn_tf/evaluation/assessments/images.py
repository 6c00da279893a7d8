"""How pictures are assessed."""

from __future__ import annotations

import math

import numpy as np

from mscn_tf.evaluation.assessment import Assessment, Measure, Measured, bits_a
from mscn_tf.evaluation.metrics import ms_ssim
from mscn_tf.evaluation.signal import Signal
from mscn_tf.signals import images


def _compare_pictures(signal: Signal, decoded: np.ndarray) -> Measured:
    return {
        "psnr": images.psnr(signal.array, decoded),
        "ms_ssim": ms_ssim(signal.array, decoded),
    }


PICTURES = Assessment(
    "image",
    bits_a("pixel"),
    (
        Measure("psnr", "PSNR, RGB", "dB", key="psnr-rgb"),
        Measure(
            "ms_ssim",
            "MS-SSIM, RGB",
            "",
            key="ms-ssim-rgb",
            level=lambda similarity: -10 * math.log10(max(1 - similarity, 1e-9)),
            value=lambda level: 1 - 10 ** (-level / 10),
            drawn=": $-10\\,\\log_{10}(1 - x)$ (dB)",
        ),
    ),
    (
        "PSNR: of the decoded 8-bit values, all channels together, of each picture; the "
        "mean of these over the pictures is drawn. A setting that gives back a picture "
        "without loss has none and is left out.",
        "MS-SSIM: Wang et al. 2003, mean of the colour channels, of pictures of at least "
        "161 pixels a side.",
    ),
    compare=_compare_pictures,
)
