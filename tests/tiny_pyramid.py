"""A pyramid codec small enough to be trained in a test, of three levels and tiny networks.

This file is also a configuration for `mscn train`: ``--config=tests/tiny_pyramid.py:FOLDER``.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from mscn_tf.configs import photo


def get_config(folder: str) -> ConfigDict:
    """The shipped configuration made small, for the pictures that `tests.tiny` writes."""
    config = photo.get_config()
    config.update(name="tiny", steps=2, batch=2, patch=8, freeze_pictures=2)
    config.update(validation_pictures=1, evaluate_qualities=(5.0,), log_every=1)
    config.model.update(levels=3, tile_edge=32)
    config.model.context.update(hidden=4, last=4)
    config.model.signs.hidden = 4
    config.data.update(train=f"{folder}/train/*.png", validation=f"{folder}/validation/*.png")
    return config
