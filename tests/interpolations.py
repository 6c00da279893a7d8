"""A codec of interpolation with random weights, for tests that need one without training."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mscn_tf.entropy.frequencies import whole_frequencies
from mscn_tf.export.bundle import write_bundle
from mscn_tf.runtime.container import MAX_SIDE
from mscn_tf.runtime.grid_passes import INPUTS, NEIGHBOURS

_SCALES = np.exp(np.arange(-3.0, 7.0, 0.5))


def arrays(seed: int = 0) -> dict[str, np.ndarray]:
    """The prior's arrays: networks that correct little, and Laplace distributions."""
    random = np.random.default_rng(seed)
    supports, tables = np.ceil(6 * _SCALES).astype(int) + 1, []
    for scale, support in zip(_SCALES, supports):
        mass = np.exp(-np.abs(np.arange(-support, support + 1)) / scale)
        tables.append(whole_frequencies(np.append(mass / mass.sum(), 1e-4)))
    filters = random.integers(-150, 150, (3, NEIGHBOURS, 2))
    filters[:2, 16:] = 0
    return {
        "support": supports,
        "frequencies": np.concatenate(tables),
        "centroid": np.zeros((len(_SCALES), 2)),
        "first": random.integers(-20, 20, (3, INPUTS, 8)),
        "first_bias": random.integers(-9, 9, (3, 8)),
        "second": random.integers(-9, 9, (3, 8, 6)),
        "second_bias": random.integers(-9, 9, (3, 6)),
        "last": random.integers(-9, 9, (3, 6, 3)),
        "last_bias": np.tile([2 * 4096, 300, -200], (3, 1)),
        "filters": filters,
        "shift": np.array([5, 4, 12]),
        "octave": np.array([200]),
    }


def write_codec(path: Path) -> Path:
    """Writes the bundle."""
    manifest = dict(
        name="random interpolation",
        codec="interpolation",
        modality="field",
        tile_edge=MAX_SIDE,
        channels=1,
        qualities=list(range(1, 11)),
        values=dict(low=200.0, high=330.0, dtype="float32"),
    )
    write_bundle(path, manifest, {f"prior/{name}": array for name, array in arrays().items()})
    return path


def fields(shape: tuple[int, int], count: int = 1, seed: int = 0) -> list[np.ndarray]:
    """Smooth ones with some noise, float32 ``[H, W, 1]``, about 260."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        steps = random.standard_normal(shape)
        waves = np.cumsum(np.cumsum(steps, 0), 1) / np.sqrt(np.prod(shape))
        found.append((260 + 5 * waves + 0.05 * steps).astype(np.float32)[..., None])
    return found
