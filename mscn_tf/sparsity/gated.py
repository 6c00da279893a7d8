"""Gates on a modulation: sparse updates, or a sparse network, adapted for every signal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mscn_tf.networks.modulations import (
    Adapted,
    LatentModulation,
    Modulation,
    ShiftModulation,
    WeightModulation,
    code_of,
    split_shifts,
    split_units,
    split_weights,
)
from mscn_tf.networks.siren import LayerUpdate
from mscn_tf.sparsity.hard_concrete import BETA, GAMMA, ZETA, HardConcrete
from mscn_tf.stack.keras_versions import build_once

GRANULARITIES = ("unstructured", "modulation", "group", "activation")
TARGETS = ("delta", "all")

_LEAST_GATE = 0.1  # what looking ahead divides by, at least


@keras.saving.register_keras_serializable(package="mscn_tf")
class GatedModulation(Modulation):
    """A modulation with hard-concrete gates (Schwarz & Teh 2022, eq. 8).

    Both the code (delta) and the gates' parameters (phi, here ``log_alpha``) are adapted to each
    signal; their starting points, 0 and phi0, and the step sizes are meta-learned. What is adapted
    is a dictionary, which goes through the inner loop and into the network as it is:

    - ``"code"`` ``[B, M]``;
    - ``"log_alpha"`` ``[B, G]``; without it, phi0;
    - ``"noise"`` ``[B, G]``, not adapted: uniform in (0, 1), one sample of the gates. Without it
      the gates are deterministic, as when encoding.

    A plain code ``[B, M]`` gets the deterministic gates of phi0.

    The target says what the gates multiply:

    - ``"delta"``: theta0 + z * delta. The gates act on the code, so the code is sparse; with all
      gates closed what remains is the shared network.
    - ``"all"``: z * (theta0 + delta). The gates act on the network's own parameters through
      `LayerUpdate`'s gates; with all of them closed the network is zero (its offset remains).

    The granularity says what shares a gate:

    ================  ================================  =======================================
    granularity       target "delta"                    target "all"
    ================  ================================  =======================================
    "unstructured"    each element of the code          each weight and bias
    "modulation"      each shift, or latent element     the (modulated) bias of each hidden unit
    "group"           a unit's weights and bias, or     a unit's incoming weights and bias, the
                      its shift                         output units' too
    "activation"      (none)                            the output of each hidden unit
    ================  ================================  =======================================

    Gates of a target and granularity may be shared by all signals: with ``per_signal=False`` the
    inner loop leaves them at phi0, and one mask serves for all (the paper's eq. 7).

    Args:
      modulation: the modulation to gate.
      granularity: one of `GRANULARITIES`.
      target: one of `TARGETS`.
      initial_open: probability with which a sampled gate isn't 0 at the start.
      per_signal: adapt the gates to each signal.
      beta: as in `HardConcrete`.
      gamma: as in `HardConcrete`.
      zeta: as in `HardConcrete`.
      floor: as in `HardConcrete`.

    Raises:
      ValueError: for an unknown granularity or target, or a granularity that the modulation's code
        doesn't have.
    """

    def __init__(
        self,
        modulation: Modulation,
        granularity: str = "unstructured",
        target: str = "delta",
        initial_open: float = 0.9,
        per_signal: bool = True,
        beta: float = BETA,
        gamma: float = GAMMA,
        zeta: float = ZETA,
        floor: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(modulation.sizes, **kwargs)
        for name, value, known in (
            ("granularity", granularity, GRANULARITIES),
            ("target", target, TARGETS),
        ):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, not {value!r}")
        self.modulation = modulation
        self.granularity = granularity
        self.target = target
        self.initial_open = initial_open
        self.per_signal = per_signal
        # Gate of each gated element: of the code, or of the network's parameters.
        self.groups = self._gated_layout().code_groups(granularity)
        self.group_sizes = np.bincount(self.groups)
        self.gates = HardConcrete(
            len(self.group_sizes), initial_open, beta, gamma, zeta, floor, dtype=self.dtype
        )

    @property
    def code_size(self) -> int:
        return self.modulation.code_size

    @property
    def gate_count(self) -> int:
        """G, the number of gates."""
        return self.gates.count

    @property
    def gated_size(self) -> int:
        """Number of elements under the gates, the largest value of the L0 norms."""
        return len(self.groups)

    def build(self, input_shape: Any) -> None:
        build_once(self.modulation, tf.TensorShape([None, self.code_size]))
        super().build(input_shape)

    def initial(self, batch: int) -> dict[str, tf.Tensor]:
        """Where the inner loop starts: a code of zeros, and phi0 unless all signals share it."""
        code = self.modulation.initial(batch)
        return {**code, "log_alpha": self.gates.initial(batch)} if self.per_signal else code

    def noise(self, batch: int, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """One sample's noise, ``{"noise": [batch, G]}``, a function of ``seed`` (int ``[2]``)."""
        return {"noise": self.gates.noise(batch, seed)}

    def call(self, inputs: Adapted) -> list[LayerUpdate]:
        """The update of each layer for a batch of adapted parameters."""
        if self.target == "delta":
            return self.modulation(self.gated_code(inputs))
        updates = self.modulation(code_of(inputs))
        gates = self._gates_of_layers(self.gate_values(inputs))
        return [update._replace(**gate) for update, gate in zip(updates, gates)]

    def gate_values(self, inputs: Adapted) -> tf.Tensor:
        """Gates z ``[B, G]``: sampled if the inputs hold noise, else deterministic."""
        noise = inputs.get("noise") if isinstance(inputs, Mapping) else None
        return self.gates(self._log_alpha(inputs), noise)

    def gated_code(self, inputs: Adapted) -> tf.Tensor:
        """z * delta ``[B, M]``, the code that is stored; the plain modulation decodes it.

        Raises:
          ValueError: for target ``"all"``, whose gates aren't on the code.
        """
        if self.target != "delta":
            raise ValueError("only gates of target 'delta' act on the code")
        gates = self.gate_values(inputs)
        if self.gate_count < self.code_size:
            gates = tf.gather(gates, self.groups, axis=1)
        return gates * self.checked(code_of(inputs))

    def ahead(
        self, inputs: Mapping[str, tf.Tensor], gradient: tf.Tensor, size: tf.Tensor
    ) -> tf.Tensor:
        """The error's gradient in ``log_alpha`` at a code of 0, as the step to come will have it.

        There the error doesn't depend on the gates. But its step moves the code to -size * g, which
        gates z multiply, and by the first order of the error the gradient in z is then
        -size * g^2 / z, g being the gradient in the code, which has the factor z already.

        Args:
          inputs: what is adapted, at a code of 0, and noise if there is any.
          gradient: of the error in the code, ``[B, M]``.
          size: step sizes of the code, broadcastable with it.

        Returns:
          ``[B, G]``.
        """
        log_alpha = inputs["log_alpha"]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(log_alpha)
            gates = self.gate_values({**inputs, "log_alpha": log_alpha})
            # A gradient in the gate of each element; those of one gate add up.
            of_elements = tf.gather(gates, self.groups, axis=1)
        least = tf.maximum(of_elements, _LEAST_GATE)
        return tape.gradient(
            of_elements, log_alpha, output_gradients=-size * tf.square(gradient) / least
        )

    def expected_l0(self, inputs: Adapted) -> tf.Tensor:
        """Expected number of gated elements that aren't zero, ``[B]``."""
        return self.gates.expected_l0(self._log_alpha(inputs), self.group_sizes)

    def actual_l0(self, inputs: Adapted) -> tf.Tensor:
        """Number of gated elements that the deterministic gates leave, ``[B]``."""
        return self.gates.actual_l0(self._log_alpha(inputs), self.group_sizes)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["sizes"]
        return {
            **config,
            "modulation": keras.saving.serialize_keras_object(self.modulation),
            "granularity": self.granularity,
            "target": self.target,
            "initial_open": self.initial_open,
            "per_signal": self.per_signal,
            **{name: getattr(self.gates, name) for name in ("beta", "gamma", "zeta", "floor")},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> GatedModulation:
        modulation = keras.saving.deserialize_keras_object(config["modulation"])
        return cls(**{**config, "modulation": modulation})

    def _gated_layout(self) -> Modulation:
        """The modulation whose code is laid out as what the gates multiply."""
        if self.granularity == "activation" and self.target == "delta":
            raise ValueError("gates on activations have target 'all': activations are no delta")
        if self.target == "delta":
            return self.modulation
        if self.granularity == "activation":
            return ShiftModulation(self.sizes)
        if self.granularity != "modulation":
            return WeightModulation(self.sizes)
        if not isinstance(self.modulation, (ShiftModulation, LatentModulation)):
            kind = type(self.modulation).__name__
            raise ValueError(f"{kind} has no gates of granularity 'modulation'")
        return ShiftModulation(self.sizes)

    def _gates_of_layers(self, gates: tf.Tensor) -> list[dict[str, Any]]:
        """Gates of each layer by their names in `LayerUpdate`."""
        if self.granularity == "unstructured":
            pairs = split_weights(gates, self.sizes)
            return [{"kernel_gate": kernel, "bias_gate": bias} for kernel, bias in pairs]
        if self.granularity == "group":
            units = split_units(gates, self.sizes)
            return [{"kernel_gate": unit[:, None, :], "bias_gate": unit} for unit in units]
        name = "output_gate" if self.granularity == "activation" else "bias_gate"
        return [{name: unit} for unit in split_shifts(gates, self.sizes)]

    def _log_alpha(self, inputs: Adapted) -> tf.Tensor:
        if isinstance(inputs, Mapping) and "log_alpha" in inputs:
            return inputs["log_alpha"]
        return self.gates.initial(tf.shape(code_of(inputs))[0])
