"""A modulated codec small enough to be trained in a test: a SIREN of 8x1 on tiles of 8x8.

This file is also a configuration for `mscn train`: ``--config=tests/tiny_modulated.py:FOLDER``.
"""

from __future__ import annotations

from typing import Any

from ml_collections import ConfigDict

from mscn_tf.configs import gated_faces32


def get_config(folder: str, **model: Any) -> ConfigDict:
    """The shipped configuration made small, for the pictures in a folder."""
    config = gated_faces32.get_config("weights")
    config.update(
        name="tiny",
        meta_steps=6,
        steps=10,
        signals=48,
        coded=40,
        batch=4,
        validation_tiles=8,
        evaluate_qualities=(3.0, 8.0),
        log_every=4,  # in the middle of stages
        evaluate_every=6,
        checkpoint_every=5,
    )
    config.model.update(shape=(8, 8), width=8, depth=1, w0=8.0, steps=2, code_size=40)
    config.model.update(step_size=0.05, gate_step_size=2.5)
    config.model.update(model)
    config.model.prior.update(bands=6, coarsest_step=0.3, finest_step=0.01)
    config.entropy.batch = 8
    config.licence.update(data="waves", terms="CC0-1.0", attribution="nobody")
    config.data.update(squares=())
    config.data.update(train=f"{folder}/train/*.png", validation=f"{folder}/validation/*.png")
    return config
