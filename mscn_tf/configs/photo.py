"""`photo`: pictures of any size, in tiles of 32x32; trained on BSDS500."""

from ml_collections import ConfigDict

from mscn_tf.configs import thumb32


def get_config() -> ConfigDict:
    """The shipped bundle's training: as `thumb32`, on tiles of photographs."""
    config = thumb32.get_config()
    config.update(dict(name="photo", steps=2000, start_tiles=40000))
    config.model.prior.update(dict(coarsest_step=1.2, finest_step=0.05))
    config.data.update(
        dict(
            train="../shared/data/bsds500/t*/*.jpg",
            validation="../shared/data/bsds500/val/*.jpg",
            sheets=False,
            scales=(1, 2),
        )
    )
    return config
