"""Opus, MP3 and FLAC, as libsndfile encodes them."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import scipy.signal
import soundfile

from mscn_tf.evaluation.baselines import Baseline
from mscn_tf.evaluation.signal import Signal
from mscn_tf.runtime.errors import MscnError

# libsndfile takes levels; its Opus runs from 6 to 256 kbit/s, its MP3 to 64 kbit/s at rates below
# 16 kHz. At higher rates MP3's level, and not its bits, stays that of the setting.
_OPUS = (6, 8, 12, 16, 24, 32, 48, 64)  # kbit/s
_MP3 = (8, 16, 24, 32, 48, 64)
_FLAC = (16, 24)  # bits of a sample

# kbit/s of layer III by the index in a frame's header: of MPEG-1, and of MPEG-2 and 2.5.
_MPEG1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)


def _encode_opus(signal: Signal, kilobits: float) -> bytes:
    return _written(signal, "OGG", "OPUS", compression_level=1 - (kilobits - 6) / 250)


def _encode_mp3(signal: Signal, kilobits: float) -> bytes:
    level = min((64 - kilobits) / 56, 0.999)
    return _written(
        signal, "MP3", "MPEG_LAYER_III", compression_level=level, bitrate_mode="CONSTANT"
    )


def _encode_flac(signal: Signal, _: float) -> bytes:
    for bits in _FLAC:
        whole = signal.array.astype(np.float64) * 2 ** (bits - 1)
        if (whole == np.rint(whole)).all() and whole.max() < 2 ** (bits - 1):
            samples = whole.astype(np.int32) << (32 - bits)
            return _written(
                replace(signal, array=samples), "FLAC", f"PCM_{bits}", compression_level=1.0
            )
    raise MscnError(f"FLAC holds no samples of more than {_FLAC[-1]} bits")


def _decode_flac(data: bytes, signal: Signal, _: float) -> np.ndarray:
    return soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)[0]


def _rate(signal: Signal) -> int:
    return (signal.metadata or {})["rate"]


def _written(signal: Signal, kind: str, subtype: str, **options: object) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, signal.array, _rate(signal), subtype, format=kind, **options)
    return file.getvalue()


def _decode(data: bytes, signal: Signal, _: float) -> np.ndarray:
    """What comes out, moved to where it resembles the original most."""
    decoded, _ = soundfile.read(io.BytesIO(data), dtype="float32")
    original = signal.array[:, 0]
    length = len(original)
    lag = int(np.argmax(scipy.signal.correlate(decoded, original))) - length + 1
    padded = np.pad(decoded, (length, 2 * length))
    return padded[length + lag :][:length, None]


def _opus_payload(data: bytes, signal: Signal, _: float) -> int:
    """Bytes of the packets of an Ogg file after the first two, which hold headers (RFC 3533)."""
    at, packets, size = 0, [], 0
    while at < len(data):
        lacing = data[at + 27 : at + 27 + data[at + 26]]
        for value in lacing:
            size += value
            if value < 255:
                packets.append(size)
                size = 0
        at += 27 + len(lacing) + sum(lacing)
    return sum(packets[2:])


def _mp3_payload(data: bytes, signal: Signal, _: float) -> int:
    """Bytes after the first frame, which tells about the file and holds no sound."""
    index, padded = data[2] >> 4, data[2] >> 1 & 1
    first = data[1] >> 3 & 3 == 3  # MPEG-1
    bits = 1000 * (_MPEG1 if first else _MPEG2)[index]
    return len(data) - ((144 if first else 72) * bits // _rate(signal) + padded)


def _version() -> str:
    return f"soundfile {soundfile.__version__} with {soundfile.__libsndfile_version__}"


BASELINES = (
    Baseline(
        name="opus",
        family="opus",
        label="Opus",
        settings=_OPUS,
        encode=_encode_opus,
        decode=_decode,
        version=lambda: f"{_version()}; libopus, kbit/s",
        payload=_opus_payload,
    ),
    Baseline(
        name="mp3",
        family="mp3",
        label="MP3",
        settings=_MP3,
        encode=_encode_mp3,
        decode=_decode,
        version=lambda: f"{_version()}; LAME, constant rates",
        payload=_mp3_payload,
    ),
    Baseline(
        name="flac",
        family="flac",
        label="FLAC",
        settings=(0,),
        encode=_encode_flac,
        decode=_decode_flac,
        version=lambda: f"{_version()}; libFLAC, its highest level",
        lossless=True,
    ),
)
