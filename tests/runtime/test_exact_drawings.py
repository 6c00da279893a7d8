"""The exact form of drawings."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from mscn_tf.runtime import exact, exact_drawings
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.input import Input
from tests.reader.exact import plane as read


def window(height=150, width=200, channels=3):
    """uint8 ``[H, W, C]``: text, lines and a frame."""
    picture = Image.new("RGB", (width, height), (240, 238, 250))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((10, 8, width - 20, height // 2), (200, 30, 40), (0, 0, 90))
    for row in range(2, height, 14):
        draw.text((row // 3, row), "exactly the same words again and again", (20, 20, 20))
    draw.line((0, height, width, 0), (9, 120, 9), 3)
    return np.asarray(picture)[..., :channels].copy()


def coded(plane):
    return exact_drawings.encode(plane)


def decoded(payload, shape):
    return exact_drawings.decode(Input(payload, "plane"), shape)


@pytest.mark.parametrize("channels", [1, 3])
def test_drawings_take_less_than_deflated_ones(channels):
    plane = window(channels=channels)
    payload = exact.encode(plane)
    assert payload[0] == exact.DRAWING
    assert len(payload) < 0.75 * len(exact.exact_tables.encode(plane))
    assert payload == exact.encode(plane, 3)
    assert exact.bound_of(payload) == 0
    assert len(payload) / 3 < exact.estimate(plane) < 2 * len(payload)
    again = exact.decode(payload, plane.shape, "uint8")
    np.testing.assert_array_equal(again, plane)
    np.testing.assert_array_equal(read(payload, plane.shape, "uint8"), plane)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_pixels_come_back_from_both_readers(data):
    """Of few and of many colours, with rows that repeat, and columns."""
    height, width, channels = (
        data.draw(st.sampled_from(n)) for n in ([1, 2, 9], [1, 3, 14], [1, 3])
    )
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    count = data.draw(st.sampled_from([1, 2, 5, 400]))
    colours = random.integers(0, 256, (count, channels), np.uint8)
    share = data.draw(st.sampled_from([0.0, 0.1, 1.0]))
    index = np.where(
        random.random((height, width)) < share, random.integers(0, count, (height, width)), 0
    )
    plane = colours[index.repeat(data.draw(st.sampled_from([1, 3])), 0)]
    payload = coded(plane)
    if payload is not None:
        np.testing.assert_array_equal(decoded(payload, plane.shape), plane)
        np.testing.assert_array_equal(read(b"\7" + payload, plane.shape, "uint8"), plane)


def test_a_flat_row_of_any_length_ends_anywhere():
    for width in (1, 2, 7, 8, 9, 64, 65):
        plane = np.zeros((width + 3, width, 1), np.uint8)
        plane[np.arange(width) + 2, np.arange(width)] = 200
        np.testing.assert_array_equal(decoded(coded(plane), plane.shape), plane)


def test_photographs_and_noise_are_no_drawings():
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (160, 160, 3), np.uint8)
    assert not exact_drawings.suit(noise)
    assert coded(noise) is None  # it would take too long to decode
    noise[20:140, 20:140] = 7  # the middle looks like a drawing
    assert exact_drawings.suit(noise)
    assert exact.encode(noise)[0] != exact.DRAWING


@pytest.mark.parametrize("shape", [(150, 200, 2), (150, 200, 4), (30000, 3)])
def test_other_signals_are_refused(shape):
    payload = exact.encode(window())
    with pytest.raises(MscnError, match="damaged or cut short"):
        exact.decode(payload, shape, "uint8")
    with pytest.raises(MscnError, match="damaged or cut short"):
        exact.decode(payload, shape, "int16")


def test_damage_is_one_line_or_other_pixels():
    plane = window(40, 50)
    payload = bytearray(coded(plane))
    told = []
    for place in range(1, len(payload), 29):
        broken = payload.copy()
        broken[place] ^= 0x55
        try:
            assert decoded(bytes(broken), plane.shape).shape == plane.shape
        except MscnError as error:
            told.append(str(error))
    assert told
    assert all("damaged" in line and "\n" not in line for line in told)


def test_what_is_decoded_is_the_callers():
    plane = window(60, 80)
    payload = coded(plane)
    decoded(payload, plane.shape)[...] = 0
    np.testing.assert_array_equal(decoded(payload, plane.shape), plane)


def test_larger_ones_are_coded_and_read_otherwise():
    plane = np.zeros((2049, 2048, 1), np.uint8)
    assert not exact_drawings.suit(plane)
    assert exact_drawings.suit(plane[1:])
    with pytest.raises(MscnError, match="more than 4194304 pixels"):
        decoded(b"\0", plane.shape)


def test_every_machine_rounds_chances_alike():
    """Nothing that is rounded lies near a half."""
    numbers = [65536 / (1 + math.exp((2048 - level) / 180)) for level in range(4096)]
    shares = [(place + 0.5) / 4096 for place in range(4096)]
    numbers += [180 * math.log(share / (1 - share)) for share in shares]
    assert min(abs(number % 1 - 0.5) for number in numbers) > 1e-5
