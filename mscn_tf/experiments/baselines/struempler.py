"""Strümpler et al. 2022, "Implicit neural representations for image compression".

From a meta-learned start each signal's weights are fitted by Adam, with an L1 penalty on what
differs from the start; the difference is quantised uniformly, each tensor to its own range; the
rounding is optimised (AdaRound, Nagel et al. 2020), then the weights behind it; then entropy
coding. Simplified:

- AdaRound minimises the error of the signal, all layers at once, not of each layer's outputs.
- Retraining passes gradients straight through the rounding, a fixed number of steps.
- The entropy coder is `ElementCoder` with tables from training signals, as for MSCN, instead of
  one that adapts within a file. Its tables are of plainly rounded weights.
"""

from __future__ import annotations

from typing import Any

import ml_collections
import numpy as np
import tensorflow as tf

from mscn_tf.experiments.data import SignalSet
from mscn_tf.experiments.measure import codec_row, decoded_signals
from mscn_tf.experiments.per_signal import adam, fit_updates
from mscn_tf.experiments.stored import ElementCoder
from mscn_tf.fitting.meta_learner import MetaLearner

# AdaRound's rectified sigmoid and the exponents between which its regulariser sharpens.
_LOW, _HIGH = -0.1, 1.1
_BLUNT, _SHARP = 20.0, 2.0


def tensor_of_element(sizes: tuple[int, ...]) -> np.ndarray:
    """int ``[M]``: which kernel or bias an element of a `WeightModulation`'s code is in."""
    counts = [count for m, n in zip(sizes, sizes[1:]) for count in (m * n, n)]
    return np.repeat(np.arange(len(counts)), counts)


def quantiser_steps(updates: np.ndarray, tensors: np.ndarray, bits: int) -> np.ndarray:
    """float16 ``[B, tensors]``: steps with which symbols within +-(2^(bits-1) - 1) reach all."""
    largest = [np.abs(updates[:, tensors == t]).max(axis=1) for t in range(tensors[-1] + 1)]
    steps = np.stack(largest, axis=1) / (2 ** (bits - 1) - 1)
    return np.maximum(steps, 2.0**-14).astype("<f2")


def adaptive_rounding(
    fit: MetaLearner,
    updates: np.ndarray,
    steps: np.ndarray,
    signals: SignalSet,
    options: ml_collections.ConfigDict,
) -> np.ndarray:
    """float32 ``[B, M]`` whole numbers: of test signals' updates, each rounded up or down."""
    scaled = updates / steps
    floor = np.floor(scaled)
    share = np.clip((scaled - floor - _LOW) / (_HIGH - _LOW), 0.01, 0.99)
    wanted, points = tf.constant(signals.test), tf.constant(signals.coordinates)

    def up(logits: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(tf.sigmoid(logits) * (_HIGH - _LOW) + _LOW, 0.0, 1.0)

    def loss(logits: tf.Tensor, done: tf.Tensor) -> tf.Tensor:
        chosen = up(logits)
        error = fit.errors({"code": (floor + chosen) * steps}, wanted, points)
        sharpness = _BLUNT + (_SHARP - _BLUNT) * done
        undecided = 1 - tf.pow(tf.abs(2 * chosen - 1), sharpness)
        return error + options.rounding_price * tf.reduce_mean(undecided, axis=1)

    logits = np.log(share / (1 - share)).astype(np.float32)
    rounded = adam(loss, tf.constant(logits), options.rounding_steps, options.rounding_rate)
    return floor + np.rint(up(rounded).numpy())


def retrained(
    fit: MetaLearner,
    symbols: np.ndarray,
    steps: np.ndarray,
    signals: SignalSet,
    bits: int,
    options: ml_collections.ConfigDict,
) -> np.ndarray:
    """float32 ``[B, M]`` whole numbers: test signals' symbols after Adam in front of rounding."""
    wanted, points = tf.constant(signals.test), tf.constant(signals.coordinates)
    largest = 2.0 ** (bits - 1) - 1

    def rounded(weights: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(tf.round(weights / steps), -largest, largest)

    def loss(weights: tf.Tensor, done: tf.Tensor) -> tf.Tensor:
        del done
        quantised = weights + tf.stop_gradient(rounded(weights) * steps - weights)
        return fit.errors({"code": quantised}, wanted, points)

    start = tf.constant(symbols * steps)
    weights = adam(loss, start, options.retraining_steps, options.retraining_rate)
    return rounded(weights).numpy()


def measure(
    fit: MetaLearner, signals: SignalSet, options: ml_collections.ConfigDict
) -> dict[str, Any]:
    """Bytes and PSNR at each of ``options.bits``; ``kept`` is of the first of them.

    Args:
      fit: a meta-trained network of full weights.
      signals: those to train on, ``options.learned`` of them, teach the coder.
      options: ``steps``, ``rate`` and ``penalty`` of `fit_updates`; ``rounding_steps``,
        ``rounding_rate`` and ``rounding_price``; ``retraining_steps`` and ``retraining_rate``.
    """
    both = np.concatenate([signals.train[: options.learned], signals.test])
    updates = fit_updates(
        fit, both, signals.coordinates, options.steps, options.rate, options.penalty
    )
    tensors, points, kept = tensor_of_element(fit.modulation.sizes), [], []
    for bits in options.bits:
        steps = quantiser_steps(updates, tensors, bits)
        learned = np.rint(updates / steps[:, tensors])[: options.learned]
        coder = ElementCoder(learned, 1.0)
        heads = steps[options.learned :]
        own_steps = heads[:, tensors].astype(np.float32)
        symbols = adaptive_rounding(fit, updates[options.learned :], own_steps, signals, options)
        symbols = retrained(fit, symbols, own_steps, signals, bits, options)
        kept.append(np.count_nonzero(symbols, axis=1))
        files = [head.tobytes() + coder.encode(row) for head, row in zip(heads, symbols)]
        decoded = np.stack([_decode(data, coder, tensors) for data in files])
        values = decoded_signals(fit, decoded, signals.coordinates)
        points.append(({"bits": bits}, files, values))
    fitted = decoded_signals(fit, updates[options.learned :], signals.coordinates)
    return codec_row(fit, signals, fitted, kept[0], points)


def _decode(data: bytes, coder: ElementCoder, tensors: np.ndarray) -> np.ndarray:
    """float64 ``[M]``, an update of all weights."""
    end = 2 * (tensors[-1] + 1)
    steps = np.frombuffer(data[:end], "<f2").astype(np.float32)
    return steps[tensors] * coder.decode(data[end:])
