"""Gates against pruning, on signed distances of silhouettes: pruning_faces with other signals."""

from ml_collections import ConfigDict

from mscn_tf.configs.experiments import pruning_faces


def get_config(size: str = "cpu") -> ConfigDict:
    """Shapes of ten classes are measured, of the other sixty learned from."""
    config = pruning_faces.get_config(size)
    config.update(name="pruning_sdf", modality="silhouette", points=1024)
    config.title = config.title.replace("Faces of 32x32", "Signed distances on 64x64")
    config.title = config.title.replace("Faces of 178x178", "Signed distances on 64x64")
    config.model.channels = 1
    with config.unlocked():
        config.values = dict(low=-0.25, high=0.25, dtype="float32")
        config.data = dict(
            train="../shared/data/mpeg7/partB/[A-Z]*.png,../shared/data/mpeg7/partB/[a-r]*.png",
            validation="../shared/data/mpeg7/partB/[s-w]*.png",
            test=64,
            options={},
        )
    return config
