"""Odd shapes and values: what comes back has the signal's shape and type, and keeps the promise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mscn_tf.codec import Codec
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.modality import Modality
from mscn_tf.signals.colour import grey_if_neutral
from mscn_tf.signals.images import psnr
from tests import pyramids

CONSTANTS = [0, 1, 127, 254, 255]


@pytest.fixture(scope="module")
def codec(tmp_path_factory):
    return Codec.load(pyramids.write_codec(tmp_path_factory.mktemp("codec") / "random.mscnb"))


@pytest.fixture(scope="module")
def speech():
    """The shipped codec of sounds: float32 in [-1, 1], one channel."""
    return Codec.load("speech")


@st.composite
def pictures(draw):
    """uint8 [H, W, C]: constants, noise, a single point, stripes, at all kinds of sizes."""
    side = st.integers(1, 40) | st.sampled_from([1, 2, 15, 16, 17, 63])
    height, width = draw(st.tuples(side, side) | st.sampled_from([(1, 300), (300, 1)]))
    shape = height, width, draw(st.sampled_from([1, 3]))
    value = draw(st.sampled_from(CONSTANTS))
    kind = draw(st.sampled_from(["constant", "noise", "point", "stripes"]))
    if kind == "constant":
        return np.full(shape, value, np.uint8)
    random = np.random.default_rng(draw(st.integers(0, 99)))
    if kind == "noise":
        return random.integers(0, 256, shape, np.uint8)
    if kind == "stripes":
        return np.full(shape, 255, np.uint8) * (np.indices(shape[:2]).sum(0)[..., None] % 2 > 0)
    picture = np.full(shape, value, np.uint8)
    picture[random.integers(height), random.integers(width)] = 255 - value
    return picture


@given(pictures(), st.sampled_from([1, 5.5, 10]))
@settings(max_examples=20)
def test_any_picture_comes_back(codec, picture, quality):
    decoded = codec.decode(codec.encode(picture, quality=quality))
    assert (decoded.shape, decoded.dtype) == (grey_if_neutral(picture).shape, np.uint8)
    if quality == 10:
        assert np.abs(decoded.astype(int) - picture).mean() < 4


@given(pictures(), st.sampled_from([20.0, 30.0]))
@settings(max_examples=4)
def test_a_wanted_psnr_is_kept(codec, picture, wanted):
    decoded = codec.decode(codec.encode(picture, psnr=wanted))
    assert psnr(grey_if_neutral(picture), decoded) >= wanted


@given(pictures(), st.integers(60, 3000))
@settings(max_examples=4)
def test_a_wanted_size_is_kept_or_refused(codec, picture, size):
    try:
        data = codec.encode(picture, size=size)
    except MscnError as error:
        assert "out of reach" in str(error)  # noqa: PT017
        return
    assert len(data) <= size
    assert codec.decode(data).shape == grey_if_neutral(picture).shape


@pytest.mark.parametrize("shape", [(1, 10_000, 3), (10_000, 1, 1)])
def test_strips(shape):
    codec = Codec.load("photo")
    y, x = np.mgrid[: shape[0], : shape[1]]
    light = 127 + 100 * np.sin((x + y) / 50)[..., None]
    picture = (light * [1, 0.9, 0.8][: shape[2]]).astype(np.uint8)
    decoded = codec.decode(codec.encode(picture, quality=8))
    assert decoded.shape == shape
    assert psnr(picture, decoded) > 35


SOUNDS = {
    "one sample": np.full((1, 1), 0.3),
    "constant": np.full((777, 1), -0.7),
    "zeros": np.zeros((10_000, 1)),
    "denormals": np.tile([[1e-45], [-1e-40]], (150, 1)),
    "far beyond the range": np.random.default_rng(0).normal(0, 1e5, (300, 1)),
    "one huge value": np.eye(300)[:, :1] * 1e6,
}


@pytest.mark.parametrize("name", SOUNDS)
def test_real_numbers_of_any_size_come_back(speech, name):
    sound = SOUNDS[name].astype(np.float32)
    decoded = speech.decode(speech.encode(sound, quality=5))
    assert (decoded.shape, decoded.dtype) == (sound.shape, np.float32)
    assert np.isfinite(decoded).all()


@pytest.mark.parametrize("name", ["one sample", "constant", "denormals", "far beyond the range"])
def test_a_wanted_error_is_kept(speech, name):
    sound = SOUNDS[name].astype(np.float32)
    bound = 1e-3 * max(1.0, float(np.abs(sound).max()))
    data = speech.encode(sound, quality=5, max_error=bound)
    error = np.abs(speech.decode(data).astype(np.float64) - sound).max()
    assert error <= bound


@pytest.mark.parametrize("value", [1e7, -1e30, 3.4e38])
def test_values_that_no_symbol_stands_for_are_refused(speech, value):
    sound = np.zeros((64, 1), np.float32)
    sound[7] = value
    with pytest.raises(MscnError, match=r"values up to .*speech is for -1 to 1; scale them"):
        speech.encode(sound)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_numbers_are_refused(speech, value):
    sound = np.zeros((64, 1), np.float32)
    sound[7] = value
    with pytest.raises(MscnError, match="NaN or infinite"):
        speech.encode(sound)


@pytest.mark.parametrize("signals", [[], np.zeros((0, 8, 8, 3), np.uint8)])
def test_empty_batches_are_refused(codec, signals):
    with pytest.raises(MscnError, match="no picture"):
        codec.encode(signals)


@pytest.mark.parametrize("shape", [(0, 5, 3), (5, 0, 3), (5, 5, 0), (5, 5), (5,), (5, 5, 5)])
def test_pictures_of_nothing_are_refused(codec, shape):
    with pytest.raises(MscnError):
        codec.encode([np.zeros(shape, np.uint8)])


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.float16, np.float64, bool, object])
def test_other_types_of_pictures_are_refused(codec, dtype):
    with pytest.raises(MscnError, match="uint8"):
        codec.encode(np.zeros((8, 8, 3), dtype))


@pytest.mark.parametrize("dtype", [np.int16, np.float64, np.float16])
def test_types_of_sounds(speech, dtype):
    """Those that float32 can stand for are taken, whole numbers only where the codec's are."""
    sound = np.zeros((64, 1), dtype)
    decoded = speech.decode(speech.encode(sound, quality=1))
    assert decoded.dtype == np.float32
    with pytest.raises(MscnError, match="convert it"):
        speech.encode(np.zeros((64, 1), np.complex64))


GOLDEN = Path(__file__).resolve().parents[1] / "golden"
MODALITIES = [name for name in Modality.names() if name != "image"]


@pytest.mark.parametrize("modality", MODALITIES)
def test_odd_signals_of_every_modality_come_back(modality):
    """Small codecs; what a signal is worth is in its shape and its finite values here."""
    codec = Codec.load(GOLDEN / f"v1{modality}.mscnb")
    values, axes, channels = (
        codec.scheme.values,
        Modality.named(modality).axes,
        codec.bundle.manifest.channels,
    )
    random = np.random.default_rng(axes)
    shapes = [(1,) * axes, (1,) * (axes - 1) + (300,), tuple(range(3, 3 + axes))]
    for shape in shapes:
        for kind in ("low", "high", "noise", "denormal"):
            shape_ = (*shape, channels)
            if values.dtype == "bool":
                signal = {"low": np.zeros, "high": np.ones}.get(kind, np.ones)(shape_, bool)
                if kind == "noise":
                    signal = random.random(shape_) < 0.5
            else:
                signal = {
                    "low": np.full(shape_, values.low),
                    "high": np.full(shape_, values.high),
                    "noise": random.uniform(values.low, values.high, shape_),
                    "denormal": np.full(shape_, 1e-40),
                }[kind].astype(values.dtype)
            decoded = codec.decode(codec.encode([signal], quality=5))
            assert (decoded.shape, decoded.dtype) == (signal.shape, signal.dtype)
            assert np.isfinite(decoded).all()


@pytest.mark.parametrize("modality", MODALITIES)
def test_nothing_and_not_numbers_are_refused_in_every_modality(modality):
    codec = Codec.load(GOLDEN / f"v1{modality}.mscnb")
    values, axes, channels = (
        codec.scheme.values,
        Modality.named(modality).axes,
        codec.bundle.manifest.channels,
    )
    with pytest.raises(MscnError):
        codec.encode([])
    with pytest.raises(MscnError):
        codec.encode([np.zeros((*(4,) * (axes - 1), 0, channels), values.dtype)])
    if values.dtype == "float32":
        signal = np.full((*(4,) * axes, channels), values.low, np.float32)
        signal.flat[1] = np.nan
        with pytest.raises(MscnError, match="NaN or infinite"):
            codec.encode([signal])
