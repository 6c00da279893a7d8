"""COIN++ (Dupont et al. 2022): latents by the inner loop, k bits each, one static histogram."""

from __future__ import annotations

from typing import Any

import ml_collections
import numpy as np

from mscn_tf.experiments.data import SignalSet
from mscn_tf.experiments.measure import codec_row, decoded_signals, fit_signals
from mscn_tf.experiments.stored import UniformCoder
from mscn_tf.fitting.meta_learner import MetaLearner

_LEARNED = 256  # training signals that the histogram is of


def measure(
    fit: MetaLearner, signals: SignalSet, options: ml_collections.ConfigDict
) -> dict[str, Any]:
    """Bytes and PSNR at each of ``options.bits``.

    Args:
      fit: with a dense modulation, shifts or latents.
      signals: those to train on teach the quantiser and the histogram.
      options: ``bits``, numbers of them.
    """
    learned, codes = (
        np.concatenate([part["code"] for part in fit_signals(fit, some, signals.coordinates)])
        for some in (signals.train[:_LEARNED], signals.test)
    )
    points = []
    for bits in options.bits:
        coder = UniformCoder(learned, bits)
        files = [coder.encode(code) for code in codes]
        decoded = np.stack([coder.decode(data) for data in files])
        values = decoded_signals(fit, decoded, signals.coordinates)
        points.append(({"bits": bits}, files, values))
    fitted = decoded_signals(fit, codes, signals.coordinates)
    return codec_row(fit, signals, fitted, np.full(len(codes), codes.shape[1]), points)
