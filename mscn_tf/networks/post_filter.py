"""A convolutional network that mends decoded pictures, in whole numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mscn_tf.runtime import post_filter
from mscn_tf.runtime.quality import HIGHEST, LEVELS, MIDDLE
from mscn_tf.runtime.quantiser import around, between
from mscn_tf.stack.keras_versions import Layer, plain

_SHARE = 0.95  # of what sums may reach, for kernels; biases and rounding have the rest


@keras.saving.register_keras_serializable(package="mscn_tf")
class PostFilter(Layer):
    """What `runtime.post_filter.PostFilter` adds to decoded values, to be trained.

    Convolutions of 3x3 on blocks of 2x2 pixels, without padding, told the quality: kernels and
    biases are linear in it. All numbers between layers are whole, as they are in the runtime;
    gradients pass straight through the rounding (Bengio et al. 2013).

    Args:
      channels: C of the pictures.
      width: channels between layers.

    Attributes:
      log_error: natural logarithm of the root-mean-square error to expect at qualities 1 to 10,
        which corrections are in units of: set before training.

    Raises:
      ValueError: an argument below 1.
    """

    def __init__(self, channels: int = 3, width: int = 32, **kwargs: Any):
        super().__init__(**kwargs)
        if channels < 1 or width < 1:
            raise ValueError(f"channels and width must be 1 or more, not {channels}, {width}")
        self.channels, self.width = channels, width
        ends = 4 * channels
        sizes = [ends, *[width] * (post_filter.LAYERS - 1), ends]

        def weights(name: str, shapes: Sequence[list[int]], scales: Sequence[float]) -> list[Any]:
            found = []
            for number, (shape, scale) in enumerate(zip(shapes, scales)):
                start = keras.initializers.VarianceScaling(scale, seed=number) if scale else "zeros"
                name_of = f"{name}_{number}"
                found.append(self.add_weight(name=name_of, shape=shape, initializer=start))
            return found

        kernels = [[3, 3, *pair] for pair in zip(sizes, sizes[1:])]
        # Inputs are several times as large as what lies between layers may become; and what it
        # adds is little at first.
        self.kernels = weights("kernel", kernels, [0.5, *[2.0] * (len(kernels) - 2), 0.01])
        self.kernel_slopes = weights("kernel_slope", kernels, [0.0] * len(kernels))
        biases = [[size] for size in sizes[1:]]
        self.biases = weights("bias", biases, [0.0] * len(biases))
        self.log_error = self.add_weight(
            name="log_error", shape=[LEVELS], initializer="zeros", trainable=False
        )
        self.bias_slopes = weights("bias_slope", biases, [0.0] * len(biases))

    def build(self, input_shape: Any = None) -> None:
        super().build(input_shape)

    def call(self, values: tf.Tensor, q16: tf.Tensor) -> tf.Tensor:
        """What is to be added to decoded values.

        Args:
          values: float32 ``[B, H, W, C]``, nominally in [0, 1]; H and W even.
          q16: their quality in sixteenths, a scalar.

        Returns:
          ``[B, H - 16, W - 16, C]``, without the margin.
        """
        return self.correction(self.hidden(values, q16), q16)

    def correction(self, hidden: tf.Tensor, q16: tf.Tensor) -> tf.Tensor:
        """What the last layer makes of what it sees: the same as `call` returns."""
        kernel, bias = self._layer(post_filter.LAYERS - 1, q16)
        sums = tf.nn.conv2d(hidden, kernel, 1, "VALID") + bias
        return self.unit(q16) * tf.nn.depth_to_space(_floor(sums), 2)

    def hidden(self, values: tf.Tensor, q16: tf.Tensor) -> tf.Tensor:
        """What the last layer sees of them, whole numbers ``[B, H / 2 - 6, W / 2 - 6, width]``."""
        inputs = _rounded((values - 0.5) * post_filter.INPUT_SCALE)
        reach = float(post_filter.LARGEST_INPUT)
        hidden = tf.nn.space_to_depth(tf.clip_by_value(inputs, -reach, reach), 2)
        for number in range(post_filter.LAYERS - 1):
            kernel, bias = self._layer(number, q16)
            sums = tf.nn.conv2d(hidden, kernel, 1, "VALID") + bias
            hidden = _floor(tf.maximum(sums, post_filter.LEAK * sums))
            hidden = tf.clip_by_value(hidden, *map(float, post_filter.RANGE))
        return hidden

    def unit(self, q16: tf.Tensor) -> tf.Tensor:
        """What 1 of the last layer's sums is in values, at a quality in sixteenths."""
        low, high, sixteenths = around(tf, tf.cast(q16, tf.int32))
        ends = tf.gather(self.log_error, low), tf.gather(self.log_error, high)
        log_error = between(*ends, tf.cast(sixteenths, self.compute_dtype))
        return tf.exp(log_error) / post_filter.OUTPUT_SCALE

    def _layer(self, number: int, q16: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Kernel and bias of a layer at a quality in sixteenths."""
        away, unit = tf.cast(q16, self.compute_dtype) - MIDDLE, 2.0**-post_filter.SHIFT

        def at_quality(constant: tf.Tensor, slope: tf.Tensor) -> tf.Tensor:
            return unit * (_rounded(constant / unit) + _rounded(away / 64 * _rounded(slope / unit)))

        kernel = at_quality(self.kernels[number], self.kernel_slopes[number])
        return kernel, at_quality(self.biases[number], self.bias_slopes[number])

    def constrain(self) -> None:
        """Scales kernels so that no sum can be too large to be exact; after each training step."""
        ends = (post_filter.LARGEST_INPUT, *[max(map(abs, post_filter.RANGE))] * len(self.kernels))
        for kernel, slope, end in zip(self.kernels, self.kernel_slopes, ends):
            most = _SHARE * post_filter.EXACT / end / 2.0**post_filter.SHIFT
            away = (HIGHEST - MIDDLE) / 64
            sums = [tf.reduce_sum(tf.abs(kernel + q * slope), [0, 1, 2]) for q in (-away, away)]
            scale = most / tf.maximum(tf.maximum(*sums), most)
            kernel.assign(kernel * scale)
            slope.assign(slope * scale)

    def frozen(self) -> dict[str, np.ndarray]:
        """The arrays of the runtime's filter, by name."""
        arrays = {"log_error": plain(self.log_error).numpy().astype(np.float64)}
        for name, weight in self._by_name():
            whole = np.rint(plain(weight).numpy() * 2.0**post_filter.SHIFT)
            whole = whole.transpose(3, 2, 0, 1) if whole.ndim == 4 else whole
            arrays[name] = np.ascontiguousarray(whole, np.int32)
        return arrays

    def thaw(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Takes what `frozen` gave.

        Raises:
          ValueError: they are of a filter of other shapes.
        """
        self.log_error.assign(arrays["log_error"])
        for name, weight in self._by_name():
            real = arrays[name] * 2.0**-post_filter.SHIFT
            weight.assign(real.transpose(2, 3, 1, 0) if real.ndim == 4 else real)

    def _by_name(self) -> Iterator[tuple[str, Any]]:
        """Variables and what the runtime calls them."""
        for name in post_filter.ARRAYS:
            plural = f"{name}es" if name == "bias" else f"{name}s"
            for number, weight in enumerate(getattr(self, plural)):
                yield f"{name}_{number}", weight

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "channels": self.channels, "width": self.width}


def _floor(values: tf.Tensor) -> tf.Tensor:
    return values + tf.stop_gradient(tf.floor(values) - values)


def _rounded(values: tf.Tensor) -> tf.Tensor:
    return values + tf.stop_gradient(tf.floor(values + 0.5) - values)
