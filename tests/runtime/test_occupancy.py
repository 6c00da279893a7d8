"""Truth values without loss: round trips, and the second reader, written from docs/format.md."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.occupancy import QUESTIONS, Occupancy
from tests.reader.corrections import truth_values


def random_tree(seed=0, nodes=301):
    """Arrays of a tree that asks every question somewhere."""
    random = np.random.default_rng(seed)
    bit, following, depth = [-1], list(random.integers(1, 65536, 1)), [0]
    while len(bit) < nodes:
        node = random.choice([n for n in np.flatnonzero(np.array(bit) < 0) if depth[n] < 12])
        bit[node], following[node] = random.integers(0, QUESTIONS), len(bit)
        bit += [-1, -1]
        depth += [depth[node] + 1] * 2
        following += list(random.integers(1, 65536, 2))
    return {"occupancy_bit": np.array(bit), "occupancy_next": np.array(following)}


TREE = random_tree()


@settings(max_examples=25, deadline=None)
@given(arrays(bool, array_shapes(min_dims=1, max_dims=3, max_side=9)))
def test_round_trip_of_odd_shapes(grid):
    coder, grid = Occupancy(TREE), grid[..., None]
    np.testing.assert_array_equal(coder.decode(coder.encode(grid), grid.shape), grid)


@pytest.mark.parametrize("shape", [(6, 5, 7, 1), (4, 9, 1), (11, 1), (1, 1, 1, 1)])
def test_the_second_reader_agrees(shape):
    grid = np.random.default_rng(1).random(shape) < 0.4
    payload = Occupancy(TREE).encode(grid)
    np.testing.assert_array_equal(truth_values(TREE, payload, shape), grid)


def test_chunks_do_not_show(monkeypatch):
    grid = np.random.default_rng(2).random((9, 8, 7, 1)) < 0.4
    payload = Occupancy(TREE).encode(grid)
    monkeypatch.setattr("mscn_tf.runtime.occupancy._CHUNK", 100)
    assert Occupancy(TREE).encode(grid) == payload


def test_bytes_are_those_of_the_leaves():
    leaf = {"occupancy_bit": np.array([-1]), "occupancy_next": np.array([65])}
    grid = np.random.default_rng(2).random((16, 17, 18, 1)) < 0.001
    bits = np.where(grid, -np.log2(65 / 65536), -np.log2(1 - 65 / 65536)).sum()
    assert abs(len(Occupancy(leaf).encode(grid)) - bits / 8) <= 1
    assert not Occupancy(leaf).decode(b"", grid.shape).any()


def test_garbage_decodes_or_is_refused():
    coder, random = Occupancy(TREE), np.random.default_rng(3)
    for _ in range(50):
        garbage = random.bytes(random.integers(0, 60))
        with contextlib.suppress(MscnError):
            assert coder.decode(garbage, (5, 6, 7, 1)).shape == (5, 6, 7, 1)


@pytest.mark.parametrize(
    ("bit", "following"),
    [
        ([64, -1, -1], [1, 5, 5]),
        ([-2], [5]),
        ([0, -1, -1], [0, 5, 5]),  # leads to itself
        ([0, -1, -1], [2, 5, 5]),  # a child that isn't there
        ([0, -1, -1], [1, 0, 5]),
        ([0, -1, -1], [1, 65536, 5]),
        ([-1], [5, 5]),
        ([0], [1]),
        ([0.5], [1]),
        ([0, -1] * 70 + [-1], [value for i in range(70) for value in (2 * i + 1, 5)] + [5]),
    ],
)
def test_damaged_trees_are_refused(bit, following):
    with pytest.raises(MscnError, match="prior"):
        Occupancy({"occupancy_bit": np.array(bit), "occupancy_next": np.array(following)})
    with pytest.raises(MscnError, match="missing"):
        Occupancy({"occupancy_bit": np.array([-1])})


@pytest.mark.parametrize("shape", [(2, 2, 2, 2), (1, 1, 1, 1, 1), (2**9, 2**9, 2**9, 1)])
def test_what_is_refused(shape):
    with pytest.raises(MscnError, match="without loss"):
        Occupancy(TREE).decode(b"", shape)
