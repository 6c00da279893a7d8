"""Hard-concrete gates (Louizos, Welling & Kingma 2018: sparse networks through L0).

A gate z in [0, 1] is a binary concrete variable with location log alpha, stretched to
(gamma, zeta) and clipped, so that it is exactly 0, and exactly 1, with positive probability. The
functions here are pure, elementwise and differentiable: they serve shared gates and gates of every
signal ``[B, G]`` alike, under any number of gradient tapes. `HardConcrete` is the layer that owns
the meta-learned starting point phi0.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from mscn_tf.stack.keras_versions import Layer

BETA = 2 / 3  # temperature
GAMMA = -0.1  # lower end of the stretched interval
ZETA = 1.1  # upper end

#: Largest absolute value of log alpha: beyond it gates and their probabilities hardly change, and
#: what drifted there would take long to come back.
LIMIT = 6.0

# Keeps log(u) and log(1 - u) finite in float32; changes probabilities by at most this much.
_NOISE_MARGIN = 1e-6


def uniform_noise(shape: Any, seed: tf.Tensor, dtype: Any = tf.float32) -> tf.Tensor:
    """Uniform noise inside (0, 1) for `sample`: the same for the same ``seed`` (int ``[2]``)."""
    low, high = _NOISE_MARGIN, 1 - _NOISE_MARGIN
    return tf.random.stateless_uniform(shape, seed, low, high, dtype)


def sample(
    log_alpha: tf.Tensor,
    noise: tf.Tensor,
    beta: float = BETA,
    gamma: float = GAMMA,
    zeta: float = ZETA,
) -> tf.Tensor:
    """A gate for each noise value, differentiable in ``log_alpha`` (eqs. 10 and 11).

    ``s = sigmoid((log u - log(1 - u) + log_alpha) / beta)``,
    ``z = clip(s (zeta - gamma) + gamma)``.

    Args:
      log_alpha: ``[..., G]`` floating point, location of the gates.
      noise: uniform in (0, 1), of a shape that broadcasts with it; see `uniform_noise`.
      beta: temperature, above 0.
      gamma: lower end of the stretched interval, below 0.
      zeta: upper end of it, above 1.

    Returns:
      Gates in [0, 1], of the broadcast shape, in the dtype of ``log_alpha``.
    """
    logistic = tf.math.log(noise) - tf.math.log1p(-noise)
    return _stretch(tf.sigmoid((logistic + log_alpha) / beta), gamma, zeta)


def deterministic(log_alpha: tf.Tensor, gamma: float = GAMMA, zeta: float = ZETA) -> tf.Tensor:
    """The gate used at test time (eq. 13): ``clip(sigmoid(log_alpha) (zeta - gamma) + gamma)``."""
    return _stretch(tf.sigmoid(log_alpha), gamma, zeta)


def open_probability(
    log_alpha: tf.Tensor, beta: float = BETA, gamma: float = GAMMA, zeta: float = ZETA
) -> tf.Tensor:
    """Probability that a sampled gate isn't 0 (eq. 12), elementwise."""
    return tf.sigmoid(log_alpha - beta * math.log(-gamma / zeta))


def location(
    probability: float, beta: float = BETA, gamma: float = GAMMA, zeta: float = ZETA
) -> float:
    """The log alpha at which `open_probability` is ``probability``, in (0, 1)."""
    return math.log(probability / (1 - probability)) + beta * math.log(-gamma / zeta)


def location_of_gate(gate: float, gamma: float = GAMMA, zeta: float = ZETA) -> float:
    """The log alpha at which the `deterministic` gate is ``gate``, in [0, 1]."""
    return math.log((gate - gamma) / (zeta - gate))


def expected_l0(
    log_alpha: tf.Tensor,
    sizes: tf.Tensor | None = None,
    beta: float = BETA,
    gamma: float = GAMMA,
    zeta: float = ZETA,
) -> tf.Tensor:
    """Expected number of elements whose sampled gate isn't 0 (eq. 12).

    Args:
      log_alpha: ``[..., G]``.
      sizes: ``[G]``, how many elements share each gate; ``None``: one each.
      beta: as in `sample`.
      gamma: as in `sample`.
      zeta: as in `sample`.

    Returns:
      ``[...]``, for each signal.
    """
    return _weighted_sum(open_probability(log_alpha, beta, gamma, zeta), sizes)


def actual_l0(
    log_alpha: tf.Tensor,
    sizes: tf.Tensor | None = None,
    gamma: float = GAMMA,
    zeta: float = ZETA,
) -> tf.Tensor:
    """Number of elements whose deterministic gate isn't 0, so is stored: ``[..., G]`` to ``[...]``.

    It has no gradient; `expected_l0` is what a loss can use.
    """
    is_open = deterministic(log_alpha, gamma, zeta) > 0
    return _weighted_sum(tf.cast(is_open, log_alpha.dtype), sizes)


@keras.saving.register_keras_serializable(package="mscn_tf")
class HardConcrete(Layer):
    """``count`` gates and their meta-learned starting point phi0, the weight ``log_alpha`` ``[G]``.

    An optimizer's step leaves phi0 within +- `LIMIT`.

    Args:
      count: G, the number of gates.
      initial_open: probability, in (0, 1), with which a gate is not 0 at the start.
      beta: temperature.
      gamma: lower end of the stretched interval, below 0.
      zeta: upper end of it, above 1.
      floor: least deterministic gate that phi0 may come to, in [0, 1); 0 for no such bound. A
        deterministic gate that starts at 0 has no gradient, so no signal would ever open it again.

    Raises:
      ValueError: for a constant out of its range.
    """

    def __init__(
        self,
        count: int,
        initial_open: float = 0.9,
        beta: float = BETA,
        gamma: float = GAMMA,
        zeta: float = ZETA,
        floor: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if count < 1 or not 0 < initial_open < 1 or beta <= 0 or gamma >= 0 or zeta <= 1:
            raise ValueError(
                "gates need count >= 1, 0 < initial_open < 1, beta > 0, gamma < 0 and zeta > 1, "
                f"not {count}, {initial_open}, {beta}, {gamma}, {zeta}"
            )
        if not 0 <= floor < 1:
            raise ValueError(f"floor must be at least 0 and less than 1, not {floor}")
        self.count = count
        self.initial_open = initial_open
        self.beta = beta
        self.gamma = gamma
        self.zeta = zeta
        self.floor = floor
        least = location_of_gate(floor, gamma, zeta) if floor else -LIMIT
        # Made here, since the inner loop starts from it before the layer is first called.
        start = location(initial_open, beta, gamma, zeta)
        self.log_alpha = self.add_weight(
            name="log_alpha",
            shape=[count],
            initializer=keras.initializers.Constant(start),
            constraint=lambda log_alpha: tf.clip_by_value(log_alpha, least, LIMIT),
        )

    def initial(self, batch: int) -> tf.Tensor:
        """phi0 for each signal of a batch, ``[batch, G]``, differentiable in phi0."""
        return tf.tile(self.log_alpha[None], [batch, 1])

    def noise(self, batch: int, seed: tf.Tensor) -> tf.Tensor:
        """Noise ``[batch, G]`` for `call`; the same for the same ``seed`` (int ``[2]``)."""
        return uniform_noise([batch, self.count], seed, self.dtype)

    def call(self, log_alpha: tf.Tensor, noise: tf.Tensor | None = None) -> tf.Tensor:
        """Gates ``[B, G]``: sampled with ``noise`` ``[B, G]``, deterministic without.

        Raises:
          ValueError: these are other shapes.
        """
        for name, value in (("log_alpha", log_alpha), ("noise", noise)):
            if value is not None and not value.shape[-1:].is_compatible_with([self.count]):
                raise ValueError(f"{name} of gates is [B, {self.count}], not {value.shape}")
        if noise is None:
            return deterministic(log_alpha, self.gamma, self.zeta)
        return sample(log_alpha, noise, self.beta, self.gamma, self.zeta)

    def expected_l0(self, log_alpha: tf.Tensor, sizes: tf.Tensor | None = None) -> tf.Tensor:
        """See the function `expected_l0`."""
        return expected_l0(log_alpha, sizes, self.beta, self.gamma, self.zeta)

    def actual_l0(self, log_alpha: tf.Tensor, sizes: tf.Tensor | None = None) -> tf.Tensor:
        """See the function `actual_l0`."""
        return actual_l0(log_alpha, sizes, self.gamma, self.zeta)

    def get_config(self) -> dict[str, Any]:
        names = ("count", "initial_open", "beta", "gamma", "zeta", "floor")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _stretch(concrete: tf.Tensor, gamma: float, zeta: float) -> tf.Tensor:
    return tf.clip_by_value(concrete * (zeta - gamma) + gamma, 0.0, 1.0)


def _weighted_sum(values: tf.Tensor, sizes: tf.Tensor | None) -> tf.Tensor:
    if sizes is not None:
        values = values * tf.cast(sizes, values.dtype)
    return tf.reduce_sum(values, axis=-1)
