import contextlib
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.file_decoder import FileDecoder
from mscn_tf.runtime.prior import LARGEST_SYMBOL, Prior

M = 48
TILES = st.integers(1, 12)


@pytest.fixture(scope="module")
def prior(prior_arrays):
    return Prior(prior_arrays)


@st.composite
def blocks(draw, largest=LARGEST_SYMBOL):
    tiles = draw(TILES)
    some = st.sampled_from([0, 0, 0, 1, -1, 2, -2, 12, -12, 200]) | st.integers(-largest, largest)
    symbols = draw(npst.arrays(np.int32, (tiles, M), elements=some, fill=st.just(0)))
    q16 = draw(npst.arrays(np.int64, tiles, elements=st.integers(16, 160)))
    return symbols, q16


@given(block=blocks())
@settings(deadline=None, max_examples=200)
def test_round_trip_and_estimate(prior, block):
    symbols, q16 = block
    payload = prior.encode(symbols, q16)
    decoded = prior.decode(payload, q16)
    assert decoded.dtype == np.int32
    np.testing.assert_array_equal(decoded, symbols)
    estimate = prior.bits(symbols, q16).sum() / 8
    assert abs(len(payload) - estimate) <= 0.01 * estimate + 8


@pytest.mark.parametrize("tiles", [1, 7, 300])
def test_coded_bytes_agree_with_the_estimate(prior, symbols_of, tiles):
    symbols, q16 = symbols_of(tiles), np.full(tiles, 100)
    payload = prior.encode(symbols, q16)
    estimate = prior.bits(symbols, q16).sum() / 8
    assert abs(len(payload) - estimate) <= 0.001 * estimate + 1.5
    np.testing.assert_array_equal(prior.decode(payload, q16), symbols)


def test_largest_symbols(prior):
    symbols = np.full((2, M), LARGEST_SYMBOL, np.int32)
    symbols[1] *= -1
    q16 = np.array([16, 160])
    np.testing.assert_array_equal(prior.decode(prior.encode(symbols, q16), q16), symbols)
    for wrong in (symbols.astype(np.int64) + 1, np.full((2, M), -(2**31), np.int32)):
        with pytest.raises(MscnError, match="beyond"):
            prior.encode(wrong, q16)


def test_all_zeros_cost_almost_nothing(prior_arrays):
    arrays = {**prior_arrays, "base": np.zeros_like(prior_arrays["base"])}
    prior, q16 = Prior(arrays), np.full(64, 50)
    payload = prior.encode(np.zeros((64, M), np.int32), q16)
    assert len(payload) < 5
    assert not prior.decode(payload, q16).any()


@given(garbage=st.binary(max_size=300), tiles=TILES)
@settings(deadline=None, max_examples=500)
def test_garbage_raises_or_returns(prior, garbage, tiles):
    q16 = np.full(tiles, 77)
    try:
        symbols = prior.decode(garbage, q16)
    except MscnError:
        return
    assert symbols.shape == (tiles, M)
    assert np.isfinite(prior.dequantise(symbols, q16)).all()


@pytest.mark.parametrize("byte", [b"\x00", b"\xff", b"\x80"])
def test_garbage_costs_bounded_memory(prior, byte):
    q16 = np.full(500, 16)
    tracemalloc.start()
    begin = time.perf_counter()
    try:
        prior.decode(byte * 10_000, q16)
    except MscnError as error:
        assert "damaged" in str(error)  # noqa: PT017
    assert time.perf_counter() - begin < 5
    assert tracemalloc.get_traced_memory()[1] < 2**23
    tracemalloc.stop()


def test_activity_is_the_share_of_symbols_that_are_not_zero():
    """Of symbols drawn from the model itself: what random bytes decode to."""
    prior = FileDecoder.load("thumb32").scheme.prior
    random = np.random.default_rng(0)
    for q16 in (40, 80, 104):
        drawn = []
        for _ in range(100):
            with contextlib.suppress(MscnError):  # not all bytes are a code
                drawn.append(prior.decode(random.bytes(1000), np.full(2, q16)))
        measured, activity = (np.concatenate(drawn) != 0).mean(axis=0), prior.activity(q16)
        assert len(drawn) > 50
        assert activity.shape == measured.shape
        assert activity.sum() == pytest.approx(measured.sum(), rel=0.2)
        assert np.abs(activity - measured).max() < 0.2


def index_by_definition(arrays, symbols, q16):
    """The formula of docs/format.md in Python's integers."""
    lookup, out = arrays["magnitude"].tolist(), np.zeros(symbols.shape, int)
    context = arrays["context"].astype(int)
    for n, row in enumerate(symbols.tolist()):
        v, f = int(q16[n]) // 16 - 1, int(q16[n]) % 16
        w = min(v + 1, 9)
        for i in range(M):
            low, high = int(arrays["base"][v, i]), int(arrays["base"][w, i])
            total = (low * (16 - f) + high * f) // 16
            for j in range(M):
                total += int(context[i, j]) * lookup[min(abs(row[j]), len(lookup) - 1)]
            out[n, i] = min(max((total + 2**13) // 2**14, 0), len(arrays["support"]) - 1)
    return out


def test_scale_indices_and_codes_follow_the_definition(prior_arrays, symbols_of):
    rng = np.random.default_rng(3)
    # Also where zeros add something and the base is negative.
    base = prior_arrays["base"] - 2**16
    magnitude = np.array([3, -1, 2, 5], np.int32)
    arrays = {**prior_arrays, "base": base, "magnitude": magnitude}
    prior, symbols, q16 = Prior(arrays), symbols_of(6), rng.integers(16, 161, 6)
    index = index_by_definition(arrays, symbols, q16)
    assert 0 < index.mean() < 11
    np.testing.assert_array_equal(prior.indices(symbols, q16), index)
    np.testing.assert_array_equal(prior.decode(prior.encode(symbols, q16), q16), symbols)

    level = (q16 / 16 - 1)[:, None]
    table = arrays["log_step"]
    step = np.exp([[np.interp(x[0], np.arange(10), table[:, i]) for i in range(M)] for x in level])
    np.testing.assert_allclose(prior.steps(q16), step, rtol=1e-12)
    codes = prior.dequantise(symbols, q16)
    for n, i in np.ndindex(symbols.shape):
        s = int(symbols[n, i])
        shift = arrays["centroid"][index[n, i], min(abs(s), 2) - 1] if s else 0
        expected = step[n, i] * np.sign(s) * (abs(s) - shift)
        assert codes[n, i] == pytest.approx(expected, rel=1e-12, abs=0)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("band", lambda a: a[::-1]),
        ("band", lambda a: a[:-1]),
        ("base", lambda a: a.astype(float)),
        ("base", lambda a: a[:9]),
        ("context", lambda a: a.T),
        ("context", lambda a: a.astype(np.int64) * 2**45),
        ("magnitude", lambda a: a[:0]),
        ("support", lambda a: a - 1),
        ("support", lambda a: a + 1),
        ("frequencies", lambda a: a + 1),
        ("frequencies", lambda a: a[1:]),
        ("frequencies", lambda a: np.concatenate(([2**16, 0], a[2:]))),
        ("centroid", lambda a: a * np.nan),
        ("centroid", lambda a: a[:, :1]),
        ("log_step", lambda a: None),
    ],
)
def test_arrays_that_do_not_fit_are_refused(prior_arrays, name, change):
    with pytest.raises(MscnError, match="prior"):
        Prior({**prior_arrays, name: change(prior_arrays[name])})


def test_wrong_arguments(prior, symbols_of):
    symbols = symbols_of(2)
    for wrong in (symbols[:, 1:], symbols.astype(float), symbols[:1]):
        with pytest.raises(MscnError, match="symbols must be"):
            prior.encode(wrong, np.array([16, 16]))
    for q16 in ([16, 161], [15, 16]):
        with pytest.raises(MscnError, match="quality"):
            prior.encode(symbols, np.array(q16))
