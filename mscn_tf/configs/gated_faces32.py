"""`gated-faces32`: aligned faces of 32x32 as gated updates of a sine network; trained on CelebA.

``gated_faces32:coinpp`` and ``gated_faces32:functa`` are the same kind in other forms, to be
compared: latents that a linear map turns into shifts, and shifts themselves, both without gates.
"""

from ml_collections import ConfigDict

from mscn_tf.runtime.licences import terms_of

FORMS = {
    "gated": dict(modulation="weights", sparsity="gates", code_size=1024),
    "coinpp": dict(modulation="latent", latent_size=128, sparsity="none", code_size=128),
    "functa": dict(modulation="shift", sparsity="none", code_size=144),
}


def get_config(form: str = "gated") -> ConfigDict:
    """Of one of the forms."""
    if form not in FORMS:
        raise ValueError(f"{form}: must be one of {', '.join(FORMS)}")
    config = ConfigDict(
        dict(
            name=f"{form}-faces32",
            codec="modulated",
            seed=0,
            meta_steps=6000,  # that meta-learn the network
            entropy_steps=600,  # that learn the entropy model of its codes
            steps=6600,  # more would train both together: docs/gated.md
            signals=5400,  # that are learned from
            coded=2700,  # of them, those whose codes the entropy model learns from
            batch=8,
            points=0,  # coordinates drawn a step; 0: all
            density=0.1,  # wanted share of open gates
            anneal=(0.0, 0.6),  # shares of the first stage between which the wanted density falls
            first_price=0.01,  # of the density, in squared errors
            price_rate=0.015,
            price_follows="stored",
            xla=False,
            precision="float32",
            model=dict(
                shape=(32, 32),
                axes=2,
                channels=3,
                width=48,
                depth=3,
                w0=30.0,
                modulation="weights",  # or "shift", "latent"
                latent_size=64,
                sparsity="gates",  # or "none", "gradient"
                granularity="unstructured",
                target="delta",
                per_signal=True,
                initial_open=0.9,
                temperature=2 / 3,
                stretch=(-0.1, 1.1),
                floor=0.02,
                sampled=False,
                look_ahead=True,
                steps=3,  # inner ones
                per_step=True,
                first_order=False,
                meta_sgd=True,
                step_size=0.01,
                gate_step_size=60.0,
                step_size_factor=30.0,
                code_size=1024,  # elements of updates that files hold
                prior=dict(bands=16, coarsest_step=1.6, finest_step=0.12, rate_weight=0.11),
            ),
            optimizer=dict(
                rate=3e-3,
                step_size_rate=0.02,
                gate_rate=0.03,
                clip=0.1,
                constant=600,  # steps after which rates fall by the square root of the steps
                average=0.99,
                schedule_steps=0,  # the first stage's
            ),
            pruning=dict(rounds=(), score="update"),
            entropy=dict(rate=3e-3, clip=1.0, batch=64),
            joint=dict(rate=1e-4, clip=1.0),
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
            evaluate_every=300,
            checkpoint_every=100,
        )
    )
    config.model.update(FORMS[form])
    return config
