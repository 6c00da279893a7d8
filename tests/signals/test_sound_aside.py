"""Means and pauses of sounds, errors and bounds: what is true of the samples that are written."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("soundfile")

import soundfile

from mscn_tf.codec import Codec
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.signals import sound
from mscn_tf.signals.signal import Selection
from mscn_tf.signals.sound_files import step_of
from tests.apps.conftest import folder  # noqa: F401
from tests.signals.test_sound import RATE, voice

SUBTYPES = ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"]


@pytest.fixture(scope="module")
def codec():
    return Codec.load("speech")


def decoded_file(codec, signals, data, path, item=None):
    container = Container.from_bytes(data)
    view = Selection(item=item, shapes=container.shapes)
    arrays = list(codec.decode_all(data))
    sound.write(path, arrays, container.names, container.metadata, view)
    return soundfile.read(path, always_2d=True)[0]


def snr(original, decoded):
    return 10 * np.log10(np.var(original) / np.mean(np.square(decoded - original)))


def test_the_mean_costs_nothing(folder):  # noqa: F811
    samples = 2 * voice(8000)
    sizes, ratios, said = [], [], []
    for offset in (0, -0.3):
        soundfile.write(folder.path / "in.wav", samples + offset, RATE, "PCM_16")
        said.append(folder.mscn("encode", "in.wav", "out.mscn").stdout)
        folder.mscn("decode", "--force", "out.mscn", "back.wav")
        original, _ = soundfile.read(folder.path / "in.wav")
        back, _ = soundfile.read(folder.path / "back.wav")
        assert back.mean() == pytest.approx(original.mean(), abs=1e-3)
        sizes.append((folder.path / "out.mscn").stat().st_size)
        ratios.append(snr(original, back))
    assert max(ratios) - min(ratios) < 0.1
    assert max(sizes) - sizes[0] < 40
    for line, ratio in zip(said, ratios):  # what was printed is so
        assert float(line.split(" dB SNR")[0].split()[-1]) == pytest.approx(ratio, abs=0.01)


def test_small_means_stay(tmp_path):
    """So that files of good sounds are what they were."""
    soundfile.write(tmp_path / "in.wav", voice(4000) + 1e-4, RATE, "PCM_16")
    assert sound.read(tmp_path / "in.wav").metadata == {"rate": RATE, "subtype": "PCM_16"}


def test_each_channel_has_its_mean(tmp_path, codec):
    original = np.stack([voice(2000), voice(2000, 1) - 0.25], axis=1)
    soundfile.write(tmp_path / "in.wav", original, RATE, "FLOAT")
    signals = sound.read(tmp_path / "in.wav")
    assert signals.metadata["mean"] == [0, pytest.approx(-0.25, abs=0.02)]
    data = codec.encode(signals.arrays, quality=9, metadata=signals.metadata)
    back = decoded_file(codec, signals, data, tmp_path / "out.wav")
    assert min(snr(*pair) for pair in zip(original.T, back.T)) > 20
    one = decoded_file(codec, signals, codec.encode(signals.arrays[1:]), tmp_path / "one.wav")
    assert abs(one.mean()) < 0.01  # a file without metadata, as there were


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_U8", "FLOAT"])
@pytest.mark.parametrize("offset", [0, 0.125])
def test_pauses_are_silent(tmp_path, codec, subtype, offset):
    """Runs of one value come back as they are, whole and in parts, at any size."""
    samples = voice(6000)
    samples[:900] = samples[2000:4000] = 0
    soundfile.write(tmp_path / "in.wav", samples + offset, RATE, subtype)
    original, _ = soundfile.read(tmp_path / "in.wav")
    signals = sound.read(tmp_path / "in.wav")
    tail = f"={offset}" if offset else ""
    assert signals.metadata["runs"] == f"0+900{tail} 2000+2000{tail}"
    data = codec.encode(signals.arrays, metadata=signals.metadata)
    back = decoded_file(codec, signals, data, tmp_path / "out.wav")[:, 0]
    still = np.r_[0:900, 2000:4000]
    np.testing.assert_array_equal(back[still], original[still])
    assert np.ptp(back[900:2000]) > 0.1
    for scale in (0.5, 2):
        view = Selection(item=0, region=(1800, 1000), shapes=[(6000,)])
        array = codec.decode(data, region=(1800, 1000), scale=scale)
        sound.write(tmp_path / "part.wav", [array], None, signals.metadata, view)
        part, rate = soundfile.read(tmp_path / "part.wav")
        assert (len(part), rate) == (1000 * scale, RATE * scale)
        np.testing.assert_array_equal(part[int(200 * scale) :], original[2000])
        assert np.ptp(part[: int(200 * scale)]) > 0


def test_silence_is_silence(folder):  # noqa: F811
    for name, samples in {"zeros": np.zeros(80_000), "constant": np.full(80_000, 0.5)}.items():
        soundfile.write(folder.path / f"{name}.wav", samples, RATE, "PCM_16")
        assert "exact" in folder.mscn("encode", f"{name}.wav", "out.mscn").stdout
        assert (folder.path / "out.mscn").stat().st_size < 120
        folder.mscn("decode", "--force", "out.mscn", "back.wav")
        assert (folder.path / "back.wav").read_bytes() == (folder.path / f"{name}.wav").read_bytes()


def test_commands_tell_exact_channels_from_others(folder):  # noqa: F811
    channels = np.stack([voice(4000), np.zeros(4000)], axis=1)
    soundfile.write(folder.path / "in.wav", channels + 0.1, RATE, "FLOAT")
    said = folder.mscn("encode", "--quality=8", "in.wav", "out.mscn").stdout
    assert 10 < float(said.split(" dB SNR")[0].split()[-1]) < 60
    assert "exact" in folder.mscn("encode", "--lossless", "in.wav", "out.mscn").stdout
    folder.mscn("decode", "out.mscn", "back.wav")
    original, back = (soundfile.read(folder.path / f"{name}.wav")[0] for name in ("in", "back"))
    np.testing.assert_array_equal(back, original.astype(np.float32))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_tiny_sounds_are_exact(tmp_path, codec, count):
    original = np.array([[0.5], [-1], [0.25], [0.1], [0.9]])[:count]
    soundfile.write(tmp_path / "in.wav", original, RATE, "PCM_16")
    signals = sound.read(tmp_path / "in.wav")
    data = codec.encode(signals.arrays, metadata=signals.metadata)
    back = decoded_file(codec, signals, data, tmp_path / "out.wav")
    np.testing.assert_array_equal(back, soundfile.read(tmp_path / "in.wav", always_2d=True)[0])


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.sampled_from(SUBTYPES),
    st.floats(-0.5, 0.5),
    st.floats(1e-3, 1),
    st.floats(-4.3, -1),
    st.integers(0, 5),
)
def test_errors_and_bounds_hold_in_the_file(tmp_path, codec, subtype, offset, gain, exponent, seed):
    """What is told of arrays is what the written samples are off by, the mean and all."""
    samples = np.stack([gain * voice(700, seed) + offset, 3 * voice(700, 9)], axis=1)
    samples[100:400, 0] = offset
    soundfile.write(tmp_path / "in.wav", samples, RATE, subtype)
    original = soundfile.read(tmp_path / "in.wav", always_2d=True)[0]
    signals, bound = sound.read(tmp_path / "in.wav"), 10**exponent
    bounds = {"max_error": sound.array_bound(bound, signals.metadata)}
    for options in (bounds, {}):
        data = codec.encode(signals.arrays, quality=5, metadata=signals.metadata, **options)
        back = decoded_file(codec, signals, data, tmp_path / "out.wav")
        largest = np.abs(back - original).max(axis=0)
        decoded = list(codec.decode_all(data))
        for item, pair in enumerate(zip(signals.arrays, decoded)):
            metadata = {
                key: value[item] if isinstance(value, list) else value
                for key, value in signals.metadata.items()
            }
            told = sound.largest_error(*pair, metadata)
            assert told == pytest.approx(largest[item], abs=2**-23)
            lost = sound.share_lost(*pair, metadata)
            error = back[:, item] - original[:, item]
            spread = original[:, item].std()
            if spread:
                wanted = np.sqrt(np.mean(error**2)) / spread
                assert lost == pytest.approx(wanted, rel=1e-3, abs=1e-6)
            else:
                assert lost == (math.inf if error.any() else 0)
        if options:
            assert largest.max() <= bound


def test_bounds_of_whole_steps():
    """Of samples in steps a bound below one means none is off."""
    step = step_of("PCM_16")
    for steps, wanted in ((0.3, 0), (1, 1), (1.9, 1), (327.68, 327)):
        found = sound.array_bound(steps * step, {"subtype": "PCM_16"}) / step
        assert wanted + 0.4 < found < wanted + 0.5
    assert sound.array_bound(0.01, {"subtype": "FLOAT"}) == 0.01 - 2**-24
    assert sound.array_bound(0.01, {"subtype": ["FLOAT", "PCM_16"]}) < 0.01
    assert sound.array_bound(0.01, None) < 0.01
    with pytest.raises(MscnError, match="off by half"):
        sound.array_bound(1e-6, {"subtype": "VORBIS"})
    assert sound.array_bound(1e-3, {"subtype": "OPUS"}) == 1e-3 - step / 2


def test_long_sounds_are_measured_in_parts():
    """The figures are those of the whole at once."""
    random = np.random.default_rng(0)
    clean = random.normal(0, 0.1, (2**18 + 12_345, 1)).astype(np.float32)
    noisy = clean + random.normal(0, 0.01, clean.shape).astype(np.float32)
    metadata = {"rate": RATE, "subtype": "FLOAT"}
    noise = (noisy - clean).astype(np.float64)[:, 0]
    found = sound.measure(clean, noisy, metadata)
    assert found["dB SNR"] == pytest.approx(
        10 * np.log10(clean.var() / np.mean(noise**2)), abs=1e-3
    )
    whole = len(clean) // 160 * 160
    power, lost = (
        np.square(x[:whole].reshape(-1, 160)).mean(1) for x in (clean[:, 0] - clean.mean(), noise)
    )
    wanted = np.clip(10 * np.log10(power / lost), -10, 35).mean()
    assert found["dB segmental SNR"] == pytest.approx(wanted, abs=1e-2)
    assert sound.largest_error(clean, noisy, metadata) == pytest.approx(np.abs(noise).max())
    lost = sound.share_lost(clean, noisy, metadata)
    assert lost == pytest.approx(noise.std() / clean.std(), rel=1e-3)


def test_strips_of_long_sounds_meet(codec):
    """A sound that is decoded in chunks is what its parts are."""
    samples = np.tile(voice(50_000), 3)[:140_001, None].astype(np.float32)
    data = codec.encode(samples, quality=3, effort=0)
    whole = codec.decode(data)
    assert 10 * np.log10(samples.var() / np.mean((whole - samples) ** 2)) > 5
    for start in (0, 65_500, 2 * 65_536 - 30, 139_901):
        part = codec.decode(data, region=(start, 100))
        np.testing.assert_allclose(whole[start : start + 100], part, atol=1e-6)
    assert not np.array_equal(whole, np.roll(whole, 1))


def peak(call):
    """What a call returns, and the most memory that it took besides, in bytes."""
    tracemalloc.start()
    try:
        return call(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_grows_little_with_length(codec):
    """By less than four times the float32 samples: tiles and symbols, or what is decoded."""
    codec.decode(codec.encode(voice(3000)[:, None]))  # weights and caches
    for kind in ("voice", "silence"):
        found = []
        for count in (300_000, 900_000):
            samples = np.tile(voice(50_000), 18)[:count, None].astype(np.float32)
            samples = samples if kind == "voice" else np.zeros_like(samples)
            data, encoding = peak(lambda s=samples: codec.encode(s, quality=2, effort=0))
            decoded, decoding = peak(lambda d=data: codec.decode(d))
            _, measuring = peak(lambda s=samples, d=decoded: sound.measure(s, d))
            found.append((encoding, decoding, measuring))
        more = np.subtract(*found[::-1]) / (4 * 600_000)
        assert (more < 4).all(), (kind, found)
