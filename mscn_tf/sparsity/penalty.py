"""What the loss pays for open gates: a fixed price, or the price that holds a wanted sparsity."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from mscn_tf.stack.keras_versions import Layer


@keras.saving.register_keras_serializable(package="mscn_tf")
class L0Penalty(Layer):
    """``strength * expected L0`` of each signal (Louizos et al. 2018).

    Args:
      strength: lambda, the price of one expected non-zero, at least 0.

    Raises:
      ValueError: if it is negative.
    """

    def __init__(self, strength: float, **kwargs: Any):
        super().__init__(**kwargs)
        if strength < 0:
            raise ValueError(f"strength must be at least 0, not {strength}")
        self.strength = strength

    def call(self, expected_l0: tf.Tensor) -> tf.Tensor:
        """Expected numbers of non-zeros ``[B]`` to penalties ``[B]``."""
        return self.strength * expected_l0

    def ascend(self, expected_l0: tf.Tensor) -> None:
        """Does nothing: this price is fixed."""

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "strength": self.strength}


@keras.saving.register_keras_serializable(package="mscn_tf")
class SparsityConstraint(Layer):
    """Holds the mean expected density at a wanted value (Gallego-Posada et al. 2022).

    The Lagrangian's term ``multiplier * (density - wanted density)``, whose density is the expected
    L0 over the number of gated elements. The loss is minimised in everything else; the multiplier
    follows by gradient ascent, `ascend`, after every outer step: it rises while the codes are too
    dense and falls, not below 0, while they are sparser than wanted.

    Args:
      density: wanted expected fraction of non-zeros, in (0, 1].
      size: number of gated elements a signal, `GatedModulation.gated_size`.
      step_size: step size of the ascent, above 0.
      restart: set the multiplier to 0 whenever the constraint holds (their dual restarts). Without,
        the multiplier that grew while the codes were too dense drives on past the wanted density,
        and gates that closed on the way rarely open again.

    Raises:
      ValueError: for an argument out of its range.
    """

    def __init__(
        self, density: float, size: int, step_size: float, restart: bool = True, **kwargs: Any
    ):
        super().__init__(**kwargs)
        if not 0 < density <= 1 or size < 1 or step_size <= 0:
            raise ValueError(
                "a sparsity constraint needs 0 < density <= 1, size >= 1 and step_size > 0, "
                f"not {density}, {size}, {step_size}"
            )
        self.density = density
        self.size = size
        self.step_size = step_size
        self.restart = restart
        # Not trainable: an optimizer would descend on it. A weight, so that checkpoints hold it.
        self.multiplier = self.add_weight(
            name="multiplier", shape=[], initializer="zeros", trainable=False
        )

    def call(self, expected_l0: tf.Tensor) -> tf.Tensor:
        """Expected numbers of non-zeros ``[B]`` to the Lagrangian's term ``[B]``."""
        return self.multiplier * self.violation(expected_l0)

    def violation(self, expected_l0: tf.Tensor) -> tf.Tensor:
        """Density minus the wanted one, ``[B]``; above 0 where a signal is too dense."""
        return expected_l0 / self.size - self.density

    def ascend(self, expected_l0: tf.Tensor) -> None:
        """One step of the multiplier, given the expected L0 ``[B]`` of the (whole) batch."""
        violation = tf.reduce_mean(self.violation(expected_l0))
        multiplier = tf.maximum(self.multiplier + self.step_size * violation, 0.0)
        if self.restart:
            multiplier = tf.where(violation > 0, multiplier, 0.0)
        self.multiplier.assign(multiplier)

    def get_config(self) -> dict[str, Any]:
        names = ("density", "size", "step_size", "restart")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
