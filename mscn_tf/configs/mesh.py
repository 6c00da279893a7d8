"""`mesh`: closed meshes as truncated signed distances; trained on seven meshes, turned about."""

from ml_collections import ConfigDict

from mscn_tf.runtime.licences import terms_of


def get_config() -> ConfigDict:
    """The shipped bundle's training."""
    meshes = "../shared/data/meshes"
    held_out = ("bunny.obj", "spot_low_resolution.obj", "rocker-arm.obj")
    return ConfigDict(
        dict(
            name="mesh",
            codec="tiles",
            modality="mesh",
            values=dict(low=-4.0, high=4.0, dtype="float32"),  # cells of the grid
            tile_overlap=1,
            seed=0,
            steps=150,
            batch=16,
            start_tiles=12000,  # that the closed-form start is computed from
            reference_tiles=64,  # of them, those that its cost is measured on
            freeze_tiles=3000,  # that the final frequency tables are counted on
            fitted_weight=0.5,  # of the codes' error before quantisation
            xla=False,  # on CPUs a plain graph is faster
            precision="float32",
            model=dict(
                steps=2,
                first_order=True,
                rounding="fixed",  # or "straight_through", "noise": see docs/training.md
                network=dict(
                    axes=3,
                    edge=16,
                    frequencies=11,
                    channels=1,
                    code_size=384,
                    features=4,
                    feature_frequencies=8,
                    feature_code_size=96,
                    width=16,
                    depth=1,
                    coordinate_frequencies=4,
                ),
                prior=dict(bands=16, coarsest_step=1.2, finest_step=0.04, rate_weight=0.11),
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
            licence=terms_of("mesh"),  # of the data
            data=dict(
                train=",".join([f"{meshes}/*.o*", *(f"!{meshes}/{name}" for name in held_out)]),
                validation=",".join(f"{meshes}/{name}" for name in held_out),
                options=dict(turns=5),
                flips=True,
            ),
            validation_tiles=256,
            evaluate_qualities=(4.0, 8.0),
            log_every=10,
            evaluate_every=150,
            checkpoint_every=50,
        )
    )
