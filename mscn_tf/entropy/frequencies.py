"""Probabilities and counts as the whole numbers that ``runtime.tables`` codes with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mscn_tf.runtime.tables import FREQUENCY_BITS

_LARGEST_SUPPORT = 2000
_PSEUDO_COUNT = 200.0  # symbols that the learned distribution counts for beside measured ones


def supports(log_scales: np.ndarray) -> np.ndarray:
    """Largest symbol of each table, far enough out that an escape is rare: int64 ``[T]``."""
    return np.minimum(np.ceil(12 * np.exp(log_scales)) + 1, _LARGEST_SUPPORT).astype(np.int64)


def whole_frequencies(probabilities: np.ndarray) -> np.ndarray:
    """Whole numbers, each at least 1, summing to ``2^FREQUENCY_BITS``."""
    total = 1 << FREQUENCY_BITS
    frequencies = 1 + np.floor(probabilities * (total - len(probabilities))).astype(np.int64)
    frequencies[np.argmax(frequencies)] += total - frequencies.sum()
    return frequencies


def pooled_frequencies(
    learned: Sequence[np.ndarray], supports: np.ndarray, symbols: np.ndarray, index: np.ndarray
) -> np.ndarray:
    """Tables one after the other, counted on symbols, the learned ones a pseudo-count beside them.

    Args:
      learned: for each table the probabilities of -support ... support and of all beyond.
      supports: ``[T]``.
      symbols: integers ``[n]``.
      index: integers ``[n]``, their tables.
    """
    order = np.argsort(index, kind="stable")
    bounds = np.searchsorted(index[order], np.arange(len(supports) + 1))
    ordered = symbols[order]
    tables = []
    for t, (support, expected) in enumerate(zip(supports, learned)):
        coded = ordered[bounds[t] : bounds[t + 1]].astype(np.int64)
        # Symmetric: a sign carries no information, so both halves share their counts.
        magnitudes = np.bincount(np.minimum(np.abs(coded), support + 1), minlength=support + 2)
        counts = np.concatenate(
            [
                magnitudes[support:0:-1] / 2,
                magnitudes[:1],
                magnitudes[1 : support + 1] / 2,
                magnitudes[support + 1 :],
            ]
        )
        counts = counts + _PSEUDO_COUNT * expected
        tables.append(whole_frequencies(counts / counts.sum()))
    return np.concatenate(tables)
