"""`thumb32`: 32x32 RGB pictures; trained on tiles of freely licensed photographs."""

from ml_collections import ConfigDict

from mscn_tf.runtime.licences import terms_of


def get_config() -> ConfigDict:
    """The shipped bundle's training."""
    return ConfigDict(
        dict(
            name="thumb32",
            codec="tiles",
            seed=0,
            steps=6500,
            batch=64,
            start_tiles=30000,  # that the closed-form start is computed from
            freeze_tiles=8192,  # that the final frequency tables are counted on
            fitted_weight=0.5,  # of the codes' error before quantisation
            xla=False,  # on CPUs a plain graph is faster
            precision="float32",
            model=dict(
                steps=2,
                first_order=False,
                gated=False,
                rounding="fixed",  # or "straight_through", "noise": see docs/training.md
                network=dict(
                    edge=32,
                    channels=3,
                    code_size=1024,
                    features=24,
                    feature_frequencies=16,
                    feature_code_size=512,
                    width=64,
                    depth=2,
                    coordinate_frequencies=4,
                ),
                prior=dict(bands=16, coarsest_step=1.6, finest_step=0.08, rate_weight=0.11),
            ),
            optimizer=dict(
                rate=1.5e-3,
                transform_rate=5e-5,
                step_size_rate=3e-4,
                warmup=50,
                clip=1.0,
                beta_2=0.99,
                average=0.0,
            ),
            licence=terms_of("thumb32"),  # of the data
            data=dict(
                train="data/free/tiles_train.png",  # what benchmarks/free_pictures.py makes
                validation="data/free/tiles_validation.png",
                sheets=True,  # pictures of which every row of pixels is a tile
                flips=True,
                scales=(1,),
            ),
            validation_tiles=256,
            evaluate_qualities=(2.0, 4.0, 6.0, 8.0),
            log_every=50,
            evaluate_every=500,
            checkpoint_every=250,
        )
    )
