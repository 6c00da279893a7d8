"""Networks without the units that their gates have closed."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from mscn_tf.networks.modulations import Adapted
from mscn_tf.networks.network import ModulatedSiren
from mscn_tf.networks.siren import LayerUpdate, SirenLayer


def compacted(network: ModulatedSiren, adapted: Adapted) -> keras.Sequential:
    """One signal's network, with nothing left of what it doesn't use, and the same values.

    A unit without incoming weights, as a closed gate of target "all" and granularity "group" leaves
    it, is the constant ``sin(w0 bias)``: it goes, and what it adds to the next layer goes into that
    layer's bias. A unit without outgoing weights goes as well.

    Args:
      network: built.
      adapted: one signal's: code ``[1, M]``, and ``log_alpha`` ``[1, G]`` where there are gates.

    Returns:
      A network from coordinates ``[N, d]`` to values ``[N, C]``. Every layer keeps one unit at
      least.

    Raises:
      ValueError: it is more than one signal's.
    """
    layers, updates = network.siren_layers, network.modulation(adapted)
    kernels, biases = zip(*[_effective(*pair) for pair in zip(layers, updates)])
    kernels, biases = list(kernels), list(biases)
    for i, layer in enumerate(layers[:-1]):
        if updates[i].output_gate is not None:  # what a unit's gate scales, the next layer can
            kernels[i + 1] = updates[i].output_gate[0].numpy()[:, None] * kernels[i + 1]
        live = _at_least_one(kernels[i].any(axis=0))
        constant = np.sin(layer.w0 * biases[i][~live])
        biases[i + 1] = biases[i + 1] + constant @ kernels[i + 1][~live]
        kernels[i], biases[i] = kernels[i][:, live], biases[i][live]
        kernels[i + 1] = kernels[i + 1][live]
    for i in reversed(range(len(layers) - 1)):
        used = _at_least_one(kernels[i + 1].any(axis=1))
        kernels[i], biases[i] = kernels[i][:, used], biases[i][used]
        kernels[i + 1] = kernels[i + 1][used]
    biases[-1] = biases[-1] + network.offset
    narrow = keras.Sequential([] if network.embedding is None else [network.embedding])
    for layer, kernel, bias in zip(layers, kernels, biases):
        config = {**layer.get_config(), "units": len(bias)}
        copy = SirenLayer.from_config(config)
        copy.build(tf.TensorShape([None, len(kernel)]))
        copy.set_weights([kernel, bias])
        narrow.add(copy)
    return narrow


def _effective(layer: SirenLayer, update: LayerUpdate) -> tuple[np.ndarray, np.ndarray]:
    """Kernel ``[in, out]`` and bias ``[out]`` of the one signal."""
    arrays = []
    for shared, change, gate in (
        (layer.kernel, update.kernel, update.kernel_gate),
        (layer.bias, update.bias, update.bias_gate),
    ):
        value = shared.numpy()
        for part, combine in ((change, np.add), (gate, np.multiply)):
            if part is not None:
                if len(part) != 1:
                    raise ValueError(f"{len(part)} signals: networks are compacted one by one")
                value = combine(value, part[0].numpy())
        arrays.append(value)
    return arrays[0], arrays[1]


def _at_least_one(kept: np.ndarray) -> np.ndarray:
    return kept if kept.any() else np.arange(len(kept)) == 0
