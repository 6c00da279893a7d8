from __future__ import annotations

import numpy as np

from mscn_tf.entropy.occupancy import grow_tree
from mscn_tf.runtime.occupancy import Occupancy


def boxes(count, seed):
    """Filled boxes in grids of 12x12x12, the same on both sides of the first axis's middle."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        grid = np.zeros((12, 12, 12, 1), bool)
        for _ in range(3):
            low = random.integers(0, 8, 3)
            high = low + random.integers(2, 6, 3)
            grid[tuple(map(slice, low, high))] = True
        yield grid | grid[::-1]


def mean_bytes(tree, grids):
    coder = Occupancy(tree)
    return np.mean([len(coder.encode(grid)) for grid in grids])


def test_a_tree_tells_more_than_shares_do():
    tree, shares = grow_tree(boxes(60, 0)), np.mean([grid.mean() for grid in boxes(60, 0)])
    held_out = list(boxes(20, 1))
    entropy = -(shares * np.log2(shares) + (1 - shares) * np.log2(1 - shares)) * 12**3 / 8
    assert mean_bytes(tree, held_out) < 0.2 * entropy


def test_mirror_images_are_asked_for():
    tree = grow_tree(boxes(60, 0))
    asked = set(tree["occupancy_bit"].tolist())
    assert asked & set(range(40, 47))  # the mirror image along the first axis


def test_the_same_grids_give_the_same_tree():
    first, second = (grow_tree(boxes(10, 0)) for _ in range(2))
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])


def test_no_more_questions_than_the_data_tell():
    for grid in (np.zeros((4, 4, 4, 1), bool), np.ones((4, 4, 4, 1), bool)):
        tree = grow_tree([grid])
        assert tree["occupancy_bit"].tolist() == [-1]
        assert len(Occupancy(tree).encode(grid)) <= 1
    noise = [np.random.default_rng(0).random((20, 20, 20, 1)) < 0.5]
    assert len(grow_tree(noise)["occupancy_bit"]) < 10
