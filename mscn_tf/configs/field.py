"""`field`: fields of any variable within a bound, by interpolation; trained on varied variables."""

from ml_collections import ConfigDict

from mscn_tf.runtime.licences import terms_of

HELD_OUT = (
    "hgt",
    "orog_mod3_rectilinear_grid_2D",
    "pre.8912.mon",
    "rectilinear_grid_3D",
    "vas_rectilinear_grid_2D",
)


def get_config() -> ConfigDict:
    """The shipped bundle's training."""
    held_out = [f"../shared/data/fields/{name}.nc" for name in HELD_OUT]
    taken_away = ",".join(f"!{path}" for path in held_out)
    return ConfigDict(
        dict(
            name="field",
            codec="interpolation",
            modality="field",
            values=dict(low=202.66, high=320.93, dtype="float32"),
            seed=0,
            steps=16000,
            batch=2048,  # places of each pass
            refresh=2000,  # steps that examples serve for
            relative_bounds=(3e-5, 2e-2),  # of a field's range, in training
            xla=False,
            model=dict(hidden=32, last=16, filters=4),
            optimizer=dict(rate=4e-3, clip=1.0),
            data=dict(
                train=f"../shared/data/climate/*.npz,../shared/data/fields/*.nc,{taken_away}",
                validation=",".join(held_out),
            ),
            evaluate_bounds=(1e-2, 1e-3, 1e-4),
            log_every=200,
            evaluate_every=4000,
            checkpoint_every=1000,
            licence=terms_of("field"),  # of the data
        )
    )
