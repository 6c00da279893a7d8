"""`faces64`: aligned faces of 64x64; trained on CelebA."""

from ml_collections import ConfigDict

from mscn_tf.runtime.licences import terms_of


def get_config() -> ConfigDict:
    """The shipped bundle's training."""
    return ConfigDict(
        dict(
            name="faces64",
            codec="tiles",
            seed=0,
            steps=80,
            batch=16,
            start_tiles=14000,  # that the closed-form start is computed from
            freeze_tiles=5400,  # that the final frequency tables are counted on
            fitted_weight=0.5,  # of the codes' error before quantisation
            xla=False,  # on CPUs a plain graph is faster
            precision="float32",
            model=dict(
                steps=2,
                first_order=False,
                rounding="fixed",  # or "straight_through", "noise": see docs/training.md
                network=dict(
                    edge=64,
                    channels=3,
                    frequencies=42,
                    code_size=1280,
                    features=16,
                    feature_frequencies=12,
                    feature_code_size=256,
                    width=48,
                    depth=2,
                    coordinate_frequencies=4,
                ),
                prior=dict(bands=16, coarsest_step=1.6, finest_step=0.08, rate_weight=0.11),
            ),
            optimizer=dict(
                rate=1e-3,
                transform_rate=2e-5,
                step_size_rate=3e-4,
                warmup=10,
                clip=1.0,
                beta_2=0.99,
                average=0.0,
            ),
            licence=terms_of("faces64"),  # of the data
            data=dict(
                # 2,699 faces; the last 301 are held out.
                train="../shared/data/celeba/00[01]*.jpg,../shared/data/celeba/002[0-6]*.jpg",
                validation="../shared/data/celeba/0027*.jpg",
                sheets=False,
                # So few faces: seen a little larger too, they move by up to two pixels.
                squares=(64, 65, 66),
                flips=True,
                scales=(1,),
            ),
            validation_tiles=128,
            evaluate_qualities=(2.0, 4.0, 6.0, 8.0, 10.0),
            log_every=10,
            evaluate_every=80,
            checkpoint_every=20,
        )
    )
