"""Exact planes of sounds: any kind of samples and length, within bounds, channels, damage."""

from __future__ import annotations

import random
import zlib

import numpy as np
import pytest

from mscn_tf.runtime import exact, exact_waves, linear_prediction, wave_numbers
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.tables import RangeEncoder, Tables, seal, unseal
from tests.reader.exact import plane as second_plane


def sound(length: int, bits: int = 16, seed: int = 0) -> np.ndarray:
    """float32 [length, 1]: two gliding tones and noise, on the grid of so many bits."""
    time, noise = np.arange(length), np.random.default_rng(seed)
    tones = np.sin(time / 9 + seed) + 0.4 * np.sin(time * (0.6 + time * 1e-5))
    samples = 0.3 * tones + noise.normal(0, 2e-3, length)
    whole = np.rint(np.ldexp(samples, bits - 1)) + 0.0  # no zero has a sign
    return np.ldexp(whole, 1 - bits).astype(np.float32)[:, None]


def deflated(values: np.ndarray) -> int:
    return len(zlib.compress(np.diff(values[:, 0].view(np.int32)).tobytes(), 9))


@pytest.mark.parametrize("bits", [8, 16, 24])
@pytest.mark.parametrize("length", [5, 600, 5000])
def test_samples_come_back_and_take_few_bytes(bits, length):
    values = sound(length, bits)
    payload = exact.encode(values)
    np.testing.assert_array_equal(exact.decode(payload, values.shape, "float32"), values)
    if length > 5:
        assert payload[0] == exact.WAVES
        assert exact.bound_of(payload) == 0
        assert not exact.needs_before(payload)
        # What can't be foretold is noise of 0.002, which takes log2(sigma sqrt(2 pi e)) bits.
        noise = np.log2(4.13 * 2e-3 * 2 ** (bits - 1))
        assert bits == 8 or len(payload) < 1.25 * noise * length / 8 + 90
        assert len(payload) < 0.9 * deflated(values)


@pytest.mark.parametrize("odd", [-0.0, np.nan, np.inf, 1e30, 1e-30])
def test_every_bit_comes_back(odd):
    values = sound(900)
    values[5] = odd
    payload = exact.encode(values)
    assert payload[0] == exact.SAMPLES
    assert exact.decode(payload, values.shape, "float32").tobytes() == values.tobytes()


@pytest.mark.parametrize("threads", [1, 3])
def test_groups_of_blocks_don_t_depend_on_threads(monkeypatch, threads):
    monkeypatch.setattr(exact_waves, "_TOGETHER", 2**12)
    values = sound(2**13 + 700)
    payload = exact.encode(values, threads)
    assert payload == exact.encode(values)
    np.testing.assert_array_equal(exact.decode(payload, values.shape, "float32", threads), values)


@pytest.mark.parametrize("bound", [2.0**-15, 1e-3, 0.05])
def test_within_a_bound_on_a_grid(bound):
    values = sound(3000)
    payload = exact.encode(values, bound=bound)
    found = exact.decode(payload, values.shape, "float32")
    assert 0 < np.abs(found - values).max() <= exact.bound_of(payload) <= bound
    np.testing.assert_array_equal(found * 2**15, np.rint(found * 2**15))
    assert len(payload) < len(exact.encode(values)) - 200 * np.log2(bound * 2**15)


def test_floats_have_a_bound_or_another_form():
    """Real numbers lie on no grid: without a bound they are deflated."""
    values = sound(3000, 24) * np.float32(1 / 3)
    assert exact.encode(values)[0] == exact.SAMPLES
    for bound in (1e-6, 1e-3):
        payload = exact.encode(values, bound=bound)
        found = exact.decode(payload, values.shape, "float32")
        assert payload[0] == exact.WAVES
        assert np.abs(found.astype(np.float64) - values).max() <= bound
        assert exact.bound_of(payload) <= bound


def test_a_channel_like_another_takes_little():
    left = sound(4000)
    noise = np.random.default_rng(1).normal(0, 3, left.shape)
    right = ((np.rint(left * 2**15 * 0.75 + noise) + 0.0) / 2**15).astype(np.float32)
    alone, payload = exact.encode(right), exact.encode(right, before=left)
    assert exact.needs_before(payload)
    assert len(payload) < 0.75 * len(alone)
    found = exact.decode(payload, right.shape, "float32", before=left)
    np.testing.assert_array_equal(found, right)
    np.testing.assert_array_equal(second_plane(payload, right.shape, "float32", left), right)
    for before in (None, left[:-1]):
        with pytest.raises(MscnError, match="damaged or cut short"):
            exact.decode(payload, right.shape, "float32", before=before)
    hiss = np.random.default_rng(2).normal(0, 0.1, left.shape).astype(np.float32)
    unlike = exact.encode(right, before=hiss)
    assert not exact.needs_before(unlike)


def test_both_readers_agree_on_damaged_waves():
    values = sound(700, 24)
    payload, rng, refused = exact.encode(values), random.Random(0), 0
    np.testing.assert_array_equal(second_plane(payload, values.shape, "float32"), values)
    for number in range(30):
        data = bytearray(payload)
        data[rng.randrange(9 if number % 3 else 1, len(data))] ^= 1 << rng.randrange(8)
        data = bytes(data[: rng.randrange(len(data)) if number % 5 == 0 else None])
        try:
            known = second_plane(data, values.shape, "float32")
        except ValueError:
            refused += 1
            with pytest.raises(MscnError) as error:
                exact.decode(data, values.shape, "float32")
            assert "\n" not in str(error.value)
            continue
        np.testing.assert_array_equal(exact.decode(data, values.shape, "float32"), known)
    assert 10 < refused < 30


def test_predictors_find_what_samples_were_made_by():
    """An autoregressive process: what is left is its noise."""
    noise = np.rint(np.random.default_rng(0).normal(0, 100, (4000, 2))).astype(np.int64)
    samples = noise.copy()
    for time in range(2, 4000):
        samples[time] += np.rint(1.8 * samples[time - 1] - 0.9 * samples[time - 2]).astype(np.int64)
    coded = linear_prediction.analysed(samples, 8)
    assert (coded[2:] != 0).sum() < 4
    weights = linear_prediction.predictors(coded)
    left = linear_prediction.residual(samples, weights)
    assert left[10:].std() < 1.02 * noise.std()
    np.testing.assert_array_equal(linear_prediction.restored(left, weights), samples)


def test_predictors_that_are_too_large_are_left_out():
    coded = np.full((32, 2), -127)
    coded[:, 1] = 0
    coded[0, 1] = 100
    with pytest.raises(MscnError, match="too large"):
        linear_prediction.predictors(coded)
    samples = np.arange(80).reshape(40, 2)
    left, tame = linear_prediction.left(samples, coded)
    np.testing.assert_array_equal(tame[:, 0], 0)
    np.testing.assert_array_equal(tame[:, 1], coded[:, 1])
    np.testing.assert_array_equal(left[:, 0], samples[:, 0])


def test_numbers_of_any_size_come_back():
    sizes = wave_numbers.Sizes(Tables(Bundle.load("field").arrays("prior")))
    noise = np.random.default_rng(0)
    numbers = np.rint(noise.normal(0, 1, (50, 4)) * 10.0 ** noise.integers(0, 8, 4)).astype(
        np.int64
    )
    numbers[20:, 0] = 2**30  # a jump
    numbers[31:, 3] = 0  # the last block ends there
    first, encoder = np.full(4, 256), RangeEncoder()
    apart = wave_numbers.encode(sizes, encoder, numbers, 31, first)
    decoder = unseal(seal(encoder))
    found = wave_numbers.decode(sizes, decoder, apart, numbers.shape, 31, first)
    np.testing.assert_array_equal(found, numbers)
    with pytest.raises(MscnError, match="its bits"):
        wave_numbers.decode(sizes, unseal(seal(encoder)), apart + b"\0", numbers.shape, 31, first)
