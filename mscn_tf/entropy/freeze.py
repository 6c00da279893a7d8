"""Freezes a learned entropy model into the integer tables that ``runtime`` codes with."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from mscn_tf.entropy.scale_prior import (
    CONTEXT_UNIT,
    LOG_SCALE_FIRST,
    LOG_SCALE_SPACING,
    SCALES,
    ScalePrior,
)
from mscn_tf.runtime.prior import Prior
from mscn_tf.runtime.quantiser import FRACTION
from mscn_tf.runtime.tables import FREQUENCY_BITS

_MAGNITUDE_UNIT = 16  # fixed-point steps of log2(1 + |s|)
_MAGNITUDES = 256
_PSEUDO_COUNT = 200.0  # symbols that the learned distribution counts for beside measured ones
_LARGEST_SUPPORT = 2000


def _supports() -> np.ndarray:
    """Largest symbol of each table, far enough out that an escape is rare: ``[SCALES]``."""
    scales = np.exp(LOG_SCALE_FIRST + LOG_SCALE_SPACING * np.arange(SCALES))
    return np.minimum(np.ceil(12 * scales) + 1, _LARGEST_SUPPORT).astype(np.int64)


def whole_frequencies(probabilities: np.ndarray) -> np.ndarray:
    """Whole numbers, each at least 1, summing to ``2^FREQUENCY_BITS``."""
    total = 1 << FREQUENCY_BITS
    frequencies = 1 + np.floor(probabilities * (total - len(probabilities))).astype(np.int64)
    frequencies[np.argmax(frequencies)] += total - frequencies.sum()
    return frequencies


def _learned_probabilities(prior: ScalePrior, supports: np.ndarray) -> list[np.ndarray]:
    """For each table the probabilities of -support .. support and of all beyond."""
    counts = 2 * supports + 1
    log_scales = np.repeat(LOG_SCALE_FIRST + LOG_SCALE_SPACING * np.arange(SCALES), counts)
    symbols = np.concatenate([np.arange(-s, s + 1) for s in supports])
    inside = prior.distribution(tf.constant(log_scales, tf.float32)).prob(symbols.astype("f4"))
    inside = np.split(inside.numpy().astype(np.float64), np.cumsum(counts)[:-1])
    return [np.append(table, max(1.0 - table.sum(), 1e-9)) for table in inside]


def frozen_arrays(prior: ScalePrior, frequencies: np.ndarray | None = None) -> dict:
    """The arrays of ``runtime.prior.Prior``.

    Args:
      prior: trained.
      frequencies: one table a scale index, ``2 * support + 2`` each, one after the other; by
        default those of the learned distribution.
    """
    supports = _supports()
    if frequencies is None:
        learned = _learned_probabilities(prior, supports)
        frequencies = np.concatenate([whole_frequencies(p) for p in learned])
    one = 1 << FRACTION
    context = (prior.context.numpy() * prior.context_mask).T.astype(np.float64)
    context *= CONTEXT_UNIT * one / _MAGNITUDE_UNIT / LOG_SCALE_SPACING
    base = (prior.base.numpy().astype(np.float64) - LOG_SCALE_FIRST) / LOG_SCALE_SPACING
    return {
        "band": prior.band,
        "base": np.round(base * one).astype(np.int32),
        "context": np.clip(np.round(context), -32768, 32767).astype(np.int16),
        "magnitude": np.round(_MAGNITUDE_UNIT * np.log2(1 + np.arange(_MAGNITUDES))).astype(
            np.int32
        ),
        "support": supports.astype(np.int32),
        "frequencies": frequencies.astype(np.uint32),
        "centroid": prior.centroid.numpy().astype(np.float64),
        "log_step": prior.log_step.numpy().astype(np.float64),
    }


def freeze(prior: ScalePrior, symbols: np.ndarray, q16: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays of ``runtime.prior.Prior``, their tables fitted to measured symbols.

    Args:
      prior: trained.
      symbols: ``[N, M]`` whole numbers, codes of training tiles.
      q16: ``[N]`` sixteenths of quality that they were quantised at.
    """
    supports = _supports()
    index = Prior(frozen_arrays(prior)).indices(symbols, q16)
    learned = _learned_probabilities(prior, supports)
    frequencies = pooled_frequencies(learned, supports, symbols.ravel(), index.ravel())
    return frozen_arrays(prior, frequencies)


def pooled_frequencies(
    learned: list[np.ndarray], supports: np.ndarray, symbols: np.ndarray, index: np.ndarray
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
