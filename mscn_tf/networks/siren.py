"""SIREN layers whose weights differ from signal to signal of a batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from mscn_tf.networks.products import product
from mscn_tf.networks.sine import sine
from mscn_tf.stack.keras_versions import Layer


class LayerUpdate(NamedTuple):
    """What one layer uses for each signal of a batch; ``None`` stands for "as shared".

    The layer computes with ``kernel_gate * (shared kernel + kernel)`` and
    ``bias_gate * (shared bias + bias)``, and multiplies what comes out with ``output_gate``. So the
    one form says both targets of the gates: theta0 + z * delta (a gated update, no gates here) and
    z * (theta0 + delta) (gates here).

    Attributes:
      kernel: ``[B, in, out]``, added to the shared kernel.
      bias: ``[B, out]``, added to the shared bias.
      kernel_gate: ``[B, in, out]``, or ``[B, 1, out]`` for one gate a unit, which costs no product
        per signal: it is applied to the units' pre-activations.
      bias_gate: ``[B, out]``.
      output_gate: ``[B, out]``, of the activations.
    """

    kernel: tf.Tensor | None = None
    bias: tf.Tensor | None = None
    kernel_gate: tf.Tensor | None = None
    bias_gate: tf.Tensor | None = None
    output_gate: tf.Tensor | None = None


@keras.saving.register_keras_serializable(package="mscn_tf")
class SirenLayer(Layer):
    """``sin(w0 (x W + b))`` (Sitzmann et al. 2020), or ``x W + b`` in the last layer.

    Initialised as there (section 3.2): the kernel uniform within ``1 / in`` in the first layer and
    within ``sqrt(6 / in) / w0`` in the others; the bias, as in the authors' code, uniform within
    ``1 / sqrt(in)``.

    Args:
      units: number of outputs.
      w0: frequency of the sine.
      is_first: whether the layer sees the coordinates.
      is_last: whether the layer is the linear output layer.
      seed: seed of the initial weights; ``None`` for fresh ones every time.
    """

    def __init__(
        self,
        units: int,
        w0: float = 30.0,
        is_first: bool = False,
        is_last: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.units = units
        self.w0 = w0
        self.is_first = is_first
        self.is_last = is_last
        self.seed = seed

    def build(self, input_shape: Any) -> None:
        inputs = input_shape[-1]
        bound = 1 / inputs if self.is_first else math.sqrt(6 / inputs) / self.w0
        self.kernel = self.add_weight(
            name="kernel",
            shape=[inputs, self.units],
            initializer=_uniform(bound, self.seed),
        )
        self.bias = self.add_weight(
            name="bias",
            shape=[self.units],
            initializer=_uniform(
                1 / math.sqrt(inputs), None if self.seed is None else self.seed + 1
            ),
        )
        super().build(input_shape)

    def call(
        self,
        inputs: tf.Tensor,
        update: LayerUpdate | None = None,
        training: bool | None = None,
    ) -> tf.Tensor:
        """Applies the layer to each point, with each signal's own update.

        Args:
          inputs: ``[B, N, in]``, or ``[N, in]``: the same points for every signal.
          update: what is added to, and multiplied with, the shared weights.
          training: False where no derivatives are expected, see `sine`.

        Returns:
          ``[B, N, units]``; ``[N, units]`` if neither the inputs nor the update are per signal.
        """
        update = update or LayerUpdate()
        # One gate a unit scales the unit's sum: the kernel can stay shared.
        gate = update.kernel_gate
        unit_gate = gate if gate is not None and gate.shape[1] == 1 else None
        kernel = _effective(self.kernel, update.kernel, gate if unit_gate is None else None)
        bias = _effective(self.bias, update.bias, update.bias_gate)
        if not self.is_last:  # Here, where there are weights, not points, to multiply.
            kernel, bias = self.w0 * kernel, self.w0 * bias
        outputs = _of_points(inputs, kernel, tf.matmul if self.is_first else product)
        if unit_gate is not None:
            outputs *= unit_gate
        shift = bias if bias.shape.rank == 1 else bias[:, None, :]
        outputs = outputs + shift if self.is_last else sine(outputs, shift, training)
        return outputs if update.output_gate is None else outputs * update.output_gate[:, None, :]

    def get_config(self) -> dict[str, Any]:
        names = ("units", "w0", "is_first", "is_last", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _uniform(bound: float, seed: int | None) -> keras.initializers.Initializer:
    return keras.initializers.RandomUniform(-bound, bound, seed=seed)


def _effective(shared: tf.Tensor, update: tf.Tensor | None, gate: tf.Tensor | None) -> tf.Tensor:
    value = shared if update is None else shared + update
    return value if gate is None else gate * value


def _of_points(
    inputs: tf.Tensor, kernel: tf.Tensor, product: Callable[..., tf.Tensor]
) -> tf.Tensor:
    """``[N, in]`` or ``[B, N, in]`` times a shared ``[in, out]`` or an own ``[B, in, out]``."""
    if inputs.shape.rank == kernel.shape.rank == 2 or kernel.shape.rank == 3:
        return product(inputs, kernel)
    # One large product instead of B small ones.
    shape = tf.shape(inputs)
    flat = product(tf.reshape(inputs, [-1, inputs.shape[-1]]), kernel)
    return tf.reshape(flat, [shape[0], shape[1], kernel.shape[-1]])
