"""What pictures change in the model of scales: a formula of its own, round trips, gains."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mscn_tf.fitting.pyramid_update import chosen_update
from mscn_tf.runtime import tables
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.pyramid_prior import Fitted, PyramidPrior
from mscn_tf.runtime.pyramid_updates import Updates
from mscn_tf.runtime.wavelet import Pyramid
from tests.pyramids import BANDS, LEVELS, TABLES, arrays, sign_arrays, update_arrays
from tests.runtime.test_pyramid_prior import random_symbols

SHIFTS, GAINS = 3, 2  # of `update_arrays`


@pytest.fixture(scope="module")
def updates() -> Updates:
    return Updates(update_arrays(), LEVELS, BANDS, TABLES)


def random_update(seed: int, density: float) -> np.ndarray:
    random = np.random.default_rng(seed)
    update = np.stack(
        [random.integers(-most, most + 1, (LEVELS, BANDS)) for most in (SHIFTS, GAINS)], -1
    )
    return (update * (random.random((LEVELS, BANDS, 1)) < density)).astype(np.int8)


@pytest.mark.parametrize("shift", range(-SHIFTS, SHIFTS + 1))
@pytest.mark.parametrize("gain", range(-GAINS, GAINS + 1))
def test_tables_become_others(updates, shift, gain):
    found = updates.maps(np.array([shift, gain], np.int8)).tolist()
    for table in range(TABLES):
        wanted = (table * (16 + gain) + 8) // 16 + shift
        assert found[table] == min(max(wanted, 0), TABLES - 1)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.05, 0.5, 1.0]))
def test_updates_come_back(seed, density):
    updates = Updates(update_arrays(), LEVELS, BANDS, TABLES)
    update, encoder = random_update(seed, density), tables.RangeEncoder()
    updates.encode(encoder, update)
    payload = tables.seal(encoder)
    np.testing.assert_array_equal(updates.decode(tables.unseal(payload)), update)
    present = update.any((1, 2))
    bits = 1 + present.any() * sum(updates.costs[0][present.astype(int)])
    for number, most in enumerate((SHIFTS, GAINS)):
        bits += updates.costs[1 + number][update[present, :, number] + most].sum()
    assert 8 * len(payload) == pytest.approx(bits, abs=16)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 99), st.booleans())
def test_pictures_come_back(height, width, seed, signs):
    prior = PyramidPrior({**arrays(), **(sign_arrays() if signs else {}), **update_arrays()})
    fitted = Fitted(random_symbols(height, width, seed), random_update(seed, 0.5))
    coded = prior.decode(prior.encode(fitted, height, width, 80), height, width, 80)
    np.testing.assert_array_equal(coded.update, fitted.update)
    np.testing.assert_array_equal(coded.symbols.coarse, fitted.symbols.coarse)
    for found, wanted in zip(coded.symbols.details, fitted.symbols.details):
        np.testing.assert_array_equal(found, wanted)


def test_an_update_that_pays_is_found():
    """Of symbols of table 8 that the network takes for those of table 6."""
    prior = PyramidPrior({**arrays(), **update_arrays()})
    random, size = np.random.default_rng(0), (96, 80)
    symbols = random_symbols(*size, 1, 0.0)
    indices = [np.full(d.shape, 6, np.uint16) for d in symbols.details]
    given = arrays()
    weight = np.split(given["frequencies"], np.cumsum(2 * given["support"] + 2))[8][:-1]
    details = [
        random.choice(np.arange(-8, 9), detail.shape, p=weight / weight.sum()).astype(np.int32)
        for detail in symbols.details
    ]
    symbols = Pyramid(symbols.coarse, details)
    update = chosen_update(prior, symbols, indices, *size)
    assert prior.updates is not None
    becoming = prior.updates.maps(update)[..., 6]
    assert np.abs(becoming[0].astype(int) - 8).max() <= 1  # the finest level, of many
    assert becoming[0].tolist().count(8) > BANDS // 2

    def cost(update):
        mapped = prior.updates.mapped(indices, update)
        return sum(prior.tables.bits(s, i).sum() for s, i in zip(symbols.details, mapped))

    assert cost(update) < cost(prior.updates.none()) - 100


def test_an_update_that_does_not_pay_is_left_out():
    prior = PyramidPrior({**arrays(), **update_arrays()})
    symbols = random_symbols(6, 5, 1, 0.3)
    indices = prior.coded(Fitted(symbols), 6, 5, 80).indices
    assert not chosen_update(prior, symbols, indices, 6, 5).any()
    with pytest.raises(ValueError, match="no updates"):
        chosen_update(PyramidPrior(arrays()), symbols, indices, 6, 5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"update_level": np.array([65536])}, "wrong number"),
        ({"update_gain": np.array([32768, 32768])}, "wrong number"),
        ({"update_shift": np.array([1, 65534, 2])}, "add up to 65536"),
        ({"update_shift": np.array([0, 65535, 1])}, "at least 1"),
        ({"update_gain": np.array([1] * 32 + [65536 - 64] + [1] * 32)}, "too large"),
    ],
)
def test_arrays_that_do_not_fit(change, message):
    with pytest.raises(MscnError, match=message):
        PyramidPrior({**arrays(), **update_arrays(), **change})


@pytest.mark.parametrize("name", sorted(update_arrays()))
def test_all_or_none_of_the_arrays(name):
    given = {**arrays(), **update_arrays()}
    del given[name]
    with pytest.raises(MscnError, match=name):
        PyramidPrior(given)
