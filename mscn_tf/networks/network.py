"""The network that represents signals: f(x; theta0 + what the code says)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from mscn_tf.networks.embeddings import Embedding
from mscn_tf.networks.modulations import Adapted, Modulation, code_of
from mscn_tf.networks.siren import LayerUpdate, SirenLayer
from mscn_tf.stack.keras_versions import build_once


@keras.saving.register_keras_serializable(package="mscn_tf")
class ModulatedSiren(keras.Model):
    """A SIREN (Sitzmann et al. 2020) shared by all signals, modulated by each signal's code.

    There is no loop over signals: what a layer shares is one product ``[B N, in] x [in, out]``,
    what is a signal's own a batched product ``[B, N, in] x [B, in, out]``.

    Args:
      width: units of each hidden layer.
      depth: number of hidden (sine) layers; a linear output layer follows.
      out_channels: number of values a coordinate, C.
      modulation: what codes do to the layers, built for this network's sizes
        (`mscn_tf.networks.modulations.network_sizes`).
      embedding: applied to the coordinates; ``None``: they are used as they are.
      w0: frequency of the sines of the hidden layers.
      first_w0: that of the first layer; ``None``: the same.
      offset: added to the outputs, so that values nominally in [0, 1] start in their middle.
      seed: seed of the initial weights; ``None`` for fresh ones every time.

    Raises:
      ValueError: if the modulation was built for a network of other sizes (the first entry of the
        sizes, which depends on the coordinates, is checked when the network is first used).
    """

    def __init__(
        self,
        width: int,
        depth: int,
        out_channels: int,
        modulation: Modulation,
        embedding: Embedding | None = None,
        w0: float = 30.0,
        first_w0: float | None = None,
        offset: float = 0.5,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.width = width
        self.depth = depth
        self.out_channels = out_channels
        self.modulation = modulation
        self.embedding = embedding
        self.w0 = w0
        self.first_w0 = first_w0
        self.offset = offset
        self.seed = seed
        units = (*[width] * depth, out_channels)
        self._check_sizes((modulation.sizes[0], *units))
        self.siren_layers = [
            SirenLayer(
                count,
                w0=first_w0 if i == 0 and first_w0 is not None else w0,
                is_first=i == 0,
                is_last=i == depth,
                seed=None if seed is None else seed + 2 * i,
                dtype=self.dtype,
                name=f"siren_{i}",
            )
            for i, count in enumerate(units)
        ]

    @classmethod
    def of(cls, modulation: Modulation, **options: Any) -> ModulatedSiren:
        """The network that a modulation was built for, whose sizes are then said once.

        Args:
          modulation: of a network with hidden layers of one width.
          **options: the other arguments, from ``embedding`` on.
        """
        _, *hidden, channels = modulation.sizes
        return cls(hidden[0], len(hidden), channels, modulation, **options)

    def build(self, input_shape: Any) -> None:
        """Makes all weights, given the shape of the coordinates, ``[N, d]`` or ``[B, N, d]``."""
        coordinate_size = input_shape[-1]
        size = coordinate_size
        if self.embedding is not None:
            build_once(self.embedding, tf.TensorShape([None, coordinate_size]))
            size = self.embedding.output_size(coordinate_size)
        self._check_sizes((size, *self.modulation.sizes[1:]))
        for layer, inputs in zip(self.siren_layers, self.modulation.sizes):
            build_once(layer, tf.TensorShape([None, inputs]))
        build_once(self.modulation, tf.TensorShape([None, self.modulation.code_size]))
        self._coordinate_size = coordinate_size
        # Not Model.build, which would call the network with coordinates alone.
        keras.layers.Layer.build(self, input_shape)

    def get_build_config(self) -> dict[str, Any]:
        """What a file's copy is built from before its weights are read."""
        return {"coordinate_size": self._coordinate_size}

    def build_from_config(self, config: dict[str, Any]) -> None:
        self.build(tf.TensorShape([None, config["coordinate_size"]]))

    def call(
        self, coordinates: tf.Tensor, code: Adapted, training: bool | None = None
    ) -> tf.Tensor:
        """Evaluates each signal at its coordinates.

        Args:
          coordinates: ``[N, d]`` (the same for every signal) or ``[B, N, d]``, nominally in
            [-1, 1].
          code: what the modulation takes: codes ``[B, M]``, or a dictionary with ``"code"`` and,
            for a gated modulation, ``"log_alpha"`` and ``"noise"``.
          training: False where no derivatives are expected, in codes either: decodes faster.

        Returns:
          ``[B, N, C]``, nominally in [0, 1], unclipped.

        Raises:
          ValueError: for coordinates of another size, and as the modulation does.
        """
        values = self.with_updates(coordinates, self.modulation(code), training)
        if values.shape.rank == 2:  # Nothing was a signal's own.
            shape = tf.concat([tf.shape(code_of(code))[:1], tf.shape(values)], 0)
            values = tf.broadcast_to(values, shape)
        return values

    def with_updates(
        self,
        coordinates: tf.Tensor,
        updates: Sequence[LayerUpdate],
        training: bool | None = None,
    ) -> tf.Tensor:
        """As `call`, with the layers' updates in place of a code.

        Returns:
          ``[B, N, C]``, or ``[N, C]`` where nothing is a signal's own.
        """
        if coordinates.shape[-1] != self._coordinate_size:
            size = self._coordinate_size
            raise ValueError(
                f"coordinates are [N, {size}] or [B, N, {size}], not {coordinates.shape}"
            )
        hidden = coordinates if self.embedding is None else self.embedding(coordinates)
        for layer, update in zip(self.siren_layers, updates):
            hidden = layer(hidden, update, training=training)
        return hidden + self.offset

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "dtype": self.dtype,
            "width": self.width,
            "depth": self.depth,
            "out_channels": self.out_channels,
            "modulation": serialize(self.modulation),
            "embedding": self.embedding and serialize(self.embedding),
            "w0": self.w0,
            "first_w0": self.first_w0,
            "offset": self.offset,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> ModulatedSiren:
        deserialize = keras.saving.deserialize_keras_object
        parts = {name: config[name] for name in ("modulation", "embedding") if config[name]}
        parts = {name: deserialize(part, custom_objects) for name, part in parts.items()}
        return cls(**{**config, **parts})

    def _check_sizes(self, sizes: tuple[int, ...]) -> None:
        if self.modulation.sizes != sizes:
            raise ValueError(
                f"the modulation was built for a network of sizes {self.modulation.sizes}, "
                f"this one has {sizes}: build it with network_sizes(...)"
            )
