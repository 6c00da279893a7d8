from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mscn_tf.runtime import residuals
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.file_decoder import FileDecoder


@pytest.fixture(scope="module")
def tables():
    return FileDecoder.load("thumb32").scheme.prior.tables


def bounded(tables, original, decoded, bound):
    payload = residuals.encode(tables, original, decoded, bound)
    if not payload:
        return decoded, payload
    step, steps = residuals.decode(tables, payload, original.shape)
    return residuals.corrected(decoded, steps, step), payload


def worst(original, values):
    return np.abs(original.astype(np.float64) - values.astype(np.float64)).max()


@settings(max_examples=60)
@given(
    shape=st.sampled_from([(1, 1, 1), (7, 5, 1), (12, 9, 3), (700, 2), (3, 4, 5, 1)]),
    bound=st.floats(1e-7, 1e4),
    spread=st.floats(0, 100),
    level=st.sampled_from([0.0, 1.0, 290.0, -4e4]),
    whole=st.booleans(),
    seed=st.integers(0, 99),
)
def test_no_value_is_off_by_more_than_the_bound(tables, shape, bound, spread, level, whole, seed):
    random = np.random.default_rng(seed)
    original = random.normal(level, 30, shape)
    decoded = original + random.normal(0, spread, shape)
    if whole:
        original, decoded = (
            np.clip(np.rint(a), -32768, 32767).astype("i2") for a in (original, decoded)
        )
    else:
        original, decoded = original.astype("f4"), decoded.astype("f4")
    values, _ = bounded(tables, original, decoded, bound)
    assert values.dtype == original.dtype
    assert worst(original, values) <= bound


def test_a_bound_below_the_type_s_precision_loses_nothing(tables):
    random = np.random.default_rng(1)
    original = random.normal(280, 20, (20, 30, 1)).astype("f4")
    decoded = (original + random.normal(0, 0.5, original.shape)).astype("f4")
    values, _ = bounded(tables, original, decoded, 1e-9)
    np.testing.assert_array_equal(values, original)


def test_nothing_is_coded_where_nothing_is_wanted(tables):
    original = np.full((5, 6, 1), 3, np.float32)
    values, payload = bounded(tables, original, original + np.float32(0.5), 0.5)
    assert payload == b""
    assert worst(original, values) == 0.5


def test_contexts_pay_where_errors_lie_together(tables):
    random = np.random.default_rng(2)
    size = np.where(np.arange(64) < 32, 0.1, 6.0)[None, :, None]
    error = random.normal(0, 1, (64, 64, 1)) * size
    together = len(residuals.encode(tables, error.astype("f4"), 0 * error.astype("f4"), 0.5))
    scattered = random.permuted(error, axis=1).astype("f4")
    assert together < 0.9 * len(residuals.encode(tables, scattered, 0 * scattered, 0.5))


def test_impossible_bounds_are_refused(tables):
    original = np.array([[[1e30], [1e-30]]], np.float32)
    with pytest.raises(MscnError, match="too small"):
        residuals.encode(tables, original, np.zeros_like(original), 1e-35)


@pytest.mark.parametrize("payload", [b"\1" * 5, b"\0" * 30, b"\xff" * 30])
def test_damaged_payloads_are_refused(tables, payload):
    with pytest.raises(MscnError, match="fresh copy"):
        residuals.decode(tables, payload, (8, 8, 1))
