"""The library: `ModulatedSiren` in `inner_loop`, as training and encoding use them."""

from __future__ import annotations

from typing import Callable

import numpy as np
import tensorflow as tf

from benchmarks.frameworks.cases import Case
from mscn_tf.fitting.meta_sgd import inner_loop
from mscn_tf.fitting.shared_start import gradients_at_zero
from mscn_tf.networks import modulations
from mscn_tf.networks.network import ModulatedSiren

VERSION = tf.__version__


def set_threads(count: int) -> None:
    """Limits the threads; to be called before anything is computed."""
    tf.config.threading.set_intra_op_parallelism_threads(count)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def network_of(case: Case, arrays: dict[str, np.ndarray], dtype: str = "float32") -> ModulatedSiren:
    """The case's network with the given weights."""
    if case.modulation == "latent":
        modulation = modulations.LatentModulation(case.sizes, case.latent, dtype=dtype)
    elif case.modulation == "shift":
        modulation = modulations.ShiftModulation(case.sizes, dtype=dtype)
    else:
        modulation = modulations.WeightModulation(case.sizes, dtype=dtype)
    network = ModulatedSiren(
        case.width, case.layers - 1, case.sizes[-1], modulation, w0=case.w0, dtype=dtype
    )
    network.build(arrays["coordinates"].shape)
    for name, variable in weights_of(network).items():
        variable.assign(arrays[name])
    return network


def weights_of(network: ModulatedSiren) -> dict[str, tf.Variable]:
    """The network's variables by the names of `Case.arrays`."""
    weights = {}
    for i, layer in enumerate(network.siren_layers):
        weights.update({f"kernel_{i}": layer.kernel, f"bias_{i}": layer.bias})
    if isinstance(network.modulation, modulations.LatentModulation):
        weights["map"] = network.modulation.kernel
    return weights


def functions(case: Case, arrays: dict[str, np.ndarray]) -> dict[str, Callable]:
    """``train`` and ``encode`` of pictures, ``decode`` of codes: to named results."""
    network, coordinates = network_of(case, arrays), tf.constant(arrays["coordinates"])
    modulation = network.modulation
    step_sizes = tf.Variable(arrays["step_sizes"], trainable=case.own_steps)
    weights = {"step_sizes": step_sizes, **weights_of(network)}
    trained = {name: weight for name, weight in weights.items() if weight.trainable}

    def fit(pictures: tf.Tensor, first_order: bool) -> tuple[tf.Tensor, tf.Tensor]:
        def error(values):
            return tf.reduce_mean(tf.square(values - pictures), axis=[1, 2])

        def loss(adapted):
            return error(network(coordinates, adapted["code"]))

        sizes = {"code": weights["step_sizes"][None]}
        start = modulation.initial(case.pictures)
        first = gradients_at_zero(network, coordinates, error, start)
        adapted = inner_loop(
            loss, start, sizes, case.steps, first_order=first_order, first_gradients=first
        )
        return adapted["code"], loss

    @tf.function
    def train(pictures: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            code, loss = fit(pictures, False)
            total = tf.reduce_mean(loss({"code": code}))
        return {"loss": total, **tape.gradient(total, trained)}

    @tf.function
    def encode(pictures: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"code": fit(pictures, True)[0]}

    @tf.function
    def decode(codes: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"values": network(coordinates, codes, training=False)}

    return {"train": train, "encode": encode, "decode": decode}


def build(case: Case, arrays: dict[str, np.ndarray]) -> dict[str, Callable[[int], dict]]:
    """``train``, ``encode`` and ``decode``, each from the number of a batch to named results."""

    def run(function: Callable, batches: np.ndarray) -> Callable[[int], dict]:
        batches = [tf.constant(batch) for batch in batches]
        return lambda number: {k: v.numpy() for k, v in function(batches[number]).items()}

    batches = {"train": arrays["pictures"], "encode": arrays["pictures"], "decode": case.codes()}
    return {task: run(step, batches[task]) for task, step in functions(case, arrays).items()}
