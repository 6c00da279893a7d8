"""The first inner step of a batch whose signals all start from the shared network itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Callable

import tensorflow as tf

from mscn_tf.networks.network import ModulatedSiren
from mscn_tf.networks.products import product
from mscn_tf.networks.siren import LayerUpdate


def gradients_at_zero(
    network: ModulatedSiren,
    coordinates: tf.Tensor,
    loss: Callable[[tf.Tensor], tf.Tensor],
    initial: Mapping[str, tf.Tensor],
    noise: Mapping[str, tf.Tensor] | None = None,
) -> dict[str, tf.Tensor]:
    """Gradient of each signal's loss in what is adapted, at codes of zero.

    There all signals have the same values, and what a shift of a unit does to a channel at a point
    is the same for all: one pass forward and C back serve the whole batch. A signal's gradient is
    then a matrix product of its residuals with them.

    Args:
      network: whose modulation only adds to shared weights, at a code of zero nothing: gates, if
        any, are on the code.
      coordinates: ``[N, d]``.
      loss: maps values ``[B, N, C]`` to each signal's loss, ``[B]``.
      initial: what is adapted, as ``network.modulation.initial`` has it: ``"code"`` of zeros
        ``[B, M]``, and gates where there are.
      noise: of sampled gates.

    Returns:
      By the names of ``initial``, in the same shapes.
    """
    known = initial["code"].shape[0]
    batch = tf.shape(initial["code"])[0] if known is None else known
    hidden = coordinates if network.embedding is None else network.embedding(coordinates)
    inputs, slopes = [], []  # of each layer: [N, in], and its outputs' in the units' biases
    for layer in network.siren_layers:
        inputs.append(hidden)
        # Points in the place of signals, each with biases of its own.
        probe = tf.zeros([tf.shape(hidden)[0], layer.units], hidden.dtype)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(probe)
            outputs = layer(tf.expand_dims(hidden, 1), LayerUpdate(bias=probe))
            hidden = tf.squeeze(outputs, 1)
        slopes.append(tape.gradient(hidden, probe))

    shape = tf.concat([[batch], tf.shape(hidden)], axis=0)
    values = tf.broadcast_to(hidden + network.offset, shape)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(values)
        total = tf.reduce_sum(loss(values))
    residuals = tape.gradient(total, values)  # [B, N, C]

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        initial = dict(initial)
        tape.watch(initial)
        updates = network.modulation({**initial, **(noise or {})})
    large = known is None or known > network.out_channels
    of_channels = large and all(update.kernel is None for update in updates)
    # Backwards from the last layer: what biases do to each channel at each point, or to losses.
    channels = tf.eye(network.out_channels, dtype=hidden.dtype)[:, None]
    seeds = channels if of_channels else residuals
    effects = [seeds * slopes[-1]]
    for layer, slope in zip(network.siren_layers[:0:-1], slopes[-2::-1]):
        flat = product(tf.reshape(effects[0], [-1, layer.units]), layer.kernel, transpose_b=True)
        effects.insert(0, tf.reshape(flat, [-1, tf.shape(slope)[0], slope.shape[1]]) * slope)

    targets, gradients = [], []
    for update, effect, seen in zip(updates, effects, inputs):
        if update.bias is not None:
            targets.append(update.bias)
            if of_channels:
                flat = tf.reshape(tf.transpose(effect, [1, 0, 2]), [-1, effect.shape[-1]])
                gradients.append(tf.matmul(tf.reshape(residuals, [batch, -1]), flat))
            else:
                gradients.append(tf.reduce_sum(effect, axis=1))
        if update.kernel is not None:
            targets.append(update.kernel)
            gradients.append(tf.matmul(tf.expand_dims(seen, 0), effect, transpose_a=True))
    return tape.gradient(targets, initial, gradients, unconnected_gradients="zero")
