"""`thumb32-free`: `thumb32` of tiles of the photographs that `photo` is trained on; not shipped."""

from ml_collections import ConfigDict

from mscn_tf.configs import thumb32
from mscn_tf.runtime.licences import terms_of


def get_config() -> ConfigDict:
    """To be trained as long as `thumb32` was."""
    config = thumb32.get_config()
    config.update(name="thumb32-free", steps=6500, licence=terms_of("photo"))
    config.licence.data = f"tiles of {config.licence.data}"
    config.data.update(
        train="data/free/tiles_train.png",  # what benchmarks/free_pictures.py makes
        validation="data/free/tiles_validation.png",
    )
    return config
