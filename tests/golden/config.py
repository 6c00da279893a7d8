"""Codecs so small that their bundles can lie beside the golden files, one for each modality."""

from ml_collections import ConfigDict

from mscn_tf.configs import thumb32

# By modality: what differs from the codec of pictures; see docs/modalities.md.
SMALL = {
    "field": dict(
        values=dict(low=200.0, high=330.0, dtype="float32"),
        network=dict(nominal_shape=(10, 20), frequencies=5, feature_frequencies=3, code_size=24),
    ),
    "sound": dict(
        values=dict(low=-1.0, high=1.0, dtype="float32"),
        tile_overlap=8,
        network=dict(axes=1, edge=32, frequencies=24, feature_frequencies=12, code_size=24),
    ),
    "volume": dict(  # of whole numbers, as computed tomography gives them
        values=dict(low=-1000.0, high=2000.0, dtype="int16"),
        network=dict(axes=3, edge=6, frequencies=4, code_size=40),
    ),
    "voxels": dict(
        values=dict(low=0.0, high=1.0, dtype="bool", band=2.0),
        network=dict(axes=3, edge=8, frequencies=5, code_size=48),
    ),
    "silhouette": dict(
        values=dict(low=-0.25, high=0.25, dtype="float32"),
        network=dict(edge=16, frequencies=8, code_size=32),
    ),
    "mesh": dict(
        values=dict(low=-4.0, high=4.0, dtype="float32"),
        tile_overlap=1,
        network=dict(axes=3, edge=6, frequencies=4, code_size=40),
    ),
    "scene": dict(
        values=dict(low=-1.0, high=1.0, dtype="float32"),
        network=dict(axes=3, edge=4, frequencies=3, channels=4, code_size=48),
    ),
}


def get_config(modality: str = "image") -> ConfigDict:
    """Trains in seconds: on the demo's picture, or on ``tests.golden.signals``."""
    config = thumb32.get_config()
    config.update(
        dict(name="golden", steps=30, batch=16, start_tiles=2000, freeze_tiles=512),
        validation_tiles=32,
        log_every=10,
        evaluate_every=30,
        checkpoint_every=30,
        licence=None,
    )
    config.model.network.update(
        dict(edge=16, code_size=96, features=4, feature_frequencies=8, feature_code_size=32),
        width=16,
    )
    config.model.prior.bands = 6
    config.data.update(dict(train="demo/kodim.png", validation="demo/kodim.png", sheets=False))
    if modality == "image":
        return config
    small = SMALL[modality]
    config.update(dict(name=f"golden-{modality}", start_tiles=600, freeze_tiles=256))
    with config.unlocked():
        config.modality = modality
        config.values = small["values"]
        if "tile_overlap" in small:
            config.tile_overlap = small["tile_overlap"]
        del config.data
        network = dict(channels=1, feature_frequencies=3, feature_code_size=12, width=8)
        config.model.network.update({**network, **small["network"]})
        config.model.prior.update(coarsest_step=0.5, finest_step=0.01)
        if modality == "field":
            config.model.domain = "sphere"
            del config.model.network.edge, config.model.network.coordinate_frequencies
    return config
