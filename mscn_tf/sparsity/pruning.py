"""Masks that are chosen by a rule and then fixed: what learned gates are measured against."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mscn_tf.networks.modulations import (
    Adapted,
    Modulation,
    WeightModulation,
    code_of,
    split_weights,
)
from mscn_tf.networks.network import ModulatedSiren
from mscn_tf.networks.siren import LayerUpdate
from mscn_tf.stack.keras_versions import build_once

TARGETS = ("delta", "all")


@keras.saving.register_keras_serializable(package="mscn_tf")
class MaskedModulation(Modulation):
    """A modulation under one fixed mask for all signals.

    With target ``"all"`` the mask is on the network's own parameters, mask * (theta0 + delta), as
    pruning has it (Lee et al. 2021, Meta-SparseINR); with ``"delta"`` it is on the code.

    Args:
      modulation: for target ``"all"`` of every weight (`WeightModulation`).
      target: one of `TARGETS`.

    Attributes:
      mask: float ``[M]``, ones at the start; a weight that isn't trained.

    Raises:
      ValueError: for an unknown target, or a modulation that it can't have.
    """

    def __init__(self, modulation: Modulation, target: str = "all", **kwargs: Any):
        super().__init__(modulation.sizes, **kwargs)
        if target not in TARGETS:
            raise ValueError(f"target must be one of {', '.join(TARGETS)}, not {target!r}")
        if target == "all" and not isinstance(modulation, WeightModulation):
            kind = type(modulation).__name__
            raise ValueError(
                f"target 'all' masks every weight, so wants a WeightModulation, not {kind}"
            )
        self.modulation = modulation
        self.target = target
        self.mask = self.add_weight(
            name="mask", shape=[self.code_size], initializer="ones", trainable=False
        )

    @property
    def code_size(self) -> int:
        return self.modulation.code_size

    def build(self, input_shape: Any) -> None:
        build_once(self.modulation, input_shape)
        super().build(input_shape)

    def call(self, inputs: Adapted) -> list[LayerUpdate]:
        """The update of each layer for a batch of adapted parameters."""
        if self.target == "delta":
            return self.modulation(self.gated_code(inputs))
        gates = split_weights(self.mask[None], self.sizes)
        return [
            update._replace(kernel_gate=kernel, bias_gate=bias)
            for update, (kernel, bias) in zip(self.modulation(code_of(inputs)), gates)
        ]

    def gated_code(self, inputs: Adapted) -> tf.Tensor:
        """mask * delta ``[B, M]``, what is stored."""
        return self.mask * self.checked(code_of(inputs))

    def actual_l0(self, inputs: Adapted) -> tf.Tensor:
        """Number of elements that the mask leaves, ``[B]``."""
        return tf.fill(tf.shape(code_of(inputs))[:1], tf.reduce_sum(self.mask))

    def expected_l0(self, inputs: Adapted) -> tf.Tensor:
        """The same: nothing is random."""
        return self.actual_l0(inputs)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["sizes"]
        modulation = keras.saving.serialize_keras_object(self.modulation)
        return {**config, "modulation": modulation, "target": self.target}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> MaskedModulation:
        modulation = keras.saving.deserialize_keras_object(config["modulation"])
        return cls(**{**config, "modulation": modulation})


def parameters(network: ModulatedSiren) -> np.ndarray:
    """Shared weights and biases ``[M]``, in the order of a `WeightModulation`'s code."""
    parts = [part for layer in network.siren_layers for part in (layer.kernel, layer.bias)]
    return np.concatenate([part.numpy().ravel() for part in parts])


def largest(scores: np.ndarray, mask: np.ndarray, density: float) -> np.ndarray:
    """A mask that keeps a share of all elements: of those left, the ones with the largest scores.

    Args:
      scores: ``[M]``.
      mask: ``[M]``, of the elements that are left.
      density: share of all M elements that stays, above 0; at least one does.

    Returns:
      float32 ``[M]`` of zeros and ones, part of ``mask``.
    """
    count = max(1, round(density * len(scores)))
    ranked = np.argsort(np.where(mask > 0, -scores, np.inf), kind="stable")
    kept = np.zeros(len(scores), np.float32)
    kept[ranked[:count]] = 1.0
    return kept * (mask > 0)
