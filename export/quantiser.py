"""What a tile codec's symbols mean (docs/format.md), in TensorFlow and float32."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from mscn_tf.runtime import quantiser
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.quality import HIGHEST, LOWEST
from mscn_tf.runtime.tiles import Tiles

_EXACT = 2**24  # whole numbers below are exact in float32


class Quantiser:
    """Codes to symbols and back, as `mscn_tf.runtime.prior.Prior` has it.

    Args:
      bundle: of a tile codec.

    Raises:
      MscnError: it can only decode, or its scale indices are too large for float32.
    """

    def __init__(self, bundle: Bundle):
        rate_weight = bundle.manifest.rate_weight
        if rate_weight is None:
            raise MscnError(f"bundle {bundle.name}: it can only decode, without a rate_weight")
        arrays, tables = bundle.arrays("prior"), Tiles(bundle).prior.tables
        base, context = arrays["base"].astype(np.int64), arrays["context"].astype(np.int64)
        magnitude = arrays["magnitude"].astype(np.int64)
        reach = np.abs(context).sum(1).max() * np.abs(magnitude).max() + np.abs(base).max()
        if max(reach, 16 * np.abs(np.diff(base, axis=0)).max()) >= _EXACT:
            raise MscnError(f"bundle {bundle.name}: its scale indices are not exact in float32")
        self._base, self._context = base.astype("f4"), np.ascontiguousarray(context.T, "f4")
        self._magnitude = magnitude.astype("f4")
        self._log_step = arrays["log_step"].astype("f4")
        self._centroid = arrays["centroid"].astype("f4").ravel()
        self._dead_zone = quantiser.dead_zones(np, tables.one_over_zero, rate_weight).astype("f4")
        self._tables = tables.count

    def dequantise(self, symbols: tf.Tensor, quality: tf.Tensor) -> tf.Tensor:
        """Codes ``[B, M]`` of symbols, int32 ``[B, M]``, at qualities ``[B]``."""
        values = tf.cast(symbols, tf.float32)
        size = tf.abs(values)
        index = 2 * self.scale_index(size, quality)
        index += tf.cast(tf.clip_by_value(size - 1.0, 0.0, 1.0), tf.int32)
        kept = size - tf.gather(self._centroid, index)
        return self._steps(quality) * tf.sign(values) * kept

    def quantise(self, code: tf.Tensor, quality: tf.Tensor) -> tf.Tensor:
        """int32 ``[B, M]``: what `Prior.quantise` gives in one pass."""
        scaled = code / self._steps(quality)
        size = tf.abs(quantiser.round_dead_zone(tf, scaled, quantiser.DEAD_ZONE))
        zone = tf.gather(self._dead_zone, self.scale_index(size, quality))
        return tf.cast(quantiser.round_dead_zone(tf, scaled, zone), tf.int32)

    def _between(
        self, table: np.ndarray, quality: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Rows below and above each quality, ``[B, M]``, and sixteenths between, ``[B, 1]``."""
        q16 = tf.clip_by_value(tf.cast(tf.round(16.0 * quality), tf.int32), LOWEST, HIGHEST)
        lower, upper, part = quantiser.around(tf, q16)
        return tf.gather(table, lower), tf.gather(table, upper), tf.cast(part, tf.float32)[:, None]

    def _steps(self, quality: tf.Tensor) -> tf.Tensor:
        """The quantiser's steps ``[B, M]``."""
        return tf.exp(quantiser.between(*self._between(self._log_step, quality)))

    def scale_index(
        self, size: tf.Tensor, quality: tf.Tensor, columns: slice | None = None
    ) -> tf.Tensor:
        """int32 ``[B, m]``, of some columns or all, from symbols' sizes, whole ``[B, M]``."""
        low, high, part = self._between(self._base, quality)
        context = self._context
        if columns is not None:
            low, high = low[:, columns], high[:, columns]
            context = tf.constant(context)[:, columns]
        base = quantiser.whole_between(tf, low, high, part)
        place = tf.cast(tf.minimum(size, len(self._magnitude) - 1.0), tf.int32)
        seen = tf.matmul(tf.gather(self._magnitude, place), context)
        return tf.cast(quantiser.scale_index(tf, base + seen, self._tables), tf.int32)
