"""Whole numbers about zero: two Laplace distributions mixed, learned, and frozen into tables."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from scipy.optimize import minimize

from mscn_tf.entropy.frequencies import pooled_frequencies, supports
from mscn_tf.runtime.tables import FREQUENCY_BITS
from mscn_tf.stack.compression import lower_bound, upper_bound

# The log scales that a frozen table exists for: FIRST + SPACING * index, index < SCALES.
LOG_SCALE_FIRST = -3.0
LOG_SCALE_SPACING = 0.1
SCALES = 101
_FITTED = 30  # symbols up to which a mixture is fitted to tables
MIXTURE = (1.0, 0.0, 0.5)  # where training starts
_LOG_SCALES = LOG_SCALE_FIRST + LOG_SCALE_SPACING * np.arange(SCALES)


def bits(mixture: tf.Tensor, symbols: tf.Tensor, log_scales: tf.Tensor) -> tf.Tensor:
    """What each symbol costs under two distributions of its scale, the second one wider.

    Args:
      mixture: ``[3]``, of the narrow one's share the logit and how it changes with the log scale,
        and how much wider the other is, before a softplus.
      symbols: whole numbers, in floating point.
      log_scales: of the same shape.
    """
    last = LOG_SCALE_FIRST + LOG_SCALE_SPACING * (SCALES - 1)
    # Scales out of range still learn the way back.
    scale = upper_bound(lower_bound(log_scales, LOG_SCALE_FIRST), last)
    size = tf.abs(symbols)
    narrow = tf.sigmoid(mixture[0] + mixture[1] * scale)
    wide = scale + tf.nn.softplus(mixture[2])
    mass = narrow * _mass(size, scale) + (1 - narrow) * _mass(size, wide)
    return -tf.math.log(mass + 1e-9) / math.log(2.0)


def _mass(size: tf.Tensor, log_scale: tf.Tensor) -> tf.Tensor:
    """Probability of one whole number of this size under a Laplace distribution."""
    rate = tf.exp(-log_scale)
    other = 0.5 * tf.exp(-tf.maximum(size - 0.5, 0.0) * rate) * (1 - tf.exp(-rate))
    return tf.where(size < 0.5, 1 - tf.exp(-0.5 * rate), other)


def fitted_mixture(tables: Mapping[str, np.ndarray]) -> np.ndarray:
    """``[3]``, see `bits`: what is nearest to tables that were counted, each of them alike.

    Args:
      tables: what `measured_tables` gives.
    """
    support = tables["support"].astype(int)
    starts = np.cumsum(2 * support + 2) - support - 2  # where each table has its zero
    table, symbols = np.indices((SCALES, _FITTED + 1))
    within = symbols <= support[:, None]
    table, symbols = table[within], symbols[within]
    share = (tables["frequencies"][starts[table] + symbols] / 2.0**FREQUENCY_BITS).astype("f4")
    scales, symbols = _LOG_SCALES[table].astype(np.float32), symbols.astype(np.float32)

    def cost(mixture: np.ndarray) -> float:
        modelled = np.exp2(-bits(mixture.astype(np.float32), symbols, scales).numpy())
        return float(np.square(modelled - share).sum())

    corners = np.array(MIXTURE) + np.concatenate((np.zeros((1, 3)), np.diag([1.0, 0.3, 0.5])))
    options = {"initial_simplex": corners, "maxiter": 500, "fatol": 1e-7}
    return minimize(cost, MIXTURE, method="Nelder-Mead", options=options).x


def measured_tables(
    mixture: tf.Tensor, symbols: np.ndarray, index: np.ndarray
) -> dict[str, np.ndarray]:
    """The arrays of ``runtime.tables.Tables``: as learned, and counted on symbols beside that.

    Args:
      mixture: see `bits`.
      symbols: whole numbers ``[n]``.
      index: their tables.
    """
    learned, support = [], supports(_LOG_SCALES)
    for largest, log_scale in zip(support, _LOG_SCALES):
        values = tf.range(-largest, largest + 1, dtype=tf.float32)
        scale = tf.fill(tf.shape(values), tf.constant(log_scale, tf.float32))
        inside = np.exp2(-bits(mixture, values, scale).numpy().astype(np.float64))
        learned.append(np.append(inside, max(1.0 - inside.sum(), 1e-9)))
    return {
        "support": support.astype(np.int32),
        "frequencies": pooled_frequencies(learned, support, symbols, index).astype(np.uint32),
        "centroid": np.zeros([SCALES, 2]),
    }
