from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from ml_collections import ConfigDict

from mscn_tf.fitting.basis_codec import BasisCodec
from mscn_tf.runtime.errors import MscnError

EDGE, M, B = 4, 10, 5
QUALITY = np.linspace(1, 10, B, dtype="f4")
SEED = [0, 1]


def make(**kwargs):
    network = dict(
        edge=EDGE, channels=3, code_size=M, features=3, feature_frequencies=3, width=6, depth=2
    )
    prior = dict(bands=3, coarsest_step=0.3, finest_step=0.02, rate_weight=0.11)
    settings = dict(
        steps=2, first_order=False, rounding="straight_through", network=network, prior=prior
    )
    codec = BasisCodec(ConfigDict({**settings, **kwargs}))
    random = np.random.default_rng(0)
    basis = codec.network.basis
    basis.assign(np.linalg.qr(random.normal(size=basis.shape[::-1]))[0].T)
    codec.network.mean[:3].assign([2.0] * 3)  # half of what the tiles' mean needs
    codec.network.feature_basis.assign(0.5 * random.normal(size=codec.network.feature_basis.shape))
    codec.network.out_kernel.assign(0.05 * random.normal(size=[6, 3]))
    return codec


def tiles(seed=0):
    return np.random.default_rng(seed).uniform(0, 1, (B, EDGE, EDGE, 3)).astype("f4")


def test_the_first_step_is_least_squares():
    """As one step of gradient descent from zero is, where the sine network is silent."""
    codec = make()
    codec.network.out_kernel.assign(tf.zeros([6, 3]))
    code = codec.fit_code(tiles(), QUALITY, steps=1)
    np.testing.assert_allclose(code, codec.network.analyse(tiles()), atol=1e-5)
    zero = tf.zeros([B, M])
    with tf.GradientTape() as tape:
        tape.watch(zero)
        loss = codec.squared_error(tiles(), zero, QUALITY)
    np.testing.assert_allclose(-0.5 * tape.gradient(loss, zero), code, atol=1e-5)
    # Nothing is left to gain.
    np.testing.assert_allclose(codec.fit_code(tiles(), QUALITY, steps=4), code, atol=1e-4)


def test_more_steps_fit_better():
    codec = make()
    errors = [
        np.sum(codec.squared_error(tiles(), codec.fit_code(tiles(), QUALITY, steps), QUALITY))
        for steps in (1, 2, 8)
    ]
    assert errors[0] > errors[1] > errors[2]
    default = codec.fit_code(tiles(), QUALITY)
    np.testing.assert_array_equal(default, codec.fit_code(tiles(), QUALITY, steps=2))


def test_a_tile_does_not_depend_on_its_batch():
    codec = make()
    together = codec.fit(tiles(), QUALITY, SEED)
    for b in range(B):
        alone = codec.fit(tiles()[b : b + 1], QUALITY[b : b + 1], SEED)
        np.testing.assert_allclose(alone.values[0], together.values[b], atol=1e-5)
        np.testing.assert_array_equal(alone.coded.symbols[0], together.coded.symbols[b])


def test_fit_says_what_a_decoder_gets():
    codec = make()
    fit = codec.fit(tiles(), QUALITY, SEED)
    np.testing.assert_array_equal(fit.coded.symbols, np.rint(fit.coded.symbols))
    np.testing.assert_array_equal(fit.values, codec.synthesise(fit.coded.code, QUALITY))
    error = np.sum((fit.values - tiles()) ** 2, (1, 2, 3))
    np.testing.assert_allclose(fit.squared_error, error, rtol=1e-5)
    code = codec.fit_code(tiles(), QUALITY)
    np.testing.assert_allclose(
        fit.fitted_error, codec.squared_error(tiles(), code, QUALITY), rtol=1e-5
    )
    assert np.all(fit.coded.bits > 0)


@pytest.mark.parametrize("rounding", ["fixed", "straight_through", "noise"])
def test_how_outer_gradients_see_rounding(rounding):
    """With codes fixed the error reaches the synthesis, but not the loop that made the code."""
    codec = make(rounding=rounding)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(codec.fit(tiles(), QUALITY, SEED).squared_error)
    sizes, kernel = tape.gradient(total, [codec.step_sizes, codec.network.out_kernel])
    assert np.any(kernel)
    assert (sizes is None) == (rounding == "fixed")
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(codec.fit(tiles(), QUALITY, SEED).fitted_error)
    assert np.all(np.any(tape.gradient(total, codec.step_sizes), axis=1))


def test_noise_stands_in_for_rounding():
    codec = make(rounding="noise")
    fit = codec.fit(tiles(), QUALITY, SEED)
    scaled = codec.fit_code(tiles(), QUALITY) / codec.prior.step(QUALITY)
    noise = fit.coded.symbols - scaled
    assert np.abs(noise).max() <= 0.5001
    assert np.abs(noise).max() > 0.4
    np.testing.assert_array_equal(fit.values, codec.fit(tiles(), QUALITY, SEED).values)
    assert np.any(fit.values != codec.fit(tiles(), QUALITY, [0, 2]).values)


def test_unknown_rounding():
    with pytest.raises(MscnError, match=r"model\.rounding=up: must be one of fixed"):
        make(rounding="up")


def test_gates_start_the_second_step():
    codec = make(rounding="fixed", gated=True)
    fit = codec.fit(tiles(), QUALITY, SEED)
    error = codec.squared_error(tiles(), fit.coded.code, QUALITY)
    np.testing.assert_allclose(fit.squared_error, error, rtol=1e-5)
    # What open gates cost comes to the error: all the more, the dearer bits are.
    prior = dict(bands=3, coarsest_step=0.3, finest_step=0.02, rate_weight=0.5)
    dearer = make(rounding="fixed", gated=True, prior=prior).fit(tiles(), QUALITY, SEED)
    assert np.all(dearer.fitted_error > fit.fitted_error)
    assert np.count_nonzero(dearer.coded.symbols) < np.count_nonzero(fit.coded.symbols)


def test_outer_gradients_pass_gates():
    codec = make(rounding="fixed", gated=True)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(codec.fit(tiles(), QUALITY, SEED).fitted_error)
    basis, sizes = tape.gradient(loss, [codec.network.basis, codec.step_sizes])
    assert np.abs(basis).max() > 0
    assert np.abs(sizes[0]).max() > 0
    assert not np.any(sizes[1:])  # the second step's are the first's
