"""`freeze` of a codec of truth values also gives the tree that codes them without loss."""

from __future__ import annotations

import numpy as np

from mscn_tf.configs.voxels32 import get_config
from mscn_tf.runtime.occupancy import Occupancy
from mscn_tf.training.tiles import tile_trainer


def boxes(count, seed):
    random = np.random.default_rng(seed)
    grids = np.zeros((count, 8, 8, 8), bool)
    for grid in grids:
        low = random.integers(0, 4, 3)
        grid[tuple(slice(at, at + 4) for at in low)] = True
    return grids


def test_the_tree_is_learned_from_the_training_set(tmp_path):
    train, test = boxes(60, 0), boxes(4, 1)
    packed = [np.packbits(grids.reshape(len(grids), -1), axis=1) for grids in (train, test)]
    np.savez(tmp_path / "a.npz", train=packed[0], other=packed[1])
    config = get_config()
    config.data.update(train=f"{tmp_path}/*.npz:train", validation=f"{tmp_path}/*.npz:train")
    config.update(start_tiles=64, reference_tiles=8, freeze_tiles=48, validation_tiles=2)
    config.model.prior.bands = 4
    config.model.network.update(
        edge=8, frequencies=4, code_size=16, feature_code_size=8, feature_frequencies=4
    )
    trainer = tile_trainer(config)
    trainer.start()
    coder = Occupancy(trainer.freeze().arrays)
    for grid in test[..., None]:
        payload = coder.encode(grid)
        assert len(payload) < 30  # of 64
        np.testing.assert_array_equal(coder.decode(payload, grid.shape), grid)
