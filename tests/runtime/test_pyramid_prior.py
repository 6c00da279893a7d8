"""The entropy model of wavelet coefficients: round trips, exactness, a formula of its own."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mscn_tf.runtime import pyramid_scales, wavelet
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.pyramid_prior import Coded, Fitted, PyramidPrior
from mscn_tf.runtime.pyramid_scales import PASSES, companion, input_places
from mscn_tf.runtime.wavelet import Pyramid
from tests.pyramids import BANDS, CHANNELS, LEVELS, TABLES, arrays, sign_arrays


@pytest.fixture(scope="module")
def prior() -> PyramidPrior:
    return PyramidPrior(arrays())


def random_symbols(height: int, width: int, seed: int, scale: float = 2.0) -> Pyramid:
    random = np.random.default_rng(seed)
    shapes = wavelet.sizes(height, width, LEVELS)
    coarse = np.cumsum(random.integers(-40, 41, (CHANNELS, *shapes[-1])), axis=2)
    details = []
    for h, w in shapes[:LEVELS]:
        detail = np.zeros((CHANNELS, 3, -(-h // 2), -(-w // 2)), np.int32)
        for direction, (rows, columns) in enumerate(wavelet.detail_sizes(h, w)):
            values = np.trunc(random.laplace(scale=scale, size=(CHANNELS, rows, columns)))
            detail[:, direction, :rows, :columns] = values
        details.append(detail)
    return Pyramid(coarse.astype(np.int32), details)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 45),
    st.integers(1, 45),
    st.integers(16, 160),
    st.integers(0, 99),
    st.sampled_from([0.1, 1.0, 30.0]),
    st.booleans(),
)
def test_round_trip(height, width, q16, seed, scale, signs):
    prior = PyramidPrior({**arrays(), **sign_arrays()} if signs else arrays())
    symbols = random_symbols(height, width, seed, scale)
    payload = prior.encode(Fitted(symbols), height, width, q16)
    coded = prior.decode(payload, height, width, q16)
    assert np.array_equal(coded.symbols.coarse, symbols.coarse)
    for found, wanted in zip(coded.symbols.details, symbols.details):
        assert np.array_equal(found, wanted)
    known = prior.coded(Fitted(symbols), height, width, q16).indices
    for level, (found, wanted) in enumerate(zip(coded.indices, known)):
        h, w = wavelet.sizes(height, width, LEVELS)[level]
        for direction, (rows, columns) in enumerate(wavelet.detail_sizes(h, w)):
            part = (slice(None), direction, slice(rows), slice(columns))
            assert np.array_equal(found[part], wanted[part])
    bits = prior.bits(Coded(symbols, known), height, width, q16)
    if signs:  # random weights predict badly
        assert 8 * len(payload) < 2 * bits + 64
        return
    assert 8 * len(payload) == pytest.approx(bits, abs=64 + 0.001 * bits)


def test_a_prior_without_signs_measures_none(prior):
    with pytest.raises(MscnError, match="no model of signs"):
        prior.measure(random_symbols(9, 7, 0), 9, 7, 80)


def test_indices_agree_with_a_formula_of_their_own(prior):
    """One coefficient after the other, in Python's whole numbers, as docs/format.md has it."""
    height, width, q16 = 21, 30, 100
    given = {name: array.astype(object) for name, array in arrays().items()}
    symbols = random_symbols(height, width, 5)
    found = prior.coded(Fitted(symbols), height, width, q16).indices
    magnitude = [int(np.rint(8 * np.log2(1 + n))) for n in range(256)]
    flat = [d.reshape(BANDS, *d.shape[2:]) for d in symbols.details]

    def seen(level: int, band: int, y: int, x: int) -> int:
        if level >= LEVELS or y < 0 or x < 0:
            return 0
        _, rows, columns = flat[level].shape
        if y >= rows or x >= columns:
            return 0
        return magnitude[min(abs(int(flat[level][band, y, x])), 255)]

    shift = given["shift"].tolist()
    random = np.random.default_rng(1)
    for _ in range(60):
        level, band = int(random.integers(LEVELS)), int(random.integers(BANDS))
        size = wavelet.detail_sizes(*wavelet.sizes(height, width, LEVELS)[level])[band % 3]
        y, x = (int(random.integers(n)) for n in size)
        number = PASSES.index((y % 2, x % 2))
        inputs = [
            seen(level + 1, other, y // 2 + dy, x // 2 + dx)
            if source == "parent"
            else seen(level, other, y + dy, x + dx)
            for source, other, dy, dx in input_places(BANDS, band)
        ]
        sums = given["bias"][band, number, level] + given["quality"][band, number] * (q16 - 88)
        sums = sums + np.array(inputs, object) @ given["first"][band, number]
        hidden = [min(max((int(s) + 2 ** (shift[0] - 1)) >> shift[0], 0), 4095) for s in sums]
        sums = np.array(hidden, object) @ given["second"][band, number]
        sums = sums + given["second_bias"][band, number]
        hidden = [min(max((int(s) + 2 ** (shift[1] - 1)) >> shift[1], 0), 4095) for s in sums]
        total = int(np.array(hidden, object) @ given["last"][band, number])
        total += given["base"][level, band] + given["slope"][level, band] * (q16 - 88)
        index = min(max((total + 2 ** (shift[2] - 1)) >> shift[2], 0), TABLES - 1)
        assert found[level].reshape(BANDS, *flat[level].shape[1:])[band, y, x] == index


def test_dequantised_symbols_keep_signs_and_zeros(prior):
    symbols = random_symbols(16, 16, 3)
    coded = Coded(symbols, prior.coded(Fitted(symbols), 16, 16, 64).indices)
    values = prior.dequantise(coded, 64)
    for wanted, found in zip(symbols.details, values.details):
        assert np.array_equal(np.sign(wanted), np.sign(found))
        assert np.abs(found - prior.step(64) * wanted).max() <= 0.1 * prior.step(64)
    assert values.coarse == pytest.approx(prior.step(64) * symbols.coarse)


def test_damaged_payloads_end(prior):
    symbols = random_symbols(33, 20, 3)
    payload = prior.encode(Fitted(symbols), 33, 20, 64)
    for seed in range(50):
        random = np.random.default_rng(seed)
        damaged = bytearray(payload[: random.integers(len(payload))])
        if damaged:
            damaged[random.integers(len(damaged))] ^= 1 << random.integers(8)
        with contextlib.suppress(MscnError):
            prior.decode(bytes(damaged), 33, 20, 64)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("first", lambda a: a[:, :3]),
        ("second", lambda a: a * 1000),
        ("bias", lambda a: a.astype(float)),
        ("shift", lambda a: a * 9),
        ("frequencies", lambda a: a - 1),
        ("log_step", lambda a: np.full(10, np.nan)),
    ],
)
def test_arrays_that_do_not_fit(name, change):
    given = arrays()
    given[name] = change(given[name])
    with pytest.raises(MscnError, match="prior: "):
        PyramidPrior(given)


def test_unknown_quality(prior):
    with pytest.raises(MscnError, match="quality"):
        prior.step(161)


@pytest.mark.parametrize(("height", "width"), [(1, 40), (40, 1), (2, 3), (1, 1)])
def test_networks_run_for_passes_that_have_coefficients(prior, monkeypatch, height, width):
    runs, run = [], pyramid_scales._Planes.run
    monkeypatch.setattr(
        pyramid_scales._Planes, "run", lambda *given: runs.append(given) or run(*given)
    )
    symbols = random_symbols(height, width, 0)
    payload = prior.encode(Fitted(symbols), height, width, 80)
    shapes = wavelet.sizes(height, width, LEVELS)[:LEVELS]
    counts = [count for shape in shapes for count in wavelet.detail_sizes(*shape)]
    wanted = CHANNELS * sum(y < h and x < w for h, w in counts for y, x in PASSES)
    assert len(runs) == wanted < BANDS * len(PASSES) * LEVELS
    decoded = prior.decode(payload, height, width, 80).symbols
    for found, known in zip(decoded.details, symbols.details):
        assert np.array_equal(found, known)


def test_companions_come_from_the_first_channel():
    assert [companion(band) for band in range(9)] == [1, 0, 0, 0, 1, 2, 0, 1, 2]
