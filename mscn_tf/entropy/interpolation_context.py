"""What corrects an interpolation and says how far off it is: learned, and frozen into integers."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mscn_tf.entropy import laplace
from mscn_tf.entropy.whole_numbers import whole_weights
from mscn_tf.runtime.grid_passes import INPUTS, NEIGHBOURS, PASSES
from mscn_tf.runtime.interpolation import LARGEST_ACTIVATION, SHARE_BITS
from mscn_tf.runtime.neighbourhoods import LARGEST_FURTHER_INPUT, OCTAVE
from mscn_tf.stack.keras_versions import Layer

_UNIT = 1 / 32  # of inputs: what the network sees is a few at most
_ACTIVATION_BITS = 8  # fractional bits of hidden units, frozen


@keras.saving.register_keras_serializable(package="mscn_tf")
class InterpolationContext(Layer):
    """A network of two hidden layers for each of the passes of `runtime.interpolation`.

    Args:
      hidden: units of the first layer.
      last: units of the second.
      filters: F, of the differences between neighbours and the interpolation: a correction is a sum
        of what they give, each with a share that the network chooses.
      seed: of the weights.
    """

    def __init__(
        self, hidden: int = 32, last: int = 16, filters: int = 4, seed: int = 0, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.hidden, self.last, self.filters, self.seed = hidden, last, filters, seed

    def build(self, input_shape: Any = None) -> None:
        def weight(name: str, shape: list[int], deviation: float, number: int) -> tf.Variable:
            start = keras.initializers.RandomNormal(stddev=deviation, seed=self.seed + number)
            return self.add_weight(name=name, shape=[len(PASSES), *shape], initializer=start)

        self.first = weight("first", [INPUTS, self.hidden], 1 / math.sqrt(INPUTS), 0)
        self.first_bias = weight("first_bias", [self.hidden], 0.0, 1)
        self.second = weight("second", [self.hidden, self.last], 1 / math.sqrt(self.hidden), 2)
        self.second_bias = weight("second_bias", [self.last], 0.0, 3)
        self.third = weight("third", [self.last, 1 + self.filters], 0.05, 4)
        self.third_bias = weight("third_bias", [1 + self.filters], 0.2, 5)
        self.kernels = weight("kernels", [NEIGHBOURS, self.filters], 0.05, 6)
        self.mixture = self.add_weight(
            name="mixture", shape=[3], initializer=keras.initializers.Constant(laplace.MIXTURE)
        )
        super().build(input_shape)

    def call(
        self, inputs: tf.Tensor, differences: tf.Tensor, spreads: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Corrections in spreads, and log scales in steps.

        Args:
          inputs: ``[3, n, INPUTS]``, one place a row: those of each pass's
            `runtime.neighbourhoods.Places`.
          differences: ``[3, n, NEIGHBOURS]``, likewise, in spreads.
          spreads: ``[3, n]``, likewise, in steps.

        Returns:
          ``[3, n]`` each.
        """
        limit = (LARGEST_ACTIVATION - 1) * 2.0**-_ACTIVATION_BITS
        hidden = tf.matmul(_UNIT * inputs, self.first) + self.first_bias[:, None]
        hidden = tf.clip_by_value(hidden, 0.0, limit)
        hidden = tf.matmul(hidden, self.second) + self.second_bias[:, None]
        hidden = tf.clip_by_value(hidden, 0.0, limit)
        outputs = tf.matmul(hidden, self.third) + self.third_bias[:, None]
        filtered = tf.matmul(differences, self.kernels)
        corrections = tf.reduce_sum(filtered * outputs[..., 1:], axis=-1)
        return corrections, outputs[..., 0] + tf.math.log(spreads)

    def bits(
        self, inputs: tf.Tensor, differences: tf.Tensor, spreads: tf.Tensor, wanted: tf.Tensor
    ) -> tf.Tensor:
        """What the steps of each place cost, ``[3, n]``.

        Args:
          inputs: see `call`.
          differences: see `call`.
          spreads: see `call`.
          wanted: ``[3, n]``, values less their interpolation, in spreads.
        """
        corrections, log_scales = self(inputs, differences, spreads)
        error = (wanted - corrections) * spreads
        # Rounded straight through: corrections learn although steps are whole.
        steps = error + tf.stop_gradient(tf.round(error) - error)
        return laplace.bits(self.mixture, steps, log_scales)

    def get_config(self) -> dict[str, Any]:
        names = ("hidden", "last", "filters", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def freeze_networks(context: InterpolationContext) -> dict[str, np.ndarray]:
    """The arrays of `runtime.interpolation.Nets`."""

    def real(name: str) -> np.ndarray:
        return getattr(context, name).numpy().astype(np.float64)

    unit, largest = 2.0**-_ACTIVATION_BITS, LARGEST_ACTIVATION
    first, first_bits = whole_weights(
        real("first"), _UNIT, LARGEST_FURTHER_INPUT, np.abs(real("first_bias")).max()
    )
    second, second_bits = whole_weights(
        real("second"), unit, largest, np.abs(real("second_bias")).max()
    )
    per_unit = np.ones(1 + context.filters)
    per_unit[0] = 1 / laplace.LOG_SCALE_SPACING  # tables have their own
    # The smallest spread is half the bound; tables are rounded down.
    bias = real("third_bias")
    bias[:, 0] += laplace.LOG_SCALE_SPACING / 2 - laplace.LOG_SCALE_FIRST
    bias[:, 0] -= (2 - 0.5 / OCTAVE) * math.log(2.0)
    output, output_bits = whole_weights(
        real("third") * per_unit, unit, largest, np.abs(bias * per_unit).max()
    )
    octave = math.log(2.0) / OCTAVE / laplace.LOG_SCALE_SPACING

    def scaled(values: np.ndarray, bits: int) -> np.ndarray:
        return np.rint(values * 2.0**bits).astype(np.int32)

    return {
        "first": first,
        "first_bias": scaled(real("first_bias"), first_bits),
        "second": second,
        "second_bias": scaled(real("second_bias"), second_bits),
        "last": output,
        "last_bias": scaled(bias * per_unit, output_bits),
        "filters": scaled(real("kernels") * _used(), SHARE_BITS),
        "octave": scaled(np.array([octave]), output_bits),
        "shift": np.array(
            [first_bits - _ACTIVATION_BITS, second_bits - _ACTIVATION_BITS, output_bits], np.int32
        ),
    }


def _used() -> np.ndarray:
    """``[3, NEIGHBOURS, 1]``: 1 for the neighbours that a pass has."""
    counts = np.array([len(part.neighbours) for part in PASSES])
    return (np.arange(NEIGHBOURS) < counts[:, None]).astype(np.float64)[..., None]
