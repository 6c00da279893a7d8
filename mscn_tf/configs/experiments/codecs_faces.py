"""Codecs of neural representations in real bytes, on faces of 32x32.

Each codec's own protocol on one network and the same few faces: those that fit a network to each
signal by hundreds of steps are slow. What is shared by all signals (network, tables, quantiser)
isn't counted.
"""

from typing import Any

from ml_collections import ConfigDict

from mscn_tf.configs.experiments import pruning_faces


def get_config(size: str = "cpu") -> ConfigDict:
    """ "paper" has the networks and steps that COIN++ and COIN publish, "cpu" an hour's."""
    config = pruning_faces.get_config("cpu")
    config.update(name="codecs_faces", quantiser_steps=(0.3, 1.0))
    config.title = config.title.replace("all weights adapted", "codecs")
    config.adam.steps = 0
    config.data.test = 8
    adam = dict(steps=800, rate=1e-3)
    rounding = dict(rounding_steps=400, rounding_rate=0.02, rounding_price=0.1)
    retraining = dict(retraining_steps=100, retraining_rate=1e-5)
    latents: tuple[int, ...] = (64, 128)
    narrow: tuple[float, ...] = (0.1, 0.05)
    if size == "paper":
        config.title = "Faces of 32x32, SIREN 512x10, codecs"
        config.update(steps=500_000, batch=64, log_every=1000, checkpoint_every=5000)
        config.model.update(width=512, depth=10, w0=50.0)
        config.optimizer.rate = 3e-6
        config.data.test = 64
        adam = dict(steps=50_000, rate=2e-4)
        rounding["rounding_steps"], retraining["retraining_steps"] = 1000, 300
        latents, narrow = (128, 256, 512), (1e-3, 5e-4, 2e-4)
    elif size != "cpu":
        raise ValueError(f"{size}: there are cpu and paper")

    def latent(count: int) -> dict[str, Any]:
        model = dict(modulation="latent", latent_size=count)
        return dict(
            method="dense", change=dict(model=model), codec=dict(name="coinpp", bits=(5, 6))
        )

    def struempler(penalty: float) -> dict[str, Any]:
        codec = dict(name="struempler", bits=(4, 6), learned=16, penalty=penalty)
        codec.update(**adam, **rounding, **retraining)
        return dict(method="per_signal", kept=(1.0,), codec=codec)

    def tfmot(density: float, clusters: int) -> dict[str, Any]:
        codec = dict(name="model_optimization", density=density, clusters=clusters)
        codec.update(**adam, cluster_steps=adam["steps"] // 4)
        return dict(method="per_signal", kept=(density,), codec=codec)

    with config.unlocked():
        config.arms = {
            "MSCN": dict(
                method="gates", kept=(0.2, 0.05), change=dict(model=dict(sparsity="gates"))
            ),
            "functa": dict(method="dense", change=dict(model=dict(modulation="shift"))),
            **{f"COIN++, {count} latents": latent(count) for count in latents},
            "COIN": dict(
                method="scratch",
                kept=narrow,
                codec=dict(name="coin", steps=2 * adam["steps"], rate=2 * adam["rate"]),
            ),
            "Strümpler, L1 1e-3": struempler(1e-3),
            "Strümpler, L1 1e-4": struempler(1e-4),
            "tfmot pruning": tfmot(0.2, 0),
            "tfmot clustering": tfmot(1.0, 16),
            "tfmot both": tfmot(0.2, 8),
        }
    return config
