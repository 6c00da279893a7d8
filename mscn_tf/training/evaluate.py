"""Measures a codec in training as its users will: frozen tables and real bytes."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from mscn_tf.entropy.freeze import freeze, frozen_arrays
from mscn_tf.fitting.basis_codec import BasisCodec
from mscn_tf.runtime.prior import Prior
from mscn_tf.runtime.quantiser import QUALITIES

BATCH = 64


class Frozen(NamedTuple):
    """An entropy model frozen for ``runtime``."""

    arrays: dict[str, np.ndarray]
    code_scale: np.ndarray  # [M], standard deviation of every code element


class CodecMeasure:
    """Runs a codec's inner loop and synthesis over many tiles.

    Args:
      codec: read at every call, so that it may go on learning.
    """

    def __init__(self, codec: BasisCodec):
        self.codec = codec
        network = codec.network
        tiles = tf.TensorSpec([None, *network.tile_shape, network.channels])
        code, quality = tf.TensorSpec([None, network.code_size]), tf.TensorSpec([None])
        self._fit = tf.function(codec.fit_code, input_signature=[tiles, quality])
        self._synthesise = tf.function(codec.synthesise, input_signature=[code, quality])

    def codes(self, tiles: np.ndarray, q16: np.ndarray) -> np.ndarray:
        """``[N, M]`` float32: fitted, not quantised."""
        quality = q16.astype(np.float32) / 16
        parts = [
            self._fit(tiles[at : at + BATCH], quality[at : at + BATCH]).numpy()
            for at in range(0, len(tiles), BATCH)
        ]
        return np.concatenate(parts)

    def freeze(self, tiles: np.ndarray, seed: int) -> Frozen:
        """The entropy model with tables measured on ``tiles`` at random qualities."""
        prior = self.codec.prior
        q16 = np.random.default_rng(seed).integers(16, 16 * QUALITIES + 1, len(tiles))
        codes = self.codes(tiles, q16)
        symbols = Prior(frozen_arrays(prior)).quantise(codes, q16, prior.rate_weight)
        return Frozen(freeze(prior, symbols, q16), codes.std(0) + 1e-6)

    def rate_and_psnr(self, prior: Prior, tiles: np.ndarray, quality: float) -> tuple[float, float]:
        """Bits a point of range-coded blocks, without headers, and mean PSNR of [0, 1] tiles."""
        q16 = np.full(len(tiles), round(16 * quality))
        rate_weight = self.codec.prior.rate_weight
        symbols = prior.quantise(self.codes(tiles, q16), q16, rate_weight)
        codes = prior.dequantise(symbols, q16).astype(np.float32)
        size, errors = 0, []
        for at in range(0, len(tiles), BATCH):
            block = slice(at, at + BATCH)
            size += len(prior.encode(symbols[block], q16[block]))
            values = self._synthesise(codes[block], q16[block].astype(np.float32) / 16).numpy()
            difference = np.clip(values, 0, 1) - tiles[block]
            errors.append(np.mean(difference**2, axis=tuple(range(1, tiles.ndim))))
        psnr = -10 * np.log10(np.maximum(np.concatenate(errors), 1e-9))
        return 8 * size / (len(tiles) * math.prod(tiles.shape[1:-1])), float(psnr.mean())
