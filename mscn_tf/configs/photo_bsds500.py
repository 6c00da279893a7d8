"""`photo-bsds500`: the first `photo`, trained on BSDS500."""

from ml_collections import ConfigDict

from mscn_tf.configs import photo
from mscn_tf.runtime.licences import terms_of


def get_config() -> ConfigDict:
    """The shipped bundle's training; its signs were learned in a second run, with `magnitudes`."""
    config = photo.get_config()
    config.update(
        name="photo-bsds500",
        steps=12000,
        freeze_pictures=24,
        validation_pictures=4,
        licence=terms_of("photo-bsds500"),
    )
    config.data.update(
        train="../shared/data/bsds500/t*/*.jpg",
        validation="../shared/data/bsds500/val/*.jpg",
    )
    return config
