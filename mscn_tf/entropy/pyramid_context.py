"""The learned entropy model of wavelet coefficients, and its freezing into whole numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mscn_tf.entropy import laplace
from mscn_tf.entropy.laplace import LOG_SCALE_FIRST, LOG_SCALE_SPACING, SCALES
from mscn_tf.entropy.whole_numbers import whole_weights
from mscn_tf.runtime import pyramid_scales as frozen
from mscn_tf.runtime.pyramid_scales import AROUND, OWN, PASSES, companion, magnitude_table
from mscn_tf.runtime.quantiser import FRACTION
from mscn_tf.stack.keras_versions import Layer

_ACTIVATION_BITS = 8  # fractional bits of hidden units, frozen


def known_before(start: int, offset: tuple[int, int]) -> bool:
    """Whether a place at an offset in the same band belongs to an earlier pass."""
    y, x = ((first + step) % 2 for first, step in zip(PASSES[start], offset))
    return PASSES.index((y, x)) < start


@keras.saving.register_keras_serializable(package="mscn_tf")
class PyramidContext(Layer):
    """Log scales of the coefficients of one level from magnitudes that a decoder knows by then.

    See ``runtime.pyramid_prior`` for the order of coding and the inputs. One network for each band
    and pass, two hidden layers, shared by all levels but for the first layer's bias. A symbol
    follows a mixture of two Laplace distributions about zero, both with the predicted scale, the
    second wider.

    Args:
      levels: of the pyramid.
      channels: C; there are B = 3 C bands.
      hidden: units of the first layer.
      last: units of the second layer.
    """

    def __init__(
        self, levels: int = 7, channels: int = 3, hidden: int = 32, last: int = 16, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.levels, self.channels = levels, channels
        self.hidden, self.last = hidden, last

    @property
    def bands(self) -> int:
        """The number of detail bands of a level."""
        return 3 * self.channels

    def build(self, input_shape: Any = None) -> None:
        seeds = iter(range(10**6))

        def weight(name: str, shape: list[int], deviation: float) -> tf.Variable:
            start = keras.initializers.RandomNormal(stddev=deviation, seed=next(seeds))
            return self.add_weight(name=name, shape=shape, initializer=start)

        def net(band: int, number: int) -> dict[str, tf.Variable]:
            shapes = {
                "own": [len(OWN), self.hidden],
                "earlier": [9 * band, self.hidden],
                "parent": [18, self.hidden],
                "bias": [self.levels, self.hidden],
                "quality": [self.hidden],
                "second": [self.hidden, self.last],
                "second_bias": [self.last],
                "output": [self.last],
            }
            first = 0.5 / math.sqrt(9 * band + 24)
            deviations = {
                "own": first,
                "earlier": first,
                "parent": first,
                "quality": 0.05,
                "second": 1 / math.sqrt(self.hidden),
                "output": 0.2,
            }
            return {
                name: weight(f"{name}_{band}_{number}", shape, deviations.get(name, 0.0))
                for name, shape in shapes.items()
                if np.prod(shape)
            }

        self.nets = [[net(band, number) for number in range(4)] for band in range(self.bands)]
        self.base = weight("base", [self.levels, self.bands], 0.0)
        # A quality more makes a coefficient about 1.6 times as many steps.
        self.slope = self.add_weight(
            name="slope",
            shape=[self.levels, self.bands],
            initializer=keras.initializers.Constant(0.5),
        )
        self.mixture = self.add_weight(
            name="mixture", shape=[3], initializer=keras.initializers.Constant([1.0, 0.0, 0.5])
        )
        super().build(input_shape)

    def _first_layer(
        self,
        net: dict[str, tf.Variable],
        band: int,
        number: int,
        own: tf.Tensor,
        parents: tf.Tensor,
    ) -> tf.Tensor:
        y, x = PASSES[number]
        rows, columns = own.shape[1] - 4, own.shape[2] - 4
        known = np.array([known_before(number, offset) for offset in OWN], np.float32)[:, None]
        kernel = net["own"] * known
        kernel = tf.concat([kernel[:12], tf.zeros_like(kernel[:1]), kernel[12:]], 0)
        kernel = tf.reshape(kernel, [5, 5, 1, self.hidden])

        def around(weights: tf.Tensor, count: int) -> tf.Tensor:
            return tf.transpose(tf.reshape(weights, [count, 3, 3, self.hidden]), [1, 2, 0, 3])

        total = tf.nn.conv2d(
            own[:, y : y + rows + 3, x : x + columns + 3, band : band + 1], kernel, 2, "VALID"
        )
        pair = tf.gather(parents, [band, companion(band)], axis=-1)
        total += tf.nn.conv2d(pair, around(net["parent"], 2), 1, "VALID")
        if band:
            part = own[:, y + 1 : y + rows + 2, x + 1 : x + columns + 2, :band]
            total += tf.nn.conv2d(part, around(net["earlier"], band), 2, "VALID")
        return total

    def call(
        self, magnitudes: tf.Tensor, parents: tf.Tensor, level: tf.Tensor, quality: tf.Tensor
    ) -> tf.Tensor:
        """Log scales in units of the step.

        Args:
          magnitudes: ``[N, h + 4, w + 4, B]``, ``see_magnitudes`` of a level's symbols with two
            more on each side; h and w even.
          parents: ``[N, h / 2 + 2, w / 2 + 2, B]``, the level above, with one more on each side.
          level: int32 ``[N]``, 0 the finest.
          quality: ``[N]``.

        Returns:
          ``[N, h, w, B]``.
        """
        centred = quality - frozen.MIDDLE_QUALITY / 16
        limit = (frozen.LARGEST_ACTIVATION - 1) * 2.0**-_ACTIVATION_BITS
        rows, columns = magnitudes.shape[1] - 4, magnitudes.shape[2] - 4
        scales = []
        for band, nets in enumerate(self.nets):
            passes = []
            for number, net in enumerate(nets):
                total = self._first_layer(net, band, number, magnitudes, parents)
                bias = tf.gather(net["bias"], level) + centred[:, None] * net["quality"]
                hidden = tf.clip_by_value(total + bias[:, None, None], 0.0, limit)
                hidden = tf.tensordot(hidden, net["second"], 1) + net["second_bias"]
                hidden = tf.clip_by_value(hidden, 0.0, limit)
                passes.append(tf.tensordot(hidden, net["output"], 1))
            top = tf.stack([passes[0], passes[2]], -1)  # (0, 0) and (0, 1)
            bottom = tf.stack([passes[3], passes[1]], -1)  # (1, 0) and (1, 1)
            scales.append(tf.reshape(tf.stack([top, bottom], 2), [-1, rows, columns]))
        offset = tf.gather(self.base, level) + tf.gather(self.slope, level) * centred[:, None]
        return tf.stack(scales, -1) + offset[:, None, None]

    def bits(self, symbols: tf.Tensor, log_scales: tf.Tensor) -> tf.Tensor:
        """What each symbol costs; all of one shape."""
        return laplace.bits(self.mixture, symbols, log_scales)

    def thaw(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Takes what `freeze_context` and `measured_tables` gave.

        Raises:
          ValueError: they are of networks of other shapes.
        """
        first_bits, second_bits = arrays["shift"][:2].astype(int) + _ACTIVATION_BITS
        output_bits = int(arrays["shift"][2])
        hidden = 2.0**_ACTIVATION_BITS
        first = arrays["first"] * (8 * 2.0**-first_bits)
        near = len(AROUND)
        parts = {
            "bias": arrays["bias"] * 2.0**-first_bits,
            "quality": arrays["quality"] * (16 * 2.0**-first_bits),
            "second": arrays["second"] * (hidden * 2.0**-second_bits),
            "second_bias": arrays["second_bias"] * 2.0**-second_bits,
            "output": arrays["last"] * (hidden * LOG_SCALE_SPACING * 2.0**-output_bits),
        }
        for band, nets in enumerate(self.nets):
            for number, net in enumerate(nets):
                own = {name: part[band, number] for name, part in parts.items()}
                own["own"] = first[band, number, : len(OWN)]
                own["earlier"] = first[band, number, len(OWN) : len(OWN) + near * band]
                own["parent"] = first[band, number, -2 * near :]
                for name, weight in net.items():
                    weight.assign(own[name])
        unit = LOG_SCALE_SPACING * 2.0**-output_bits
        self.base.assign(arrays["base"] * unit + LOG_SCALE_FIRST)
        self.slope.assign(arrays["slope"] * (16 * unit))
        self.mixture.assign(laplace.fitted_mixture(arrays))

    def get_config(self) -> dict[str, Any]:
        names = ("levels", "channels", "hidden", "last")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def see_magnitudes(symbols: np.ndarray) -> np.ndarray:
    """float32, ``log2(1 + |s|)`` in eighths, as a decoder computes it; any shape."""
    size = np.minimum(np.abs(symbols), frozen.LARGEST_MAGNITUDE).astype(np.int64)
    return (magnitude_table()[size] / 8).astype(np.float32)


def freeze_context(context: PyramidContext) -> dict[str, np.ndarray]:
    """The arrays of ``runtime.pyramid_prior.PyramidPrior`` that hold the network."""
    bands, hidden = context.bands, context.hidden
    places = 24 + 9 * (bands - 1) + 18
    first = np.zeros([bands, 4, places, hidden])
    for band in range(bands):
        for number, net in enumerate(context.nets[band]):
            known = np.array([known_before(number, offset) for offset in OWN])[:, None]
            first[band, number, :24] = net["own"].numpy() * known
            if band:
                first[band, number, 24 : 24 + 9 * band] = net["earlier"].numpy()
            first[band, number, -2 * len(AROUND) :] = net["parent"].numpy()

    def stacked(name: str) -> np.ndarray:
        return np.stack([[net[name].numpy() for net in nets] for nets in context.nets]).astype("f8")

    reach = (frozen.MIDDLE_QUALITY + 16) / 16
    bias, quality = stacked("bias"), stacked("quality")
    offsets = np.abs(bias).max() + reach * np.abs(quality).max()
    unit, largest = 2.0**-_ACTIVATION_BITS, frozen.LARGEST_ACTIVATION
    first, first_bits = whole_weights(first, 1 / 8, magnitude_table()[-1], offsets)
    second_bias = stacked("second_bias")
    second, second_bits = whole_weights(stacked("second"), unit, largest, np.abs(second_bias).max())
    base = (context.base.numpy().astype("f8") - LOG_SCALE_FIRST) / LOG_SCALE_SPACING
    slope = context.slope.numpy().astype("f8") / LOG_SCALE_SPACING
    offsets = np.abs(base).max() + reach * np.abs(slope).max()
    output = stacked("output")[..., None] / LOG_SCALE_SPACING
    output, output_bits = whole_weights(output, unit, largest, offsets)

    def scaled(values: np.ndarray, bits: int) -> np.ndarray:
        return np.rint(values * 2.0**bits).astype(np.int32)

    return {
        "first": first,
        "bias": scaled(bias, first_bits),
        "quality": scaled(quality / 16, first_bits),
        "second": second,
        "second_bias": scaled(second_bias, second_bits),
        "last": output[..., 0],
        "base": scaled(base, output_bits),
        "slope": scaled(slope / 16, output_bits),
        "shift": np.array(
            [first_bits - _ACTIVATION_BITS, second_bits - _ACTIVATION_BITS, output_bits], np.int32
        ),
    }


def coarse_indices(log_scales: np.ndarray) -> np.ndarray:
    """The array ``coarse``, int32, for log scales ``[10, C]`` in units of the step."""
    index = np.clip((log_scales - LOG_SCALE_FIRST) / LOG_SCALE_SPACING, 0, SCALES - 1)
    return np.rint(index * 2.0**FRACTION).astype(np.int32)


def learned_tables(context: PyramidContext) -> dict[str, np.ndarray]:
    """The arrays of ``runtime.tables.Tables`` as learned, no centroids yet."""
    return measured_tables(context, np.zeros(0, np.int64), np.zeros(0, np.int64))


def measured_tables(
    context: PyramidContext, symbols: np.ndarray, index: np.ndarray
) -> dict[str, np.ndarray]:
    """The same with frequencies counted on symbols ``[n]`` whose tables are ``index``."""
    return laplace.measured_tables(context.mixture, symbols, index)
