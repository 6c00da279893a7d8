"""Step sizes of the inner loop, learned with the network."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mscn_tf.sparsity.hard_concrete import HardConcrete
from mscn_tf.stack.keras_versions import Layer, build_once


@keras.saving.register_keras_serializable(package="mscn_tf")
class StepSizes(Layer):
    """MetaSGD's step sizes (Li et al. 2017), ``exp(log_size)``, one for each adapted element.

    Logarithms are learned, so that step sizes of any magnitude follow at one outer rate and stay
    positive. With gates they're z * exp(log_size): the *gradient* gates, shared by all signals. An
    element whose gate is closed never leaves its start, so that no signal has to store it (cf. von
    Oswald et al. 2021, "Learning where to learn").

    Args:
      count: M, number of adapted elements.
      initial: step size at the start, above 0.
      steps: S, inner steps that have sizes of their own; 1: all have the same.
      per_element: a size for each element, or one for all.
      gated: whether there are gates.
      initial_open: probability with which a sampled gate isn't 0 at the start.
    """

    def __init__(
        self,
        count: int,
        initial: float,
        steps: int = 1,
        per_element: bool = True,
        gated: bool = False,
        initial_open: float = 0.9,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if count < 1 or steps < 1 or not initial > 0:
            raise ValueError(
                "step sizes need count >= 1, steps >= 1 and initial > 0, not "
                f"{count}, {steps}, {initial}"
            )
        self.count = count
        self.initial = initial
        self.steps = steps
        self.per_element = per_element
        self.initial_open = initial_open
        self.log_size = self.add_weight(
            name="log_size",
            shape=[steps, count if per_element else 1],
            initializer=keras.initializers.Constant(math.log(initial)),
        )
        self.gates = HardConcrete(count, initial_open, dtype=self.dtype) if gated else None

    def build(self, input_shape: Any = None) -> None:
        if self.gates is not None:
            build_once(self.gates, None)
        super().build(input_shape)

    def call(self, noise: tf.Tensor | None = None) -> tf.Tensor:
        """Step sizes ``[S, M]`` (or ``[S, 1]``): of sampled gates with noise ``[1, M]``."""
        sizes = tf.exp(self.log_size)
        return sizes if self.gates is None else sizes * self.gates(self.gates.initial(1), noise)

    def noise(self, seed: tf.Tensor) -> tf.Tensor | None:
        """Noise ``[1, M]`` for `call`; None without gates."""
        return None if self.gates is None else self.gates.noise(1, seed)

    def expected_l0(self) -> tf.Tensor:
        """Expected number of elements that a signal may move, a scalar."""
        if self.gates is None:
            return tf.constant(float(self.count), self.dtype)
        return self.gates.expected_l0(self.gates.initial(1))[0]

    def moving(self) -> np.ndarray:
        """bool ``[M]``: the elements that signals may move, by the deterministic gates."""
        if self.gates is None:
            return np.ones(self.count, bool)
        return (self.gates(self.gates.initial(1)) > 0)[0].numpy()

    def get_config(self) -> dict[str, Any]:
        names = ("count", "initial", "steps", "per_element", "initial_open")
        config = {name: getattr(self, name) for name in names}
        return {**super().get_config(), **config, "gated": self.gates is not None}
