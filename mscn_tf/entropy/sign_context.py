"""The learned model of wavelet coefficients' signs, and its freezing into whole numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mscn_tf.entropy.pyramid_context import known_before
from mscn_tf.entropy.whole_numbers import whole_weights
from mscn_tf.runtime import pyramid_signs as frozen
from mscn_tf.runtime.pyramid_scales import AROUND, MARGIN, OWN, PASSES
from mscn_tf.runtime.pyramid_signs import SIZES, WIDE
from mscn_tf.runtime.tables import FREQUENCY_BITS
from mscn_tf.stack.keras_versions import Layer

# Frozen evidence is in units of SPACING nats, and reaches as far as LEVELS of them.
EVIDENCE_SPACING = 0.25
EVIDENCE_LEVELS = 24
_ACTIVATION_BITS = 12  # hidden units reach from -1 to 1
_UNIT = 8  # of magnitudes, frozen
_PSEUDO_COUNT = 200.0  # signs that the learned probability counts for beside measured ones


def _window(weights: tf.Tensor, edge: int) -> tf.Tensor:
    """A convolution's kernel of weights ``[count * edge * edge, H]``."""
    shaped = tf.reshape(weights, [-1, edge, edge, weights.shape[-1]])
    return tf.transpose(shaped, [1, 2, 0, 3])


def _products(
    values: tf.Tensor, channel: int, other: int, window: np.ndarray, stride: int
) -> tf.Tensor:
    """Sums of two channels' products in a window, and of their sizes, one after the other."""
    products = values[..., 3 * channel : 3 * channel + 3] * values[..., 3 * other : 3 * other + 3]
    return tf.nn.conv2d(tf.concat([products, tf.abs(products)], 0), window, stride, "VALID")


@keras.saving.register_keras_serializable(package="mscn_tf")
class SignContext(Layer):
    """Log odds that coefficients of one level are positive, from signs that a decoder knows.

    See ``runtime.pyramid_signs`` for the inputs. One network for each band and pass, one hidden
    layer, shared by all levels but for the last layer. Without biases and with an odd activation,
    the log odds of a negative are the negative log odds.

    Args:
      levels: of the pyramid.
      channels: C; there are B = 3 C bands.
      hidden: units of the hidden layer.
    """

    def __init__(self, levels: int = 7, channels: int = 3, hidden: int = 32, **kwargs: Any):
        super().__init__(**kwargs)
        self.levels, self.channels, self.hidden = levels, channels, hidden

    def build(self, input_shape: Any = None) -> None:
        seeds = iter(range(10**6))

        def weight(name: str, shape: list[int], deviation: float) -> tf.Variable:
            start = keras.initializers.RandomNormal(stddev=deviation, seed=next(seeds))
            return self.add_weight(name=name, shape=shape, initializer=start)

        def net(band: int, number: int) -> dict[str, tf.Variable]:
            channel, direction = divmod(band, 3)
            shapes = {
                "own": [len(OWN), self.hidden],
                "earlier": [direction * len(AROUND), self.hidden],
                "parent": [3 * len(WIDE), self.hidden],
                "ratio": [channel, self.hidden],
                "last": [self.hidden],
                "level_last": [self.levels, SIZES, self.hidden],
            }
            deviations = {"last": 0.5, "level_last": 0.0}
            return {
                name: weight(f"sign_{name}_{band}_{number}", shape, deviations.get(name, 0.03))
                for name, shape in shapes.items()
                if np.prod(shape)
            }

        self.nets = [
            [net(band, number) for number in range(4)] for band in range(3 * self.channels)
        ]
        super().build(input_shape)

    def _ratio(
        self, own: tf.Tensor, above: tf.Tensor, band: int, number: int, other: int
    ) -> tf.Tensor:
        """What another channel's coefficient says, by how the two went together around it.

        ``above`` is what `_products` gives of the level above.
        """
        channel, direction = divmod(band, 3)
        y, x = PASSES[number]
        rows, columns = own.shape[1] - 2 * MARGIN, own.shape[2] - 2 * MARGIN
        window = np.zeros([5, 5, 3, 1], np.float32)
        window[1:4, 1:4, :direction] = 1
        for dy, dx in OWN:
            # The eight nearest are two inputs each.
            count = 1 + ((dy, dx) in AROUND)
            window[2 + dy, 2 + dx, direction] = count * known_before(number, (dy, dx))
        part = own[:, y : y + rows + 3, x : x + columns + 3]
        products, sizes = tf.split(_products(part, channel, other, window, 2) + above, 2)
        here = part[:, 2::2, 2::2, 3 * other + direction, None][:, : rows // 2, : columns // 2]
        return products / (sizes + frozen.RATIO_DOUBT / _UNIT**2) * here

    def _hidden(
        self,
        net: dict[str, tf.Variable],
        band: int,
        number: int,
        own: tf.Tensor,
        ratios: list[tf.Tensor],
    ) -> tf.Tensor:
        """Sums of the hidden units, but for what the level above adds."""
        first = band - band % 3
        y, x = PASSES[number]
        rows, columns = own.shape[1] - 2 * MARGIN, own.shape[2] - 2 * MARGIN
        known = np.array([known_before(number, offset) for offset in OWN], np.float32)[:, None]
        kernel = net["own"] * known
        kernel = tf.concat([kernel[:12], tf.zeros_like(kernel[:1]), kernel[12:]], 0)
        part = own[:, y : y + rows + 3, x : x + columns + 3, band : band + 1]
        total = tf.nn.conv2d(part, tf.reshape(kernel, [5, 5, 1, self.hidden]), 2, "VALID")
        if band > first:
            part = own[:, y + 1 : y + rows + 2, x + 1 : x + columns + 2, first:band]
            total += tf.nn.conv2d(part, _window(net["earlier"], 3), 2, "VALID")
        for number, ratio in enumerate(ratios):
            total += ratio * net["ratio"][number]
        return total

    def call(self, own: tf.Tensor, parents: tf.Tensor, level: tf.Tensor) -> tf.Tensor:
        """Log odds of a positive sign, should the coefficient not be zero.

        Args:
          own: ``[N, h + 4, w + 4, B]``, ``see_magnitudes`` with signs, of a level's symbols with
            two more on each side; h and w even.
          parents: ``[N, h / 2 + 4, w / 2 + 4, B]``, the level above, likewise.
          level: int32 ``[N]``, 0 the finest.

        Returns:
          ``[N, h, w, B, 3]``: at magnitudes 1, 2, and larger.
        """
        rows, columns = own.shape[1] - 2 * MARGIN, own.shape[2] - 2 * MARGIN
        limit = frozen.LARGEST_ACTIVATION * 2.0**-_ACTIVATION_BITS
        odds = []
        for channel in range(self.channels):
            bands = range(3 * channel, 3 * channel + 3)
            # One convolution for all bands and passes: they see the same of the level above.
            kernels = [_window(net["parent"], 5) for band in bands for net in self.nets[band]]
            part = parents[..., 3 * channel : 3 * channel + 3]
            above = tf.nn.conv2d(part, tf.concat(kernels, -1), 1, "VALID")
            above = iter(tf.split(above, len(kernels), -1))
            wide = np.ones([5, 5, 3, 1], np.float32)
            others = [_products(parents, channel, other, wide, 1) for other in range(channel)]
            for band in bands:
                passes = []
                for number, net in enumerate(self.nets[band]):
                    ratios = [
                        self._ratio(own, products, band, number, other)
                        for other, products in enumerate(others)
                    ]
                    hidden = self._hidden(net, band, number, own, ratios) + next(above)
                    hidden = tf.clip_by_value(hidden, -limit, limit)
                    hidden = tf.reshape(hidden, [-1, rows * columns // 4, self.hidden])
                    last = net["last"] + tf.gather(net["level_last"], level)
                    evidence = tf.matmul(hidden, last, transpose_b=True)
                    passes.append(tf.reshape(evidence, [-1, rows // 2, columns // 2, SIZES]))
                top = tf.stack([passes[0], passes[2]], 3)  # (0, 0) and (0, 1)
                bottom = tf.stack([passes[3], passes[1]], 3)  # (1, 0) and (1, 1)
                odds.append(tf.reshape(tf.stack([top, bottom], 2), [-1, rows, columns, SIZES]))
        return tf.stack(odds, 3)

    def bits(self, symbols: tf.Tensor, log_odds: tf.Tensor) -> tf.Tensor:
        """What each sign costs beyond one bit; 0 for zeros.

        Args:
          symbols: any shape.
          log_odds: of the same shape and ``[3]``.
        """
        size = tf.cast(tf.clip_by_value(tf.abs(symbols), 1.0, SIZES), tf.int32) - 1
        odds = tf.reduce_sum(log_odds * tf.one_hot(size, SIZES), -1)
        sign = tf.sign(symbols)
        return tf.abs(sign) * (tf.nn.softplus(-sign * odds) / math.log(2.0) - 1)

    def thaw(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Takes what `freeze_signs` gave.

        Raises:
          ValueError: they are of networks of other shapes.
        """
        first_bits, last_bits = arrays["sign_shift"].astype(int) + [_ACTIVATION_BITS, 0]
        first = arrays["sign_first"] * (_UNIT * 2.0**-first_bits)
        last = arrays["sign_last"] * (EVIDENCE_SPACING * 2.0 ** (_ACTIVATION_BITS - last_bits))
        own, near = len(OWN), len(AROUND)
        ratios = own + 3 * near + 3 * len(WIDE)
        for band, nets in enumerate(self.nets):
            channel, direction = divmod(band, 3)
            for number, net in enumerate(nets):
                weights, mean = first[band, number], last[band, number].mean((0, 1))
                parts = {
                    "own": weights[:own],
                    "earlier": weights[own : own + direction * near],
                    "parent": weights[own + 3 * near : ratios],
                    "ratio": weights[ratios : ratios + channel],
                    "last": mean,
                    "level_last": last[band, number] - mean,
                }
                for name, weight in net.items():
                    weight.assign(parts[name])

    def get_config(self) -> dict[str, Any]:
        names = ("levels", "channels", "hidden")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def freeze_signs(context: SignContext) -> dict[str, np.ndarray]:
    """The arrays of ``runtime.pyramid_signs.Signs``."""
    bands, hidden = 3 * context.channels, context.hidden
    first = np.zeros([bands, 4, frozen.input_count(context.channels), hidden])
    last = np.zeros([bands, 4, context.levels, SIZES, hidden])
    own, near = len(OWN), len(AROUND)
    parents = own + 3 * near
    for band in range(bands):
        channel, direction = divmod(band, 3)
        for number, net in enumerate(context.nets[band]):
            known = np.array([known_before(number, offset) for offset in OWN])[:, None]
            weights = first[band, number]
            weights[:own] = net["own"].numpy() * known
            if direction:
                weights[own : own + direction * near] = net["earlier"].numpy()
            weights[parents : parents + 3 * len(WIDE)] = net["parent"].numpy()
            if channel:
                start = parents + 3 * len(WIDE)
                weights[start : start + channel] = net["ratio"].numpy()
            last[band, number] = net["last"].numpy() + net["level_last"].numpy()
    first, first_bits = whole_weights(first, 1 / _UNIT, frozen.LARGEST_INPUT, 0)
    last = last[..., None] / EVIDENCE_SPACING
    last, last_bits = whole_weights(
        last, 2.0**-_ACTIVATION_BITS, frozen.LARGEST_ACTIVATION, 0, widest=20
    )
    return {
        "sign_first": first,
        "sign_last": last[..., 0],
        "sign_shift": np.array([first_bits - _ACTIVATION_BITS, last_bits], np.int32),
        "sign_frequencies": sign_frequencies(np.zeros(0, np.int64), np.zeros(0, bool)),
    }


def sign_frequencies(table: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The array ``sign_frequencies``, int32, counted on signs.

    Args:
      table: integers ``[n]``, what ``Signs.table`` gives.
      right: bool ``[n]``, whether the sign is the one that was predicted.
    """
    counts = np.bincount(table, minlength=EVIDENCE_LEVELS)
    agreed = np.bincount(table[right], minlength=EVIDENCE_LEVELS)
    expected = 1 / (1 + np.exp(-EVIDENCE_SPACING * np.arange(EVIDENCE_LEVELS)))
    share = (agreed + _PSEUDO_COUNT * expected) / (counts + _PSEUDO_COUNT)
    total = 2**FREQUENCY_BITS
    return np.clip(np.rint(share * total), 1, total - 1).astype(np.int32)
