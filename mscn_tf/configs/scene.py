"""`scene`: radiance grids in 8x8x8 tiles; trained on coloured voxels of ModelNet10."""

from ml_collections import ConfigDict

from mscn_tf.configs import thumb32
from mscn_tf.runtime.licences import terms_of


def get_config() -> ConfigDict:
    """The shipped bundle's training."""
    config = thumb32.get_config()
    config.update(
        name="scene",
        licence=terms_of("scene"),
        steps=200,
        batch=48,
        start_tiles=20000,
        freeze_tiles=6000,
        validation_tiles=200,
        evaluate_every=200,
    )
    with config.unlocked():
        config.modality = "scene"
        # The first channel: -1 to 1, half a density; colours use the upper half alone.
        config.values = dict(low=-1.0, high=1.0, dtype="float32")
        config.model.network.axes = 3
    config.model.network.update(
        edge=8,
        channels=4,
        code_size=320,
        features=12,
        feature_frequencies=4,
        feature_code_size=128,
        width=24,
        coordinate_frequencies=2,
    )
    config.model.prior.update(coarsest_step=3.0, finest_step=0.03)
    config.data.update(
        train="../shared/data/modelnet10/*.npz:train",
        validation="../shared/data/modelnet10/*.npz:test",
        flips=True,
    )
    with config.unlocked():
        config.data.options = dict(count=300)
    return config
