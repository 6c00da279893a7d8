"""`speech`: sounds of one voice; trained on one speaker of the Free Spoken Digit Dataset."""

from ml_collections import ConfigDict

from mscn_tf.runtime.licences import terms_of


def get_config() -> ConfigDict:
    """The shipped bundle's training."""
    return ConfigDict(
        dict(
            name="speech",
            codec="tiles",
            modality="sound",
            values=dict(low=-1.0, high=1.0, dtype="float32"),
            tile_overlap=16,
            seed=0,
            steps=1500,
            batch=64,
            start_tiles=30000,  # that the closed-form start is computed from
            freeze_tiles=8192,  # that the final frequency tables are counted on
            fitted_weight=0.5,  # of the codes' error before quantisation
            xla=False,
            precision="float32",
            model=dict(
                steps=2,
                first_order=False,
                rounding="fixed",
                network=dict(
                    axes=1,
                    edge=256,
                    channels=1,
                    code_size=256,
                    features=12,
                    feature_frequencies=128,
                    feature_code_size=128,
                    width=32,
                    depth=2,
                    coordinate_frequencies=4,
                ),
                prior=dict(bands=16, coarsest_step=0.1, finest_step=0.003, rate_weight=0.11),
            ),
            optimizer=dict(
                rate=5e-4,
                transform_rate=1e-5,
                step_size_rate=1e-4,
                warmup=50,
                clip=1.0,
                beta_2=0.99,
                average=0.0,
            ),
            licence=terms_of("speech"),  # of the data
            data=dict(
                # Recordings 10 to 49 of each digit by one speaker; 0 to 9 are held out, and so
                # is the other speaker.
                train="../shared/data/speech/*_jackson_[1-4]?.wav",
                validation="../shared/data/speech/*_george_?.wav",
                options=dict(speeds=((1, 1), (8, 9), (9, 8), (5, 4))),
                flips=True,  # played backwards
            ),
            validation_tiles=512,
            evaluate_qualities=(2.0, 4.0, 6.0, 8.0, 10.0),
            log_every=100,
            evaluate_every=500,
            checkpoint_every=250,
        )
    )
