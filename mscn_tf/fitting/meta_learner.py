"""A meta-learner of signals: theta0 + z * delta, found by an inner loop, as a model of Keras."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from typing import Any, Union

import keras
import tensorflow as tf

from mscn_tf.fitting.meta_sgd import Adapted, inner_loop
from mscn_tf.fitting.outer_loop import OuterLoop
from mscn_tf.fitting.samples import samples
from mscn_tf.fitting.saved_model import save_inner_loop
from mscn_tf.fitting.shared_start import gradients_at_zero
from mscn_tf.fitting.step_sizes import StepSizes
from mscn_tf.networks.modulations import (
    LatentModulation,
    Modulation,
    ShiftModulation,
    SubspaceModulation,
    WeightModulation,
    network_sizes,
)
from mscn_tf.networks.network import ModulatedSiren
from mscn_tf.sparsity.gated import GatedModulation
from mscn_tf.sparsity.hard_concrete import BETA, GAMMA, LIMIT, ZETA
from mscn_tf.sparsity.pruning import MaskedModulation

MODULATIONS = ("weights", "shift", "latent", "subspace")
SPARSITIES = ("none", "gates", "gradient", "mask")


@keras.saving.register_keras_serializable(package="mscn_tf")
class MetaLearner(OuterLoop):
    """Network, gates, step sizes and price of a non-zero: all that is shared by all signals.

    Args:
      width: units of each hidden layer of the network.
      depth: number of its hidden layers.
      channels: C, values of a signal at a point.
      axes: d, coordinates of a point.
      w0: frequency of the network's sines.
      modulation: what a signal's code changes, one of `MODULATIONS`.
      latent_size: of the code, for ``modulation="latent"`` and "subspace".
      sparsity: one of `SPARSITIES`: "none"; "gates" on what signals change (`GatedModulation`);
        "gradient" gates, on step sizes and the same for all signals (`StepSizes`); "mask", a fixed
        one (`MaskedModulation`).
      granularity: what shares a gate, as in `GatedModulation`.
      target: what gates or the mask multiply, "delta" or "all", as there.
      per_signal: whether each signal adapts the gates.
      initial_open: probability with which a sampled gate isn't 0 at the start.
      temperature: of sampled gates, `HardConcrete`'s ``beta``.
      stretch: interval that gates are stretched to before they are clipped to [0, 1], `gamma` and
        `zeta` of `HardConcrete`.
      floor: least gate that meta-training may start signals from, where each adapts its own; as
        in `HardConcrete`.
      sampled: whether training samples the gates; else they are deterministic, as in use.
      look_ahead: whether the error moves gates in the first step (`GatedModulation.ahead`).
      steps: number of inner steps.
      per_step: whether each inner step has step sizes of its own.
      first_order: whether the outer gradient takes the inner ones for constants.
      meta_sgd: whether each element has a step size of its own.
      step_size: of the code, at the start.
      gate_step_size: of the gates' log alpha, at the start, in units of one over the number of
        gated elements, which the price of each is divided by: a price p moves a gate that is open
        with probability 1/2 by ``gate_step_size * p / 4`` in a step.
      step_size_factor: how far step sizes may come from their start, `StepSizes`'s ``factor``.
      first_price: what all elements together cost at the start, in units of the error.
      seed: of the initial weights and of the noise of sampled gates.

    Attributes:
      network: the `ModulatedSiren`.
      step_sizes: a `StepSizes` for each adapted tensor, by name.
      price: what one expected non-zero costs, in units of the error, times ``gated_size``.

    Raises:
      ValueError: a choice that there isn't, or a number out of its range.
    """

    def __init__(
        self,
        *,
        width: int = 48,
        depth: int = 3,
        channels: int = 3,
        axes: int = 2,
        w0: float = 30.0,
        modulation: str = "weights",
        latent_size: int = 64,
        sparsity: str = "gates",
        granularity: str = "unstructured",
        target: str = "delta",
        per_signal: bool = True,
        initial_open: float = 0.9,
        temperature: float = BETA,
        stretch: tuple[float, float] = (GAMMA, ZETA),
        floor: float = 0.02,
        sampled: bool = False,
        look_ahead: bool = True,
        steps: int = 3,
        per_step: bool = True,
        first_order: bool = False,
        meta_sgd: bool = True,
        step_size: float = 0.01,
        gate_step_size: float = 60.0,
        step_size_factor: float | None = 30.0,
        first_price: float = 0.01,
        seed: int = 0,
        **kwargs: Any,
    ):
        given = locals()  # what `get_config` is to name, while there is nothing else
        super().__init__(**kwargs)
        self._options = {name: given[name] for name in _OPTIONS}
        if sparsity not in SPARSITIES:
            raise ValueError(f"sparsity must be one of {', '.join(SPARSITIES)}: {sparsity}")
        self.channels, self.axes = channels, axes
        self.sparsity, self.target = sparsity, target
        self.sampled, self.look_ahead = sampled, look_ahead
        self.steps, self.first_order = steps, first_order
        self.first_price, self.seed = first_price, seed
        sizes = network_sizes(width, depth, channels, axes)
        plain = _modulation(modulation, sizes, latent_size, seed + 1, self.dtype)
        gamma, zeta = stretch
        gates: dict[str, Any] = {"beta": temperature, "gamma": gamma, "zeta": zeta}
        code: Modulation = plain
        if sparsity == "gates":
            code = GatedModulation(
                plain,
                granularity,
                target,
                initial_open,
                per_signal,
                **gates,
                floor=floor if per_signal else 0.0,
                dtype=self.dtype,
            )
        elif sparsity == "mask":
            code = MaskedModulation(plain, target, dtype=self.dtype)
        self.network = ModulatedSiren(
            width, depth, channels, code, w0=w0, seed=seed, dtype=self.dtype, name="network"
        )
        self.network.build(tf.TensorShape([None, axes]))
        of_both: dict[str, Any] = {
            "steps": max(1, steps) if per_step else 1,
            "per_element": meta_sgd,
            "factor": step_size_factor,
            "dtype": self.dtype,
        }
        self.step_sizes = {
            "code": StepSizes(
                code.code_size,
                step_size,
                gated=sparsity == "gradient",
                initial_open=initial_open,
                **gates,
                **of_both,
            )
        }
        if sparsity == "gates" and per_signal:
            self.step_sizes["log_alpha"] = StepSizes(code.gate_count, gate_step_size, **of_both)
        for step_sizes in self.step_sizes.values():
            step_sizes.build(None)
        self.price = self.add_weight(
            name="price",
            shape=[],
            initializer=keras.initializers.Constant(first_price),
            trainable=False,
        )
        self.build(None)

    def build(self, input_shape: Any) -> None:
        """Nothing is left to make."""
        # Not Model.build, which would call the model.
        keras.layers.Layer.build(self, input_shape)

    @property
    def modulation(self) -> Modulation:
        """What the network's code does."""
        return self.network.modulation

    @property
    def gated_size(self) -> int:
        """Number of elements that gates, or a mask, may leave out."""
        return self.modulation.gated_size

    @property
    def learned_apart(self) -> dict[str, list[Any]]:
        """The weights that may have an optimizer of their own: "step_sizes" and "gates"."""
        holders = (self.modulation, self.step_sizes["code"])
        gates = [getattr(holder, "gates", None) for holder in holders]
        return {
            "step_sizes": [sizes.log_size for sizes in self.step_sizes.values()],
            "gates": [one.log_alpha for one in gates if one is not None],
        }

    def call(
        self,
        signals: tf.Tensor,
        coordinates: tf.Tensor | None = None,
        training: bool | None = None,
    ) -> tf.Tensor:
        """What codes give back of signals that they were fitted to; arguments as in `adapt`.

        Returns:
          Of the signals' shape, nominally in [0, 1], unclipped.
        """
        values, points = self._samples(signals, coordinates)
        adapted = self.adapt(values, points)
        return tf.reshape(self.network(points, adapted, training=training), tf.shape(signals))

    def errors(
        self,
        adapted: Mapping[str, tf.Tensor],
        signals: tf.Tensor,
        coordinates: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Mean squared error of each signal, ``[B]``; arguments as in `adapt`."""
        signals, coordinates = self._samples(signals, coordinates)
        return _mean_squares(self.network(coordinates, adapted) - signals)

    def _samples(
        self, signals: tf.Tensor, coordinates: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return samples(signals, coordinates, self.axes, self.channels, self.variable_dtype)

    def density(self, adapted: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Expected share of non-zeros among the elements under gates, ``[B]``."""
        if self.sparsity == "gradient":
            shared = self.step_sizes["code"].expected_l0()
            return tf.fill(tf.shape(adapted["code"])[:1], shared / self.gated_size)
        return self.modulation.expected_l0(adapted) / self.gated_size

    def kept(self, adapted: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Number of elements that deterministic gates leave, ``[B]``: what is to be stored."""
        if self.sparsity in ("gates", "mask"):
            return self.modulation.actual_l0(adapted)
        moving = tf.reduce_sum(tf.cast(self.step_sizes["code"].moving(), tf.float32))
        return tf.fill(tf.shape(adapted["code"])[:1], moving)

    def noise(
        self, batch: int | tf.Tensor, seed: tf.Tensor, first: int | tf.Tensor = 0
    ) -> dict[str, tf.Tensor]:
        """One sample of everything that is random, for `adapt`.

        Args:
          batch: how many signals.
          seed: int ``[2]``; what all signals share is a function of it alone.
          first: the number of the first signal, where this is a slice of a larger batch: other
            slices have other noise.
        """
        noise = self.modulation.noise(batch, tf.random.experimental.stateless_fold_in(seed, first))
        sizes = self.step_sizes["code"].noise(seed + 1)
        return noise if sizes is None else {**noise, "step_noise": sizes}

    def adapt(
        self,
        signals: tf.Tensor,
        coordinates: tf.Tensor | None = None,
        noise: Mapping[str, tf.Tensor] | None = None,
        steps: int | None = None,
        frozen_gates: bool = False,
    ) -> dict[str, tf.Tensor]:
        """The inner loop (Schwarz & Teh 2022, eq. 8) on error + price * density.

        Args:
          signals: ``[B, N, C]`` in [0, 1]; on a grid, ``[B, N1, .., Nd, C]``, without coordinates.
          coordinates: ``[N, d]``, the same for all signals.
          noise: of sampled gates, from `noise`; without it gates are deterministic.
          steps: default the model's.
          frozen_gates: whether gates stay as meta-training left them, and only the code adapts.

        Returns:
          What was adapted, and the gates' noise, as `network` and `errors` take it.

        Raises:
          ValueError: signals or coordinates have other shapes, or signals are whole numbers.
        """
        signals, coordinates = self._samples(signals, coordinates)
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
        initial = self.modulation.initial(signals.shape[0] or tf.shape(signals)[0])
        adapted = inner_loop(
            loss,
            initial,
            sizes,
            self.steps if steps is None else steps,
            self.first_order,
            first_gradients=self._first_gradients(
                signals, coordinates, initial, noise, sizes["code"][0]
            ),
            limits={"log_alpha": LIMIT},
        )
        return {**adapted, **noise}

    def codes(self, signals: tf.Tensor, coordinates: tf.Tensor | None = None) -> tf.Tensor:
        """What is to be stored of signals, ``[B, M]``: zero where a gate is closed.

        Raises:
          ValueError: as `adapt`; and with gates of target "all", which are the network's own: there
            ``log_alpha`` belongs to what is stored.
        """
        adapted = self.adapt(signals, coordinates)
        gated = self.sparsity in ("gates", "mask")
        return self.modulation.gated_code(adapted) if gated else adapted["code"]

    def decode(self, codes: tf.Tensor, coordinates: tf.Tensor) -> tf.Tensor:
        """Values ``[B, N, C]`` of what `codes` gave, at any coordinates ``[N, d]``."""
        of_gates = isinstance(self.modulation, GatedModulation)
        plain = self.modulation.modulation if of_gates else self.modulation
        codes, coordinates = (tf.cast(x, self.variable_dtype) for x in (codes, coordinates))
        return self.network.with_updates(coordinates, plain(codes))

    def export(self, filepath: Union[str, os.PathLike[str]]) -> None:
        """Writes a SavedModel of the inner loop, see `save_inner_loop`."""
        save_inner_loop(self, filepath)

    def _first_gradients(
        self,
        signals: tf.Tensor,
        coordinates: tf.Tensor,
        initial: Adapted,
        noise: Mapping[str, tf.Tensor],
        size: tf.Tensor,
    ) -> Adapted | None:
        """Those of the loss of `adapt`, where codes only add, so that all signals start alike.

        The error's in the gates, 0 there, looks ahead if ``look_ahead``.
        """
        if self.sparsity in ("gates", "mask") and self.target != "delta":
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
            if self.look_ahead:
                first["log_alpha"] += self.modulation.ahead(
                    {**initial, **noise}, first["code"], size
                )
        return first

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype, **self._options}


_OPTIONS = [
    name
    for name, parameter in inspect.signature(MetaLearner.__init__).parameters.items()
    if parameter.kind is parameter.KEYWORD_ONLY
]


def _mean_squares(errors: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.square(errors), axis=[1, 2])


def _modulation(
    kind: str, sizes: tuple[int, ...], latent_size: int, seed: int, dtype: str
) -> Modulation:
    if kind == "weights":
        return WeightModulation(sizes, dtype=dtype)
    if kind == "shift":
        return ShiftModulation(sizes, dtype=dtype)
    if kind == "latent":
        return LatentModulation(sizes, latent_size, seed, dtype=dtype)
    if kind == "subspace":
        return SubspaceModulation(sizes, latent_size, seed, dtype=dtype)
    raise ValueError(f"modulation must be one of {', '.join(MODULATIONS)}: {kind}")
