"""`silhouette64`: signed distance functions of silhouettes; trained on MPEG-7 CE-Shape-1 part B."""

from ml_collections import ConfigDict

from mscn_tf.runtime.licences import terms_of


def get_config() -> ConfigDict:
    """The shipped bundle's training."""
    return ConfigDict(
        dict(
            name="silhouette64",
            codec="tiles",
            modality="silhouette",
            values=dict(low=-0.25, high=0.25, dtype="float32"),
            seed=0,
            steps=120,
            batch=32,
            start_tiles=16000,  # that the closed-form start is computed from
            freeze_tiles=4096,  # that the final frequency tables are counted on
            fitted_weight=0.5,  # of the codes' error before quantisation
            xla=False,
            precision="float32",
            model=dict(
                steps=2,
                first_order=False,
                rounding="fixed",
                network=dict(
                    edge=64,
                    channels=1,
                    code_size=768,
                    frequencies=40,
                    features=8,
                    feature_frequencies=12,
                    feature_code_size=128,
                    width=32,
                    depth=2,
                    coordinate_frequencies=4,
                ),
                prior=dict(bands=16, coarsest_step=0.4, finest_step=0.006, rate_weight=0.11),
            ),
            optimizer=dict(
                rate=5e-4,
                transform_rate=1e-5,
                step_size_rate=1e-4,
                warmup=10,
                clip=1.0,
                beta_2=0.99,
                average=0.0,
            ),
            licence=terms_of("silhouette64"),  # of the data
            data=dict(
                # 60 classes of 20 shapes; ten are held out, sea_snake to watch.
                train="../shared/data/mpeg7/partB/[A-Z]*.png,../shared/data/mpeg7/partB/[a-r]*.png",
                validation="../shared/data/mpeg7/partB/[s-w]*.png",
                options=dict(turns=4),
                flips=True,
            ),
            validation_tiles=128,
            evaluate_qualities=(2.0, 4.0, 6.0, 8.0, 10.0),
            log_every=20,
            evaluate_every=120,
            checkpoint_every=40,
        )
    )
