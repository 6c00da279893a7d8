"""Sparse modulations against as many dense ones: MSCN's against functa's and COIN++'s.

``modulations.py:SIGNALS`` or ``modulations.py:SIGNALS-paper``; SIGNALS: faces, temperature, voxels,
scenes. All arms shift the units of a SIREN (Dupont et al. 2022, "From data to functa"). MSCN has
many shifts and keeps few of them, for each signal others; functa has few, in a narrower network;
COIN++ a latent of as many numbers. "paper" has functa's SIREN of 15x512 and its outer rate.

``modulations.py:scenes-STEPS``: scenes at length, in codes of 64, 256 and 1,024 values.
"""

from typing import Any

from ml_collections import ConfigDict

from mscn_tf.configs.experiments import pruning_faces

DATA = {
    "temperature": dict(
        modality="field",
        axes=3,
        channels=1,
        first_price=1e-5,  # errors are a thirtieth of those of faces
        values=dict(low=202.66, high=320.93, dtype="float32"),
        data=dict(
            train="../shared/data/climate/[cgh]*.npz,../shared/data/climate/echam*.npz",
            validation="../shared/data/climate/[cgh]*.npz,../shared/data/climate/echam*.npz",
            test=48,
            options=dict(shape=(46, 90), part=(0.0, 0.7)),
            validation_options=dict(part=(0.7, 1.0)),
        ),
    ),
    "voxels": dict(
        modality="voxels",
        axes=3,
        channels=1,
        w0=10.0,
        first_price=1e-5,
        values=dict(low=0.0, high=1.0, dtype="bool", band=2.0),
        data=dict(
            train="../shared/data/modelnet10/*.npz:train",
            validation="../shared/data/modelnet10/*.npz:test",
            test=32,
            options={},
        ),
        shown="accuracy",
    ),
    "scenes": dict(
        modality="scene",
        axes=3,
        channels=4,
        w0=5.0,
        first_price=1e-5,
        values=dict(low=-1.0, high=1.0, dtype="float32"),
        data=dict(
            train="../shared/data/modelnet10/*.npz:train",
            validation="../shared/data/modelnet10/*.npz:test",
            test=16,
            options=dict(count=300),
        ),
        shown="view_psnr",
    ),
}


def get_config(what: str = "faces") -> ConfigDict:
    """Of one kind of signals."""
    signals, _, size = what.partition("-")
    if signals == "scenes" and size.isdigit():
        return _scenes_at_length(int(size))
    config = pruning_faces.get_config(size or "cpu")
    config.update(name=f"modulations_{signals}", kept=(0.4, 0.1, 0.04), points=512)
    config.title = f"{signals.capitalize()}, modulations of a SIREN"
    config.model.update(width=64, depth=5, modulation="shift", gate_step_size=3.0)
    config.optimizer.rate = 1e-3
    config.adam.steps = 0
    with config.unlocked():
        if signals != "faces":
            given = dict(DATA[signals])
            names = ("axes", "channels", "w0")
            config.model.update({name: given.pop(name) for name in names if name in given})
            config.data = given.pop("data")
            config.update(given)
        if size == "paper":
            config.model.update(width=512, depth=15, w0=30.0, steps=3)
            config.optimizer.rate = 3e-6
        config.arms = {
            "MSCN, shifts": dict(method="gates", change=dict(model=dict(sparsity="gates"))),
            "functa, all shifts": dict(method="dense"),
            "functa, as many shifts": dict(method="narrow"),
            "COIN++, latents": dict(
                method="narrow",
                change=dict(
                    model=dict(
                        modulation="latent", latent_size=config.model.width * config.model.depth
                    ),
                ),
            ),
        }
    return config


def _scenes_at_length(steps: int) -> ConfigDict:
    """Each arm with a code that leaves as many values, in networks of three layers."""
    config = get_config("scenes")
    config.update(
        name=f"modulations_scenes_{steps}",
        title=f"Scenes, one code each, {steps} steps",
        seeds=(0,),
        kept=(1.0,),
        steps=steps,
        anneal=(0.3, 0.7),
        first_price=1e-3,
        quantiser_steps=(0.3, 1.0),
        evaluate_every=steps,
    )
    config.model.update(width=48, depth=3, w0=20.0, gate_step_size=60.0)
    with config.unlocked():
        config.data.options.count = 2000
        config.data.validation_options = dict(count=300)
        config.arms = _arms_of_scenes()
    return config


def _arms_of_scenes() -> dict[str, Any]:
    """By name."""

    def dense(**model: Any) -> dict[str, Any]:
        return dict(method="dense", change=dict(model=model))

    def gated(latents: int) -> dict[str, Any]:
        model = dict(modulation="subspace", sparsity="gates", latent_size=latents)
        return dict(method="gates", kept=(2 / 3,), change=dict(model=model))

    return {
        "MSCN, 96 latents": gated(96),
        "MSCN, 384 latents": gated(384),
        "MSCN, 1536 latents": gated(1536),
        "no gates, 256 latents": dense(modulation="subspace", latent_size=256),
        # As many shifts at least as latents.
        "COIN++, 64 latents": dense(modulation="latent", latent_size=64),
        "COIN++, 256 latents": dense(modulation="latent", latent_size=256, width=96),
        "functa, 63 shifts": dense(width=21),
        "functa, 255 shifts": dense(width=85),
    }
