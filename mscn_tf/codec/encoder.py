"""Fits codes to tiles with a bundle's network."""

from __future__ import annotations

from functools import cache

import ml_collections
import numpy as np
import tensorflow as tf

from mscn_tf.fitting.basis_codec import BasisCodec
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.errors import MscnError

BATCH = 64


class Encoder:
    """The inner loop of a trained codec, with the weights of its bundle.

    Raises:
      MscnError: the bundle can only decode.
    """

    def __init__(self, bundle: Bundle):
        if "model" not in bundle.manifest or "rate_weight" not in bundle.manifest:
            raise MscnError(f"bundle {bundle.name}: it can only decode; retrain it with mscn train")
        self._prior = bundle.prior
        self._rate_weight = bundle.manifest["rate_weight"]
        codec = BasisCodec(ml_collections.ConfigDict(bundle.manifest["model"]))
        weights = bundle.weights()
        try:
            codec.step_sizes.assign(weights["step_sizes"])
            for name, variable in codec.network.named_weights().items():
                variable.assign(weights[name])
        except (KeyError, ValueError) as error:
            raise MscnError(
                f"bundle {bundle.name}: its weights do not fit its model ({error})"
            ) from error
        edge, channels = codec.network.edge, codec.network.channels
        fit = tf.function(codec.fit_code, autograph=False)

        # Graphs of a fixed size run faster, so there are two: for one tile, and for many.
        @cache
        def fit_many(batch: int) -> tf.types.experimental.ConcreteFunction:
            return fit.get_concrete_function(
                tf.TensorSpec([batch, edge, edge, channels]), tf.TensorSpec([batch])
            )

        self._fit = fit_many

    def codes(self, tiles: np.ndarray, q16: np.ndarray) -> np.ndarray:
        """Fitted codes of tiles, not quantised.

        Args:
          tiles: uint8 ``[N, edge, edge, C]``.
          q16: integers ``[N]``, quality times 16.

        Returns:
          float32 ``[N, M]``.
        """
        codes = np.empty([len(tiles), self._prior.coefficients], np.float32)
        batch = BATCH if len(tiles) > 1 else 1
        fit = self._fit(batch)
        pixels = np.zeros([batch, *tiles.shape[1:]], np.float32)
        quality = np.ones([batch], np.float32)
        for at in range(0, len(tiles), batch):
            part = slice(at, at + batch)
            count = len(tiles[part])
            pixels[:count] = tiles[part] / np.float32(255)
            quality[:count] = q16[part] / 16
            fitted = fit(tf.constant(pixels), tf.constant(quality))
            codes[part] = fitted.numpy()[:count]
        return codes

    def quantise(self, codes: np.ndarray, q16: np.ndarray) -> np.ndarray:
        """int32 ``[N, M]``: the symbols of codes."""
        return self._prior.quantise(codes, q16, self._rate_weight)
