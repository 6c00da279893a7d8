"""`voxels32`: 32x32x32 occupancy grids; trained on ModelNet10."""

from ml_collections import ConfigDict

from mscn_tf.runtime.licences import terms_of


def get_config() -> ConfigDict:
    """The shipped bundle's training."""
    return ConfigDict(
        dict(
            name="voxels32",
            codec="tiles",
            modality="voxels",
            # Distances to the surface, up to two voxels, in place of zeros and ones.
            values=dict(low=0.0, high=1.0, dtype="bool", band=2.0),
            seed=0,
            steps=100,
            batch=8,
            start_tiles=6000,  # that the closed-form start is computed from
            reference_tiles=32,  # of them, those that its cost is measured on
            freeze_tiles=1500,  # that the final frequency tables are counted on
            fitted_weight=0.5,  # of the codes' error before quantisation
            xla=False,  # on CPUs a plain graph is faster
            precision="float32",
            model=dict(
                steps=2,
                first_order=True,
                rounding="fixed",  # or "straight_through", "noise": see docs/training.md
                network=dict(
                    axes=3,
                    edge=32,
                    frequencies=14,
                    channels=1,
                    code_size=512,
                    features=4,
                    feature_frequencies=8,
                    feature_code_size=128,
                    width=12,
                    depth=1,
                    coordinate_frequencies=4,
                ),
                prior=dict(bands=16, coarsest_step=4.0, finest_step=0.2, rate_weight=0.11),
            ),
            optimizer=dict(
                rate=1.5e-3,
                transform_rate=2e-5,
                step_size_rate=3e-4,
                warmup=10,
                clip=1.0,
                beta_2=0.99,
                average=0.0,
            ),
            licence=terms_of("voxels32"),  # of the data
            data=dict(
                train="../shared/data/modelnet10/*.npz:train",
                validation="../shared/data/modelnet10/*.npz:test",
                flips=(0, 1),  # not upside down
            ),
            validation_tiles=64,
            evaluate_qualities=(4.0, 8.0),
            log_every=10,
            evaluate_every=100,
            checkpoint_every=25,
        )
    )
