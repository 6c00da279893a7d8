"""What keeps views of scenes from being good: their size, a linear code's, or the network's.

    python benchmarks/scene_codes.py

PSNR of grids, and of views of them, of the scenes that `modulations.py:scenes-STEPS` measures: of
the mean scene; of true densities with one colour a scene; of as many principal components of
training scenes as a code has values; and of networks whose weights Adam fits to one scene each,
at the first three scenes.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from absl import app, flags

from mscn_tf.configs.experiments import modulations
from mscn_tf.experiments.data import SignalSet, load
from mscn_tf.experiments.measure import psnr
from mscn_tf.experiments.per_signal import adam
from mscn_tf.experiments.views import view_psnr
from mscn_tf.fitting.meta_learner import MetaLearner

COMPONENTS = flags.DEFINE_list("components", ["64", "256", "1024"], "how many")
SCENES = flags.DEFINE_integer("scenes", 1500, "of training, for components", lower_bound=1)
FREQUENCIES = flags.DEFINE_list("w0", ["5", "10", "20"], "of networks that fit one scene each")
STEPS = flags.DEFINE_integer("steps", 1000, "of Adam", lower_bound=1)

_WIDTH, _DEPTH, _POINTS, _RATE = 64, 5, 2048, 2e-3
_FITTED = 3  # scenes


def main(argv: list[str]) -> None:
    """Measures and prints."""
    del argv
    config = modulations.get_config("scenes-1")
    config.data.options.count = SCENES.value
    signals = load(config)
    print("| | grid, dB | views, dB |")
    print("|---|---|---|")
    mean = signals.train.mean(axis=0)
    show("the mean scene", np.broadcast_to(mean, signals.test.shape), signals)
    show("true densities, one colour a scene", one_colour(signals.test), signals)
    axes = principal_axes(signals.train - mean)
    for count in map(int, COMPONENTS.value):
        basis = axes[:count]
        flat = (signals.test - mean).reshape(len(signals.test), -1)
        values = (flat @ basis.T @ basis).reshape(signals.test.shape) + mean
        show(f"{len(basis)} components", values, signals)
        values[..., 1:] = signals.test[..., 1:]
        show(f"{len(basis)} components, true colours", values, signals)
    for w0 in map(float, FREQUENCIES.value):
        options = {**config.model.to_dict(), "width": _WIDTH, "depth": _DEPTH, "w0": w0}
        fit = MetaLearner(**{**options, "modulation": "weights"})
        values = fitted(fit, signals.test[:_FITTED], signals.coordinates)
        show(f"a network each, w0 = {w0:g}", values, signals)


def show(name: str, values: np.ndarray, signals: SignalSet) -> None:
    """A row, of values ``[T, N, 4]`` of the first test scenes."""
    wanted = signals.test[: len(values)]
    views = view_psnr(values, wanted, signals.shape)
    print(f"| {name} | {psnr(values, wanted):.2f} | {views:.2f} |", flush=True)


def one_colour(scenes: np.ndarray) -> np.ndarray:
    """Scenes ``[T, N, 4]``, each in the mean colour of what lies about its surface."""
    values = scenes.copy()
    for scene in values:
        scene[:, 1:] = scene[np.abs(scene[:, 0] - 0.5) < 0.3, 1:].mean(axis=0)
    return values


def principal_axes(scenes: np.ndarray) -> np.ndarray:
    """float32 ``[S, N * C]``, orthonormal, the largest first, of deviations ``[S, N, C]``."""
    flat = scenes.reshape(len(scenes), -1)
    sizes, weights = np.linalg.eigh((flat @ flat.T).astype(np.float64))
    largest = np.argsort(-sizes)[:-1]  # of S deviations from their mean one is none of its own
    return (weights[:, largest] / np.sqrt(sizes[largest])).T.astype(np.float32) @ flat


def fitted(fit: MetaLearner, scenes: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    """Values of scenes ``[T, N, 4]`` that each have all weights to themselves."""
    wanted, points = tf.constant(scenes), tf.constant(coordinates)
    steps = STEPS.value

    def loss(code: tf.Tensor, done: tf.Tensor) -> tf.Tensor:
        seed = tf.stack([0, tf.cast(tf.round(done * steps), tf.int32)])
        some = tf.random.stateless_uniform([_POINTS], seed, 0, len(coordinates), tf.int32)
        return fit.errors({"code": code}, tf.gather(wanted, some, axis=1), tf.gather(points, some))

    start = tf.zeros([len(scenes), fit.modulation.code_size])
    rate = tf.keras.optimizers.schedules.CosineDecay(_RATE, steps)
    codes = adam(loss, start, steps, rate)
    return np.concatenate([fit.network(points, {"code": code[None]}).numpy() for code in codes])


if __name__ == "__main__":
    app.run(main)
