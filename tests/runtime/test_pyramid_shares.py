"""What channels have of the first one: round trips, a formula of its own, gains."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mscn_tf.fitting.pyramid import quantise
from mscn_tf.fitting.pyramid_share import chosen_shares
from mscn_tf.runtime import tables
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.pyramid_prior import Fitted, PyramidPrior
from mscn_tf.runtime.pyramid_shares import Shares, changes
from mscn_tf.runtime.wavelet import Pyramid
from tests.pyramids import (
    CHANNELS,
    LEVELS,
    arrays,
    share_arrays,
    sign_arrays,
    update_arrays,
)
from tests.runtime.test_pyramid_prior import random_symbols

LIMIT = 9  # of `share_arrays`


def random_shares(seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    steps = random.integers(-LIMIT, LIMIT + 1, (CHANNELS - 1, LEVELS))
    return np.cumsum(steps, axis=1)[:, ::-1].T.astype(np.int16)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_shares_come_back(seed, none):
    shares = Shares(share_arrays(), LEVELS, CHANNELS)
    wanted = shares.none() if none else random_shares(seed)
    encoder = tables.RangeEncoder()
    shares.encode(encoder, wanted)
    payload = tables.seal(encoder)
    np.testing.assert_array_equal(shares.decode(tables.unseal(payload)), wanted)
    bits = 1 + wanted.any() * shares.costs[changes(wanted) + LIMIT].sum()
    assert 8 * len(payload) == pytest.approx(bits, abs=16)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 99), st.booleans())
def test_pictures_come_back(height, width, seed, all_of_it):
    more = {**sign_arrays(), **update_arrays()} if all_of_it else {}
    prior = PyramidPrior({**arrays(), **more, **share_arrays()})
    fitted = Fitted(random_symbols(height, width, seed), shares=random_shares(seed))
    coded = prior.decode(prior.encode(fitted, height, width, 80), height, width, 80)
    np.testing.assert_array_equal(coded.shares, fitted.shares)
    plain = prior.dequantise(coded._replace(shares=None), 80)
    for level, details in enumerate(prior.dequantise(coded, 80).details):
        np.testing.assert_array_equal(details[0], plain.details[level][0])
        for channel in range(1, CHANNELS):
            share = fitted.shares[level, channel - 1] / 64
            wanted = plain.details[level][channel] + share * details[0]
            np.testing.assert_allclose(details[channel], wanted, atol=1e-12)


def coloured(seed: int, share: float) -> Pyramid:
    """Coefficients whose other channels have this much of the first, and little besides."""
    random = np.random.default_rng(seed)
    symbols = random_symbols(96, 80, seed, 0.0)
    details = []
    for detail in symbols.details:
        first = random.laplace(0, 3.0, detail[:1].shape)
        others = share * first + random.normal(0, 0.1, detail[1:].shape)
        details.append(np.concatenate((first, others)).astype(np.float32))
    return Pyramid(symbols.coarse.astype(np.float32), details)


def test_shares_that_pay_are_found():
    prior = PyramidPrior({**arrays(), **share_arrays()})
    step, size = prior.step(80), (96, 80)
    pyramid = coloured(0, 0.25)
    pyramid = Pyramid(step * pyramid.coarse, [step * detail for detail in pyramid.details])
    fitted = quantise(prior, pyramid, *size, 80, 0.1)
    assert fitted.shares is not None
    assert np.abs(fitted.shares[0] - 16).max() <= 1  # the finest level, of many
    without = quantise(PyramidPrior(arrays()), pyramid, *size, 80, 0.1)

    def left(fitted: Fitted) -> tuple[int, float]:
        coded = prior.decode(prior.encode(fitted, *size, 80), *size, 80)
        found = prior.dequantise(coded, 80).details
        error = sum(np.square(f - w).sum() for f, w in zip(found, pyramid.details))
        return sum(np.count_nonzero(d[1:]) for d in fitted.symbols.details), error

    (some, error), (many, other_error) = left(fitted), left(without)
    assert some < many / 2
    assert error < other_error


def test_shares_that_do_not_pay_are_left_out():
    shares = Shares(share_arrays(), LEVELS, CHANNELS)
    wanted = coloured(1, 0.0)
    symbols = Pyramid(wanted.coarse, [np.rint(d).astype(np.int32) for d in wanted.details])
    assert not chosen_shares(shares, wanted, symbols, 1.0, 0.1).any()
    assert chosen_shares(shares, coloured(1, 0.25), symbols, 1.0, 0.1).any()


def test_without_shares_all_is_as_before():
    fitted, plain = Fitted(random_symbols(20, 30, 3)), PyramidPrior(arrays())
    with_one = PyramidPrior({**arrays(), **share_arrays()})
    coded = with_one.decode(with_one.encode(fitted, 20, 30, 80), 20, 30, 80)
    before = plain.decode(plain.encode(fitted, 20, 30, 80), 20, 30, 80)
    assert before.shares is None
    pairs = zip(with_one.dequantise(coded, 80).details, plain.dequantise(before, 80).details)
    for found, wanted in pairs:
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    ("frequencies", "message"),
    [
        ([32768, 32768], "wrong number"),
        ([1] * 33 + [65536 - 66] + [1] * 33, "wrong number"),
        ([1, 65534, 2], "add up to 65536"),
        ([0, 65535, 1], "above 0"),
    ],
)
def test_an_array_that_does_not_fit(frequencies, message):
    with pytest.raises(MscnError, match=message):
        PyramidPrior({**arrays(), "share_change": np.array(frequencies)})


def test_one_channel_follows_no_other():
    with pytest.raises(MscnError, match="wrong number"):
        Shares(share_arrays(), LEVELS, 1)
