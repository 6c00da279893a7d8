"""COIN (Dupont et al. 2021): a small network for each signal, its weights in half precision."""

from __future__ import annotations

from typing import Any

import ml_collections
import numpy as np

from mscn_tf.experiments.data import SignalSet
from mscn_tf.experiments.measure import codec_row, decoded_signals
from mscn_tf.experiments.per_signal import fit_updates
from mscn_tf.fitting.meta_learner import MetaLearner
from mscn_tf.sparsity.pruning import parameters


def encode(weights: np.ndarray) -> bytes:
    """One signal's weights ``[M]``; nothing is shared, and nothing is coded by its entropy."""
    return weights.astype("<f2").tobytes()


def decode(data: bytes) -> np.ndarray:
    """float32 ``[M]``."""
    return np.frombuffer(data, "<f2").astype(np.float32)


def measure(
    fit: MetaLearner, signals: SignalSet, options: ml_collections.ConfigDict
) -> dict[str, Any]:
    """Adam from a random start, the same for all signals, which no decoder has to know.

    Args:
      fit: an untrained network of full weights.
      signals: of which the test signals are fitted.
      options: ``steps`` and ``rate`` of Adam.
    """
    start = parameters(fit.network)
    updates = fit_updates(fit, signals.test, signals.coordinates, options.steps, options.rate)
    files = [encode(start + update) for update in updates]
    decoded = np.stack([decode(data) for data in files]) - start
    values = decoded_signals(fit, decoded, signals.coordinates)
    fitted = decoded_signals(fit, updates, signals.coordinates)
    kept = np.full(len(files), len(start))
    return codec_row(fit, signals, fitted, kept, [({}, files, values)])
