"""An experiment small enough for a test: a SIREN of 8x2 on pictures of 8x8, a dozen steps.

This file is also a configuration for `mscn experiment`: ``--config=tests/modulated.py:FOLDER``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict
from PIL import Image

from mscn_tf.configs.experiments import pruning_faces
from mscn_tf.experiments.data import SignalSet
from mscn_tf.experiments.runs import Run, runs_of
from mscn_tf.runtime.grids import centres

EDGE, STEPS = 8, 12


def get_config(folder: str = "") -> ConfigDict:
    """The shipped configuration made small, for the pictures in a folder."""
    config = pruning_faces.get_config()
    config.update(
        name="tiny",
        seeds=(0,),
        kept=(0.2,),
        steps=STEPS,
        batch=4,
        log_every=1,
        evaluate_every=6,
        checkpoint_every=5,
    )
    config.model.update(width=8, depth=2, w0=8.0, steps=2, step_size=0.05, gate_step_size=2.5)
    config.optimizer.average = 0.8
    config.adam.update(steps=2, signals=4)
    config.data.update(train=f"{folder}/*.png", edge=EDGE, held_out=5, test=4)
    return config


def model(**changes: Any) -> ConfigDict:
    """The configuration's model with other fields."""
    config = get_config().model
    config.update(changes)
    return config


def runs(config: ConfigDict, *arms: str) -> list[Run]:
    """Those of some of the arms."""
    with config.unlocked():
        config.arms = {arm: config.arms[arm] for arm in arms}
    return runs_of(config)


def picture(seed: int, edge: int = EDGE) -> np.ndarray:
    """uint8 ``[edge, edge, 3]``: a smooth wave of each colour."""
    random = np.random.default_rng(seed)
    axes = np.meshgrid(*[centres(edge)] * 2, indexing="ij")
    slopes, phases = random.normal(0, 1.5, [3, 2]), random.uniform(0, 6, 3)
    waves = np.sin(np.tensordot(np.stack(axes, -1), slopes.T, 1) + phases)
    return np.rint(127.5 + 90 * waves).astype(np.uint8)


def signals(train: int = 16, test: int = 4) -> SignalSet:
    """Pictures as an experiment reads them."""
    values = np.stack([picture(seed) for seed in range(train + test)]) / np.float32(255)
    values = values.reshape(train + test, -1, 3)
    axes = np.meshgrid(*[centres(EDGE)] * 2, indexing="ij")
    coordinates = np.stack(axes, -1).reshape(-1, 2).astype(np.float32)
    return SignalSet(values[:train], values[-1:], values[train:], coordinates, (EDGE, EDGE))


def write_pictures(folder: Path, count: int = 13) -> None:
    """The same pictures as files."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        Image.fromarray(picture(seed)).save(folder / f"{seed:02}.png")
