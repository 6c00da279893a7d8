"""Files of sounds that people bring: other formats, what they hold beside samples, damage."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("soundfile")

import soundfile

from mscn_tf.runtime.errors import MscnError
from mscn_tf.signals import modalities, sound
from mscn_tf.signals.signal import Selection
from mscn_tf.signals.sound_files import FORMATS, SUFFIXES, written_as
from tests.apps.conftest import folder  # noqa: F401
from tests.signals.test_sound import RATE, voice

WRITTEN = [
    (".wav", "PCM_16"),
    (".w64", "PCM_24"),
    (".rf64", "PCM_16"),
    (".flac", "PCM_16"),
    (".flac", "PCM_24"),
    (".aiff", "PCM_16"),
    (".aif", "PCM_S8"),
    (".au", "PCM_16"),
    (".snd", "FLOAT"),
    (".caf", "PCM_24"),
    (".wav", "ULAW"),
]
PERCEPTUAL = [(".ogg", "VORBIS"), (".opus", "OPUS"), (".mp3", "MPEG_LAYER_III")]
KINDS = {**FORMATS, ".snd": "AU", ".mp3": "MP3"}


def there_and_back(path, target, **options):
    """Reads a file and writes it without any codec between."""
    signals = sound.read(path, **options)
    shapes = [array.shape[:1] for array in signals.arrays]
    view = Selection(shapes=shapes)
    return sound.write(target, signals.arrays, None, signals.metadata, view)


def refusal(path) -> str | None:
    """What a file is refused with, or None."""
    try:
        sound.read(path)
    except MscnError as error:
        return str(error)
    return None


@pytest.mark.parametrize(("suffix", "subtype"), WRITTEN)
@pytest.mark.parametrize("offset", [0, 0.25])
def test_no_sample_changes(tmp_path, suffix, subtype, offset):
    """The mean is taken out and put back in whole steps."""
    path = tmp_path / f"in{suffix}"
    samples = 2 * voice(1200) + offset
    samples[300:700] = 0
    samples[700:704] = [0.99, -0.99, 0.6, -1]
    soundfile.write(path, samples, RATE, subtype, format=KINDS[suffix])
    assert modalities.guess(path) == "sound"
    there_and_back(path, tmp_path / "out.wav")
    original, _ = soundfile.read(path)
    again, rate = soundfile.read(tmp_path / "out.wav")
    assert rate == RATE
    if subtype == "FLOAT":
        assert np.abs(again - original).max() <= 2**-24
        there_and_back(path, tmp_path / "out.wav", lossless=True)
        again, _ = soundfile.read(tmp_path / "out.wav")
    np.testing.assert_array_equal(again, original)


@pytest.mark.parametrize(("suffix", "subtype"), PERCEPTUAL)
def test_perceptual_codecs_are_read(tmp_path, suffix, subtype, capfd):
    path = tmp_path / f"in{suffix}"
    soundfile.write(path, voice(20000), RATE, subtype, format=KINDS[suffix])
    (array,) = sound.read(path).arrays
    np.testing.assert_allclose(array[:, 0], soundfile.read(path)[0], atol=1e-6)
    there_and_back(path, tmp_path / "out.wav")
    assert soundfile.info(tmp_path / "out.wav").subtype == "PCM_16"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "VORBIS"])
def test_decodes_to_other_formats(tmp_path, suffix, subtype):
    """The original's kind of samples where the format can hold it, or the next better one."""
    samples = voice(5000)[:, None].astype(np.float32)
    view = Selection(shapes=[(5000,)])
    metadata = {"rate": RATE, "subtype": subtype}
    said = sound.write(tmp_path / f"out{suffix}", [samples], None, metadata, view)
    info = soundfile.info(tmp_path / f"out{suffix}")
    assert (info.samplerate, info.frames) == (RATE, 5000)
    assert info.subtype == written_as(subtype, suffix)
    assert (info.subtype in said) == (info.subtype != subtype)
    if info.subtype not in ("VORBIS", "OPUS"):
        again, _ = soundfile.read(tmp_path / f"out{suffix}")
        step = 2**-7 if subtype == "PCM_U8" else 2**-15
        assert np.abs(again - samples[:, 0]).max() <= step


def test_what_a_format_cannot_hold_is_refused(tmp_path):
    view = Selection(shapes=[(40,)] * 9)
    arrays = [np.full((40, 1), 1.5, np.float32)] * 9
    metadata = {"rate": RATE, "subtype": "FLOAT", "file": [0] * 9}
    with pytest.raises(MscnError, match="9 channels"):
        sound.write(tmp_path / "a.flac", arrays, None, metadata, view)
    view, metadata["file"] = replace(view, shapes=view.shapes[:1]), [0]
    with pytest.raises(MscnError, match="beyond full scale"):
        sound.write(tmp_path / "a.flac", arrays[:1], None, metadata, view)
    sound.write(tmp_path / "a.wav", arrays[:1], None, metadata, view)
    assert soundfile.read(tmp_path / "a.wav")[0].max() == 1.5
    assert not (tmp_path / "a.flac").exists()


@pytest.mark.parametrize(
    ("suffix", "subtype"), [*WRITTEN, *PERCEPTUAL, (".ogg", "OPUS"), (".wav", "MS_ADPCM")]
)
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_cut_short(tmp_path, suffix, subtype, share, capfd):
    """Refused, or, of Ogg, said."""
    path = tmp_path / f"in{suffix}"
    soundfile.write(path, voice(150_000), RATE, subtype, format=KINDS[suffix])
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    said = refusal(path)
    if said is not None:
        assert str(path) in said
        assert "\n" not in said
    else:
        signals = sound.read(path)
        assert KINDS[suffix] == "OGG"
        assert "its end is missing" in signals.notes[0]
        assert 0 < len(signals.arrays[0]) < 150_000
    assert capfd.readouterr() == ("", "")


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def with_chunks(path, *chunks: bytes) -> None:
    data = path.read_bytes() + b"".join(chunks)
    path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])


def test_says_what_is_not_kept(tmp_path):
    path = tmp_path / "in.wav"
    soundfile.write(path, voice(500), RATE, "PCM_16")
    assert list(sound.read(path).notes) == []
    with_chunks(path, chunk(b"cue ", struct.pack("<I", 0)), chunk(b"bext", bytes(602)))
    with soundfile.SoundFile(tmp_path / "in.flac", "w", RATE, 1, "PCM_16") as file:
        file.title, file.artist = "A", "B"
        file.write(voice(500))
    (note,) = sound.read(path).notes
    assert note == f"{path}: not kept: cue points, broadcast metadata"
    notes = sound.read(tmp_path).notes
    assert "in.flac: not kept: artist, title" in notes
    assert "in.wav: not kept: cue points, broadcast metadata" in notes


def test_says_what_speech_was_made_for(tmp_path):
    for rate in (RATE, 16000, 44100, 48000, 1000):
        soundfile.write(tmp_path / f"{rate}.wav", voice(500), rate, "PCM_16")
    notes = sound.read(tmp_path).notes
    assert [note.split(",")[0] for note in notes] == [
        "1000.wav: 1000 Hz",
        "44100.wav: 44100 Hz",
        "48000.wav: 48000 Hz",
    ]


def test_more_digits_than_are_kept(tmp_path):
    path = tmp_path / "in.wav"
    soundfile.write(path, voice(500), RATE, "DOUBLE")
    assert "24 bits" in sound.read(path).notes[0]
    with pytest.raises(MscnError, match="24 bits"):
        sound.read(path, lossless=True)


def test_folders(tmp_path):
    """Of all kinds; the rest is named, and so are all that can't be read."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "notes.txt").write_text("text")
    for name in ("a.wav", "a.flac", "b.OGG"):
        soundfile.write(tmp_path / name, voice(3000), RATE, format=KINDS[f".{name[2:].lower()}"])
    signals = sound.read(tmp_path)
    assert signals.names == ["a", "a", "b"]
    (note,) = signals.notes
    assert "notes.txt" in note
    assert "sub" in note
    view = Selection(shapes=[(3000,)] * 3)
    sound.write(tmp_path / "out", signals.arrays, signals.names, signals.metadata, view)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a-2.wav", "a.wav", "b.wav"]
    (tmp_path / "c.wav").write_bytes(b"")
    (tmp_path / "d.flac").write_bytes(b"fLaC")
    with pytest.raises(MscnError, match=r"2 of 5 sounds.*c\.wav.*d\.flac"):
        sound.read(tmp_path)


def test_headerless_samples(tmp_path):
    (tmp_path / "in.raw").write_bytes(bytes(100))
    with pytest.raises(MscnError, match="without a header"):
        sound.read(tmp_path / "in.raw")
    assert ".raw" not in SUFFIXES


def test_commands(folder):  # noqa: F811
    soundfile.write(folder.path / "in.flac", voice(3000), RATE, "PCM_16")
    folder.mscn("encode", "--quality=8", "in.flac", "out.mscn")
    assert "VORBIS" in folder.mscn("decode", "out.mscn", "back.ogg").stdout
    folder.mscn("decode", "out.mscn", "back.flac")
    assert soundfile.info(folder.path / "back.flac").subtype == "PCM_16"
