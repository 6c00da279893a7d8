"""A codec small enough to be trained in a test: 8x8 tiles, 32 coefficients, a few steps.

This file is also a configuration for `mscn train`: ``--config=tests/tiny.py:FOLDER``.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from ml_collections import ConfigDict
from PIL import Image

from mscn_tf.configs import thumb32

STEPS = 12


def picture(height: int, width: int, seed: int) -> np.ndarray:
    """uint8 [height, width, 3]: smooth colours, a few edges and a little noise."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 24.0
    values = np.full((height, width, 3), 0.5)
    for _ in range(6):
        wave = np.sin(random.normal() * 2 * y + random.normal() * 2 * x + random.uniform(0, 6))
        if random.random() < 0.3:
            wave = np.sign(wave)
        values += 0.12 * wave[..., None] * (1 + 0.5 * random.normal(size=3))
    values += random.normal(0, 0.01, values.shape)
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def write_pictures(folder: Path) -> None:
    """A training and a validation set."""
    for name, count in (("train", 6), ("validation", 2)):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            pixels = picture(90, 120, [i, len(name)])
            Image.fromarray(pixels).save(folder / name / f"{i}.png")


def get_config(folder: str) -> ConfigDict:
    """The shipped configuration made small, for the pictures in a folder."""
    config = thumb32.get_config()
    config.update(
        name="tiny",
        steps=STEPS,
        batch=8,
        start_tiles=3000,
        freeze_tiles=512,
        validation_tiles=96,
        evaluate_qualities=(3.0, 8.0),
        log_every=1,
        evaluate_every=6,
        checkpoint_every=5,
    )
    config.model.network.update(
        edge=8, code_size=32, features=4, feature_frequencies=4, feature_code_size=16, width=8
    )
    config.model.prior.update(bands=6, coarsest_step=0.6, finest_step=0.04)
    config.optimizer.update(warmup=2, average=0.5)
    config.licence.update(data="waves", terms="CC0-1.0", attribution="nobody")
    config.data.update(sheets=False)
    config.data.update(train=f"{folder}/train/*.png", validation=f"{folder}/validation/*.png")
    return config


@dataclasses.dataclass
class Tiny:
    """The trained codec."""

    folder: Path  # of train/ and validation/
    workdir: Path
    trainer: Any
    bundle: Path

    @property
    def config(self) -> ConfigDict:
        return get_config(str(self.folder))


def make(folder: Path) -> Tiny:
    """Trains the codec and writes its bundle."""
    from mscn_tf.export.codec_bundle import write_codec_bundle
    from mscn_tf.training.loop import read_record
    from mscn_tf.training.train import train

    write_pictures(folder)
    workdir = folder / "run"
    trainer = train(get_config(str(folder)), workdir)
    bundle = folder / "tiny.mscnb"
    write_codec_bundle(bundle, trainer, trainer.freeze(), read_record(workdir))
    return Tiny(folder, workdir, trainer, bundle)


def scalars(workdir: Path) -> dict[str, dict[int, float]]:
    """What a run's TensorBoard files say: by name and step, the newest value of each."""
    found = defaultdict(dict)
    for path in sorted((workdir / "summaries").iterdir(), key=lambda path: path.stat().st_mtime):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                found[value.tag][event.step] = float(tf.make_ndarray(value.tensor))
    return dict(found)
