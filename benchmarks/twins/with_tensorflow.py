"""The library: `ModulatedSiren` in `inner_loop`, as training and encoding use them."""

from __future__ import annotations

from typing import Callable

import numpy as np
import tensorflow as tf

from benchmarks.twins.cases import Case
from mscn_tf.fitting.inner_loop import inner_loop
from mscn_tf.networks import modulations
from mscn_tf.networks.network import ModulatedSiren

VERSION = tf.__version__


def set_threads(count: int) -> None:
    """Before anything is computed."""
    tf.config.threading.set_intra_op_parallelism_threads(count)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def build(case: Case, arrays: dict[str, np.ndarray]) -> dict[str, Callable[[int], dict]]:
    """``train`` and ``encode``, each from the number of a batch to named results."""
    if case.modulation == "latent":
        modulation = modulations.LatentModulation(case.sizes, case.latent)
    elif case.modulation == "shift":
        modulation = modulations.ShiftModulation(case.sizes)
    else:
        modulation = modulations.WeightModulation(case.sizes)
    network = ModulatedSiren(case.width, case.layers - 1, case.sizes[-1], modulation, w0=case.w0)
    coordinates = tf.constant(arrays["coordinates"])
    network.build(coordinates.shape)
    weights = {"step_sizes": tf.Variable(arrays["step_sizes"], trainable=case.own_steps)}
    for i, layer in enumerate(network.siren_layers):
        weights.update({f"kernel_{i}": layer.kernel, f"bias_{i}": layer.bias})
    if case.modulation == "latent":
        weights["map"] = modulation.kernel
    for name, variable in weights.items():
        variable.assign(arrays[name])
    trained = {name: weight for name, weight in weights.items() if weight.trainable}

    def fit(pictures: tf.Tensor, first_order: bool) -> tuple[tf.Tensor, tf.Tensor]:
        def loss(adapted):
            error = network(coordinates, adapted["code"]) - pictures
            return tf.reduce_mean(tf.square(error), axis=[1, 2])

        sizes = {"code": weights["step_sizes"][None]}
        start = modulation.initial(case.pictures)
        adapted = inner_loop(loss, start, sizes, case.steps, first_order=first_order)
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

    batches = [tf.constant(batch) for batch in arrays["pictures"]]

    def run(function: Callable) -> Callable[[int], dict]:
        return lambda number: {k: v.numpy() for k, v in function(batches[number]).items()}

    return {"train": run(train), "encode": run(encode)}
