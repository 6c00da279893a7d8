"""A codec so small that its bundle can lie beside the golden files."""

from ml_collections import ConfigDict

from mscn_tf.configs import thumb32


def get_config() -> ConfigDict:
    """Trains on the demo's picture in seconds."""
    config = thumb32.get_config()
    config.update(
        dict(name="golden", steps=30, batch=16, start_tiles=2000, freeze_tiles=512),
        validation_tiles=32,
        log_every=10,
        evaluate_every=30,
        checkpoint_every=30,
    )
    config.model.network.update(
        dict(edge=16, code_size=96, features=4, feature_frequencies=8, feature_code_size=32),
        width=16,
    )
    config.model.prior.bands = 6
    config.data.update(dict(train="demo/kodim.png", validation="demo/kodim.png", sheets=False))
    return config
