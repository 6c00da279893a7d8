"""How sounds are assessed."""

from __future__ import annotations

from mscn_tf.evaluation.assessment import Assessment, Measure, Rate
from mscn_tf.evaluation.signal import Signal


def _kilobits(signal: Signal) -> float:
    return 8e-3 * float((signal.metadata or {})["rate"]) / signal.samples


SOUNDS = Assessment(
    "sound",
    Rate("kbps", "kbit/s", "kbit/s", _kilobits),
    (
        Measure("snr", "SNR", "dB", "dB SNR"),
        Measure("segmental_snr", "segmental SNR", "dB", "dB segmental SNR"),
    ),
    (
        "SNR: of each sound, after a codec's delay is taken out; segmental: the mean over "
        "20 ms, each clipped to -10 to 35 dB. Both say how close a waveform is, not how "
        "good it sounds.",
    ),
)
