"""Fits a codec of surfaces to meshes and writes its bundle; takes a minute, and no TensorFlow.

    python -m mscn_tf.export.surface_bundle OUT.mscnb

The meshes are those that `mesh` was trained on, as they are and turned.
"""

from __future__ import annotations

from absl import app

from mscn_tf.codec.surface_encoding import DEAD_ZONE
from mscn_tf.configs import mesh
from mscn_tf.export.bundle import Members, write_bundle
from mscn_tf.export.whole_numbers import smallest
from mscn_tf.fitting import surfaces
from mscn_tf.runtime.container import MAX_SIDE
from mscn_tf.runtime.quality import LEVELS
from mscn_tf.signals import meshes

_TURNS = 3
_STEPS = (256, 128, 64, 32)  # in 256ths of a cell, that symbols are counted with


def main(argv: list[str]) -> None:
    """Fits and writes."""
    if len(argv) != 2:
        raise app.UsageError("give OUT.mscnb")
    config = mesh.get_config()
    signals = meshes.training_signals(config.data.train, _TURNS, tile_edge=MAX_SIDE)
    arrays = surfaces.fitted([signal[..., 0] for signal in signals], _STEPS, DEAD_ZONE)
    members: Members = {f"prior/{name}": smallest(array) for name, array in arrays.items()}
    manifest = {
        "name": "surface",
        "codec": "surface",
        "modality": "mesh",
        "tile_edge": MAX_SIDE,
        "channels": 1,
        "values": {"low": -64.0, "high": 64.0, "dtype": "float32"},  # cells of the grid
        "qualities": list(range(1, LEVELS + 1)),
        "training": {"train": config.data.train, "turns": _TURNS, "steps": list(_STEPS)},
        "licence": config.licence.to_dict(),
    }
    print(argv[1], write_bundle(argv[1], manifest, members).hex())


if __name__ == "__main__":
    app.run(main)
