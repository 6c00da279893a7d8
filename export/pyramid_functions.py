"""A pyramid codec's decoder in TensorFlow, from its bundle: wavelet, colours and filter.

Coefficients are dequantised (the range coder and the networks that say which table codes what stay
outside, in `mscn_tf.runtime`). All is in float32; the filter's sums are whole numbers that float32
holds exactly, so that it gives what the runtime's gives wherever it sees the same input and no tile
changes it; where one does, what it adds is rounded later than there.

========  =============================================  =====================================
function  inputs                                         output
========  =============================================  =====================================
decode    ``coefficients`` float32 [B, H, W, C], those   ``values`` float32 [B, H, W, C],
          of pictures of H x W pixels in Mallat's        nominally 0 to 1, not clipped
          layout (`runtime.wavelet.in_one_plane`);
          of codecs with a filter ``quality`` float32
          [B], 1 to 10; of those whose tiles change it
          ``filter_update`` float32
          [B, ceil(H / 2), ceil(W / 2), K], the steps of
          the tile that a block of 2x2 pixels lies in;
          of those with a filter of their own likewise
          ``taps`` float32, 0 where there is none
========  =============================================  =====================================
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Union

import numpy as np
import tensorflow as tf

from mscn_tf.export.float_functions import FloatFunctions, check_size, traced
from mscn_tf.runtime.adaptive_filter import (
    COLOURS,
    COUNTS,
    NORMS,
    OFFSETS,
    REACH,
    TAP_SCALE,
)
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.filter_updates import FilterUpdates
from mscn_tf.runtime.grids import axis_names
from mscn_tf.runtime.post_filter import (
    DIRECTION_SHIFT,
    DIRECTIONS,
    EXACT,
    INPUT_SCALE,
    LARGEST_INPUT,
    LAYERS,
    LEAK,
    MARGIN,
    OUTPUT_SCALE,
    RANGE,
    SHIFT,
)
from mscn_tf.runtime.pyramids import Pyramids
from mscn_tf.runtime.quality import HIGHEST, LOWEST, MIDDLE
from mscn_tf.runtime.quantiser import around, between
from mscn_tf.runtime.wavelet import LIFTING, SCALE

Side = Union[int, tf.Tensor]  # known when the graph is made, or when it runs


class PyramidFunctions(FloatFunctions):
    """The function of the table above, of dynamic batch and size.

    Args:
      bundle: of a pyramid codec.
      size: rows and columns; then for one picture of that size, so that all shapes are fixed.

    Raises:
      MscnError: the bundle lacks something, or the size has another number of axes.
    """

    def __init__(self, bundle: Bundle, size: Sequence[int] | None = None):
        pyramids = Pyramids(bundle)
        self._levels, self._colour = pyramids.prior.levels, pyramids.colour.astype(np.float32)
        self._mended = (
            _Filter(bundle, pyramids.prior.filter_updates) if pyramids.post_filter else None
        )
        models = {"filter_update": pyramids.prior.filter_updates, "taps": pyramids.prior.taps}
        told = {name: model.count for name, model in models.items() if model}
        self.axes, self.holder = axis_names(2), tf.Module()
        check_size(size, len(self.axes), "picture", "WIDTHxHEIGHT")
        batch, sides = (1, size) if size else (None, [None, None])
        shape = [batch, *sides, bundle.manifest.channels]
        signature = [tf.TensorSpec(shape, tf.float32, "coefficients")]
        if self._mended:
            signature.append(tf.TensorSpec([batch], tf.float32, "quality"))
        blocks = [None if side is None else (side + 1) // 2 for side in sides]
        for name, count in told.items():
            signature.append(tf.TensorSpec([batch, *blocks, count], tf.float32, name))
        self._told = list(told)
        self.functions = {"decode": traced(self._decode, *signature)}

    def _decode(self, coefficients: tf.Tensor, *told: tf.Tensor) -> dict[str, tf.Tensor]:
        channels = _synthesised(coefficients, self._levels)
        values = tf.tensordot(channels, self._colour, 1) + 0.5
        if self._mended:
            quality, *maps = told
            values = self._mended(values, quality, **dict(zip(self._told, maps)))
        return {"values": values}


def _sides(array: tf.Tensor) -> list[Side]:
    """Rows and columns of ``[B, H, W, C]``."""
    known = tf.shape(array)
    return [known[axis] if array.shape[axis] is None else array.shape[axis] for axis in (1, 2)]


def _synthesised(coefficients: tf.Tensor, levels: int) -> tf.Tensor:
    """Channels ``[B, H, W, C]`` of coefficients in Mallat's layout, as `wavelet.synthesise`."""
    sides = [_sides(coefficients)]
    for _ in range(levels):
        sides.append([(side + 1) // 2 for side in sides[-1]])
    rows, columns = sides[-1]
    low = coefficients[:, :rows, :columns]
    for (rows, columns), (height, width) in zip(sides[:0:-1], sides[-2::-1]):
        left = _joined(low, coefficients[:, rows:height, :columns], 1, height)
        above, both = (coefficients[:, y, columns:width] for y in _halves(rows, height))
        low = _joined(left, _joined(above, both, 1, height), 2, width)
    return low


def _halves(middle: Side, end: Side) -> tuple[slice, slice]:
    return slice(0, middle), slice(middle, end)


def _joined(low: tf.Tensor, high: tf.Tensor, axis: int, side: Side) -> tf.Tensor:
    """Lines along an axis of their low and high halves: `wavelet.synthesise`'s inverse lifting."""
    if isinstance(side, int) and side == 1:
        return low
    evens, odds = (side + 1) // 2, side // 2
    some = tf.cast(tf.minimum(odds, 1), tf.float32)  # a line of one sample is its low half
    # As many odd samples as even ones; the last may be one that isn't there.
    ends = [slice(None)] * axis + [slice(0, evens - odds)]
    high = tf.concat([high, tf.zeros_like(low[tuple(ends)])], axis)
    even, odd = low * (some / SCALE + (1.0 - some)), high * -SCALE
    place = tf.range(evens)
    last_odd, last_even = tf.maximum(odds - 1, 0), evens - 1
    before, after = tf.clip_by_value(place - 1, 0, last_odd), tf.minimum(place, last_odd)
    behind = tf.minimum(place + 1, last_even)
    for number, weight in reversed(list(enumerate(LIFTING))):
        if number % 2:
            around_it = tf.gather(odd, before, axis=axis) + tf.gather(odd, after, axis=axis)
            even -= weight * some * around_it
        else:
            odd -= weight * some * (even + tf.gather(even, behind, axis=axis))
    shape = tf.unstack(tf.shape(even))
    shape[axis] *= 2
    whole = tf.reshape(tf.stack([even, odd], axis + 1), shape)
    return whole[tuple([slice(None)] * axis + [slice(0, side)])]


class _Filter:
    """What `runtime.post_filter.PostFilter` does to pictures, a batch at several qualities.

    Raises:
      MscnError: its weights at a quality aren't exact in float32.
    """

    def __init__(self, bundle: Bundle, updates: FilterUpdates | None):
        arrays = bundle.arrays("filter")
        self._log_error = arrays["log_error"].astype(np.float32)
        self._layers = []
        for number in range(LAYERS):
            kernels = [arrays[f"{name}_{number}"] for name in ("kernel", "kernel_slope")]
            kernels = [kernel.transpose(2, 3, 1, 0).astype(np.float32) for kernel in kernels]
            biases = [arrays[f"{name}_{number}"] for name in ("bias", "bias_slope")]
            self._layers.append((*kernels, *(bias.astype(np.float32) for bias in biases)))
        slopes = [np.abs(slope).max() for layer in self._layers for slope in layer[1::2]]
        if max(slopes) * (HIGHEST - MIDDLE) + 32 >= EXACT:
            raise MscnError(f"bundle {bundle.name}: its filter's weights aren't exact in float32")
        if updates:
            kernel, bias = (arrays[name] * 2.0**-DIRECTION_SHIFT for name in DIRECTIONS)
            # One convolution for all directions: their outputs are side by side.
            kernel = kernel.transpose(3, 4, 2, 0, 1)
            self._directions = kernel.reshape(*kernel.shape[:3], -1).astype(np.float32)
            self._moved_biases = bias.reshape(-1).astype(np.float32)

    def __call__(
        self,
        values: tf.Tensor,
        quality: tf.Tensor,
        filter_update: tf.Tensor | None = None,
        taps: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Mended values ``[B, H, W, C]``, at qualities ``[B]``, as tiles say of their blocks."""
        q16 = tf.clip_by_value(tf.cast(tf.round(16.0 * quality), tf.int32), LOWEST, HIGHEST)
        away = tf.cast(q16 - MIDDLE, tf.float32)
        height, width = _sides(values)
        around_it = _edges_repeated(values, MARGIN, even=True)
        hidden = tf.nn.space_to_depth(_whole_pixels(around_it), 2)
        for number, (kernel, kernel_slope, bias, bias_slope) in enumerate(self._layers):
            kernels = _told(kernel, kernel_slope, away)
            biases = _told(bias, bias_slope, away)
            sums = _convolved(hidden, kernels, biases)
            if number == LAYERS - 1 and filter_update is not None:
                sums += self._moved(hidden, filter_update)
            sums *= 2.0**-SHIFT
            if number < LAYERS - 1:
                sums = tf.clip_by_value(tf.maximum(sums, LEAK * sums), *RANGE)
            hidden = tf.floor(sums)
        correction = tf.nn.depth_to_space(hidden, 2)[:, :height, :width]
        low, high, sixteenths = around(tf, q16)
        log_errors = tf.gather(self._log_error, low), tf.gather(self._log_error, high)
        log_error = between(*log_errors, tf.cast(sixteenths, tf.float32))
        error = tf.exp(log_error)[:, None, None, None]
        mended = values + error / OUTPUT_SCALE * correction
        if taps is None:
            return mended
        bound = tf.clip_by_value(tf.round(INPUT_SCALE * error), 1.0, INPUT_SCALE)
        return _filtered(mended, taps, bound)

    def _moved(self, hidden: tf.Tensor, update: tf.Tensor) -> tf.Tensor:
        """What updates ``[B, h, w, K]`` add to the sums of the last layer, ``[B, h, w, out]``."""
        moved = tf.nn.conv2d(hidden, self._directions, 1, "VALID") + self._moved_biases
        count = update.shape[-1]
        steps = zip(tf.split(update, count, -1), tf.split(moved, count, -1))
        return tf.add_n([step * direction for step, direction in steps])


def _edges_repeated(values: tf.Tensor, margin: int, even: bool = False) -> tf.Tensor:
    """Values ``[B, H, W, C]`` with a margin of what is at their edges, maybe to even sides."""
    for axis, side in enumerate(_sides(values), 1):
        place = tf.range(-margin, side + (side % 2 if even else 0) + margin)
        values = tf.gather(values, tf.clip_by_value(place, 0, side - 1), axis=axis)
    return values


def _whole_pixels(values: tf.Tensor) -> tf.Tensor:
    """As `post_filter.whole_pixels`."""
    pixels = tf.round((values - 0.5) * INPUT_SCALE)
    return tf.clip_by_value(pixels, -LARGEST_INPUT, LARGEST_INPUT)


def _filtered(values: tf.Tensor, taps: tf.Tensor, bound: tf.Tensor) -> tf.Tensor:
    """What `runtime.adaptive_filter` does to pictures, by the taps of blocks ``[B, h, w, n]``."""
    height, width = _sides(values)
    pixels = _whole_pixels(_edges_repeated(values, REACH))
    planes = tf.split(tf.tensordot(pixels, COLOURS.T, 1), len(COUNTS), -1)
    # Of each pixel, one after the other.
    told = (
        tf.nn.depth_to_space(tf.concat([tap] * 4, -1), 2)[:, :height, :width]
        for tap in tf.split(taps, taps.shape[-1], -1)
    )
    sums = []
    for plane, count in zip(planes, COUNTS):
        linear, within = ([next(told) for _ in range(count)] for _ in range(2))
        parts = []
        for (i, j), *own in zip(OFFSETS, linear, within):
            here, before, after = (
                plane[:, REACH + y : REACH + y + height, REACH + x : REACH + x + width]
                for y, x in ((0, 0), (-i, -j), (i, j))
            )
            ends = before - here, after - here
            bounded = [tf.clip_by_value(end, -bound, bound) for end in ends]
            parts += [own[0] * tf.add_n(ends), own[1] * tf.add_n(bounded)]
        sums.append(tf.add_n(parts))
    back = (COLOURS / np.array(NORMS, np.float32)[:, None]) / (TAP_SCALE * INPUT_SCALE)
    return values + tf.tensordot(tf.concat(sums, -1), back.astype(np.float32), 1)


def _told(constant: np.ndarray, slope: np.ndarray, away: tf.Tensor) -> tf.Tensor:
    """Whole numbers ``[B, ..]`` at qualities so many sixteenths, ``[B]``, from the middle one."""
    away = tf.reshape(away, [-1] + [1] * slope.ndim)  # OpenVINO reads no tensordot of a vector
    moved = tf.floor((away * slope + 32.0) / 64.0)
    return constant + moved


def _convolved(hidden: tf.Tensor, kernels: tf.Tensor, biases: tf.Tensor) -> tf.Tensor:
    """``[B, h - 2, w - 2, out]`` of ``[B, h, w, in]`` and a kernel each, ``[B, 3, 3, in, out]``."""
    ends = [slice(0, -2), slice(1, -1), slice(2, None)]
    parts = [
        hidden[:, y, x] @ kernels[:, i, j][:, None]
        for i, y in enumerate(ends)
        for j, x in enumerate(ends)
    ]
    return tf.add_n(parts) + biases[:, None, None]
