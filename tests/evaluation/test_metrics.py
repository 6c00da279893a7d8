from __future__ import annotations

import numpy as np
import pytest

from mscn_tf.evaluation.metrics import ms_ssim
from tests.evaluation.conftest import picture


def noisy(original: np.ndarray, deviation: float) -> np.ndarray:
    noise = np.random.default_rng(9).normal(0, deviation, original.shape)
    return np.clip(original + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("height", "width", "channels"), [(161, 161, 3), (177, 202, 1)])
def test_ms_ssim_is_tensorflows(height, width, channels):
    import tensorflow as tf

    original = picture(height, width, channels=channels)
    for deviation in (4, 40):
        decoded = noisy(original, deviation)
        (theirs,) = tf.image.ssim_multiscale(original[None], decoded[None], 255).numpy()
        assert ms_ssim(original, decoded) == pytest.approx(theirs, abs=3e-4)


def test_ms_ssim_of_equal_and_of_worse_pictures():
    original = picture(170, 180)
    scores = [ms_ssim(original, noisy(original, deviation)) for deviation in (0, 5, 20, 80)]
    assert scores[0] == pytest.approx(1)
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] < 0.8


def test_ms_ssim_needs_161_pixels():
    assert ms_ssim(picture(160, 300), picture(160, 300)) is None
    assert ms_ssim(picture(300, 160), picture(300, 160)) is None
