"""`photo`: pictures of any size, as wavelet pyramids; trained on freely licensed photographs."""

from ml_collections import ConfigDict

from mscn_tf.runtime.licences import terms_of


def get_config() -> ConfigDict:
    """The shipped bundle's training."""
    return ConfigDict(
        dict(
            name="photo",
            codec="pyramid",
            seed=0,
            steps=2000,
            batch=12,  # patches of one level each
            patch=32,  # coefficients along each side, even
            freeze_pictures=7,  # that the final frequency tables are counted on
            xla=False,
            going_on_from="",  # a bundle whose networks training starts with
            magnitudes="",  # a bundle that all but the signs is taken from; or all is trained
            model=dict(
                levels=7,
                tile_edge=1024,
                coarsest_step=1.6,  # of the quantiser, values being 0 to 1
                finest_step=0.016,
                rate_weight=0.08,  # squared error that a bit is worth, in steps squared
                context=dict(hidden=32, last=16),
                signs=dict(hidden=32),
            ),
            optimizer=dict(rate=6e-3, clip=1.0, beta_2=0.99),
            licence=terms_of("photo"),  # of the data
            data=dict(
                train="data/free/train/*.png",  # what benchmarks/free_pictures.py makes
                validation="data/free/validation/*.png",
                scales=(1.0, 0.6),
            ),
            validation_pictures=2,
            evaluate_qualities=(2.0, 4.0, 6.0, 8.0),
            log_every=100,
            evaluate_every=4000,
            checkpoint_every=500,
        )
    )
