"""`gated-voxels32`: 32x32x32 occupancy grids as gated latents of a sine network."""

from ml_collections import ConfigDict

from mscn_tf.configs import gated_faces32, voxels32


def get_config() -> ConfigDict:
    """The training of one of them."""
    config, known = gated_faces32.get_config(), voxels32.get_config()
    config.update(
        name="gated-voxels32",
        meta_steps=4500,
        steps=5000,
        signals=3000,
        coded=400,
        points=1024,
        validation_tiles=32,
        evaluate_every=900,
        evaluate_qualities=(4.0, 8.0),
    )
    config.model.update(shape=(32, 32, 32), axes=3, channels=1, w0=20.0)
    config.model.update(latent_size=256, code_size=256, width=40)
    config.model.prior.update(coarsest_step=8.0, finest_step=0.8)
    with config.unlocked():
        for name in ("modality", "values", "licence", "data"):
            config[name] = known[name]
    config["values"].band = 4.0  # a wider one than tiles have: a smoother signal for a sine network
    return config
