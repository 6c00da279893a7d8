"""tensorflow-model-optimization (tfmot) on our layers: magnitude pruning, and weight clustering.

From a meta-learned start each signal has a Keras model of its own, which is pruned while Adam fits
it, or clustered, or pruned and then clustered with what is zero staying so. tfmot prunes
hidden kernels and clusters all; biases stay as they are.
"""

from __future__ import annotations

import struct
from typing import Any

import ml_collections
import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
from tensorflow.python.eager import context
from tensorflow_model_optimization.python.core.clustering.keras.experimental import cluster

from mscn_tf.entropy.frequencies import whole_frequencies
from mscn_tf.experiments.data import SignalSet
from mscn_tf.experiments.measure import codec_row, decoded_signals
from mscn_tf.fitting.meta_learner import MetaLearner
from mscn_tf.networks.siren import SirenLayer
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.tables import RangeEncoder, model, seal, unseal
from mscn_tf.sparsity.pruning import parameters

_HEAD = struct.Struct("<BH")  # number of probabilities, bytes of the range coder


class CompressibleSiren(
    SirenLayer, tfmot.sparsity.keras.PrunableLayer, tfmot.clustering.keras.ClusterableLayer
):
    """A `SirenLayer` whose kernel tfmot prunes, if it is a hidden one, and clusters.

    The first and the last kernel are small; pruned too, they leave little of a signal.
    """

    def get_prunable_weights(self) -> list[tf.Variable]:
        return [] if self.is_first or self.is_last else [self.kernel]

    def get_clusterable_weights(self) -> list[tuple[str, tf.Variable]]:
        return [("kernel", self.kernel)]


def keras_model(fit: MetaLearner) -> tf.keras.Model:
    """The network at theta0 without its offset: a functional model of coordinates ``[N, d]``."""
    layers = [CompressibleSiren.from_config(one.get_config()) for one in fit.network.siren_layers]
    values = inputs = tf.keras.Input([fit.modulation.sizes[0]])
    for layer in layers:
        values = layer(values)
    for layer, known in zip(layers, fit.network.siren_layers):
        layer.set_weights(known.get_weights())
    return tf.keras.Model(inputs, values)


def fitted_weights(
    fit: MetaLearner,
    signal: np.ndarray,
    coordinates: np.ndarray,
    options: ml_collections.ConfigDict,
) -> list[np.ndarray]:
    """A signal's kernels and biases, in turns, after pruning and clustering.

    Args:
      fit: a meta-trained network of full weights.
      signal: ``[N, C]``.
      coordinates: ``[N, d]``.
      options: ``density``, the share of each hidden kernel that stays, 1 for no pruning; ``steps``
        and ``rate`` of Adam; ``clusters`` of each kernel, 0: none; and ``cluster_steps`` then.

    Raises:
      MscnError: a kernel has too few weights left for so many clusters.
    """
    hidden = fit.modulation.sizes[1:-1]
    fewest = options.density * min(m * n for m, n in zip(hidden, hidden[1:]))
    if fewest < 2 * options.clusters:
        raise MscnError(f"codec.clusters={options.clusters}: a kernel keeps {fewest:.0f} weights")
    one, density = keras_model(fit), options.density
    target = signal - fit.network.offset
    falls = tfmot.sparsity.keras.PolynomialDecay(
        0.0,
        1 - density,
        begin_step=options.steps // 4,
        end_step=3 * options.steps // 4,
        frequency=10,
    )
    if density < 1:
        one = tfmot.sparsity.keras.prune_low_magnitude(one, pruning_schedule=falls)
    watch = [tfmot.sparsity.keras.UpdatePruningStep()] if density < 1 else []
    _fit(one, coordinates, target, options.steps, options.rate, watch)
    one = tfmot.sparsity.keras.strip_pruning(one)
    if options.clusters:
        one = cluster.cluster_weights(
            one,
            number_of_clusters=options.clusters,
            cluster_centroids_init=tfmot.clustering.keras.CentroidInitialization.KMEANS_PLUS_PLUS,
            preserve_sparsity=density < 1,
        )
        _fit(one, coordinates, target, options.cluster_steps, options.rate / 10, [])
        one = tfmot.clustering.keras.strip_clustering(one)
    siren_layers = [layer for layer in one.layers if isinstance(layer, SirenLayer)]
    return [part.numpy() for layer in siren_layers for part in (layer.kernel, layer.bias)]


def _fit(
    one: tf.keras.Model,
    coordinates: np.ndarray,
    target: np.ndarray,
    steps: int,
    rate: float,
    callbacks: list[tf.keras.callbacks.Callback],
) -> None:
    """Adam on all points at once."""
    falling = tf.keras.optimizers.schedules.CosineDecay(rate, steps)
    one.compile(tf.keras.optimizers.Adam(falling), "mse")
    same = tf.data.Dataset.from_tensors((coordinates, target)).repeat(steps)
    one.fit(same, epochs=1, steps_per_epoch=steps, verbose=0, callbacks=callbacks)


def encode(weights: list[np.ndarray], clustered: bool) -> bytes:
    """Kernels and biases of one signal; all numbers in half precision.

    A kernel that is clustered has its distinct values and, range-coded, which of them each weight
    is. Else it is range-coded which weights aren't zero, and those follow. The range coder's
    probabilities are in the file, a byte each.
    """
    data = b""
    for part in weights:
        part = part.astype("<f2")
        if part.ndim == 1:
            data += part.tobytes()
            continue
        if clustered:
            values, symbols = np.unique(part, return_inverse=True)
        else:
            values, symbols = part[part != 0], part != 0
        counts = np.bincount(symbols.ravel().astype(np.int64), minlength=2)
        if clustered:
            values = np.resize(values, len(counts))  # even of a kernel of zeros alone there are two
        shares = np.ceil(255 * counts / counts.max()).astype(np.uint8)
        encoder = RangeEncoder()
        encoder.encode(symbols.ravel().astype(np.int32), _model(shares))
        coded = seal(encoder)
        data += _HEAD.pack(len(shares), len(coded)) + shares.tobytes() + coded + values.tobytes()
    return data


def decode(data: bytes, sizes: tuple[int, ...], clustered: bool) -> np.ndarray:
    """float32 ``[M]`` of what `encode` gave, in the order of a `WeightModulation`'s code."""
    parts, at = [], 0

    def take(count: int, kind: str) -> np.ndarray:
        nonlocal at
        numbers = np.frombuffer(data, kind, count, at)
        at += numbers.nbytes
        return numbers

    for inputs, outputs in zip(sizes, sizes[1:]):
        number, length = _HEAD.unpack(take(_HEAD.size, "u1").tobytes())
        shares, coded = take(number, "u1"), take(length, "u1").tobytes()
        symbols = unseal(coded).decode(_model(shares), inputs * outputs)
        if clustered:
            kernel = take(number, "<f2")[symbols]
        else:
            kernel = np.zeros(inputs * outputs, "<f2")
            kernel[symbols > 0] = take(int(symbols.sum()), "<f2")
        parts += [kernel, take(outputs, "<f2")]
    return np.concatenate(parts).astype(np.float32)


def _model(shares: np.ndarray) -> Any:
    return model(whole_frequencies(shares / shares.sum(dtype=float)))


def measure(
    fit: MetaLearner, signals: SignalSet, options: ml_collections.ConfigDict
) -> dict[str, Any]:
    """Bytes and PSNR; ``options`` as `fitted_weights` takes them, and ``density``."""
    clustered, sizes = options.clusters > 0, fit.modulation.sizes
    fitted, files = [], []
    for signal in signals.test:
        # TensorFlow that is imported while absl's app runs, as in our commands, has forgotten that
        # it is eager outside of functions, and Keras makes graph tensors for functional models.
        with context.eager_mode():
            weights = fitted_weights(fit, signal, signals.coordinates, options)
        fitted.append(np.concatenate([part.ravel() for part in weights]))
        files.append(encode(weights, clustered))
    start = parameters(fit.network)
    decoded = np.stack([decode(data, sizes, clustered) for data in files])
    values, exact = (
        decoded_signals(fit, weights - start, signals.coordinates)
        for weights in (decoded, np.stack(fitted))
    )
    kept = np.count_nonzero(decoded, axis=1)
    return codec_row(fit, signals, exact, kept, [({"clusters": options.clusters}, files, values)])
