"""`gated-temperature`: global fields of surface temperature as gated shifts of a sine network."""

from ml_collections import ConfigDict

from mscn_tf.configs import gated_faces32, temperature


def get_config() -> ConfigDict:
    """The training of one of them."""
    config, known = gated_faces32.get_config("weights"), temperature.get_config()
    config.update(
        name="gated-temperature",
        meta_steps=1200,
        steps=1500,
        signals=2000,
        coded=600,
        points=512,
        density=0.25,
        evaluate_every=200,
        first_price=1e-3,  # errors are less than a tenth of those of faces
        validation_tiles=32,
    )
    config.model.update(shape=(46, 90), axes=3, channels=1, width=64, depth=5, code_size=320)
    config.model.update(modulation="shift", gate_step_size=1000.0)
    config.model.prior.update(coarsest_step=1.4, finest_step=0.1)
    config.optimizer.rate = 1e-3
    with config.unlocked():
        for name in ("modality", "values", "licence", "data"):
            config[name] = known[name]
    return config
