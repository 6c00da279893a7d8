"""`gated-faces32`: aligned faces of 32x32 as gated updates of a sine network; trained on CelebA.

Gates are on latents that a linear map turns into updates of all weights. Other forms of the same
kind, to be compared: ``gated_faces32:weights``, gates on the updates of all weights themselves;
without gates ``:subspace``, the same latents, ``:coinpp``, latents that a map turns into shifts,
and ``:functa``, shifts themselves.
"""

from ml_collections import ConfigDict

from mscn_tf.configs.experiments import pruning_faces
from mscn_tf.runtime.licences import terms_of

# Batches, prices and rates are those of the experiments, as are network and gates.
_OF_EXPERIMENTS = (
    *("batch", "points", "anneal", "first_price", "price_rate", "price_follows"),
    *("xla", "precision", "optimizer"),
)
_SUBSPACE = dict(modulation="subspace", latent_size=384, width=32, code_size=384)
FORMS = {
    "gated": dict(**_SUBSPACE, sparsity="gates"),
    "subspace": dict(**_SUBSPACE, sparsity="none"),
    "weights": dict(modulation="weights", sparsity="gates", code_size=1024),
    "coinpp": dict(modulation="latent", latent_size=128, sparsity="none", code_size=128),
    "functa": dict(modulation="shift", sparsity="none", code_size=144),
}


def get_config(form: str = "gated") -> ConfigDict:
    """Of one of the forms."""
    if form not in FORMS:
        raise ValueError(f"{form}: must be one of {', '.join(FORMS)}")
    known = pruning_faces.get_config().to_dict()
    config = ConfigDict(
        dict(
            **{name: known[name] for name in _OF_EXPERIMENTS},
            name=f"{form}-faces32",
            codec="modulated",
            seed=0,
            principal_axes=(),  # steps before which latents are turned to them
            meta_steps=8000,  # that meta-learn the network
            steps=9000,  # the others learn the entropy model of its codes
            signals=5400,  # that are learned from
            coded=2700,  # of them, those whose codes the entropy model learns from
            density=0.1,  # wanted share of open gates
            model=dict(
                **{**known["model"], "sparsity": "gates"},  # or "none", "gradient"
                shape=(32, 32),
                code_size=1024,  # elements of updates that files hold
                prior=dict(bands=16, coarsest_step=1.6, finest_step=0.12, rate_weight=0.11),
            ),
            pruning=dict(rounds=(), score="update"),
            entropy=dict(rate=3e-3, clip=1.0, batch=64),
            licence=terms_of("faces32"),  # of the data
            data=dict(
                train="../shared/data/celeba/00[01]*.jpg,../shared/data/celeba/002[0-6]*.jpg",
                validation="../shared/data/celeba/0027*.jpg",
                sheets=False,
                squares=(32,),
                flips=True,
                scales=(1,),
            ),
            validation_tiles=64,
            evaluate_qualities=(2.0, 4.0, 6.0, 8.0, 10.0),
            log_every=100,
            evaluate_every=500,
            checkpoint_every=100,
        )
    )
    config.model.update(FORMS[form])
    if form != "weights":
        config.optimizer.rate = 1e-3  # at 3e-3 functa's form diverges
    if form in ("gated", "subspace"):
        config.principal_axes = (300,)
    if form == "gated":
        # All are open until the axes are found; then few are missed.
        config.update(density=0.7, anneal=(0.3, 0.7), first_price=1e-3)
    elif form != "weights":
        config.density = 1.0
    return config
