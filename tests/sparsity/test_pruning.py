from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from mscn_tf.networks.modulations import ShiftModulation, WeightModulation
from mscn_tf.networks.network import ModulatedSiren
from mscn_tf.sparsity.pruning import MaskedModulation, largest, parameters
from tests.harness import check_layer

SIZES = (2, 5, 5, 3)
B, M = 3, 63
MASK = np.random.default_rng(0).integers(0, 2, M)


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape)


def make(target, base=WeightModulation):
    modulation = MaskedModulation(base(SIZES, dtype="float64"), target, dtype="float64")
    network = ModulatedSiren(5, 2, 3, modulation, w0=2.0, seed=0, dtype="float64")
    network.build(tf.TensorShape([None, 2]))
    return network


def plain():
    modulation = WeightModulation(SIZES, dtype="float64")
    network = ModulatedSiren(5, 2, 3, modulation, w0=2.0, seed=0, dtype="float64")
    network.build(tf.TensorShape([None, 2]))
    return network


@pytest.mark.parametrize("target", ["delta", "all"])
def test_round_trips(target):
    check_layer(MaskedModulation(WeightModulation(SIZES), target), normal(B, M).astype("f4"))


@pytest.mark.parametrize("target", ["delta", "all"])
def test_values_are_those_of_masked_parameters(target):
    """Worked out in NumPy, for a network without a mask."""
    network, dense = make(target), plain()
    network.modulation.mask.assign(MASK)
    code, x, theta = normal(B, M), normal(7, 2), parameters(dense)
    wanted = theta + MASK * code if target == "delta" else MASK * (theta + code)
    np.testing.assert_allclose(network(x, code), dense(x, wanted - theta), atol=1e-12)
    assert np.abs(network(x, code) - dense(x, code)).max() > 0.01
    for count in (network.modulation.actual_l0, network.modulation.expected_l0):
        np.testing.assert_array_equal(count({"code": tf.constant(code)}), [MASK.sum()] * B)
    np.testing.assert_array_equal(network.modulation.gated_code(tf.constant(code)), MASK * code)


@pytest.mark.parametrize("target", ["delta", "all"])
def test_an_open_mask_changes_nothing(target):
    code, x = normal(B, M), normal(7, 2)
    np.testing.assert_allclose(make(target)(x, code), plain()(x, code), atol=1e-12)


def test_a_mask_on_shifts():
    network = make("delta", ShiftModulation)
    network.modulation.mask.assign(np.arange(10) < 4)
    code, x = normal(B, 10), normal(7, 2)
    expected = ShiftModulation(SIZES, dtype="float64")(tf.constant(code * (np.arange(10) < 4)))
    for update, wanted in zip(network.modulation(tf.constant(code)), expected[:-1]):
        np.testing.assert_array_equal(update.bias, wanted.bias)
    assert network(x, code).shape == (B, 7, 3)


def test_no_optimizer_sees_the_mask():
    network = make("all")
    assert network.modulation.mask.shape == (M,)
    assert all("mask" not in v.name for v in network.trainable_variables)
    assert any("mask" in v.name for v in network.non_trainable_variables)


@pytest.mark.parametrize(
    ("target", "base", "message"),
    [
        ("both", WeightModulation, "target must be one of delta, all, not 'both'"),
        ("all", ShiftModulation, "target 'all' masks every weight, so wants a WeightModulation"),
    ],
)
def test_impossible_masks_are_refused(target, base, message):
    with pytest.raises(ValueError, match=message):
        make(target, base)


def test_parameters_are_in_the_order_of_codes():
    """A code of minus the parameters leaves a network of zeros: nothing but the offset."""
    network = plain()
    theta = parameters(network)
    assert theta.shape == (M,)
    np.testing.assert_array_equal(network(normal(7, 2), -theta[None]), np.full([1, 7, 3], 0.5))
    np.testing.assert_array_equal(theta[:10].reshape(2, 5), network.siren_layers[0].kernel)


@given(
    scores=st.lists(st.floats(0, 10), min_size=1, max_size=30),
    data=st.data(),
    density=st.floats(0.01, 1),
)
def test_largest(scores, data, density):
    """As many as wanted, or as are left; none that is kept is smaller than one that goes."""
    count = len(scores)
    mask = np.array(data.draw(st.lists(st.integers(0, 1), min_size=count, max_size=count)))
    scores = np.array(scores)
    kept = largest(scores, mask, density)
    assert kept.dtype == np.float32
    assert set(kept) <= {0, 1}
    assert np.all(kept <= mask)
    assert kept.sum() == min(max(1, round(density * count)), mask.sum())
    gone = scores[(mask > 0) & (kept == 0)]
    assert not len(gone) or not kept.any() or scores[kept > 0].min() >= gone.max()


def test_rounds_of_pruning_only_close():
    random, mask = np.random.default_rng(1), np.ones(1000)
    for density in (0.64, 0.4096, 0.01):
        closer = largest(random.random(1000), mask, density)
        assert closer.sum() == round(1000 * density)
        assert np.all(closer <= mask)
        mask = closer
