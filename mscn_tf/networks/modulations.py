"""Modulations: from a signal's code to what the network's layers use for that signal.

Every modulation maps codes ``[B, M]`` to one `LayerUpdate` per layer of the network that it was
built for. That network is described by its ``sizes``: the number of inputs of its first layer
(after the embedding), of units of each hidden layer, and of outputs; `network_sizes` computes
them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Union

import keras
import numpy as np
import tensorflow as tf

from mscn_tf.networks.embeddings import Embedding
from mscn_tf.networks.siren import LayerUpdate
from mscn_tf.stack.keras_versions import Layer

#: A code ``[B, M]``, or a dictionary that holds it as ``"code"`` (and what gates need, see
#: `mscn_tf.sparsity.gated.GatedModulation`): the adapted parameters of the inner loop as they are.
Adapted = Union[tf.Tensor, Mapping[str, tf.Tensor]]

ADAPTED = {"code", "log_alpha", "noise"}


def network_sizes(
    width: int,
    depth: int,
    out_channels: int,
    coordinate_size: int = 2,
    embedding: Embedding | None = None,
) -> tuple[int, ...]:
    """Sizes ``(in, width, ..., width, out)`` of a network with ``depth`` hidden layers."""
    inputs = embedding.output_size(coordinate_size) if embedding else coordinate_size
    return (inputs, *[width] * depth, out_channels)


class Modulation(Layer):
    """One interface to all kinds of modulation.

    Called with the adapted parameters of a batch of signals, it returns a list with one
    `LayerUpdate` per layer. A kind implements ``code_size`` and ``layer_updates``. The gated kind
    (`mscn_tf.sparsity.gated.GatedModulation`) has the same methods, so that training code is the
    same with and without gates::

        def loss(adapted):                             # [B], for the inner loop
            values = network(coordinates, {**adapted, **noise})
            error = tf.reduce_mean((values - signals) ** 2, axis=[1, 2])
            return error + price * network.modulation.expected_l0(adapted)

        noise = network.modulation.noise(batch, seed)
        adapted = inner_loop(loss, network.modulation.initial(batch), step_sizes, steps=3)

    Args:
      sizes: sizes of the network's layers, ``(in, hidden, ..., out)``.

    Raises:
      ValueError: if ``sizes`` has less than two entries or one that isn't positive.
    """

    def __init__(self, sizes: Sequence[int], **kwargs: Any):
        super().__init__(**kwargs)
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"sizes must be (in, hidden, ..., out), all positive, not {sizes}")
        self.sizes = tuple(int(size) for size in sizes)

    @property
    def code_size(self) -> int:
        """M, the number of values in a code."""
        raise NotImplementedError

    @property
    def gated_size(self) -> int:
        """What the L0 norms count: with no gates, the elements of the code."""
        return self.code_size

    def layer_updates(self, code: tf.Tensor) -> list[LayerUpdate]:
        """The update of each layer for codes ``[B, M]``."""
        raise NotImplementedError

    def code_groups(self, granularity: str) -> np.ndarray:
        """Which gate governs which element of the code.

        Args:
          granularity: ``"unstructured"`` (a gate for each element), ``"modulation"`` (a gate for
            each modulation), or ``"group"`` (a gate for each unit).

        Returns:
          int32 ``[M]``, gate indices without holes from 0 on.

        Raises:
          ValueError: if this kind of code doesn't split that way.
        """
        if granularity != "unstructured":
            kind = type(self).__name__
            raise ValueError(f"the codes of {kind} have no gates of granularity {granularity!r}")
        return np.arange(self.code_size, dtype=np.int32)

    def call(self, inputs: Adapted) -> list[LayerUpdate]:
        """The update of each layer for a batch of adapted parameters.

        Raises:
          ValueError: they have other names, or the code has another size.
        """
        return self.layer_updates(self.checked(code_of(inputs)))

    def checked(self, code: tf.Tensor) -> tf.Tensor:
        """The same code, if it is one of this modulation.

        Raises:
          ValueError: its shape isn't ``[B, M]``.
        """
        if not code.shape.is_compatible_with([None, self.code_size]):
            kind = type(self).__name__
            raise ValueError(f"codes of {kind} are [B, {self.code_size}], not {code.shape}")
        return code

    def initial(self, batch: int) -> dict[str, tf.Tensor]:
        """Where the inner loop starts: ``{"code": zeros [batch, M]}``."""
        return {"code": tf.zeros([batch, self.code_size], self.dtype)}

    def noise(self, batch: int, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """What a sampled pass needs besides the adapted parameters: here nothing."""
        del batch, seed
        return {}

    def expected_l0(self, inputs: Adapted) -> tf.Tensor:
        """Expected number of non-zeros, ``[B]``: with no gates, all of the code."""
        code = code_of(inputs)
        return tf.fill(tf.shape(code)[:1], tf.cast(self.code_size, code.dtype))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "sizes": list(self.sizes)}


@keras.saving.register_keras_serializable(package="mscn_tf")
class WeightModulation(Modulation):
    """The code is the update delta of every weight and bias (Schwarz & Teh 2022).

    Layer after layer, the kernel ``[in, out]`` in row-major order, then the bias ``[out]``.
    """

    @property
    def code_size(self) -> int:
        return sum((m + 1) * n for m, n in zip(self.sizes, self.sizes[1:]))

    def layer_updates(self, code: tf.Tensor) -> list[LayerUpdate]:
        return [LayerUpdate(*pair) for pair in split_weights(code, self.sizes)]

    def code_groups(self, granularity: str) -> np.ndarray:
        """As in the base class; ``"group"`` is a gate for a unit's incoming weights and bias."""
        if granularity != "group":
            return super().code_groups(granularity)
        groups, first = [], 0
        for m, n in zip(self.sizes, self.sizes[1:]):
            groups.append(np.tile(np.arange(first, first + n, dtype=np.int32), m + 1))
            first += n
        return np.concatenate(groups)


@keras.saving.register_keras_serializable(package="mscn_tf")
class ShiftModulation(Modulation):
    """The code holds a shift for every hidden unit, added to its bias (Dupont et al. 2022, functa).

    Layer after layer; the output layer has none.
    """

    @property
    def code_size(self) -> int:
        return sum(self.sizes[1:-1])

    def layer_updates(self, code: tf.Tensor) -> list[LayerUpdate]:
        return [LayerUpdate(bias=shift) for shift in split_shifts(code, self.sizes)]

    def code_groups(self, granularity: str) -> np.ndarray:
        # A shift is one element, one modulation and all there is of its unit.
        del granularity
        return np.arange(self.code_size, dtype=np.int32)


@keras.saving.register_keras_serializable(package="mscn_tf")
class LatentModulation(Modulation):
    """A linear map from a latent code to all hidden units' shifts (COIN++, Dupont et al. 2022).

    There is no constant term, since it would double the network's biases. The map starts uniform
    within ``1 / sqrt(M)``.

    Args:
      sizes: sizes of the network's layers, ``(in, hidden, ..., out)``.
      latent_size: M, the size of the code.
      seed: seed of the initial map; ``None`` for a fresh one every time.
    """

    def __init__(
        self, sizes: Sequence[int], latent_size: int, seed: int | None = None, **kwargs: Any
    ):
        super().__init__(sizes, **kwargs)
        self.latent_size = latent_size
        self.seed = seed

    @property
    def code_size(self) -> int:
        return self.latent_size

    @property
    def mapped_size(self) -> int:
        """Numbers that a latent is mapped to."""
        return sum(self.sizes[1:-1])

    def build(self, input_shape: Any) -> None:
        bound = 1 / math.sqrt(self.latent_size)
        self.kernel = self.add_weight(
            name="kernel",
            shape=[self.latent_size, self.mapped_size],
            initializer=keras.initializers.RandomUniform(-bound, bound, seed=self.seed),
        )
        super().build(input_shape)

    def map(self) -> tf.Tensor:
        """``[M, mapped_size]``: what a latent is multiplied with."""
        return tf.convert_to_tensor(self.kernel)

    def layer_updates(self, code: tf.Tensor) -> list[LayerUpdate]:
        shifts = tf.matmul(code, self.map())
        return [LayerUpdate(bias=shift) for shift in split_shifts(shifts, self.sizes)]

    def code_groups(self, granularity: str) -> np.ndarray:
        # An element of the latent is a modulation, but belongs to no unit.
        return super().code_groups("unstructured" if granularity == "modulation" else granularity)

    def get_config(self) -> dict[str, Any]:
        config = {"latent_size": self.latent_size, "seed": self.seed}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable(package="mscn_tf")
class SubspaceModulation(LatentModulation):
    """A linear map from a latent code to updates of all weights and biases.

    A subspace of all updates, learned for all signals. What is learned of a kernel's update is
    divided by the square root of the layer's inputs, so that kernels and biases start to move units
    alike, and at one rate.

    Args:
      sizes: as in `LatentModulation`.
      latent_size: M, the size of the code.
      seed: of the initial map; ``None`` for a fresh one every time.
    """

    @property
    def mapped_size(self) -> int:
        return WeightModulation(self.sizes).code_size

    def build(self, input_shape: Any) -> None:
        pairs = list(zip(self.sizes, self.sizes[1:]))
        scale = [np.repeat([m**-0.5, 1.0], [m * n, n]) for m, n in pairs]
        self._scale = np.concatenate(scale).astype(np.float32)
        super().build(input_shape)

    def map(self) -> tf.Tensor:
        return self.kernel * self._scale

    def layer_updates(self, code: tf.Tensor) -> list[LayerUpdate]:
        updates = split_weights(tf.matmul(code, self.map()), self.sizes)
        return [LayerUpdate(*pair) for pair in updates]


@keras.saving.register_keras_serializable(package="mscn_tf")
class BasisModulation(Modulation):
    """A learned linear basis over the last layer's weights: ``delta = A y``.

    On a network without hidden layers and with cosines for an embedding this is a transform codec
    with a learned transform; `mscn_tf.networks.basis.BasisNetwork` is the fast form of that for
    separable grids, with a small network on top.

    Args:
      sizes: sizes of the network's layers, ``(in, hidden, ..., out)``.
      basis_size: M, the size of the code.
      seed: seed of the initial basis, normal with rows of unit norm on average; ``None`` for a
        fresh one every time.
    """

    def __init__(
        self, sizes: Sequence[int], basis_size: int, seed: int | None = None, **kwargs: Any
    ):
        super().__init__(sizes, **kwargs)
        self.basis_size = basis_size
        self.seed = seed

    @property
    def code_size(self) -> int:
        return self.basis_size

    def build(self, input_shape: Any) -> None:
        inputs, outputs = self.sizes[-2:]
        deviation = 1 / math.sqrt(inputs * outputs)
        self.basis = self.add_weight(
            name="basis",
            shape=[self.basis_size, inputs * outputs],
            initializer=keras.initializers.RandomNormal(stddev=deviation, seed=self.seed),
        )
        super().build(input_shape)

    def layer_updates(self, code: tf.Tensor) -> list[LayerUpdate]:
        kernel = tf.reshape(tf.matmul(code, self.basis), [-1, *self.sizes[-2:]])
        return [LayerUpdate()] * (len(self.sizes) - 2) + [LayerUpdate(kernel=kernel)]

    def code_groups(self, granularity: str) -> np.ndarray:
        # An element of the code is a modulation, but belongs to no unit.
        return super().code_groups("unstructured" if granularity == "modulation" else granularity)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "basis_size": self.basis_size, "seed": self.seed}


def code_of(inputs: Adapted) -> tf.Tensor:
    """The code ``[B, M]`` among the adapted parameters.

    Raises:
      ValueError: it isn't there, or there is something that no modulation knows.
    """
    if not isinstance(inputs, Mapping):
        return tf.convert_to_tensor(inputs)
    if "code" not in inputs or not set(inputs) <= ADAPTED:
        raise ValueError(
            "what is adapted is named 'code', with gates also 'log_alpha' and 'noise', not "
            f"{', '.join(map(repr, inputs))}"
        )
    return tf.convert_to_tensor(inputs["code"])


def split_weights(values: tf.Tensor, sizes: Sequence[int]) -> list[tuple[tf.Tensor, tf.Tensor]]:
    """Splits ``[B, parameters]`` into each layer's kernel ``[B, in, out]``, bias ``[B, out]``."""
    pairs = list(zip(sizes, sizes[1:]))
    parts = iter(tf.split(values, [count for m, n in pairs for count in (m * n, n)], axis=1))
    return [(tf.reshape(next(parts), [-1, m, n]), next(parts)) for m, n in pairs]


def split_units(values: tf.Tensor, sizes: Sequence[int]) -> list[tf.Tensor]:
    """Splits ``[B, all units]`` into ``[B, units]`` for each layer, the output layer too."""
    return tf.split(values, list(sizes[1:]), axis=1)


def split_shifts(values: tf.Tensor, sizes: Sequence[int]) -> list[tf.Tensor | None]:
    """Splits ``[B, hidden units]`` into ``[B, units]`` for each layer; ``None`` for the output."""
    hidden = list(sizes[1:-1])
    return [*(tf.split(values, hidden, axis=1) if hidden else []), None]
