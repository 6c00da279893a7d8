from __future__ import annotations

import numpy as np
import pytest


def picture(height: int, width: int, seed: int = 0, channels: int = 3) -> np.ndarray:
    """uint8 [height, width, channels]: waves of different colours and a little noise."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    values = np.full((height, width, channels), 128.0)
    for _ in range(5):
        angle, wavelength = random.uniform(0, np.pi), random.uniform(6, 40)
        wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / wavelength)
        values += 25 * wave[..., None] * random.normal(size=channels)
    values += random.normal(0, 3, values.shape)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


@pytest.fixture
def pictures():
    """Four of 40x48."""
    return [picture(40, 48, seed) for seed in range(4)]
