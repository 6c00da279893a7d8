"""Gates of each signal against one mask, and what each change to them brings.

``gates.py:SIGNALS`` trains for 600 steps, ``gates.py:SIGNALS-STEPS`` for as many as it says
(``gates.py:SIGNALS-paper`` for 20,000), and then without the arms that leave something out.
SIGNALS: faces, cifar10, silhouettes. All seeds train MSCN and the mask, the first one also what
else there is.
"""

from typing import Any

from ml_collections import ConfigDict

from mscn_tf.configs.experiments import pruning_faces, pruning_sdf

SHORT = 600
SIZES = {"": SHORT, "cpu": SHORT, "paper": 20000}
TITLES = {
    "faces": "Faces of 32x32",
    "cifar10": "CIFAR-10 pictures of 32x32",
    "silhouettes": "Signed distances on 64x64",
}


def get_config(what: str = "faces") -> ConfigDict:
    """Of one kind of signals: a tenth of all parameters wanted, in real bytes."""
    signals, _, size = what.partition("-")
    if signals not in TITLES:
        raise ValueError(f"{signals}: there are {', '.join(TITLES)}")
    if size not in SIZES and not size.isdigit():
        raise ValueError(f"{size}: must be a number of steps, cpu or paper")
    steps = SIZES[size] if size in SIZES else int(size)
    base = pruning_sdf if signals == "silhouettes" else pruning_faces
    config = base.get_config("cpu")
    if signals == "cifar10":
        with config.unlocked():
            config.data.update(train="../shared/data/cifar10/data_batch_[1234].png", sheets=True)
    config.update(
        name=f"gates_{signals}_{steps}",
        title=f"{TITLES[signals]}, SIREN 48x3, {steps} steps",
        kept=(0.1,),
        steps=steps,
        other_steps=(5, 10),
        quantiser_steps=(0.3, 1.0, 1.5),
    )

    def arm(price_follows: str = "stored", **model: Any) -> dict[str, Any]:
        change = dict(model=dict(sparsity="gates", **model), price_follows=price_follows)
        return dict(method="gates", change=change)

    one_size: dict[str, Any] = dict(per_step=False)
    as_expected: dict[str, Any] = dict(price_follows="expected")
    without = {
        "one size for all steps": arm(**one_size),
        "first step by the price alone": arm(look_ahead=False),
        "price of the expected number": arm(**as_expected),
        "sampled gates": arm(sampled=True),
        "gates that may start closed": arm(floor=0.0),
        "none of the four": arm(**one_size, **as_expected, look_ahead=False, sampled=True),
    }

    def dense(**model: Any) -> dict[str, Any]:
        # At the rate of weights, 3e-3, functa's form diverges.
        return dict(method="dense", change=dict(model=model, optimizer=dict(rate=1e-3)))

    pruned = ("one-shot magnitude", "iterative magnitude", "random", "dense, narrow", "scratch")
    others = {
        **(without if config.steps == SHORT else {}),
        "functa, all shifts": dense(modulation="shift"),
        "COIN++, 64 latents": dense(modulation="latent", latent_size=64),
        "COIN++, 128 latents": dense(modulation="latent", latent_size=128),
        **{name: config.arms[name].to_dict() for name in pruned},
    }
    mask = config.arms["one mask of updates"].to_dict()
    mask["dense"] = 0.25 if config.steps == SHORT else 0.1  # the best of 0.1, 0.25 and 0.5
    with config.unlocked():
        config.arms = {
            "MSCN": arm(),
            "one mask of updates": mask,
            **{name: dict(spec, seeds=config.seeds[:1]) for name, spec in others.items()},
        }
    return config
