"""The exact form of planes, and their samples in other sizes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mscn_tf.runtime import exact, exact_grids, exact_tables
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.input import Input
from mscn_tf.runtime.sampling import resized

SHAPES = arrays.array_shapes(min_dims=2, max_dims=4, max_side=12)


@st.composite
def planes(draw):
    """Any values, NaN and both zeros among them, or few of them."""
    dtype = draw(st.sampled_from(["uint8", "int16", "float32", "bool"]))
    some = arrays.from_dtype(np.dtype(dtype))
    elements = some | st.sampled_from(draw(st.lists(some, min_size=1, max_size=3)))
    return draw(arrays.arrays(dtype, draw(SHAPES), elements=elements))


@settings(max_examples=150, deadline=None)
@given(planes())
def test_every_bit_comes_back(plane):
    payload = exact.encode(plane)
    again = exact.decode(payload, plane.shape, plane.dtype.name)
    assert (again.dtype, again.shape) == (plane.dtype, plane.shape)
    assert again.tobytes() == plane.tobytes()
    assert len(payload) <= plane.nbytes + len(plane.reshape(-1, *plane.shape[-2:])) + 12


def wave(*shape):
    return np.sin(np.indices(shape).sum(0)[..., None] / 5) * 100


@pytest.mark.parametrize(
    ("plane", "form", "most"),
    [
        (np.full((200, 300, 3), 77, np.uint8), exact.PALETTE, 10),
        (np.zeros((10_000, 1), np.float32), exact.PALETTE, 10),
        (np.random.default_rng(0).random((99, 99, 1)).astype(np.float32), exact.SAMPLES, 39_204),
        ((wave(99, 99) + 101).astype(np.uint8), exact.SAMPLES, 99**2 / 3),
        (wave(20, 30, 40).round().astype(np.float32), exact.PALETTE, 24_000 / 10),
        (np.random.default_rng(0).random((31, 41, 1)) < 0.5, exact.BITS, 31 * 41 / 8 + 20),
        (np.random.default_rng(0).integers(0, 256, (50, 50, 3), np.uint8), exact.SAMPLES, 7570),
    ],
)
def test_each_form_suits_something(plane, form, most):
    payload = exact.encode(plane)
    assert payload[0] == form
    assert len(payload) <= most
    assert len(payload) / 2 < exact.estimate(plane) < 3 * len(payload)


def test_many_rows_and_many_colours():
    """More than what is looked at together, and palettes of two bytes."""
    random = np.random.default_rng(0)
    tall = np.cumsum(random.integers(0, 3, (2**19, 1, 1)), 0).astype(np.uint8)
    colours = random.integers(0, 2**24, 5000)[random.integers(0, 5000, (150, 160))]
    colours = colours[..., None].view(np.uint8)[..., :3].copy()
    for plane in (tall, colours):
        payload = exact.encode(plane)
        np.testing.assert_array_equal(exact.decode(payload, plane.shape, "uint8"), plane)
    assert payload[0] == exact.PALETTE


@pytest.mark.parametrize(
    "payload", [b"", b"\3", b"\1", b"\1\0\0", b"\2\3\0", b"\1\xff\xff\7", b"\0junk", b"\0\3\0"]
)
def test_damage_is_one_line(payload):
    with pytest.raises(MscnError, match="damaged or cut short") as error:
        exact.decode(payload, (4, 5, 3), "uint8")
    assert "\n" not in str(error.value)


def test_pixel_art_is_written_in_the_shortest_way():
    """One that zlib's fast level takes for longer than another, which finds no far repeats."""
    random = np.random.default_rng(0)
    sprites, colours = random.integers(0, 8, (6, 8, 8)), random.integers(0, 256, (8, 3))
    art = sprites[random.integers(0, 6, (6, 8))].swapaxes(1, 2).reshape(48, 64)
    plane = np.kron(colours[art], np.ones((8, 8, 1))).astype(np.uint8)
    assert plane.nbytes > exact_tables._LARGE
    ways = list(exact_tables._ways(exact_tables._numbers(plane)))
    sizes = [[len(way.packed(level)) for way in ways] for level in (1, 9)]
    assert np.argmin(sizes[0]) != np.argmin(sizes[1])
    payload = exact_tables.encode(plane)
    assert len(payload) == min(sizes[1])
    assert len(exact.encode(plane)) < 0.6 * len(payload)  # as a drawing
    np.testing.assert_array_equal(exact.decode(payload, plane.shape, "uint8"), plane)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("threads", [1, 3])
def test_photographs_are_grids_of_any_number_of_tiles(monkeypatch, channels, threads):
    monkeypatch.setattr(exact_grids, "EDGE", 40)
    monkeypatch.setattr(exact_grids, "_SAMPLE", 30)
    noise = np.random.default_rng(0).normal(0, 2, (90, 101, channels))
    plane = (wave(90, 101) + 120 + noise).astype(np.uint8)
    payload = exact.encode(plane, threads)
    assert payload[0] == exact.GRIDS
    assert payload == exact.encode(plane)
    np.testing.assert_array_equal(exact.decode(payload, plane.shape, "uint8", threads), plane)
    for damaged in (payload[:-1], payload + b"\0", payload[:9] + b"\3" + payload[10:]):
        with pytest.raises(MscnError, match="damaged or cut short"):
            exact.decode(damaged, plane.shape, "uint8")
    unknown = payload[:1] + bytes(8) + payload[9:]
    with pytest.raises(MscnError, match="codec 0000000000000000, which is not among those"):
        exact.decode(unknown, plane.shape, "uint8")


def volume(*shape):
    """float32 [D, H, W, 1]: waves between 0 and 200, and noise."""
    z, y, x = np.indices(shape)
    noise = np.random.default_rng(0).normal(0, 1, shape)
    waves = 100 + 95 * np.sin(z / 30 + y / 9) * np.cos(x / 7)
    return (waves + noise).astype(np.float32)[..., None]


@pytest.mark.parametrize("bound", [0.0, 0.75])
@pytest.mark.parametrize("threads", [1, 3])
def test_volumes_are_slices(bound, threads):
    plane = volume(19, 24, 41)
    plane = plane if bound else np.rint(plane)
    payload = exact.encode(plane, threads, bound)
    assert payload[0] == exact.SLICES
    assert exact.bound_of(payload) == bound
    assert payload == exact.encode(plane, bound=bound)
    deflated = exact.encode(plane.reshape(-1, 41, 1))
    assert len(payload) < (0.45 if bound else 0.85) * len(deflated)
    found = exact.decode(payload, plane.shape, "float32", threads)
    assert np.abs(found.astype(float) - plane).max() <= bound
    for damaged in (payload[:-1], payload + b"\0", payload[:9] + b"\xff" * 8 + payload[17:]):
        with pytest.raises(MscnError, match="damaged or cut short"):
            exact.decode(damaged, plane.shape, "float32")
    for shape, dtype in (((19, 41, 1), "float32"), (plane.shape, "int16")):
        with pytest.raises(MscnError, match="damaged or cut short"):
            exact.decode(payload, shape, dtype)


def test_volumes_of_other_numbers_are_not_slices_without_loss():
    assert exact.encode(volume(9, 20, 30))[0] == exact.SAMPLES
    far = np.rint(volume(9, 20, 30)) + np.float32(2**24) * (np.arange(9) > 4)[:, None, None, None]
    assert exact.encode(far)[0] != exact.SLICES
    assert exact.encode(volume(9, 20, 30), bound=1e-6)[0] == exact.SAMPLES  # finer than float32


@pytest.mark.parametrize("base", range(3))
def test_any_channel_may_stand_by_itself(base):
    """That one which takes the fewest bytes; the others, from black to white, come from it."""
    plane = np.random.default_rng(base).integers(0, 256, (60, 50, 3), np.uint8)
    plane[..., base] = 200
    payload = exact_grids.encode(plane)
    assert payload[8] == base
    reader = Input(payload, "plane")
    np.testing.assert_array_equal(exact_grids.decode(reader, plane.shape), plane)


def test_smaller_signals_are_means_and_larger_ones_interpolated():
    plane = np.arange(24, dtype=np.float32).reshape(4, 6, 1)
    half = resized(plane, (0, 0), (4, 6), (2, 3))
    np.testing.assert_array_equal(half[..., 0], [[3.5, 5.5, 7.5], [15.5, 17.5, 19.5]])
    part = resized(plane, (1, 1), (3, 5), (1, 2))  # samples 1 to 3, and half of 3 to 5
    np.testing.assert_allclose(part[..., 0], [[(13 + 14 + 7.5) / 2.5, (7.5 + 16 + 17) / 2.5]])
    twice = resized(plane, (0, 0), (4, 6), (8, 12))
    rows, columns = (np.arange(3, count - 3) / 2 - 0.25 for count in (8, 12))
    np.testing.assert_allclose(twice[3:-3, 3:-3, 0], 6 * rows[:, None] + columns, atol=1e-5)
    mixed = resized(plane, (0, 0), (4, 6), (8, 2))
    assert mixed.shape == (8, 2, 1)


def test_means_of_many_values_are_those_of_few(monkeypatch):
    plane = np.random.default_rng(0).random((70, 50, 2))
    whole = resized(plane, (3, 2), (60, 47), (13, 20))
    monkeypatch.setattr("mscn_tf.runtime.sampling._TOGETHER", 300)
    np.testing.assert_allclose(resized(plane, (3, 2), (60, 47), (13, 20)), whole, rtol=1e-12)
    assert abs(resized(plane, (0, 0), (70, 50), (1, 1)).mean() - plane.mean()) < 1e-12


def test_parts_of_larger_signals_are_parts():
    plane = np.random.default_rng(0).integers(0, 256, (20, 20, 1), np.uint8)
    whole = resized(plane, (0, 0), (20, 20), (60, 60))
    np.testing.assert_array_equal(resized(plane, (7, 3), (5, 9), (15, 27)), whole[21:36, 9:36])
    np.testing.assert_array_equal(resized(plane, (7, 3), (5, 9), (5, 9)), plane[7:12, 3:12])


def test_types_in_other_sizes():
    checks = np.indices((8, 8)).sum(0)[..., None] % 2 > 0
    assert resized(checks, (0, 0), (8, 8), (4, 4)).all()  # a half is true
    assert resized(checks, (0, 0), (8, 8), (9, 3)).dtype == bool
    edge = np.where(np.arange(8) < 4, 0, 255).astype(np.uint8)[:, None, None]
    larger = resized(edge, (0, 0), (8, 1), (32, 1))
    assert (larger.min(), larger.max()) == (0, 255)  # overshoot is clipped
    low = np.full((3, 3, 1), -(2**15), np.int16)
    assert (resized(low, (0, 0), (3, 3), (2, 5)) == -(2**15)).all()
