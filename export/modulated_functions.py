"""A modulated codec's functions in TensorFlow, from its bundle; those of `export.functions`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.experimental import numpy as tnp

from mscn_tf.codec.modulated_network import InnerLoop, Network, points_of
from mscn_tf.export.functions import Functions
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.grids import centres, global_grid


class GriddedNetwork:
    """A modulated network on grids, as tile codecs' networks are called.

    Args:
      model: the manifest's.
      weights: of `codec.modulated_network.Network`.
      code_size: M, of files.
      tile_shape: samples along each axis of the grids that it was trained on.
      sphere: whether grids are latitudes and longitudes.
    """

    def __init__(
        self,
        model: Mapping[str, Any],
        weights: Mapping[str, np.ndarray],
        code_size: int,
        tile_shape: Sequence[int],
        sphere: bool,
    ):
        self._model, self._sphere = model, sphere
        self._weights = {name: w for name, w in weights.items() if name != "places"}
        self.places = weights["places"]
        self.code_size, self._tile_shape = code_size, tuple(tile_shape)
        last = max(name for name in weights if name.startswith("bias_"))
        self.channels = weights[last].shape[0]

    @property
    def tile_shape(self) -> tuple[int, ...]:
        """Samples along each axis of what it was trained on."""
        return self._tile_shape

    def named_weights(self) -> dict[str, np.ndarray]:
        """By the names that `synthesise` takes them by."""
        return dict(self._weights)

    def synthesise(
        self,
        weights: Mapping[str, tf.Tensor],
        code: tf.Tensor,
        grid: Sequence[tf.Tensor],
        quality: tf.Tensor,
    ) -> tf.Tensor:
        """``[B, .., C]`` of files' codes ``[B, M]`` on grids, or on one: ``[B, n]`` an axis."""
        del quality
        weights = {name: weights[name] for name in self._weights}
        network = Network(tnp, self._model, {**weights, "places": self.places})
        points = points_of(tnp, grid, self._sphere)
        shape = tf.shape(points)
        flat = tf.reshape(points, [shape[0], -1, points.shape[-1]])
        values = network.values(network.placed(code), flat)
        return tf.reshape(values, [tf.shape(values)[0], *tf.unstack(shape)[1:-1], self.channels])

    def __call__(self, code: tf.Tensor, *rest: tf.Tensor) -> tf.Tensor:
        *grid, quality = rest
        return self.synthesise(self._weights, code, grid, quality)


class ModulatedFunctions(Functions):
    """The functions of `export.functions`, of dynamic batch and size; arguments as there."""

    def _load(self, bundle: Bundle) -> None:
        model, arrays = bundle.manifest.model, bundle.arrays("inner")
        if model is None or not arrays:
            raise MscnError(f"bundle {bundle.name}: it can only decode, without a model")
        weights = {name: weight.astype(np.float32) for name, weight in bundle.weights().items()}
        weights["places"] = arrays["places"]
        size, shape, sphere = bundle.manifest.code_size or 0, model["shape"], self._sphere
        self.network = GriddedNetwork(model, weights, size, shape, sphere)
        self._fit = InnerLoop(tnp, Network(tnp, model, weights), model, arrays)
        self._held = np.argsort(arrays["places"], kind="stable")[:size]
        grid = global_grid(shape) if sphere else list(map(centres, shape))
        points = points_of(np, [axis[None] for axis in grid], sphere).astype(np.float32)
        self._points = points.reshape(-1, points.shape[-1])
        self.holder, self.large = tf.Module(), ()

    def _codes(self) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
        def codes(signals: tf.Tensor, quality: tf.Tensor) -> tf.Tensor:
            del quality  # codes are the same at all
            flat = tf.reshape(signals, [-1, len(self._points), self.network.channels])
            return tf.gather(self._fit(flat, self._points), self._held, axis=1)

        return codes
