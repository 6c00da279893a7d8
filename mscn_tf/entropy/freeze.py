"""Freezes a learned entropy model into the integer tables that ``runtime`` codes with."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from mscn_tf.entropy.frequencies import pooled_frequencies, supports, whole_frequencies
from mscn_tf.entropy.scale_prior import (
    CONTEXT_UNIT,
    LOG_SCALE_FIRST,
    LOG_SCALE_SPACING,
    SCALES,
    ScalePrior,
)
from mscn_tf.runtime.prior import Prior
from mscn_tf.runtime.quantiser import FRACTION

_MAGNITUDE_UNIT = 16  # fixed-point steps of log2(1 + |s|)
_MAGNITUDES = 256
_LOG_SCALES = LOG_SCALE_FIRST + LOG_SCALE_SPACING * np.arange(SCALES)  # of the tables


def _learned_probabilities(prior: ScalePrior, support: np.ndarray) -> list[np.ndarray]:
    """For each table the probabilities of -support .. support and of all beyond."""
    counts = 2 * support + 1
    log_scales = np.repeat(_LOG_SCALES, counts)
    symbols = np.concatenate([np.arange(-s, s + 1) for s in support])
    inside = prior.distribution(tf.constant(log_scales, tf.float32)).prob(symbols.astype("f4"))
    inside = np.split(inside.numpy().astype(np.float64), np.cumsum(counts)[:-1])
    return [np.append(table, max(1.0 - table.sum(), 1e-9)) for table in inside]


def frozen_arrays(
    prior: ScalePrior, frequencies: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """The arrays of ``runtime.prior.Prior``.

    Args:
      prior: trained.
      frequencies: one table a scale index, ``2 * support + 2`` each, one after the other; by
        default those of the learned distribution.
    """
    support = supports(_LOG_SCALES)
    if frequencies is None:
        learned = _learned_probabilities(prior, support)
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
        "support": support.astype(np.int32),
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
    support = supports(_LOG_SCALES)
    index = Prior(frozen_arrays(prior)).indices(symbols, q16)
    learned = _learned_probabilities(prior, support)
    frequencies = pooled_frequencies(learned, support, symbols.ravel(), index.ravel())
    return frozen_arrays(prior, frequencies)
