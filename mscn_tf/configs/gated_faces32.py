"""`gated-faces32`: aligned faces of 32x32 as gated updates of a sine network; trained on CelebA.

``gated_faces32:coinpp`` and ``gated_faces32:functa`` are the same kind in other forms, to be
compared: latents that a linear map turns into shifts, and shifts themselves, both without gates.
"""

from ml_collections import ConfigDict

from mscn_tf.configs.experiments import pruning_faces
from mscn_tf.runtime.licences import terms_of

# Batches, prices and rates are those of the experiments, as are network and gates.
_OF_EXPERIMENTS = (
    *("batch", "points", "anneal", "first_price", "price_rate", "price_follows"),
    *("xla", "precision", "optimizer"),
)
FORMS = {
    "gated": dict(modulation="weights", sparsity="gates", code_size=1024),
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
            meta_steps=3000,  # that meta-learn the network
            steps=3400,  # the others learn the entropy model of its codes
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
            log_every=50,
            evaluate_every=200,
            checkpoint_every=100,
        )
    )
    config.model.update(FORMS[form])
    if form != "gated":
        config.density = 1.0
        config.optimizer.rate = 1e-3  # at 3e-3 functa's form diverges
    return config
