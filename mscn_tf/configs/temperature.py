"""`temperature`: global fields of surface temperature in kelvins; trained on climate models."""

from ml_collections import ConfigDict

from mscn_tf.runtime.licences import terms_of


def get_config() -> ConfigDict:
    """The shipped bundle's training."""
    return ConfigDict(
        dict(
            name="temperature",
            codec="tiles",
            modality="field",
            values=dict(low=202.66, high=320.93, dtype="float32"),
            seed=0,
            steps=100,
            batch=24,
            start_tiles=2000,  # that the closed-form start is computed from
            freeze_tiles=1024,  # that the final frequency tables are counted on
            fitted_weight=0.5,  # of the codes' error before quantisation
            xla=False,
            precision="float32",
            model=dict(
                domain="sphere",
                steps=2,
                first_order=False,
                rounding="fixed",
                network=dict(
                    nominal_shape=(46, 90),
                    channels=1,
                    code_size=400,
                    frequencies=56,
                    features=12,
                    feature_frequencies=12,
                    feature_code_size=96,
                    width=24,
                    depth=2,
                ),
                prior=dict(bands=16, coarsest_step=1.4, finest_step=0.02, rate_weight=0.11),
            ),
            optimizer=dict(
                rate=1e-3,
                transform_rate=2e-6,
                step_size_rate=3e-4,
                warmup=10,
                clip=1.0,
                beta_2=0.99,
                average=0.0,
            ),
            licence=terms_of("temperature"),  # of the data
            data=dict(
                train="../shared/data/climate/[cgh]*.npz,../shared/data/climate/echam*.npz",
                validation="../shared/data/climate/[cgh]*.npz,../shared/data/climate/echam*.npz",
                flips=False,
                # The first 70 % of each source's times are learned from, the rest is held out.
                options=dict(shape=(46, 90), part=(0.0, 0.7), turned=4),
                validation_options=dict(part=(0.7, 1.0), turned=0),
            ),
            validation_tiles=64,
            evaluate_qualities=(2.0, 4.0, 6.0, 8.0, 10.0),
            log_every=25,
            evaluate_every=50,
            checkpoint_every=25,
        )
    )
