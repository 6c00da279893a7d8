"""Sounds: files, codec and commands, with the bundle that comes with the package."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.signal

pytest.importorskip("soundfile")

import soundfile

from mscn_tf.codec import Codec
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.signals import sound
from mscn_tf.signals.signal import Selection
from tests.apps.conftest import folder  # noqa: F401

RATE = 8000


def voice(samples: int, seed: int = 0) -> np.ndarray:
    """float64 [samples]: a gliding tone with overtones, louder and softer, and a little noise."""
    random = np.random.default_rng(seed)
    time = np.arange(samples) / RATE
    phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 1.5 * time + seed)) / RATE
    tone = sum(np.sin(k * phase + random.uniform(0, 6)) / k for k in range(1, 12))
    loud = 0.5 + 0.5 * np.sin(2 * np.pi * 2 * time + seed)
    return 0.1 * loud * tone + random.normal(0, 1e-3, samples)


@pytest.fixture(scope="module")
def codec():
    return Codec.load("speech")


@pytest.mark.parametrize(
    ("subtype", "step"),
    [
        ("PCM_U8", 2**-7),
        ("PCM_16", 2**-15),
        ("PCM_24", 2**-23),
        ("PCM_32", 2**-23),  # as float32
        ("FLOAT", 2**-23),
        ("DOUBLE", 2**-23),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_files_come_back(tmp_path, subtype, step, channels):
    original = np.stack([voice(900, n) for n in range(channels)], -1)
    soundfile.write(tmp_path / "in.wav", original, 11025, subtype)
    signals = sound.read(tmp_path / "in.wav")
    assert [array.shape for array in signals.arrays] == [(900, 1)] * channels
    assert all(array.dtype == np.float32 for array in signals.arrays)
    assert np.abs(np.concatenate(signals.arrays, 1) - original).max() <= step
    view = Selection(shapes=[(900,)] * channels)
    sound.write(tmp_path / "out.wav", signals.arrays, None, signals.metadata, view)
    again, rate = soundfile.read(tmp_path / "out.wav", always_2d=True)
    assert rate == 11025
    assert soundfile.info(tmp_path / "out.wav").subtype == subtype
    assert np.abs(again - original).max() <= 2 * step


def test_loud_samples_are_clipped_where_the_format_is(tmp_path):
    view = Selection(shapes=[(4,)])
    array = np.array([[1.5], [-1.5], [0.5], [0]], np.float32)
    sound.write(tmp_path / "out.wav", [array], None, {"rate": RATE, "subtype": "PCM_16"}, view)
    assert soundfile.read(tmp_path / "out.wav")[0] == pytest.approx([1, -1, 0.5, 0], abs=1e-4)


def make_refused(kind, path):
    soundfile.write(path, voice(500), RATE, "FLOAT")
    data = path.read_bytes()
    if kind == "cut":
        path.write_bytes(data[:-40])
    elif kind == "no samples":
        soundfile.write(path, np.zeros(0), RATE, "PCM_16")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("This is no sound.\n")
    elif kind == "header alone":
        path.write_bytes(data[:20])
    elif kind == "nan":
        soundfile.write(path, np.array([0, np.nan]), RATE, "FLOAT")
    elif kind == "many":
        soundfile.write(path, np.zeros((2, 256)), RATE, "PCM_16")
    elif kind == "missing":
        path.unlink()


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("cut", "40 bytes are missing"),
        ("no samples", "0 samples"),
        ("empty", "no sound"),
        ("text", "no sound"),
        ("header alone", "no sound"),
        ("nan", "NaN"),
        ("many", "256 channels"),
        ("missing", "No such file"),
    ],
)
def test_refuses(tmp_path, kind, says):
    path = tmp_path / "bad.wav"
    make_refused(kind, path)
    with pytest.raises(MscnError, match=says) as caught:
        sound.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_refuses_folders_without_sounds(tmp_path):
    with pytest.raises(MscnError, match="no sound in this folder"):
        sound.read(tmp_path)


@pytest.mark.parametrize(
    "bad",
    [
        {"rate": "fast"},
        {"rate": 0},
        {"rate": []},
        {"subtype": 3},
        {"file": "a"},
        {"mean": "0.1"},
        {"mean": math.nan},
        {"mean": [1e31]},
        {"runs": [[0, 4]]},
        {"runs": "0-4"},
        {"runs": "0+4=1e99"},
        {"runs": "0+4=1e9e9"},
        {"runs": "0+4=--"},
    ],
)
def test_damaged_metadata_is_refused(tmp_path, bad):
    view = Selection(shapes=[(4,)])
    with pytest.raises(MscnError, match="damaged"):
        sound.write(tmp_path / "out.wav", [np.zeros((4, 1))], None, {"rate": RATE, **bad}, view)


def test_measures():
    clean = voice(4000)[:, None].astype(np.float32)
    noisy = clean + np.float32(0.1) * clean
    found = sound.measure(clean, noisy, {"rate": RATE})
    assert found["dB SNR"] == pytest.approx(20, abs=0.01)
    assert found["dB segmental SNR"] == pytest.approx(20, abs=0.2)
    clean = clean[:3200]
    half = clean.copy()
    half[1600:] = 0  # nothing of the second half's segments is right: 0 dB each
    halves = sound.measure(clean, half, {"rate": RATE})["dB segmental SNR"]
    assert halves == pytest.approx((35 + 0) / 2, abs=0.5)
    silence = np.zeros((100, 1), np.float32)
    assert set(sound.measure(clean, clean, {"subtype": "FLOAT"}).values()) == {math.inf}
    assert set(sound.measure(silence, silence).values()) == {math.inf}
    assert max(sound.measure(silence, silence + np.float32(1e-3)).values()) < 0
    # The mean is no part of the signal: that it comes back says nothing.
    shifted = sound.measure(voice(4000)[:, None] + 0.5, noisy + np.float32(0.5), {"rate": RATE})
    assert shifted["dB SNR"] == pytest.approx(found["dB SNR"], abs=0.01)


def test_quality_and_joints(codec):
    """More bits, less error; tiles are cross-faded, so that joints are no worse than the rest."""
    samples = np.concatenate([voice(6000, seed) for seed in range(3)])[:, None].astype(np.float32)
    sizes, ratios = [], []
    for quality in (2, 5, 8):
        data = codec.encode(samples, quality=quality)
        container = Container.from_bytes(data)
        stride = container.tile_edge - container.tile_overlap
        error = np.square(codec.decode(data) - samples)[:, 0]
        step = np.square(np.diff(codec.decode(data) - samples, axis=0))[:, 0]
        place = np.arange(len(error)) % stride
        # The last samples of a tile's overlap and those next to it, the first tile's start aside.
        joint = ((place < container.tile_overlap + 2) | (place >= stride - 2)) & (
            np.arange(len(error)) >= stride - 2
        )
        ratios.append((error[joint].mean() / error.mean(), step[joint[1:]].mean() / step.mean()))
        sizes.append((len(data), -error.mean()))
    assert sizes == sorted(sizes)
    assert np.mean(ratios, axis=0)[0] < 1.1
    assert np.mean(ratios, axis=0)[1] < 1.2


def test_twice_the_rate_is_the_band_limited_signal(codec):
    samples = voice(4000)[:, None].astype(np.float32)
    data = codec.encode(samples, quality=9)
    decoded, double = codec.decode(data), codec.decode(data, scale=2)
    assert double.shape == (8000, 1)
    # Sample i of the output is centred at (i + 1/2) / 2 - 1/2 of the input.
    resampled = scipy.signal.resample(decoded[:, 0], 8 * len(decoded))
    at = ((np.arange(len(double)) + 0.5) / 2 - 0.5) * 8
    inner = slice(200, -200)
    wanted = resampled[np.rint(at).astype(int)][inner]
    error = np.mean(np.square(double[inner, 0] - wanted)) / np.mean(np.square(wanted))
    assert 10 * np.log10(error) < -25


def test_a_file_there_and_back(folder):  # noqa: F811
    soundfile.write(folder.path / "in.wav", np.stack([voice(1500), voice(1500, 1)], -1), 16000)
    said = folder.mscn("encode", "--quality=9", "in.wav", "out.mscn").stdout
    assert "dB SNR" in said
    assert "dB segmental SNR" in said
    assert "sound" in folder.mscn("info", "out.mscn").stdout
    assert folder.plot("--original=in.wav", "out.mscn").std() > 10
    assert "1500 samples at 16000 Hz" in folder.mscn("decode", "out.mscn", "back.wav").stdout
    original, _ = soundfile.read(folder.path / "in.wav")
    back, rate = soundfile.read(folder.path / "back.wav")
    assert rate == 16000
    assert 10 * np.log10(np.sum(original**2) / np.sum((original - back) ** 2)) > 20
    folder.mscn("decode", "--item=1", "--scale=0.5", "out.mscn", "half.wav")
    assert soundfile.info(folder.path / "half.wav").samplerate == 8000
    assert soundfile.info(folder.path / "half.wav").channels == 1
    line = folder.refuses("decode", "out.mscn", "out.mp4")
    assert "out.mp4" in line
    assert ".flac" in line


def test_a_folder_there_and_back(tmp_path, codec):
    (tmp_path / "in").mkdir()
    soundfile.write(tmp_path / "in" / "b.wav", np.stack([voice(700), voice(700, 1)], -1), 16000)
    soundfile.write(tmp_path / "in" / "a.wav", voice(300), 8000, "PCM_24")
    signals = sound.read(tmp_path / "in")
    assert signals.names == ["a", "b", "b"]
    data = codec.encode(signals.arrays, quality=8, names=signals.names, metadata=signals.metadata)
    container = Container.from_bytes(data)
    view = Selection(shapes=container.shapes)
    arrays = list(codec.decode_all(data))
    sound.write(tmp_path / "out", arrays, container.names, container.metadata, view)
    kinds = [
        (i.samplerate, i.channels, i.frames, i.subtype)
        for i in (soundfile.info(tmp_path / "out" / name) for name in ("a.wav", "b.wav"))
    ]
    assert kinds == [(8000, 1, 300, "PCM_24"), (16000, 2, 700, "PCM_16")]
    view = replace(view, item=2)
    sound.write(tmp_path / "b1.wav", arrays[2:], container.names[2:], container.metadata, view)
    one = soundfile.info(tmp_path / "b1.wav")
    assert (one.samplerate, one.channels) == (16000, 1)
    view = replace(view, item=None)
    with pytest.raises(MscnError, match="2 sounds"):
        sound.write(tmp_path / "all.wav", arrays, container.names, container.metadata, view)


def test_longer_than_a_picture_may_be(codec):
    """Of one axis only the number of samples counts."""
    samples = 2**20 + 300
    container = Container(
        codec.bundle.id[:8], 2, 256, 1, [(samples,)], [80], [1], None, 4096, [b""], 16
    )
    container.blocks = [b""] * -(-container.tiles // 4096)
    again = Container.from_bytes(container.to_bytes())
    assert again.shapes == [(samples,)]
