"""The learned entropy model of codes: one scale a coefficient, predicted from those before it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from mscn_tf.entropy.quantisation import add_uniform_noise, round_dead_zone
from mscn_tf.runtime.quality import LEVELS
from mscn_tf.runtime.quantiser import DEAD_ZONE, between, dead_zones
from mscn_tf.stack.compression import NoisyNormalMixture
from mscn_tf.stack.keras_versions import Layer

# The scales that a frozen table exists for: exp(FIRST + SPACING * index), index < SCALES.
LOG_SCALE_FIRST = -3.2
LOG_SCALE_SPACING = 0.12
SCALES = 72
CONTEXT_UNIT = 0.1  # many contexts add up: their weights must move slower than the rest


class Coded(NamedTuple):
    """A batch of codes as a decoder will see it."""

    symbols: tf.Tensor  # [B, M], whole numbers
    code: tf.Tensor  # [B, M], dequantised
    bits: tf.Tensor  # [B], estimated


def coefficient_bands(code_size: int, bands: int) -> np.ndarray:
    """Splits coefficients, in falling order of variance, into bands, mostly growing: ``[M]``."""
    edges = np.unique(np.round(np.geomspace(4, code_size, bands)).astype(int))[:-1]
    return np.searchsorted(edges, np.arange(code_size), side="right").astype(np.uint8)


@keras.saving.register_keras_serializable(package="mscn_tf")
class ScalePrior(Layer):
    """Quantises codes and models their symbols.

    A symbol follows a zero-mean mixture of two normals (tfc's ``NoisyNormalMixture``, the mass
    between s - 1/2 and s + 1/2) whose log scale is ``base[q, i] + 0.1 sum_j context[j, i] log2(1
    + |s_j|)``: j runs over the coefficients in earlier bands, which a decoder already has. So each
    signal's energy sets its own scales and no side information is sent. Bases, contexts, mixture
    and centroids are learned, steps are not; quality interpolates steps (geometrically) and bases.

    Args:
      code_size: M.
      bands: the number of bands, coded one after the other.
      coarsest_step: quantiser step at quality 1, in units of the code.
      finest_step: quantiser step at quality 10.
      rate_weight: lambda / step^2, what a bit costs in squared error. It sets the dead zone of
        each symbol: as wide as the bits saved by a zero are worth.
    """

    def __init__(
        self,
        code_size: int,
        bands: int = 16,
        coarsest_step: float = 1.6,
        finest_step: float = 0.08,
        rate_weight: float = 0.11,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.code_size = code_size
        self.bands = bands
        self.coarsest_step = coarsest_step
        self.finest_step = finest_step
        self.rate_weight = rate_weight

    @property
    def nominal_steps(self) -> np.ndarray:
        """``[10]``: the quantiser step at each whole quality; not trained."""
        return np.geomspace(self.coarsest_step, self.finest_step, LEVELS)

    def build(self, input_shape: Any = None) -> None:
        size = self.code_size
        self.band = coefficient_bands(size, self.bands)
        # mask[j, i]: coefficient i may look at coefficient j.
        self.context_mask = (self.band[:, None] < self.band[None, :]).astype(np.float32)
        steps = np.log(self.nominal_steps).astype(np.float32)[:, None]

        def weight(name: str, shape: list[int], value: Any = "zeros") -> tf.Variable:
            return self.add_weight(name=name, shape=shape, initializer=value)

        self.log_step = self.add_weight(
            name="log_step",
            shape=[LEVELS, size],
            initializer=lambda shape, dtype=None: tf.constant(np.tile(steps, [1, size]), dtype),
            trainable=False,
        )
        self.base = weight("base", [LEVELS, size])
        self.context = weight("context", [size, size])
        self.mixture = weight("mixture", [2])
        self.spread = weight("spread", [2], keras.initializers.Constant([-0.5, 0.4]))
        # How far towards zero the mean of a symbol's interval lies, for |s| = 1 and above.
        self.centroid = weight("centroid", [SCALES, 2], keras.initializers.Constant(-0.05))
        super().build(input_shape)

    def at_quality(self, table: tf.Tensor, quality: tf.Tensor) -> tf.Tensor:
        """Interpolates ``[10, M]`` at each signal's quality: ``[B, M]``."""
        position = quality - 1.0
        lower = tf.clip_by_value(tf.floor(position), 0.0, LEVELS - 2.0)
        row = tf.cast(lower, tf.int32)
        sixteenths = 16.0 * (position - lower)[:, None]
        return between(tf.gather(table, row), tf.gather(table, row + 1), sixteenths)

    def step(self, quality: tf.Tensor) -> tf.Tensor:
        """Quantiser steps ``[B, M]`` at qualities ``[B]``."""
        return tf.exp(self.at_quality(self.log_step, quality))

    def log_scales(self, symbols: tf.Tensor, quality: tf.Tensor) -> tf.Tensor:
        """Log scale of every symbol's distribution, ``[B, M]``, in units of the step."""
        magnitude = tf.math.log1p(tf.abs(symbols)) / math.log(2.0)
        shift = tf.matmul(magnitude, CONTEXT_UNIT * self.context * self.context_mask)
        return tf.clip_by_value(
            self.at_quality(self.base, quality) + shift,
            LOG_SCALE_FIRST,
            LOG_SCALE_FIRST + LOG_SCALE_SPACING * (SCALES - 1),
        )

    def distribution(self, log_scales: tf.Tensor) -> NoisyNormalMixture:
        """The distribution of symbols whose log scales are given."""
        scale = tf.exp(log_scales[..., None] + self.spread)
        return NoisyNormalMixture(
            loc=tf.zeros_like(scale),
            scale=scale,
            weight=tf.broadcast_to(tf.nn.softmax(self.mixture), tf.shape(scale)),
        )

    def quantise(self, scaled: tf.Tensor, quality: tf.Tensor) -> tf.Tensor:
        """Rounds ``[B, M]`` codes in units of the step, where rate and distortion meet.

        What a one costs more than a zero sets each symbol's own dead zone.
        """
        bits = self.bits_over_zero(tf.ones_like(scaled), scaled, quality)
        return round_dead_zone(scaled, tf.stop_gradient(dead_zones(tf, bits, self.rate_weight)))

    def bits_over_zero(self, sizes: tf.Tensor, scaled: tf.Tensor, quality: tf.Tensor) -> tf.Tensor:
        """What magnitudes ``[B, M]`` cost more than zeros; there is no gradient.

        At the scales that rounding codes ``scaled`` ``[B, M]``, in units of the step, with one dead
        zone for all gives.
        """
        scales = self.log_scales(round_dead_zone(scaled, DEAD_ZONE), quality)
        distribution = self.distribution(scales)
        saved = distribution.log_prob(tf.zeros_like(scales)) - distribution.log_prob(sizes)
        return tf.stop_gradient(saved / math.log(2.0))

    def call(
        self, code: tf.Tensor, quality: tf.Tensor, noise_seed: tf.Tensor | None = None
    ) -> Coded:
        """Quantises ``[B, M]`` codes at qualities ``[B]``, with straight-through gradients.

        With a ``noise_seed``, ``[2]`` int32, uniform noise stands in for the rounding.
        """
        step = self.step(quality)
        if noise_seed is None:
            symbols = self.quantise(code / step, quality)
        else:
            symbols = add_uniform_noise(code / step, noise_seed)
        log_scales = self.log_scales(symbols, quality)
        bits = -tf.reduce_sum(self.distribution(log_scales).log_prob(symbols), 1) / math.log(2.0)
        index = tf.cast(tf.round((log_scales - LOG_SCALE_FIRST) / LOG_SCALE_SPACING), tf.int32)
        magnitude = tf.abs(symbols)
        inwards = tf.where(
            magnitude > 1.5,
            tf.gather(self.centroid[:, 1], index),
            tf.gather(self.centroid[:, 0], index),
        )
        return Coded(symbols, step * (symbols - tf.sign(symbols) * inwards), bits)

    def get_config(self) -> dict[str, Any]:
        names = ("code_size", "bands", "coarsest_step", "finest_step", "rate_weight")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
