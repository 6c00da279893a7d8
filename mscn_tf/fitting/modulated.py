"""Fitting signals with a modulated network: theta0 + z * delta, found by the inner loop."""

from __future__ import annotations

from collections.abc import Mapping

import ml_collections
import tensorflow as tf

from mscn_tf.fitting.meta_sgd import Adapted, inner_loop
from mscn_tf.fitting.shared_start import gradients_at_zero
from mscn_tf.fitting.step_sizes import StepSizes
from mscn_tf.networks.modulations import (
    LatentModulation,
    Modulation,
    ShiftModulation,
    WeightModulation,
    network_sizes,
)
from mscn_tf.networks.network import ModulatedSiren
from mscn_tf.sparsity.gated import GatedModulation
from mscn_tf.sparsity.hard_concrete import LIMIT
from mscn_tf.sparsity.pruning import MaskedModulation
from mscn_tf.stack.keras_versions import constrain, trainable_variables_of, variables_of

MODULATIONS = ("weights", "shift", "latent")
SPARSITIES = ("none", "gates", "gradient", "mask")


class ModulatedFit:
    """Network, gates, step sizes and price of a non-zero: all that is shared by all signals.

    Args:
      config: ``width``, ``depth``, ``w0``, ``axes``, ``channels`` of the network; ``modulation``,
        one of `MODULATIONS`, with its ``latent_size``; ``sparsity``, one of `SPARSITIES`, with its
        ``granularity``, ``target``, ``per_signal``, ``initial_open``, ``temperature``, ``stretch``
        and ``floor`` (`HardConcrete`'s, the last for gates of each signal alone); ``steps`` and
        ``first_order`` of the inner loop; ``meta_sgd``, a step size for each element; ``per_step``,
        for each step; ``step_size_factor``, `StepSizes`'s; ``look_ahead``, whether the error moves
        gates in the first step (`GatedModulation.ahead`); and where step sizes start:
        ``step_size`` of the code, and ``gate_step_size`` of log alpha, in units of one over the
        number of gated elements, which the price of each is divided by: a price p moves a gate
        that is open with probability 1/2 by ``gate_step_size * p / 4`` in a step.
      seed: of the initial weights.

    Attributes:
      network: the `ModulatedSiren`.
      step_sizes: a `StepSizes` for each adapted tensor, by name.
      price: what one expected non-zero costs, in units of the error, times ``gated_size``.

    Raises:
      ValueError: a choice that there isn't.
    """

    def __init__(self, config: ml_collections.ConfigDict, seed: int):
        self.config = config
        if config.sparsity not in SPARSITIES:
            raise ValueError(f"sparsity must be one of {', '.join(SPARSITIES)}: {config.sparsity}")
        modulation = _modulation(config, seed)
        gamma, zeta = config.stretch
        stretch = {"beta": config.temperature, "gamma": gamma, "zeta": zeta}
        if config.sparsity == "gates":
            modulation = GatedModulation(
                modulation,
                config.granularity,
                config.target,
                config.initial_open,
                config.per_signal,
                **stretch,
                floor=config.floor if config.per_signal else 0.0,
            )
        elif config.sparsity == "mask":
            modulation = MaskedModulation(modulation, config.target)
        self.network = ModulatedSiren(
            config.width, config.depth, config.channels, modulation, w0=config.w0, seed=seed
        )
        self.network.build(tf.TensorShape([None, config.axes]))
        of_both = {
            "steps": max(1, config.steps) if config.per_step else 1,
            "per_element": config.meta_sgd,
            "factor": config.step_size_factor,
        }
        self.step_sizes = {
            "code": StepSizes(
                modulation.code_size,
                config.step_size,
                gated=config.sparsity == "gradient",
                initial_open=config.initial_open,
                **stretch,
                **of_both,
            )
        }
        if config.sparsity == "gates" and config.per_signal:
            self.step_sizes["log_alpha"] = StepSizes(
                modulation.gate_count, config.gate_step_size, **of_both
            )
        self.price = tf.Variable(0.0, trainable=False, name="price")

    @property
    def modulation(self) -> Modulation:
        """What the network's code does."""
        return self.network.modulation

    @property
    def gated_size(self) -> int:
        """Number of elements that gates, or a mask, may leave out."""
        return self.modulation.gated_size

    def errors(
        self, adapted: Mapping[str, tf.Tensor], signals: tf.Tensor, coordinates: tf.Tensor
    ) -> tf.Tensor:
        """Mean squared error of each signal, ``[B]``; arguments as in `fit`."""
        return _mean_squares(self.network(coordinates, adapted) - signals)

    def density(self, adapted: Adapted) -> tf.Tensor:
        """Expected share of non-zeros among the elements under gates, ``[B]``."""
        if self.config.sparsity == "gradient":
            shared = self.step_sizes["code"].expected_l0()
            return tf.fill(tf.shape(adapted["code"])[:1], shared / self.gated_size)
        return self.modulation.expected_l0(adapted) / self.gated_size

    def kept(self, adapted: Adapted) -> tf.Tensor:
        """Number of elements that deterministic gates leave, ``[B]``: what is to be stored."""
        if self.config.sparsity in ("gates", "mask"):
            return self.modulation.actual_l0(adapted)
        moving = tf.reduce_sum(tf.cast(self.step_sizes["code"].moving(), tf.float32))
        return tf.fill(tf.shape(adapted["code"])[:1], moving)

    @property
    def trainable_variables(self) -> list[tf.Variable]:
        """What training changes: of the network with its modulation, and the step sizes."""
        return trainable_variables_of([self.network, *self.step_sizes.values()])

    @property
    def variables(self) -> list[tf.Variable]:
        """All that a checkpoint holds."""
        return variables_of([self.network, self.step_sizes, self.price])

    def constrain(self) -> None:
        """To be called after each step of an optimizer: gates and step sizes have bounds."""
        constrain([self.network, *self.step_sizes.values()])

    def noise(
        self, batch: int, seed: tf.Tensor, first: int | tf.Tensor = 0
    ) -> dict[str, tf.Tensor]:
        """One sample of everything that is random, for `fit`.

        Args:
          batch: how many signals.
          seed: int ``[2]``; what all signals share is a function of it alone.
          first: the number of the first signal, where this is a slice of a larger batch: other
            slices have other noise.
        """
        noise = self.modulation.noise(batch, tf.random.experimental.stateless_fold_in(seed, first))
        sizes = self.step_sizes["code"].noise(seed + 1)
        return noise if sizes is None else {**noise, "step_noise": sizes}

    def fit(
        self,
        signals: tf.Tensor,
        coordinates: tf.Tensor,
        noise: Mapping[str, tf.Tensor] | None = None,
        steps: int | None = None,
        frozen_gates: bool = False,
    ) -> dict[str, tf.Tensor]:
        """The inner loop (Schwarz & Teh 2022, eq. 8) on error + price * density.

        Args:
          signals: ``[B, N, C]`` in [0, 1].
          coordinates: ``[N, d]``.
          noise: of sampled gates, from `noise`; without it gates are deterministic.
          steps: default the configuration's.
          frozen_gates: whether gates stay as meta-training left them, and only the code adapts.

        Returns:
          What was adapted, and the gates' noise, as `network` and `errors` take it.
        """
        noise = dict(noise or {})
        step_noise = noise.pop("step_noise", None)
        sizes = {"code": self.step_sizes["code"](step_noise)}
        if "log_alpha" in self.step_sizes:
            scale = (1.0 - frozen_gates) * self.gated_size
            sizes["log_alpha"] = scale * self.step_sizes["log_alpha"](None)

        def loss(adapted: Adapted) -> tf.Tensor:
            errors = self.errors({**adapted, **noise}, signals, coordinates)
            return errors + self.price * self.density(adapted) if sparse else errors

        sparse = "log_alpha" in sizes
        initial = self.modulation.initial(signals.shape[0])
        adapted = inner_loop(
            loss,
            initial,
            sizes,
            self.config.steps if steps is None else steps,
            self.config.first_order,
            first_gradients=self._first_gradients(
                signals, coordinates, initial, noise, sizes["code"][0]
            ),
            limits={"log_alpha": LIMIT},
        )
        return {**adapted, **noise}

    def _first_gradients(
        self,
        signals: tf.Tensor,
        coordinates: tf.Tensor,
        initial: Adapted,
        noise: Mapping[str, tf.Tensor],
        size: tf.Tensor,
    ) -> Adapted | None:
        """Those of the loss of `fit`, where codes only add, so that all signals start alike.

        The error's in the gates, 0 there, looks ahead where the configuration says so.
        """
        if self.config.sparsity in ("gates", "mask") and self.config.target != "delta":
            return None
        first = gradients_at_zero(
            self.network,
            coordinates,
            lambda values: _mean_squares(values - signals),
            initial,
            noise,
        )
        if "log_alpha" in initial:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(initial)
                price = tf.reduce_sum(self.price * self.density(initial))
            first["log_alpha"] += tape.gradient(price, initial["log_alpha"])
            if self.config.look_ahead:
                first["log_alpha"] += self.modulation.ahead(
                    {**initial, **noise}, first["code"], size
                )
        return first


def _mean_squares(errors: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.square(errors), axis=[1, 2])


def _modulation(config: ml_collections.ConfigDict, seed: int) -> Modulation:
    sizes = network_sizes(config.width, config.depth, config.channels, config.axes)
    if config.modulation == "weights":
        return WeightModulation(sizes)
    if config.modulation == "shift":
        return ShiftModulation(sizes)
    if config.modulation == "latent":
        return LatentModulation(sizes, config.latent_size, seed + 1)
    raise ValueError(f"modulation must be one of {', '.join(MODULATIONS)}: {config.modulation}")
