"""A tile codec's functions in TensorFlow, from its bundle: what SavedModel, ONNX and TFLite hold.

Symbols are what files hold (the range coder stays outside, in `mscn_tf.runtime`). All is computed
in float32, but scale indices are whole numbers and so exact, and positions are float64.

===========  ==================================================  ===================================
function     inputs                                              output
===========  ==================================================  ===================================
decode       ``symbols`` int32 [B, M]; coordinates along each    ``values`` float32 [B, .., C],
             axis, float32 [B, n], within a tile -1 to 1 or on   nominally 0 to 1, not clipped
             the sphere radians: ``slices``, ``rows``,
             ``cols`` (the last ones where there are fewer);
             ``quality`` float32 [B], 1 to 10
decode_grid  ``symbols`` int32 [B, tiles along each axis, M] of  ``picture`` uint8 [B, h, w, 3], or
             B signals of one size; ``depth``, ``height``,       ``signal`` [B, .., C] of the type
             ``width`` int32 [], samples wanted along each       that the codec decodes to
             axis; ``region`` float32 [2 d], the part to show:
             its start and extent in samples, innermost axis
             first (x, y, width, height), on the sphere degrees
             (west, north, width, height); ``quality``
encode       ``signals`` float32 [B, .., C], tiles of the        ``symbols`` int32 [B, M]
             training size, nominally 0 to 1; ``quality``
===========  ==================================================  ===================================
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from mscn_tf.codec.network import Network, functions_of
from mscn_tf.export.axes_of_tiles import axis_of_tiles, positions
from mscn_tf.export.namespace import xp
from mscn_tf.export.quantiser import Quantiser
from mscn_tf.fitting.basis_codec import BasisCodec
from mscn_tf.networks.sphere import SphereNetwork
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.grids import axis_names, centres, global_grid
from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.tiles import SIDES
from mscn_tf.stack.keras_versions import holder_of


class Functions:
    """The functions of the table above, of dynamic batch and size.

    Args:
      bundle: of a tile codec.
      size: samples along each axis, outermost first; then ``functions`` has only ``decode``, for
        one signal of a tile in that size, so that all shapes are fixed.

    Attributes:
      network: the float network.
      step_sizes: of the inner loop.
      functions: by name; their ``input_signature`` names their arguments.
      holder: of the weights that they use, as writers and converters want it.

    Raises:
      MscnError: the bundle has no float network, or the size has another number of axes.
    """

    def __init__(self, bundle: Bundle, size: Sequence[int] | None = None):
        codec = BasisCodec.restored(bundle)
        self.network, self.step_sizes = codec.network, codec.step_sizes
        self.holder = holder_of(self.network, self.step_sizes)
        self._steps = codec.steps
        self._manifest = bundle.manifest
        self._sphere = isinstance(codec.network, SphereNetwork)
        self._values = bundle.manifest.values
        self._axes = axis_names(len(self.network.tile_shape))
        self._quantiser = Quantiser(bundle)
        if size is not None and len(size) != len(self._axes):
            raise MscnError(
                f"a size of {len(size)} axes, but {bundle.name} has {len(self._axes)}; "
                "of a picture give WIDTHxHEIGHT"
            )
        if size:
            self.functions = {"decode": self._fixed_decode(size)}
        else:
            names = ("decode", "decode_grid", "encode")
            self.functions = {name: getattr(self, f"_{name}")() for name in names}

    def __call__(self, function: str, **arguments: Any) -> np.ndarray:
        """Runs one of the functions on arguments by name; returns its one output."""
        called = self.functions[function]
        ordered = [tf.constant(arguments[s.name], s.dtype) for s in called.input_signature]
        (output,) = called(*ordered).values()
        return output.numpy()

    # The functions.

    def _decode(self) -> tf.types.experimental.GenericFunction:
        specs = [tf.TensorSpec([None, None], tf.float32, axis) for axis in self._axes]

        def decode(symbols: tf.Tensor, *rest: tf.Tensor) -> dict[str, tf.Tensor]:
            *grid, quality = rest
            return {"values": self._synthesised(symbols, grid, quality)}

        return _function(decode, self._symbols(1), *specs, self._quality())

    def _fixed_decode(self, size: Sequence[int]) -> tf.types.experimental.GenericFunction:
        grid = global_grid(size) if self._sphere else [centres(count) for count in size]
        grid = [axis[None].astype(np.float32) for axis in grid]

        def decode(symbols: tf.Tensor, quality: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"values": self._synthesised(symbols, list(map(tf.constant, grid)), quality)}

        symbols = tf.TensorSpec([1, self.network.code_size], tf.int32, "symbols")
        return _function(decode, symbols, tf.TensorSpec([1], tf.float32, "quality"))

    def _decode_grid(self) -> tf.types.experimental.GenericFunction:
        axes = len(self._axes)
        sides = [tf.TensorSpec([], tf.int32, SIDES[axis]) for axis in self._axes]
        region = tf.TensorSpec([2 * axes], tf.float32, "region")
        name = "picture" if Modality.named(self._manifest.modality).pixels else "signal"

        def decode_grid(symbols: tf.Tensor, *rest: tf.Tensor) -> dict[str, tf.Tensor]:
            *sides, region, quality = rest
            known = [tf.cast(region[i], tf.float64) for i in range(2 * axes)]
            starts, extents = known[:axes][::-1], known[axes:][::-1]
            if self._sphere:  # degrees fall from the north on
                extents[0] = -extents[0]
            at = [positions(*axis) for axis in zip(starts, extents, sides)]
            values = (self._on_sphere if self._sphere else self._on_tiles)(symbols, at, quality)
            return {name: self._restored(values)}

        return _function(decode_grid, self._symbols(axes + 1), *sides, region, self._quality())

    def _encode(self) -> tf.types.experimental.GenericFunction:
        points, channels = math.prod(self.network.tile_shape), self.network.channels
        encoder = self._encoder()

        def encode(signals: tf.Tensor, quality: tf.Tensor) -> dict[str, tf.Tensor]:
            network = encoder(self.network.named_weights())
            tiles = tf.reshape(signals, [-1, points, channels])
            tiles = tf.transpose(tiles, [2, 0, 1])
            code = 2.0 * self.step_sizes[0] * network.analyse(tiles)
            for step in range(1, self._steps):
                sizes = self.step_sizes[min(step, self.step_sizes.shape[0] - 1)]
                code -= sizes * network.gradient(tiles, quality, code)
            return {"symbols": self._quantiser.quantise(code, quality)}

        shape = [None, *self.network.tile_shape, channels]
        return _function(encode, tf.TensorSpec(shape, tf.float32, "signals"), self._quality())

    def _symbols(self, rank: int) -> tf.TensorSpec:
        return tf.TensorSpec([None] * rank + [self.network.code_size], tf.int32, "symbols")

    def _quality(self) -> tf.TensorSpec:
        return tf.TensorSpec([None], tf.float32, "quality")

    # Their parts.

    def _encoder(self) -> Callable[[Mapping[str, tf.Tensor]], Network]:
        """The network whose gradient is spelled out, made of its weights within a graph.

        What a tape makes for a batch of any size, such as BroadcastGradientArgs, isn't in ONNX. Nor
        are Cholesky factors: on the sphere's one grid least squares are a constant matrix, which is
        found here, before any graph is.
        """
        model, size = self._manifest.model or {}, self.network.code_size
        functions, solver = functions_of(model, xp=xp), None
        if self._sphere:
            weights = {name: w.numpy() for name, w in self.network.named_weights().items()}
            solver = Network(model["network"], weights, functions_of(model), size).solver
        return lambda weights: Network(model["network"], weights, functions, size, solver)

    def _synthesised(
        self, symbols: tf.Tensor, grid: Sequence[tf.Tensor], quality: tf.Tensor
    ) -> tf.Tensor:
        return self.network(self._quantiser.dequantise(symbols, quality), *grid, quality)

    def _on_sphere(
        self, symbols: tf.Tensor, at: Sequence[tf.Tensor], quality: tf.Tensor
    ) -> tf.Tensor:
        """Values ``[B, H, W, C]`` at degrees of latitude and longitude, float64 ``[n]``."""
        grid = [tf.cast(axis * (math.pi / 180), tf.float32)[None] for axis in at]
        return self._synthesised(symbols[:, 0, 0], grid, quality)

    def _on_tiles(
        self, symbols: tf.Tensor, at: Sequence[tf.Tensor], quality: tf.Tensor
    ) -> tf.Tensor:
        """Values ``[B, .., C]`` at positions along each axis, ``[n]`` float64 in samples."""
        batch, tiles = tf.shape(symbols)[0], tf.unstack(tf.shape(symbols))[1:-1]
        edge, overlap = self._manifest.tile_edge, self._manifest.tile_overlap
        axes = [axis_of_tiles(u, count, edge, overlap) for u, count in zip(at, tiles)]
        for number, axis in enumerate(axes, start=1):
            symbols = tf.gather(symbols, axis.tiles, axis=number)
        shown = tf.unstack(tf.shape(symbols))[1:-1]
        many = math.prod(shown[1:], start=shown[0])
        quality = tf.reshape(tf.tile(quality[:, None], [1, many]), [-1])
        symbols = tf.reshape(symbols, [-1, self.network.code_size])
        points = [tf.shape(axis.coordinates)[1] for axis in axes]
        grid = []
        for number, (axis, count) in enumerate(zip(axes, points)):
            one = tf.reshape(
                axis.coordinates,
                [1, *[s if i == number else 1 for i, s in enumerate(shown)], count],
            )
            grid.append(tf.reshape(tf.tile(one, _repeats(batch, shown, number)), [-1, count]))
        values = self._synthesised(symbols, grid, quality)
        # [B, tiles.., points.., C] to [B, (tile, point) of each axis, .., C].
        d = len(axes)
        values = tf.reshape(values, [batch, *shown, *points, self.network.channels])
        order = [0, *[i for a in range(d) for i in (1 + a, 1 + d + a)], 1 + 2 * d]
        values = tf.transpose(values, order)
        merged = [count * each for count, each in zip(shown, points)]
        values = tf.reshape(values, [batch, *merged, self.network.channels])
        for number, axis in enumerate(axes, start=1):
            parts = [
                tf.gather(values, place, axis=number)
                * (1.0 if share is None else tf.reshape(share, [-1] + [1] * (d + 1 - number)))
                for place, share in axis.parts
            ]
            values = tf.add_n(parts) if len(parts) > 1 else parts[0]
        return values

    def _restored(self, values: tf.Tensor) -> tf.Tensor:
        """Nominal values to the type that the codec decodes to."""
        kind = self._values
        if Modality.named(self._manifest.modality).pixels:
            return tf.cast(tf.round(255.0 * tf.clip_by_value(values, 0.0, 1.0)), tf.uint8)
        if kind.dtype == "bool":
            return values >= 0.5
        values = kind.low + (kind.high - kind.low) * values
        if kind.dtype == "float32":
            return values
        return tf.cast(tf.round(tf.clip_by_value(values, kind.low, kind.high)), kind.dtype)


def _repeats(batch: tf.Tensor, shown: Sequence[tf.Tensor], number: int) -> list[tf.Tensor | int]:
    return [batch, *[1 if i == number else s for i, s in enumerate(shown)], 1]


def _function(function: object, *signature: tf.TensorSpec) -> tf.types.experimental.GenericFunction:
    return tf.function(function, input_signature=signature, autograph=False)


def example(functions: Functions, name: str) -> dict[str, np.ndarray]:
    """Arguments for one of the functions: zeros of the smallest shapes that make sense."""
    arguments = {}
    for spec in functions.functions[name].input_signature:
        shape = [side or 1 for side in spec.shape]
        value = 1 if spec.name == "region" or not shape else 5 if spec.name == "quality" else 0
        arguments[spec.name] = np.full(shape, value, spec.dtype.as_numpy_dtype)
    return arguments
