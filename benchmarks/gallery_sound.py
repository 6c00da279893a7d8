"""usage: python benchmarks/gallery_sound.py SOUND.wav OUT.png

Draws a sound and what `speech` makes of it at three qualities: waveforms, errors and spectra.
"""

from __future__ import annotations

import sys

import matplotlib.pyplot as plt
import numpy as np

from mscn_tf.codec import Codec
from mscn_tf.signals import sound

QUALITIES = (2, 5, 8)


def main() -> None:
    """Draws the picture."""
    signals = sound.read(sys.argv[1])
    samples, rate = signals.arrays[0], signals.metadata["rate"]
    codec = Codec.load("speech")
    figure, axes = plt.subplots(2, 1 + len(QUALITIES), figsize=(11, 3.6), layout="constrained")
    seconds = np.arange(len(samples)) / rate
    top = 1.05 * np.abs(samples).max()

    def draw(column: int, array: np.ndarray, title: str) -> None:
        wave, spectrum = axes[:, column]
        wave.plot(seconds, array[:, 0], linewidth=0.5, color="#1f4e79")
        if column:
            wave.plot(seconds, (array - samples)[:, 0], linewidth=0.5, color="#d2601a")
        wave.set_title(title, fontsize=9)
        wave.set(ylim=(-top, top), xticks=[], yticks=[])
        spectrum.specgram(array[:, 0] + 1e-9, NFFT=128, Fs=rate, noverlap=96, vmin=-120, vmax=-40)
        spectrum.set(xticks=[], yticks=[])

    draw(0, samples, f"original, {2 * len(samples):,} bytes")
    for column, quality in enumerate(QUALITIES, 1):
        data = codec.encode(samples, quality=quality, metadata=signals.metadata)
        decoded = codec.decode(data)
        snr = sound.measure(samples, decoded)["dB SNR"]
        draw(column, decoded, f"quality {quality}: {len(data):,} bytes, {snr:.1f} dB SNR")
    figure.savefig(sys.argv[2], dpi=100)


if __name__ == "__main__":
    main()
