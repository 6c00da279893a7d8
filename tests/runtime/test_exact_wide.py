"""Exact planes of float64 and wide integers, and the steps that these were rounded to."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mscn_tf.runtime import exact, lattices
from mscn_tf.runtime.errors import MscnError
from tests.reader.exact import plane as second_plane
from tests.runtime.fuzz import mutated

TYPES = ("float64", "int32", "uint32", "int64", "uint64")
PLAIN, TIMES, OVER, NEAR, ORDERED = range(5)


def smooth(height=24, width=36):
    """float64 ``[H, W, 1]`` around 280, with noise of a hundredth."""
    rows, columns = np.mgrid[:height, :width]
    noise = np.random.default_rng(0).normal(0, 0.01, (height, width))
    return (280 + 20 * np.sin(rows / 9) * np.cos(columns / 7) + noise)[..., None]


@st.composite
def planes(draw):
    """Any values, infinite ones and both zeros among them, or few of them."""
    dtype = draw(st.sampled_from(TYPES))
    some = arrays.from_dtype(np.dtype(dtype))
    elements = some | st.sampled_from(draw(st.lists(some, min_size=1, max_size=3)))
    shape = draw(arrays.array_shapes(min_dims=1, max_dims=4, max_side=12))
    return draw(arrays.arrays(dtype, (*shape, 1), elements=elements))


@settings(max_examples=60, deadline=None)
@given(planes())
def test_every_bit_comes_back(plane):
    payload = exact.encode(plane)
    again = exact.decode(payload, plane.shape, "float32")
    assert (payload[0], again.dtype, again.shape) == (exact.WIDE, plane.dtype, plane.shape)
    assert again.tobytes() == plane.tobytes()
    assert exact.bound_of(payload) == 0
    assert exact.wide_type(payload) == plane.dtype.name


@settings(max_examples=60, deadline=None)
@given(planes(), st.floats(0, allow_infinity=False) | st.floats(0, 1e6, width=32), st.booleans())
def test_bounds_are_kept(plane, bound, wide):
    if plane.dtype.kind == "f":
        plane = np.nan_to_num(plane, nan=0.0, posinf=1e300, neginf=-1e300)
    if wide:  # more numbers than are written plainly
        plane = np.tile(plane, (1,) * (plane.ndim - 2) + (max(1, 800 // plane.size), 1))
    payload = exact.encode(plane, bound=bound)
    again = exact.decode(payload, plane.shape, "float32")
    off = [abs(a - b) for a, b in zip(plane.ravel().tolist(), again.ravel().tolist())]
    assert max(off) <= exact.bound_of(payload) <= bound


FIELD = smooth()
STEPS = np.rint((FIELD - 280) / 0.0017) + 0.0
PLANES = {
    "decimals": (np.round(FIELD, 3), OVER, 9.5),
    "of float32": (FIELD.astype("f4").astype("f8"), TIMES, 15),
    "less an offset": (FIELD.astype("f4").astype("f8") - 273.15, TIMES, 15),
    "packed": (STEPS * 0.0017, TIMES, 9),
    "packed in float32": (STEPS * np.float64(np.float32(0.0017)), TIMES, 9),
    "packed with an offset": (STEPS * 0.0017 + 273.15, NEAR, 10),
    "square roots": (np.sqrt(FIELD), PLAIN, 45),
    "of all sizes": (np.exp(FIELD - 300), ORDERED, 55),
    "of both signs": (np.tan(FIELD - 280), ORDERED, 60),
    "in series": (np.stack([FIELD, FIELD + 0.01]), PLAIN, 33),
    "of one axis": (np.round(FIELD, 3).reshape(-1, 1), OVER, 13),
    "int32": (np.rint(FIELD * 1e5).astype("i4"), TIMES, 19),
    "uint32": (np.rint(FIELD * 1e7).astype("u4"), TIMES, 25),
    "hundreds": (np.rint(FIELD * 1e4).astype("i8") * 100 - 2**62, TIMES, 14),
    "uint64": (np.rint(FIELD * 1e9).astype("u8") + np.uint64(2**63), TIMES, 31),
    "noise": (np.random.default_rng(1).integers(0, 2**64, (40, 50, 1), "u8"), PLAIN, 64.3),
}


@pytest.mark.parametrize("name", PLANES)
def test_each_way_suits_something_and_both_readers_agree(name):
    plane, way, most = PLANES[name]
    payload = exact.encode(plane)
    assert payload[2] == way
    assert 8 * len(payload) / plane.size < most
    assert payload == exact.encode(plane.astype(plane.dtype.newbyteorder(">")), 3)
    found = second_plane(payload, plane.shape, "float32")
    assert (found.dtype, found.tobytes()) == (plane.dtype, plane.tobytes())
    rng, refused = random.Random(name), 0
    for _ in range(6):
        data = mutated(rng, payload)
        try:
            found = second_plane(data, plane.shape, "float32")
        except ValueError:
            refused += 1
            with pytest.raises(MscnError, match=r"damaged|among those"):
                exact.decode(data, plane.shape, "float32")
            continue
        assert exact.decode(data, plane.shape, "float32").tobytes() == found.tobytes()
    assert refused


@pytest.mark.parametrize("bound", [1e-1, 1e-3, 1e-6, 1e-9, 1e-12, 1e-15])
def test_bounds_of_any_fineness(bound):
    plane = np.sqrt(FIELD)
    payload = exact.encode(plane, bound=bound)
    assert exact.bound_of(payload) == (bound if bound > 1e-15 else 0)
    found = exact.decode(payload, plane.shape, "float32")
    assert np.abs(found - plane).max() <= exact.bound_of(payload)
    assert 8 * len(payload) / plane.size < max(0, 8 - np.log2(bound)) + 2
    np.testing.assert_array_equal(second_plane(payload, plane.shape, "float32"), found)


def test_packed_numbers_within_a_bound_are_those_of_their_steps():
    plane = STEPS * 0.0017 + 273.15
    payload = exact.encode(plane, bound=1e-6)
    found = exact.decode(payload, plane.shape, "float32")
    assert np.abs(found - plane).max() <= 1e-12
    assert len(payload) < 0.95 * len(exact.encode(plane))


def test_integers_stay_within_their_type():
    plane = np.random.default_rng(0).integers(2**63 - 9999, 2**63, (50, 60, 1), "i8")
    payload = exact.encode(plane, bound=100.9)
    found = exact.decode(payload, plane.shape, "float32")
    assert max(abs(a - b) for a, b in zip(plane.flat, found.flat)) <= exact.bound_of(payload) <= 100


def test_other_numbers_than_float32_have_no_wide_planes():
    payload = exact.encode(FIELD)
    for shape, dtype in (
        ((40, 50, 1), "uint8"),
        ((40, 25, 2), "float32"),
        ((40, 49, 1), "float32"),
    ):
        with pytest.raises(MscnError, match="damaged"):
            exact.decode(payload, shape, dtype)


@pytest.mark.parametrize("step", [0.1, 0.0017, float(np.float32(0.01)), 1e-30, 1.25e20])
@pytest.mark.parametrize("offset", [0.0, 273.15])
def test_steps_of_packed_numbers_are_found(step, offset):
    values = (STEPS * step + offset * step).ravel()
    found = lattices.packed(values)
    assert found.step == pytest.approx(step, rel=1e-9)
    away = found.values(found.nearest(values)) - values
    assert np.abs(away).max() <= 4 * np.spacing(np.abs(values).max())
    assert lattices.packed(np.sqrt(np.abs(values) + step)) is None
