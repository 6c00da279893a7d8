"""`photo`'s last training: its scales' and signs' networks go on, on what an encoder chooses."""

from ml_collections import ConfigDict

from mscn_tf.configs import photo_further


def get_config() -> ConfigDict:
    """Starts with the networks of `going_on_from`, whose colours and filter stay."""
    config = photo_further.get_config()
    config.update(going_on_from="photo-third", steps=1600, chosen_qualities=2)
    config.optimizer.rate = 1.5e-3
    config.data.scales = (0.6, 0.4)
    return config
