"""`photo`'s second training: the network that mends its pictures."""

from ml_collections import ConfigDict

from mscn_tf.configs import photo


def get_config() -> ConfigDict:
    """All but the filter is taken from the bundle `coded_by`."""
    config = photo.get_config()
    config.update(
        coded_by="photo",
        steps=20000,
        batch=8,  # patches of one quality
        patch=64,  # pixels along each side, even
        post_filter=dict(width=32),
        evaluate_every=2000,
    )
    config.optimizer = dict(rate=2e-3, warmup=200, clip=1.0, beta_2=0.99)
    config.data.update(qualities=13, qualities_of_picture=5)
    return config
