"""Every configuration that comes with the package builds its trainer and takes a step."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

from mscn_tf import configs
from mscn_tf.configs import experiments
from mscn_tf.experiments.data import load
from mscn_tf.experiments.runs import Run, runs_of
from mscn_tf.signals.modalities import module_of
from mscn_tf.training.loop import Trainer
from mscn_tf.training.modulated import ModulatedTrainer
from mscn_tf.training.train import trainer_of
from tests.tiny import picture

# But those that go on from a codec, as test_post_filter.py and test_pyramid.py do.
CODECS = [
    name
    for _, name, is_package in pkgutil.iter_modules(configs.__path__)
    if not is_package and name not in ("photo_filter", "photo_further")
]
EXPERIMENTS = [name for _, name, _ in pkgutil.iter_modules(experiments.__path__)]


def config_of(module: str, *arguments: str) -> ConfigDict:
    return importlib.import_module(module).get_config(*arguments)


def write_pictures(folder: Path) -> str:
    for i in range(12):  # 64 wide: also sheets, whose rows are tiles of 8x8
        Image.fromarray(picture(70, 64, i)).save(folder / f"{i}.png")
    return f"{folder}/*.png"


def write_fields(folder: Path) -> str:
    latitude, longitude = np.linspace(87, -87, 30), np.arange(0, 360, 6.0)
    waves = np.cos(np.deg2rad(longitude + 20 * np.arange(20)[:, None, None]))
    kelvins = 250 + 40 * np.cos(np.deg2rad(latitude))[:, None] + 5 * waves
    np.savez(folder / "model.npz", lat=latitude, lon=longitude, tas=kelvins.astype("f4"))
    return f"{folder}/*.npz"


def write_sounds(folder: Path) -> str:
    import scipy.io.wavfile

    time = np.arange(4000) / 8000
    for pitch in (200, 310):
        samples = 9000 * np.sin(2 * np.pi * pitch * time * (1 + time))
        scipy.io.wavfile.write(folder / f"{pitch}.wav", 8000, samples.astype(np.int16))
    return f"{folder}/*.wav"


def write_volumes(folder: Path) -> str:
    grid = np.indices((24, 24, 24)) / 4.0
    np.save(folder / "head.npy", np.sin(grid).sum(0).astype(np.float32))
    return f"{folder}/*.npy@0-50"


def write_voxels(folder: Path) -> str:
    centre = np.random.default_rng(0).uniform(5, 11, (12, 3, 1, 1, 1))
    solids = np.square(np.indices((16, 16, 16)) - centre).sum(1) < 20
    bits = np.packbits(solids.reshape(len(solids), -1), axis=1)
    np.savez(folder / "solids.npz", train=bits)
    return f"{folder}/*.npz:train"


def write_meshes(folder: Path) -> str:
    import trimesh

    trimesh.creation.icosphere(subdivisions=2).export(folder / "ball.obj")
    return f"{folder}/*.obj"


WRITERS = {
    "image": write_pictures,
    "silhouette": write_pictures,
    "field": write_fields,
    "sound": write_sounds,
    "volume": write_volumes,
    "voxels": write_voxels,
    "scene": write_voxels,
    "mesh": write_meshes,
}


def use_data(config: ConfigDict, folder: Path) -> None:
    """Has a configuration read tiny files of its modality, with its own options."""
    modality = config.get("modality", "image")
    module_of(modality)
    pattern = WRITERS[modality](folder)
    config.data.update(train=pattern, validation=pattern)
    options = config.data.get("options", {})
    small = {"shape": (12, 24), "turns": 2, "count": 8}
    options.update({name: small[name] for name in small if name in options})


def shrink_tiles(config: ConfigDict) -> None:
    config.update(start_tiles=400, freeze_tiles=64, validation_tiles=8, batch=4)
    network = config.model.network
    if "squares" in config.data:
        config.data.squares = tuple(8 + square - network.edge for square in config.data.squares)
    edge = 8 if network.get("axes", 2) > 1 else 64
    small = dict(edge=edge, nominal_shape=(12, 24), frequencies=6, code_size=24, features=4)
    small.update(feature_frequencies=4, feature_code_size=12, width=8, coordinate_frequencies=2)
    network.update({name: value for name, value in small.items() if name in network})
    config.model.prior.bands = 4


def shrink_pyramid(config: ConfigDict) -> None:
    config.update(batch=4, patch=8)
    config.model.update(levels=3, tile_edge=64)
    config.model.context.update(hidden=4, last=4)
    config.model.signs.hidden = 4


def shrink_interpolation(config: ConfigDict) -> None:
    config.update(batch=16)
    config.model.update(hidden=4, last=3, filters=2)


def shrink_modulated(config: ConfigDict) -> None:
    config.update(signals=12, coded=8, validation_tiles=4, batch=4, points=0)
    config.data.update({"squares": (8,)} if config.data.get("squares") else {})
    shape = (12, 24) if config.get("modality") == "field" else (8,) * len(config.model.shape)
    config.model.update(shape=shape, width=8, depth=2, code_size=16)


SHRINK = {
    "modulated": shrink_modulated,
    "tiles": shrink_tiles,
    "pyramid": shrink_pyramid,
    "interpolation": shrink_interpolation,
}


# Its graph, of 36 small networks, takes most of a minute to trace.
TRACED_SLOWLY = {"photo": pytest.mark.slow, "photo_bsds500": pytest.mark.slow}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=TRACED_SLOWLY.get(name, ())) for name in CODECS]
)
def test_codec(name, tmp_path):
    config = config_of(f"mscn_tf.configs.{name}")
    assert config.name == name.replace("_", "-")
    use_data(config, tmp_path)
    SHRINK[config.codec](config)
    trainer = trainer_of(config.codec)(config)
    trainer.start()
    check_step(trainer)


def check_step(trainer: Trainer) -> None:
    """A step is counted, its metrics are numbers, and some weights have moved."""
    parts = trainer.checkpointed()
    module = parts.get("codec") or parts.get("fit") or parts["context"]
    before = [variable.numpy() for variable in module.trainable_variables]
    metrics = trainer.update(0)
    assert int(trainer.step) == 1
    assert all(np.isfinite(value) for value in metrics.values())
    after = [variable.numpy() for variable in module.trainable_variables]
    assert any((a != b).any() for a, b in zip(after, before))


def of_experiment(name: str, argument: str, folder: Path) -> ConfigDict:
    """Its configuration with a network of 8x2 and tiny files."""
    config = config_of(f"mscn_tf.configs.experiments.{name}", argument)
    use_data(config, folder)
    config.update(batch=4, seeds=(0,), steps=4)
    config.model.update(width=8, depth=2, latent_size=8)
    config.data.test = 2
    if config.modality == "image":
        config.data.update(edge=8, held_out=4)
    return config


ARGUMENTS = {
    "modulations": ["faces", "temperature", "voxels", "scenes"],
    "gates": ["faces", "silhouettes"],  # and cifar10, whose pictures are sheets
}
VARIANTS = [(name, argument) for name in EXPERIMENTS for argument in ARGUMENTS.get(name, ["cpu"])]
VARIANTS.append(("modulations", "scenes-4"))


@pytest.mark.parametrize("variant", VARIANTS, ids="-".join)
def test_experiment(variant, tmp_path):
    config = of_experiment(*variant, tmp_path)
    runs = [run for run in runs_of(config) if run.config.steps]
    assert {run.arm for run in runs if run.measured} <= set(config.arms)
    check_arm(config, runs[0])


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS, ids="-".join)
def test_every_arm(variant, tmp_path):
    config = of_experiment(*variant, tmp_path)
    for run in runs_of(config):
        if run.config.steps:
            check_arm(config, run)


def check_arm(config: ConfigDict, run: Run) -> None:
    signals = load(config)
    trainer = ModulatedTrainer(run.config, signals.train, signals.coordinates, signals.test)
    check_step(trainer)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_published_sizes(name):
    arguments = [f"{given}-paper" for given in ARGUMENTS.get(name, [])] or ["paper"]
    for argument in arguments:
        assert runs_of(config_of(f"mscn_tf.configs.experiments.{name}", argument))
