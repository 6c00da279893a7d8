"""What no lossy code suits is stored as it is: flat, tiny, noisy; and all of it with `lossless`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mscn_tf.codec import Codec
from mscn_tf.runtime import occupancy
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.modality import Modality
from mscn_tf.signals.images import psnr

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
MODALITIES = [name for name in Modality.names() if name != "image"]


@pytest.fixture(scope="module")
def photo():
    return Codec.load("photo")


@pytest.fixture(scope="module")
def thumb():
    return Codec.load("thumb32")


def smooth(height, width, seed=0):
    """uint8 [height, width, 3] that lossy codes suit."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width][..., None] / 9
    waves = np.sin(x + random.uniform(0, 6, 3)) * np.cos(y + random.uniform(0, 6, 3))
    return (128 + 90 * waves + random.normal(0, 4, waves.shape)).astype(np.uint8)


def signal_of(codec, shape, seed=0):
    """Noise about the middle of a codec's range."""
    random, values = np.random.default_rng(seed), codec.values
    shape = (*shape, codec.bundle.manifest.channels)
    if values.dtype == "bool":
        return random.random(shape) < 0.3
    return random.uniform(values.low, values.high, shape).astype(values.dtype)


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 2, 3), (32, 32, 3), (700, 1000, 1), (5, 9, 4)])
def test_flat_pictures_come_back_as_they_are_in_a_few_bytes(photo, thumb, shape):
    picture = np.full(shape, 201, np.uint8)
    picture[..., 0] = 13
    for codec in (photo, thumb):
        data = codec.encode(picture)
        np.testing.assert_array_equal(codec.decode(data), picture)
        assert len(data) < 60


def test_a_flat_picture_of_an_archive_leaves_the_others_as_they_were(thumb):
    pictures = [smooth(32, 32, 1), np.full((32, 32, 1), 9, np.uint8), smooth(32, 32, 2)]
    decoded = list(thumb.decode_all(thumb.encode(pictures, quality=5)))
    np.testing.assert_array_equal(decoded[1], pictures[1])
    apart = thumb.decode_all(thumb.encode(pictures[::2], quality=5))
    for found, known in zip(decoded[::2], apart):
        np.testing.assert_array_equal(found, known)


def test_a_wanted_psnr_is_that_of_what_is_lossy(thumb):
    pictures = [smooth(32, 32), np.full((32, 32, 1), 9, np.uint8)]
    decoded = list(thumb.decode_all(thumb.encode(pictures, psnr=33)))
    assert psnr(pictures[0], decoded[0]) >= 33


@pytest.mark.parametrize("goal", [{"bpp": 50}, {"size": 99}, {"psnr": 60}, {"quality": 1}])
def test_flat_pictures_reach_every_goal(photo, goal):
    picture = np.full((9, 9, 3), (50, 60, 70), np.uint8)
    np.testing.assert_array_equal(photo.decode(photo.encode(picture, **goal)), picture)
    with pytest.raises(MscnError, match="out of reach: the smallest file takes"):
        photo.encode(picture, size=9)


def test_what_can_only_decode_stores_without_loss(thumb):
    manifest = replace(thumb.bundle.manifest, model=None, rate_weight=None)
    codec, picture = Codec(replace(thumb.bundle, manifest=manifest)), smooth(9, 9)
    with pytest.raises(MscnError, match="can only decode"):
        codec.encode(picture)
    np.testing.assert_array_equal(codec.decode(codec.encode(picture, lossless=True)), picture)


def test_silence_is_silence_in_a_few_bytes():
    speech = Codec.load("speech")
    silence = np.zeros((80_000, 1), np.float32)
    data = speech.encode(silence, metadata={"rate": 8000})
    assert not speech.decode(data).any()
    assert len(data) < 100


def test_pictures_of_few_colours_are_stored_exactly_where_that_is_smaller(photo):
    random = np.random.default_rng(0)
    letters = random.integers(0, 2, (6, 8, 8)).repeat(2, 1).repeat(2, 2) * 255
    text = np.block([[letters[n] for n in row] for row in random.integers(0, 6, (12, 16))])
    text = text[..., None].astype(np.uint8)
    data = photo.encode(text)
    np.testing.assert_array_equal(photo.decode(data), text)
    archive = photo.encode([text, smooth(96, 96), text[:50]], names=["a", "b", "c"])
    assert [item["exact"] for item in photo.info(archive)["items"]] == [[0], [], [0]]
    np.testing.assert_array_equal(photo.decode(archive, 2), text[:50])


def test_what_lossy_codes_suit_is_of_version_1(photo, thumb):
    picture = smooth(96, 128)
    assert photo.encode(picture)[4] == 1
    assert thumb.encode(np.stack([picture[:32, :32]] * 2))[4] == 1


@pytest.mark.parametrize("shape", [(5,), (4, 5, 7)])
def test_tiny_signals_take_little_more_than_their_samples(shape):
    codec = Codec.load("speech" if len(shape) == 1 else "volume")
    signal = signal_of(codec, shape)
    assert len(codec.encode(signal)) < signal.nbytes + 50


@pytest.mark.parametrize("name", ["photo", "thumb32"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_lossless_pictures(name, channels):
    codec = Codec.load(name)
    pictures = [np.dstack([smooth(n, 40), smooth(n, 40, 1)])[..., :channels] for n in (33, 7)]
    for data in (codec.encode(pictures, lossless=True), codec.encode(pictures, max_error=0)):
        for found, known in zip(codec.decode_all(data), pictures):
            np.testing.assert_array_equal(found, known)
        part = codec.decode(data, 0, region=(3, 5, 20, 18))
        np.testing.assert_array_equal(part, pictures[0][5:23, 3:23])
        assert len(codec.decode_symbols(data)) == 0
        assert Container.from_bytes(data).to_bytes() == data


@pytest.mark.parametrize("modality", MODALITIES)
def test_lossless_signals_of_every_modality(modality):
    codec, axes = Codec.load(GOLDEN / f"v1{modality}.mscnb"), Modality.named(modality).axes
    shapes = [(9, 10, 11)[:axes]] * 2 if modality == "field" else [(9, 10, 11)[:axes], (3,) * axes]
    signals = [signal_of(codec, shape, seed) for seed, shape in enumerate(shapes)]
    data = codec.encode(signals, lossless=True, metadata={"some": "thing"})
    for found, known in zip(codec.decode_all(data), signals):
        assert found.dtype == known.dtype
        np.testing.assert_array_equal(found, known)
    assert codec.decode(data, 0, size=(5,) * axes).shape[:-1] == (5,) * axes


@pytest.mark.parametrize("modality", ["field", "sound"])
def test_lossless_takes_numbers_that_the_codec_does_not_know(modality):
    codec, axes = Codec.load(GOLDEN / f"v1{modality}.mscnb"), Modality.named(modality).axes
    signal = np.random.default_rng(0).normal(0, 1e30, (*(12,) * axes, 1)).astype(np.float32)
    with pytest.raises(MscnError, match="scale them"):
        codec.encode(signal)
    np.testing.assert_array_equal(codec.decode(codec.encode(signal, lossless=True)), signal)


@pytest.mark.parametrize("name", ["speech", "volume", "temperature", "field"])
@pytest.mark.parametrize("bound", [0, 1e-12])
def test_what_float32_does_not_hold_comes_back_in_its_own_type(name, bound):
    codec = Codec.load(name)
    shape = (6, 7, 30)[-Modality.named(codec.bundle.manifest.modality).axes :]
    waves = np.sqrt(np.arange(np.prod(shape)) + 2.0).reshape(*shape, 1)
    for signal in (waves, np.rint(waves * 2**40).astype(np.int64), waves.astype("f4").astype("f8")):
        found = codec.decode(codec.encode(signal, max_error=bound))
        held = bound == 0 and (signal.astype("f4") == signal).all()
        assert found.dtype == (np.float32 if held else signal.dtype)
        assert np.abs(found - signal).max() <= bound


def test_lossless_stands_alone(photo):
    for goal in ({"bpp": 1}, {"quality": 5}, {"psnr": 40}, {"size": 900}, {"max_error": 0}):
        with pytest.raises(MscnError, match="give lossless alone"):
            photo.encode(smooth(9, 9), lossless=True, **goal)


BOUNDS = {"field": 0.05, "sound": 1e-3, "volume": 2.0, "silhouette": 1e-3, "mesh": 0.01}
BOUNDS.update(scene=0.01, voxels=0.0)


@pytest.mark.parametrize("modality", BOUNDS)
@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**20), st.sampled_from([None, 1, 6.5]), st.sampled_from([1, 7]))
def test_a_bound_is_kept_in_every_modality(modality, seed, quality, factor):
    """Of signals with constant ones among them, too."""
    codec, axes = Codec.load(GOLDEN / f"v1{modality}.mscnb"), Modality.named(modality).axes
    bound, shape = BOUNDS[modality] * factor, (5, 9, 6)[:axes]
    signals = [signal_of(codec, shape, seed + n) for n in range(2)]
    signals.insert(1, np.full_like(signals[0], signals[0].flat[0]))
    data = codec.encode(signals, quality, max_error=bound)
    for found, known in zip(codec.decode_all(data), signals):
        assert np.abs(found.astype(np.float64) - known).max() <= bound


def test_a_bound_that_is_not_kept_is_an_error(thumb, monkeypatch):
    monkeypatch.setattr("mscn_tf.runtime.residuals.encode", lambda *_: b"")
    with pytest.raises(MscnError, match="max_error=1 can't be kept"):
        thumb.encode(smooth(40, 40), 3, max_error=1)


def test_alpha_within_a_bound(thumb):
    picture = np.dstack([smooth(40, 33), smooth(40, 33, 1)[..., :1]])
    decoded = thumb.decode(thumb.encode(picture, 3, max_error=5))
    assert np.abs(decoded.astype(int) - picture).max() <= 5
    np.testing.assert_array_equal(decoded[..., 3], picture[..., 3])


def ball(side):
    return (np.square(np.indices((side,) * 3) - side / 2).sum(0) < side**2 / 7)[..., None]


def test_voxels_without_loss_never_take_more_than_their_bits():
    codec, random = Codec.load("voxels32"), np.random.default_rng(0)
    for share in (0.3, 0.5):
        noise = random.random((20, 40, 31, 1)) < share
        data = codec.encode(noise, max_error=0)
        assert len(data) <= noise.size / 8 + 60
        np.testing.assert_array_equal(codec.decode(data), noise)
    mixed = [ball(24), random.random((20, 20, 20, 1)) < 0.5, ball(30)]
    data = codec.encode(mixed, lossless=True)
    for found, known in zip(codec.decode_all(data), mixed):
        np.testing.assert_array_equal(found, known)
    assert [item["exact"] for item in codec.info(data)["items"]] == [[], [0], []]
    # In other sizes there are tiles, or else samples.
    assert [codec.decode(data, n, scale=0.5).mean() > 0.1 for n in range(3)] == [True] * 3


def test_more_voxels_than_their_own_code_takes(monkeypatch):
    monkeypatch.setattr(occupancy, "_MOST_PLACES", 32**3)
    codec = Codec.load("voxels32")
    signals = [ball(34), ball(30)]
    data = codec.encode(signals, max_error=0)
    assert [item["exact"] for item in codec.info(data)["items"]] == [[0], []]
    for found, known in zip(codec.decode_all(data), signals):
        np.testing.assert_array_equal(found, known)
