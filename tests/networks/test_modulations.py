from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mscn_tf.networks.embeddings import NerfFrequencies
from mscn_tf.networks.modulations import (
    BasisModulation,
    LatentModulation,
    ShiftModulation,
    SubspaceModulation,
    WeightModulation,
    network_sizes,
)
from tests.harness import check_layer, flat

SIZES = (2, 4, 3, 1)
KINDS = [
    WeightModulation,
    ShiftModulation,
    lambda sizes: LatentModulation(sizes, 5, seed=0),
    lambda sizes: SubspaceModulation(sizes, 5, seed=0),
    lambda sizes: BasisModulation(sizes, 5, seed=0),
]
some_sizes = st.lists(st.integers(1, 6), min_size=3, max_size=5).map(tuple)


def codes(batch: int, size: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=[batch, size]).astype("f4")


@pytest.mark.parametrize("make", KINDS)
def test_round_trips(make):
    modulation = make(SIZES)
    check_layer(modulation, codes(3, modulation.code_size))


@settings(deadline=None, max_examples=25)
@given(sizes=some_sizes, make=st.sampled_from(KINDS), batch=st.integers(1, 3))
def test_updates_fit_the_layers(sizes, make, batch):
    modulation = make(sizes)
    updates = modulation(codes(batch, modulation.code_size))
    assert len(updates) == len(sizes) - 1
    for update, m, n in zip(updates, sizes, sizes[1:]):
        assert update.kernel is None or update.kernel.shape == (batch, m, n)
        assert update.bias is None or update.bias.shape == (batch, n)
    zeros = modulation(modulation.initial(batch))
    assert all(not tf.reduce_any(part != 0) for part in flat(zeros))


@settings(deadline=None, max_examples=25)
@given(sizes=some_sizes)
def test_weight_code_holds_every_parameter_once(sizes):
    modulation = WeightModulation(sizes)
    code = codes(2, modulation.code_size)
    parts = [np.reshape(p, [2, -1]) for u in modulation(code) for p in (u.kernel, u.bias)]
    np.testing.assert_array_equal(np.hstack(parts), code)


def test_shift_code_holds_every_hidden_unit_once():
    updates = ShiftModulation(SIZES)(np.arange(7.0, dtype="f4")[None])
    np.testing.assert_array_equal(updates[0].bias, [[0, 1, 2, 3]])
    np.testing.assert_array_equal(updates[1].bias, [[4, 5, 6]])
    assert flat(updates[2]) == []


def test_latent_maps_linearly_to_shifts():
    modulation = LatentModulation(SIZES, 5, seed=0)
    code = codes(3, 5)
    shifts = np.hstack([u.bias for u in modulation(code)[:2]])
    np.testing.assert_allclose(shifts, code @ modulation.get_weights()[0], rtol=1e-5, atol=1e-6)


def test_subspace_maps_linearly_to_all_weights_and_moves_units_alike():
    modulation, code = SubspaceModulation((2, 400, 3), 5, seed=0), codes(3, 5)
    updates = modulation(code)
    found = np.hstack([np.reshape(p, [3, -1]) for u in updates for p in (u.kernel, u.bias)])
    np.testing.assert_allclose(found, code @ modulation.map(), rtol=1e-4, atol=1e-6)
    # Inputs of +-1 and many units: what a kernel brings varies as what a bias does.
    signs = np.random.default_rng(1).choice([-1.0, 1.0], [1, 200, 400]).astype("f4")
    brought = np.matmul(signs, updates[1].kernel)
    of_kernel, of_bias = np.std(brought), np.std(updates[0].bias)
    assert 0.8 < of_kernel / of_bias < 1.25


def test_basis_maps_linearly_to_the_last_kernel():
    modulation = BasisModulation(SIZES, 5, seed=0)
    code = codes(3, 5)
    *earlier, last = modulation(code)
    assert flat(earlier) == []
    expected = (code @ modulation.get_weights()[0]).reshape(3, 3, 1)
    np.testing.assert_allclose(last.kernel, expected, rtol=1e-5, atol=1e-6)


def test_a_code_may_come_in_a_dictionary():
    modulation = ShiftModulation(SIZES)
    code = codes(3, 7)
    for a, b in zip(flat(modulation(code)), flat(modulation({"code": code}))):
        np.testing.assert_array_equal(a, b)
    assert modulation.noise(3, [0, 0]) == {}
    np.testing.assert_array_equal(modulation.expected_l0({"code": code}), [7.0] * 3)


def test_groups_of_weights_are_the_units():
    """Gate of each weight, laid out as the weights: constant down a column, new for each unit."""
    modulation = WeightModulation(SIZES)
    groups = modulation.code_groups("group")[None].astype("f4")
    first = 0
    for update, n in zip(modulation(groups), SIZES[1:]):
        units = np.arange(first, first + n)
        np.testing.assert_array_equal(update.bias[0], units)
        np.testing.assert_array_equal(update.kernel[0], np.tile(units, [len(update.kernel[0]), 1]))
        first += n


def test_impossible_granularities_are_refused():
    with pytest.raises(ValueError, match="WeightModulation have no gates of granularity 'modul"):
        WeightModulation(SIZES).code_groups("modulation")
    with pytest.raises(ValueError, match="LatentModulation have no gates of granularity 'group'"):
        LatentModulation(SIZES, 5).code_groups("group")


@pytest.mark.parametrize("sizes", [(3,), (2, 0, 1)])
def test_wrong_sizes_are_refused(sizes):
    with pytest.raises(ValueError, match="sizes must be"):
        ShiftModulation(sizes)


def test_network_sizes():
    assert network_sizes(8, 2, 3) == (2, 8, 8, 3)
    assert network_sizes(8, 1, 1, 3, NerfFrequencies(4)) == (27, 8, 1)
