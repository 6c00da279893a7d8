"""`photo`'s last training: its scales' and signs' networks go on, drawings among the pictures."""

from ml_collections import ConfigDict

from mscn_tf.configs import photo


def get_config() -> ConfigDict:
    """Starts with the networks of `going_on_from`, whose colours and filter stay."""
    config = photo.get_config()
    config.update(going_on_from="photo-second", steps=4000, freeze_pictures=12)
    config.optimizer.rate = 3e-3
    config.data.update(
        # A quarter of them drawn.
        train="data/free/train/*.png,data/drawn/train/*_0.png,data/drawn/train/[pt]*_1.png",
        scales=(1.0, 0.6, 0.4),
    )
    return config
