"""`thumb32-cifar10`: the first `thumb32`, trained on CIFAR-10."""

from ml_collections import ConfigDict

from mscn_tf.configs import thumb32
from mscn_tf.runtime.licences import terms_of


def get_config() -> ConfigDict:
    """The shipped bundle's training."""
    config = thumb32.get_config()
    config.update(name="thumb32-cifar10", licence=terms_of("thumb32-cifar10"))
    config.data.update(
        train="../shared/data/cifar10/data_batch_[123].png",
        validation="../shared/data/cifar10/data_batch_4.png",
    )
    return config
