"""`gated-voxels32`: 32x32x32 occupancy grids as gated shifts of a sine network."""

from ml_collections import ConfigDict

from mscn_tf.configs import gated_faces32, voxels32


def get_config() -> ConfigDict:
    """The training of one of them."""
    config, known = gated_faces32.get_config(), voxels32.get_config()
    config.update(
        name="gated-voxels32",
        meta_steps=3000,
        entropy_steps=400,
        steps=3400,
        signals=1000,
        coded=200,
        points=512,
        density=0.5,
        first_price=1e-5,
        validation_tiles=4,
        evaluate_every=1000,
    )
    config.model.update(shape=(32, 32, 32), axes=3, channels=1, width=64, depth=5, code_size=320)
    config.model.update(modulation="shift", gate_step_size=3.0, w0=10.0)
    config.model.prior.update(coarsest_step=8.0, finest_step=0.8)
    config.optimizer.rate = 1e-3
    with config.unlocked():
        for name in ("modality", "values", "licence", "data"):
            config[name] = known[name]
    return config
