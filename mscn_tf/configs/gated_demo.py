"""A gated codec of the tiles of one picture, soon trained: see docs/gated.md."""

from ml_collections import ConfigDict

from mscn_tf.configs import gated_faces32


def get_config() -> ConfigDict:
    """Of the demo's picture, or of others: ``--config.data.train='mine/*.png'``."""
    config = gated_faces32.get_config("weights")
    config.update(
        name="gated-demo",
        meta_steps=1500,
        steps=1800,
        signals=2000,
        coded=1000,
        validation_tiles=64,
        evaluate_every=250,
    )
    config.model.update(shape=(16, 16), width=24, depth=2, code_size=256)
    config.data.update(train="demo/kodim.png", validation="demo/kodim.png", squares=())
    config.licence = None
    return config
