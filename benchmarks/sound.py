"""usage: python benchmarks/sound.py SPEECH_FOLDER

Rate and distortion of `speech` on spoken digits, beside Opus and MP3 (libsndfile's encoders): five
recordings of each digit by the speaker that it was trained on, and five by the other. Each sound is
a file of its own. Payloads leave out headers: ours, Ogg's pages and its two first packets, and an
MP3 file's first frame, which holds no sound.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import scipy.signal
import soundfile

from mscn_tf.codec import Codec
from mscn_tf.runtime.container import Container
from mscn_tf.signals import sound

QUALITIES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
OPUS = (6000, 8000, 12000, 16000, 24000, 32000, 48000, 64000)  # bits a second
MP3 = (8000, 16000, 24000, 32000, 48000, 64000)
SPEAKERS = {"held-out speaker": "george", "held-out digits": "jackson"}
Coded = tuple[np.ndarray, int, int]  # decoded [N, 1], bytes of the file and of its payload


def ours(codec: Codec, sounds: Sequence[np.ndarray], quality: float, rate: int) -> list[Coded]:
    """Codes sounds with one of our codecs: together, which is faster, then a file each."""
    metadata = {"rate": rate, "subtype": "PCM_16"}
    archive = codec.encode(sounds, quality=quality, metadata=metadata)
    found = []
    for item, samples in enumerate(sounds):
        symbols = codec.decode_symbols(archive, item)
        shape, q16 = [samples.shape[:1]], [round(16 * quality)]
        data = codec.pack(symbols, shape, q16, [1], metadata=metadata)
        payload = Container.from_bytes(data).sizes()["payload"]
        found.append((codec.decode(data), len(data), payload))
    return found


def opus(bits: int) -> Callable[[np.ndarray, int], Coded]:
    """Codes a sound with Opus; libsndfile's levels run over its range of rates."""
    level = 1 - (bits - 6000) / 250000

    def code(samples: np.ndarray, rate: int) -> Coded:
        data = _written(samples, rate, "OGG", "OPUS", compression_level=level)
        return _aligned(data, samples), len(data), _ogg_payload(data)

    return code


def mp3(bits: int) -> Callable[[np.ndarray, int], Coded]:
    """Codes a sound with MP3 at a constant rate: of MPEG-2.5, 8 to 64 kbit/s."""
    level = min((64000 - bits) / 56000, 0.999)

    def code(samples: np.ndarray, rate: int) -> Coded:
        options = {"compression_level": level, "bitrate_mode": "CONSTANT"}
        data = _written(samples, rate, "MP3", "MPEG_LAYER_III", **options)
        frame = 72 * bits // rate  # bytes for 576 samples
        return _aligned(data, samples), len(data), len(data) - frame

    return code


def _written(samples: np.ndarray, rate: int, *kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, kind[1], format=kind[0], **options)
    return buffer.getvalue()


def _aligned(data: bytes, samples: np.ndarray) -> np.ndarray:
    """Decodes, and moves what comes out to where it resembles the original most."""
    decoded, _ = soundfile.read(io.BytesIO(data), dtype="float32")
    length = len(samples)
    lag = int(np.argmax(scipy.signal.correlate(decoded, samples[:, 0]))) - length + 1
    padded = np.pad(decoded, (length, 2 * length))
    return padded[length + lag :][:length, None]


def _ogg_payload(data: bytes) -> int:
    """Bytes of the packets of an Ogg file after the first two, which hold headers."""
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


def main() -> None:
    """Prints a table for each set of sounds."""
    folder, rate = Path(sys.argv[1]), 8000
    codec = Codec.load("speech")
    for words, name in SPEAKERS.items():
        files = sorted(folder.glob(f"*_{name}_[0-4].wav"))
        sounds = [sound.read(file).arrays[0] for file in files]
        seconds = sum(map(len, sounds)) / rate
        print(f"{words} ({name}): {len(files)} files, {seconds:.1f} s")
        print("| | file, kbit/s | payload, kbit/s | SNR, dB | segmental SNR, dB |")
        print("|---|---|---|---|---|")
        for quality in QUALITIES:
            report(f"speech {quality}", sounds, ours(codec, sounds, quality, rate), rate)
        for label, code, rates in (("Opus", opus, OPUS), ("MP3", mp3, MP3)):
            for bits in rates:
                coded = [code(bits)(samples, rate) for samples in sounds]
                report(f"{label} {bits / 1000:g}", sounds, coded, rate)


def report(label: str, sounds: Sequence[np.ndarray], coded: Sequence[Coded], rate: int) -> None:
    """Prints a row: rates over all sounds, means of what is measured of each."""
    rows = [sound.measure(s, c[0]).values() for s, c in zip(sounds, coded)]
    snr = np.mean([list(row) for row in rows], axis=0)
    sizes = np.sum([c[1:] for c in coded], axis=0)
    rates = 8e-3 * rate * sizes / sum(map(len, sounds))
    print("| {} | {:.1f} | {:.1f} | {:.1f} | {:.1f} |".format(label, *rates, *snr), flush=True)


if __name__ == "__main__":
    main()
