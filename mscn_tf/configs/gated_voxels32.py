"""`gated-voxels32`: 32x32x32 occupancy grids as gated shifts of a sine network."""

from ml_collections import ConfigDict

from mscn_tf.configs import gated_faces32, voxels32


def get_config() -> ConfigDict:
    """The training of one of them."""
    config, known = gated_faces32.get_config("weights"), voxels32.get_config()
    config.update(
        name="gated-voxels32",
        meta_steps=1000,
        steps=1300,
        signals=1000,
        coded=100,
        points=512,
        density=0.25,
        validation_tiles=4,
        evaluate_every=500,
    )
    config.model.update(shape=(32, 32, 32), axes=3, channels=1, width=64, depth=5, code_size=320)
    config.model.update(modulation="shift", w0=10.0)
    config.model.prior.update(coarsest_step=8.0, finest_step=0.8)
    config.optimizer.rate = 1e-3
    with config.unlocked():
        for name in ("modality", "values", "licence", "data"):
            config[name] = known[name]
    return config
