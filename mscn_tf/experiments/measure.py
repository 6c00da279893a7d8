"""What a trained network does for signals that it has not seen."""

from __future__ import annotations

from typing import Any

import ml_collections
import numpy as np
import tensorflow as tf

from mscn_tf.experiments.data import SignalSet
from mscn_tf.experiments.stored import ElementCoder
from mscn_tf.experiments.views import view_psnr
from mscn_tf.fitting.meta_learner import MetaLearner
from mscn_tf.networks.modulations import WeightModulation
from mscn_tf.runtime.modality import Modality
from mscn_tf.sparsity.hard_concrete import LIMIT
from mscn_tf.sparsity.pruning import parameters

_POINTS = 2**15  # values of the network's at once: what bounds the memory


def psnr(values: np.ndarray, signals: np.ndarray) -> float:
    """Of values clipped to [0, 1], of each signal ``[T, N, C]``, averaged over signals; dB."""
    errors = np.square(np.clip(values, 0, 1) - signals).mean(axis=(1, 2), dtype=np.float64)
    return float(np.mean(-10 * np.log10(errors)))


def measure(fit: MetaLearner, signals: SignalSet, config: ml_collections.ConfigDict) -> dict:
    """One row of an experiment's results.

    Returns:
      ``elements``, the dense network's M; ``kept``, the mean number of elements that a signal
      keeps, and ``kept_sd`` over signals; ``psnr`` after the inner loop, and what else the modality
      is judged by; ``psnr_STEPS`` after so many inner steps, for ``config.other_steps``;
      ``kept_frozen`` and ``psnr_frozen`` with gates that stay as meta-training left them, where
      they adapt, but for those up to ``config.frozen_threshold``, which are closed: a start that
      is a little above 0 only lets signals open a gate; ``psnr_adam`` after
      ``config.adam.steps`` of Adam on the code, gates held, where that isn't 0;
      ``stored``, bytes a signal, PSNR and what else the modality is judged by at each of
      ``config.quantiser_steps``.
    """
    fitted = fit_signals(fit, signals.test, signals.coordinates)
    kept = np.concatenate([fit.kept(adapted).numpy() for adapted in fitted])
    values = _values(fit, fitted, signals.coordinates)
    row: dict[str, Any] = {
        "elements": fit.gated_size,
        "kept": float(kept.mean()),
        "kept_sd": float(kept.std()),
        "psnr": psnr(values, signals.test),
        **_judged(values, signals, config.modality),
    }
    if "log_alpha" in fit.step_sizes:
        frozen = [
            _closed_up_to(config.frozen_threshold, fit, adapted)
            for adapted in fit_signals(fit, signals.test, signals.coordinates, frozen_gates=True)
        ]
        row["kept_frozen"] = float(fit.kept(frozen[0])[0])
        row["psnr_frozen"] = psnr(_values(fit, frozen, signals.coordinates), signals.test)
    for steps in config.other_steps:
        others = fit_signals(fit, signals.test, signals.coordinates, steps)
        row[f"psnr_{steps}"] = psnr(_values(fit, others, signals.coordinates), signals.test)
    if config.adam.steps:
        row["psnr_adam"] = _after_adam(fit, fitted, signals, config.adam)
    if config.quantiser_steps:
        row["stored"] = _stored(fit, fitted, signals, config)
    return row


def _together(coordinates: np.ndarray) -> int:
    """How many signals are fitted at once."""
    return max(1, _POINTS // len(coordinates))


def fit_signals(
    fit: MetaLearner,
    signals: np.ndarray,
    coordinates: np.ndarray,
    steps: int | None = None,
    frozen_gates: bool = False,
) -> list[dict[str, tf.Tensor]]:
    """What the inner loop adapts, batch after batch of signals ``[T, N, C]``."""
    points = tf.constant(coordinates)
    run = tf.function(
        lambda batch: fit.adapt(batch, points, steps=steps, frozen_gates=frozen_gates)
    )
    size = _together(coordinates)
    batches = range(0, len(signals), size)
    return [run(tf.constant(signals[at : at + size])) for at in batches]


def _closed_up_to(
    threshold: float, fit: MetaLearner, adapted: dict[str, tf.Tensor]
) -> dict[str, tf.Tensor]:
    """With gates that are no larger closed."""
    is_open = fit.modulation.gate_values(adapted) > threshold
    return {**adapted, "log_alpha": tf.where(is_open, adapted["log_alpha"], -LIMIT)}


def _values(fit: MetaLearner, fitted: list[dict], coordinates: np.ndarray) -> np.ndarray:
    points = tf.constant(coordinates)
    return np.concatenate([fit.network(points, adapted).numpy() for adapted in fitted])


def _judged(values: np.ndarray, signals: SignalSet, modality: str) -> dict[str, float]:
    """Other measures than PSNR."""
    if Modality.named(modality).truth:  # distances: inside is above a half
        inside, wanted = values >= 0.5, signals.test >= 0.5
        either = np.logical_or(inside, wanted).sum(axis=(1, 2))
        both = np.logical_and(inside, wanted).sum(axis=(1, 2))
        return {
            "accuracy": float(np.mean(inside == wanted)),
            "iou": float(np.mean(both / np.maximum(either, 1))),
        }
    if Modality.named(modality).fit:
        return {"view_psnr": view_psnr(values, signals.test, signals.shape)}
    return {}


def _after_adam(
    fit: MetaLearner, fitted: list[dict], signals: SignalSet, adam: ml_collections.ConfigDict
) -> float:
    """PSNR after further steps on the codes alone."""
    points, batches = tf.constant(signals.coordinates), []
    size = _together(signals.coordinates)
    taken = min(len(fitted), max(1, adam.signals // size))
    for number, adapted in enumerate(fitted[:taken]):
        batch = tf.constant(signals.test[number * size : (number + 1) * size])
        code = tf.Variable(adapted["code"])
        optimizer = tf.keras.optimizers.Adam(adam.rate)
        optimizer.build([code])
        others = {name: value for name, value in adapted.items() if name != "code"}
        # What shared gates keep from moving must not move here either.
        moving = tf.cast(fit.step_sizes["code"].moving(), tf.float32)

        @tf.function
        def step(
            code: tf.Variable = code,
            others: dict[str, tf.Tensor] = others,
            batch: tf.Tensor = batch,
            optimizer: tf.keras.optimizers.Optimizer = optimizer,
            moving: tf.Tensor = moving,
        ) -> None:
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(fit.errors({"code": code, **others}, batch, points))
            optimizer.apply_gradients([(tape.gradient(loss, code) * moving, code)])

        for _ in range(adam.steps):
            step()
        batches.append(fit.network(points, {"code": code, **others}).numpy())
    values = np.concatenate(batches)
    return psnr(values, signals.test[: len(values)])


def stored_values(fit: MetaLearner, adapted: dict[str, tf.Tensor]) -> np.ndarray:
    """What a file would hold of signals: float ``[B, M]``, zero where a gate is closed.

    With target "delta" that is the code. With target "all" it is the network itself; its target
    "delta" counterpart shares theta0 and stores what differs.
    """
    if fit.sparsity == "none":
        return adapted["code"].numpy()
    if fit.sparsity == "gradient":
        return adapted["code"].numpy() * fit.step_sizes["code"].moving().numpy()
    if fit.target == "delta":
        return fit.modulation.gated_code(adapted).numpy()
    updates, batch = fit.modulation(adapted), len(adapted["code"])
    parts, before = [], None
    for layer, update in zip(fit.network.siren_layers, updates):
        kernel, bias = (
            _gated(shared, change, gate)
            for shared, change, gate in (
                (layer.kernel, update.kernel, update.kernel_gate),
                (layer.bias, update.bias, update.bias_gate),
            )
        )
        if before is not None:  # what a unit's gate scales, the next layer can
            kernel = before[:, :, None] * kernel
        before = update.output_gate
        if before is not None:  # and a closed unit needs nothing
            used = tf.cast(before > 0, before.dtype)
            kernel, bias = used[:, None, :] * kernel, used * bias
        for part in (kernel, bias):
            shape = [batch, *part.shape[1:]]
            parts.append(tf.reshape(tf.broadcast_to(part, shape), [batch, -1]))
    return tf.concat(parts, axis=1).numpy()


def _gated(shared: tf.Tensor, change: tf.Tensor | None, gate: tf.Tensor | None) -> tf.Tensor:
    """gate * (shared + change) ``[B, ...]``; ``[1, ...]`` where nothing is a signal's own."""
    value = shared[None] if change is None else shared + change
    return value if gate is None else gate * value


def decoded_values(fit: MetaLearner, stored: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    """Signals ``[B, N, C]`` of what `stored_values` gave, without gates."""
    code = tf.constant(stored, tf.float32)
    masked = fit.sparsity in ("gates", "mask")
    if masked and fit.target == "all":
        updates = WeightModulation(fit.modulation.sizes)(code - parameters(fit.network))
    elif masked:
        updates = fit.modulation.modulation(code)
    else:
        updates = fit.modulation(code)
    return fit.network.with_updates(tf.constant(coordinates), updates).numpy()


def decoded_signals(fit: MetaLearner, stored: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    """`decoded_values` of any number of signals."""
    size = _together(coordinates)
    batches = range(0, len(stored), size)
    return np.concatenate(
        [decoded_values(fit, stored[at : at + size], coordinates) for at in batches]
    )


def codec_row(
    fit: MetaLearner,
    signals: SignalSet,
    values: np.ndarray,
    kept: np.ndarray,
    points: list[tuple[dict[str, Any], list[bytes], np.ndarray]],
) -> dict[str, Any]:
    """A row as `measure` gives it, of a codec that isn't the inner loop's.

    Args:
      fit: the network.
      signals: of which those to test on were coded.
      values: ``[T, N, C]`` before anything is quantised.
      kept: number of values that each signal stores, ``[T]``.
      points: for each setting of the codec the setting, each signal's bytes, and what they decode
        to, ``[T, N, C]``.
    """
    return {
        "elements": fit.gated_size,
        "kept": float(kept.mean()),
        "kept_sd": float(kept.std()),
        "psnr": psnr(values, signals.test),
        "stored": [_point(*point, signals) for point in points],
    }


def _point(
    setting: dict[str, Any], files: list[bytes], values: np.ndarray, signals: SignalSet
) -> dict[str, Any]:
    size = sum(map(len, files)) / len(files)
    return {**setting, "bytes": size, "psnr": psnr(values, signals.test)}


def _stored(
    fit: MetaLearner, fitted: list[dict], signals: SignalSet, config: ml_collections.ConfigDict
) -> list[dict[str, float]]:
    """What files would lose; quantiser steps are in units of the values' root mean square."""
    trained = fit_signals(fit, signals.train[:128], signals.coordinates)
    learned, stored = (
        np.concatenate([stored_values(fit, adapted) for adapted in part])
        for part in (trained, fitted)
    )
    rms = float(np.sqrt(np.mean(np.square(learned[learned != 0])))) if learned.any() else 1.0
    rows = []
    for step in config.quantiser_steps:
        coder = ElementCoder(learned, step * rms)
        files = [coder.encode(values) for values in stored]
        decoded = np.stack([coder.decode(data) for data in files])
        values = decoded_signals(fit, decoded, signals.coordinates)
        judged = _judged(values, signals, config.modality)
        rows.append({**_point({"step": step}, files, values, signals), **judged})
    return rows
