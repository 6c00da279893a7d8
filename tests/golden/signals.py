"""Made-up signals of every modality: what golden codecs are trained on, and golden files hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def signal(modality: str, shape: Sequence[int], seed: int) -> np.ndarray:
    """``[.., C]`` in the modality's units and type."""
    random = np.random.default_rng([seed, len(modality)])
    wave = _waves(shape, random)
    if modality == "sound":
        return (0.3 * wave).astype(np.float32)
    if modality == "field":  # colder towards the poles
        height = np.linspace(1, -1, shape[0])[:, None, None]
        return (288 - 45 * height**2 + 8 * wave).astype(np.float32)
    if modality == "volume":
        return np.rint(500 + 700 * wave).clip(-1000, 2000).astype(np.int16)
    distance = _distance(shape, random)
    if modality == "voxels":
        return distance < 0
    if modality == "silhouette":
        return np.clip(-distance / max(shape), -0.25, 0.25).astype(np.float32)
    if modality == "mesh":
        return np.clip(distance, -4, 4).astype(np.float32)
    colours = [0.5 + 0.3 * _waves(shape, random) for _ in range(3)]
    return np.concatenate([-distance / 4, *colours], -1).clip(-1, 1).astype(np.float32)  # scene


def _waves(shape: Sequence[int], random: np.random.Generator) -> np.ndarray:
    """Four plane waves, of a standard deviation of 1: float64 ``[.., 1]``."""
    place = np.indices(shape).reshape(len(shape), -1)
    total = 0.0
    for _ in range(4):
        direction = random.normal(size=len(shape)) * 0.4
        total = total + np.cos(direction @ place + random.uniform(0, 2 * np.pi))
    return (total / np.sqrt(2)).reshape(*shape, 1)


def _distance(shape: Sequence[int], random: np.random.Generator) -> np.ndarray:
    """Distances to an ellipsoid's surface, about, negative inside: float64 ``[.., 1]``."""
    place = np.indices(shape).reshape(len(shape), -1).T
    sides = np.array(shape)
    centre = (sides - 1) / 2 + random.uniform(-0.15, 0.15, len(shape)) * sides
    radius = random.uniform(0.2, 0.45, len(shape)) * sides
    away = np.linalg.norm((place - centre) / radius, axis=1)
    return ((away - 1) * radius.mean()).reshape(*shape, 1)
