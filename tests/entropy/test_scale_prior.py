"""The learned entropy model, and that its frozen tables and real bytes say the same."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mscn_tf.entropy.freeze import freeze, frozen_arrays
from mscn_tf.entropy.frequencies import pooled_frequencies
from mscn_tf.entropy.scale_prior import (
    CONTEXT_UNIT,
    LOG_SCALE_FIRST,
    LOG_SCALE_SPACING,
    SCALES,
    ScalePrior,
    coefficient_bands,
)
from mscn_tf.runtime.prior import Prior
from tests.harness import check_layer

M, N = 24, 600


def make_prior(seed=0, **kwargs):
    """A prior whose weights are as different as after a long training."""
    prior = ScalePrior(M, **{"bands": 5, "coarsest_step": 1.0, "finest_step": 0.1, **kwargs})
    prior.build(None)
    random = np.random.default_rng(seed)
    falling = np.linspace(0.3, -2.2, M) + np.linspace(0, 2.3, 10)[:, None]
    prior.base.assign(falling + random.normal(0, 0.1, [10, M]))
    prior.context.assign(random.normal(0.3, 0.3, [M, M]))
    prior.log_step.assign(prior.log_step + random.normal(0, 0.1, [10, M]))
    prior.mixture.assign([0.3, -0.4])
    prior.centroid.assign(-0.1 + 0.05 * random.random([SCALES, 2]))
    return prior


def make_codes(prior, q16, seed=0):
    """Codes drawn band after band from the distributions that the prior gives them."""
    random = np.random.default_rng(seed)
    quality = tf.constant(q16 / 16, tf.float32)
    scaled = np.zeros([len(q16), M], np.float32)
    weights = tf.nn.softmax(prior.mixture).numpy()
    which = random.choice(2, scaled.shape, p=weights / weights.sum())
    spread = prior.spread.numpy()[which]
    noise = random.normal(size=scaled.shape)
    for band in np.unique(prior.band):
        scales = np.exp(prior.log_scales(tf.round(scaled), quality).numpy() + spread)
        scaled = np.where(prior.band == band, noise * scales, scaled).astype(np.float32)
    return scaled * prior.step(quality).numpy()


@pytest.fixture(scope="module")
def coded():
    """A prior, qualities, codes and what the prior makes of them."""
    prior = make_prior()
    q16 = np.random.default_rng(1).integers(16, 161, N)
    codes = make_codes(prior, q16)
    return prior, q16, codes, prior(codes, tf.constant(q16 / 16, tf.float32))


def test_round_trips():
    quality = np.array([1.0, 5.3, 10.0], "f4")
    code = np.random.default_rng(0).normal(size=(3, 6)).astype("f4")
    check_layer(ScalePrior(6, bands=3), code, quality)


@given(st.integers(4, 3000), st.integers(2, 20))
def test_bands_grow(size, bands):
    band = coefficient_bands(size, bands)
    assert len(band) == size
    assert band[0] == 0
    assert set(np.diff(band)) <= {0, 1}
    counts = np.bincount(band)
    assert len(counts) <= bands
    assert counts[0] <= 4 or len(counts) == 1


def test_steps_and_bases_are_interpolated():
    prior = make_prior()
    for name in ("log_step", "base"):
        table = getattr(prior, name)
        quality = np.array([1, 1.25, 9.5, 10], "f4")
        t = table.numpy()
        expected = [t[0], 0.75 * t[0] + 0.25 * t[1], 0.5 * (t[8] + t[9]), t[9]]
        np.testing.assert_allclose(prior.at_quality(table, quality), expected, atol=1e-5)


def test_scales_look_back_only():
    """A symbol's scale follows the formula, and depends on earlier bands alone."""
    prior = make_prior()
    random = np.random.default_rng(0)
    symbols = np.rint(random.laplace(0, 2, (40, M)))
    quality = random.uniform(1, 10, 40).astype("f4")
    context = CONTEXT_UNIT * prior.context.numpy() * (prior.band[:, None] < prior.band)
    expected = prior.at_quality(prior.base, quality) + np.log2(1 + np.abs(symbols)) @ context
    last = LOG_SCALE_FIRST + LOG_SCALE_SPACING * (SCALES - 1)
    scales = prior.log_scales(symbols.astype("f4"), quality).numpy()
    np.testing.assert_allclose(scales, np.clip(expected, LOG_SCALE_FIRST, last), atol=1e-4)
    assert np.abs(prior.context).max() > 0
    for band in range(5):
        changed = np.where(prior.band >= band, symbols + 5, symbols).astype("f4")
        seen = prior.band <= band
        np.testing.assert_array_equal(
            prior.log_scales(changed, quality).numpy()[:, seen], scales[:, seen]
        )


@pytest.mark.parametrize("log_scale", [-3.2, -1.0, 0.5, 2.0])
def test_distribution(log_scale):
    """A symbol's probability is a mixture of two normals', from s - 1/2 to s + 1/2."""
    prior = make_prior()
    s = np.arange(-6, 7)
    weights = np.exp(prior.mixture) / np.exp(prior.mixture).sum()
    scales = np.exp(log_scale + prior.spread.numpy())
    below, above = (scipy.stats.norm.cdf(s[:, None] + end, scale=scales) for end in (-0.5, 0.5))
    expected = (above - below) @ weights
    probabilities = prior.distribution(tf.fill([13], log_scale)).prob(s.astype("f4"))
    np.testing.assert_allclose(probabilities, expected, rtol=1e-3, atol=1e-6)


def test_estimate_equals_tables_equals_bytes(coded):
    prior, q16, _, found = coded
    frozen = Prior(frozen_arrays(prior))
    symbols = found.symbols.numpy().astype(np.int32)
    estimate = float(tf.reduce_sum(found.bits))
    tables = frozen.bits(symbols, q16).sum()
    data = frozen.encode(symbols, q16)
    assert estimate > 2e4
    np.testing.assert_allclose(tables, estimate, rtol=0.02)
    np.testing.assert_allclose(8 * len(data), tables, rtol=0.001, atol=32)
    np.testing.assert_array_equal(frozen.decode(data, q16), symbols)
    # Of single tiles too, not just on the whole.
    np.testing.assert_allclose(frozen.bits(symbols, q16).sum(1), found.bits, rtol=0.15, atol=1.5)


def test_frozen_scales_are_the_learned_ones(coded):
    prior, q16, _, found = coded
    index = Prior(frozen_arrays(prior)).indices(found.symbols.numpy().astype(np.int32), q16)
    log_scales = prior.log_scales(found.symbols, tf.constant(q16 / 16, tf.float32))
    exact = (log_scales - LOG_SCALE_FIRST) / LOG_SCALE_SPACING
    assert np.abs(index - exact).max() < 0.6
    assert len(np.unique(index)) > 20


def test_both_quantise_alike(coded):
    """Symbols that differ lie by the threshold, which tables know to a step of their scales."""
    prior, q16, codes, found = coded
    frozen = Prior(frozen_arrays(prior))
    symbols = frozen.quantise(codes, q16, prior.rate_weight)
    other = found.symbols.numpy()
    differ = symbols != other
    assert differ.mean() < 0.02
    assert np.abs(symbols - other).max() <= 1
    assert np.abs(symbols).sum() > 1000
    dequantised = frozen.dequantise(symbols, q16)
    # Between neighbouring scales the centroids differ by up to 0.05 steps.
    difference = np.where(differ, 0, dequantised - found.code) / frozen.steps(q16)
    assert np.abs(difference).max() < 0.0501
    assert np.mean(np.abs(difference) > 1e-4) < 0.1


def test_dequantised_codes(coded):
    prior, q16, _, found = coded
    step = prior.step(tf.constant(q16 / 16, tf.float32)).numpy()
    scaled = found.code.numpy() / step
    symbols = found.symbols.numpy()
    assert np.all(scaled[symbols == 0] == 0)
    # Centroids are between -0.1 and -0.05 here: a symbol's mean lies further out than itself.
    beyond = np.abs(scaled) - np.abs(symbols)
    assert np.all((beyond >= 0.0499) & (beyond <= 0.1001) | (symbols == 0))


def test_a_dearer_bit_leaves_fewer_symbols():
    q16 = np.random.default_rng(1).integers(16, 161, N)
    quality = tf.constant(q16 / 16, tf.float32)
    codes = make_codes(make_prior(), q16)
    counts, bits = [], []
    for rate_weight in (0.0, 0.1, 0.3):
        found = make_prior(rate_weight=rate_weight)(codes, quality)
        counts.append(np.count_nonzero(found.symbols))
        bits.append(float(tf.reduce_sum(found.bits)))
    assert counts[0] > counts[1] > counts[2]
    assert bits[0] > bits[1] > bits[2]


def test_gradients_reach_all_that_learns():
    prior = make_prior()
    codes = make_codes(prior, np.full(64, 100))
    codes = tf.constant(codes)
    with tf.GradientTape() as tape:
        tape.watch(codes)
        found = prior(codes, tf.fill([64], 100 / 16))
        total = tf.reduce_sum(found.bits) + tf.reduce_sum(tf.square(found.code - codes))
    variables = prior.trainable_variables
    assert len(variables) == 5
    for gradient in tape.gradient(total, [codes, *variables]):
        assert np.any(tf.convert_to_tensor(gradient))


@settings(max_examples=8)
@given(seed=st.integers(0, 10**6), extreme=st.floats(0, 60))
def test_any_weights_freeze(seed, extreme):
    """Whatever was learned, the arrays are a prior, and code what is given."""
    prior = make_prior(seed)
    random = np.random.default_rng(seed)
    prior.base.assign(random.normal(0, 1 + extreme, [10, M]))
    prior.context.assign(random.normal(0, 0.1 + extreme, [M, M]))
    symbols = np.rint(random.laplace(0, 3, (20, M))).astype(np.int32)
    q16 = random.integers(16, 161, 20)
    for arrays in (frozen_arrays(prior), freeze(prior, symbols, q16)):
        frozen = Prior(arrays)
        np.testing.assert_array_equal(frozen.decode(frozen.encode(symbols, q16), q16), symbols)


def test_measured_tables_fit_the_symbols_better(coded):
    """Symbols that the learned distribution has wrong: all of one magnitude."""
    prior, q16, _, _ = coded
    random = np.random.default_rng(0)
    symbols = (2 * random.integers(-1, 2, (N, M))).astype(np.int32)
    learned, measured = Prior(frozen_arrays(prior)), Prior(freeze(prior, symbols, q16))
    before, after = (p.bits(symbols, q16).sum() for p in (learned, measured))
    assert after < 0.6 * before
    np.testing.assert_allclose(8 * len(measured.encode(symbols, q16)), after, rtol=0.001, atol=32)
    # A sign is as dear as the other.
    np.testing.assert_allclose(measured.bits(-symbols, q16).sum(), after, rtol=0.01)


def test_few_symbols_move_a_table_little():
    """The learned distribution counts as much as 200 symbols do."""
    learned, symbols = [np.array([0.05, 0.1, 0.6, 0.2, 0.04, 0.01])], np.array([0, 0, 0, 1, -1, 9])
    counted = np.array([0, 1, 3, 1, 0, 1])  # of -2 ... 2 and of all beyond
    expected = (counted + 200 * learned[0]) / 206
    found = pooled_frequencies(learned, np.array([2]), symbols, np.zeros(6, np.int64))
    np.testing.assert_allclose(found / 65536, expected, atol=2e-4)


def test_freezing_is_deterministic(coded):
    prior, q16, _, found = coded
    symbols = found.symbols.numpy().astype(np.int32)
    one, two = freeze(prior, symbols, q16), freeze(prior, symbols, q16)
    assert one.keys() == two.keys()
    for name in one:
        assert one[name].dtype == two[name].dtype
        np.testing.assert_array_equal(one[name], two[name])
