"""Step sizes of the inner loop, learned with the network."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from mscn_tf.sparsity.hard_concrete import BETA, GAMMA, ZETA, HardConcrete
from mscn_tf.stack.keras_versions import Layer, build_once


@keras.saving.register_keras_serializable(package="mscn_tf")
class StepSizes(Layer):
    """MetaSGD's step sizes (Li et al. 2017), ``exp(log_size)``, one for each adapted element.

    Logarithms are learned, so that step sizes of any magnitude follow at one outer rate and stay
    positive. An optimizer's step leaves them within a factor of their start: without bounds, as in
    functa (Dupont et al. 2022), a few of them grow through a long training until steps diverge.
    With gates they're z * exp(log_size): the *gradient* gates, shared by all signals. An
    element whose gate is closed never leaves its start, so that no signal has to store it (cf. von
    Oswald et al. 2021, "Learning where to learn").

    Args:
      count: M, number of adapted elements.
      initial: step size at the start, above 0.
      steps: S, inner steps that have sizes of their own; 1: all have the same.
      per_element: a size for each element, or one for all.
      gated: whether there are gates.
      initial_open: probability with which a sampled gate isn't 0 at the start.
      beta: of the gates, as in `HardConcrete`.
      gamma: as in `HardConcrete`.
      zeta: as in `HardConcrete`.
      factor: how many times as large, or as small, as at the start a size may become, above 1;
        None for no bound.

    Raises:
      ValueError: for an argument out of its range.
    """

    def __init__(
        self,
        count: int,
        initial: float,
        steps: int = 1,
        per_element: bool = True,
        gated: bool = False,
        initial_open: float = 0.9,
        beta: float = BETA,
        gamma: float = GAMMA,
        zeta: float = ZETA,
        factor: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if factor is not None and not factor > 1:
            raise ValueError(f"factor must be above 1, not {factor}")
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
        self.factor = factor
        least, most = (math.log(initial) + sign * math.log(factor or math.inf) for sign in (-1, 1))
        self.log_size = self.add_weight(
            name="log_size",
            shape=[steps, count if per_element else 1],
            initializer=keras.initializers.Constant(math.log(initial)),
            constraint=lambda log_size: tf.clip_by_value(log_size, least, most),
        )
        self.gates = (
            HardConcrete(count, initial_open, beta, gamma, zeta, dtype=self.dtype)
            if gated
            else None
        )

    def build(self, input_shape: Any = None) -> None:
        if self.gates is not None:
            build_once(self.gates, None)
        super().build(input_shape)

    def call(self, noise: tf.Tensor | None = None) -> tf.Tensor:
        """Step sizes ``[S + 1, M]`` (or ``[S + 1, 1]``): of sampled gates with noise ``[1, M]``.

        The last row is the mean of the others, for steps past the end, where `inner_loop` takes the
        last: what step S learned to do is to finish, which doesn't bear repeating.
        """
        sizes = tf.exp(self.log_size)
        sizes = tf.concat([sizes, tf.reduce_mean(sizes, axis=0, keepdims=True)], axis=0)
        return sizes if self.gates is None else sizes * self.gates(self.gates.initial(1), noise)

    def noise(self, seed: tf.Tensor) -> tf.Tensor | None:
        """Noise ``[1, M]`` for `call`; None without gates."""
        return None if self.gates is None else self.gates.noise(1, seed)

    def expected_l0(self) -> tf.Tensor:
        """Expected number of elements that a signal may move, a scalar."""
        if self.gates is None:
            return tf.constant(float(self.count), self.dtype)
        return self.gates.expected_l0(self.gates.initial(1))[0]

    def moving(self) -> tf.Tensor:
        """bool ``[M]``: the elements that signals may move, by the deterministic gates."""
        if self.gates is None:
            return tf.ones([self.count], tf.bool)
        return (self.gates(self.gates.initial(1)) > 0)[0]

    def get_config(self) -> dict[str, Any]:
        names = ("count", "initial", "steps", "per_element", "initial_open", "factor")
        config = {name: getattr(self, name) for name in names}
        if self.gates is not None:
            config.update({name: getattr(self.gates, name) for name in ("beta", "gamma", "zeta")})
        return {**super().get_config(), **config, "gated": self.gates is not None}
