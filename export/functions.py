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
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from mscn_tf.codec.network import Network, functions_of
from mscn_tf.export.axes_of_tiles import axis_of_tiles, positions
from mscn_tf.export.file_function import FileFunction, smallest_file
from mscn_tf.export.float_functions import FloatFunctions, Function, traced
from mscn_tf.export.namespace import xp
from mscn_tf.export.quantiser import Quantiser
from mscn_tf.fitting.basis_codec import BasisCodec
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.grids import axis_names, centres, global_grid
from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.tiles import SIDES
from mscn_tf.stack.keras_versions import holder_of


class GridNetwork(Protocol):
    """A network that maps codes ``[B, M]`` to values ``[B, .., C]`` on grids.

    Attributes:
      code_size: M.
      channels: C.
    """

    code_size: int
    channels: int

    @property
    def tile_shape(self) -> tuple[int, ...]:
        """Samples along each axis of what it was trained on."""

    def named_weights(self) -> Mapping[str, Any]:
        """Its weights by the names that a bundle knows them by."""

    def synthesise(
        self,
        weights: Mapping[str, tf.Tensor],
        code: tf.Tensor,
        grid: Sequence[tf.Tensor],
        quality: tf.Tensor,
    ) -> tf.Tensor:
        """Values with the weights given; all arguments share one dtype."""


class Functions(FloatFunctions):
    """The functions of the table above, of dynamic batch and size.

    Args:
      bundle: of a tile codec.
      size: samples along each axis, outermost first; then ``functions`` has only ``decode``, for
        one signal of a tile in that size, so that all shapes are fixed.

    Attributes:
      network: the float network.

    Raises:
      MscnError: the bundle has no float network, or the size has another number of axes.
    """

    def __init__(self, bundle: Bundle, size: Sequence[int] | None = None):
        self._manifest = bundle.manifest
        self._sphere = Modality.named(bundle.manifest.modality).sphere
        self._values = bundle.manifest.values
        self._load(bundle)
        self.axes = axis_names(len(self.network.tile_shape))
        self._quantiser = Quantiser(bundle)
        if size is not None and len(size) != len(self.axes):
            raise MscnError(
                f"a size of {len(size)} axes, but {bundle.name} has {len(self.axes)}; "
                "of a picture give WIDTHxHEIGHT"
            )
        if size:
            self.functions = {"decode": self._fixed_decode(size)}
        else:
            names = ("decode", "decode_grid", "encode")
            self.functions = {name: getattr(self, f"_{name}")() for name in names}
            if Modality.named(self._manifest.modality).pixels:
                files = FileFunction(bundle, self._quantiser, self._whole_tiles)
                self.of_files = {"decode_file": files.function()}
                self.example_file = smallest_file(bundle)

    def _load(self, bundle: Bundle) -> None:
        codec = BasisCodec.restored(bundle)
        self.network: Any = codec.network
        self.step_sizes = codec.step_sizes
        self.large = (codec.network.basis, codec.network.feature_basis)
        self.holder = holder_of(self.network, self.step_sizes)
        self._steps = codec.steps

    # The functions.

    def _decode(self) -> Function:
        specs = [tf.TensorSpec([None, None], tf.float32, axis) for axis in self.axes]

        def decode(symbols: tf.Tensor, *rest: tf.Tensor) -> dict[str, tf.Tensor]:
            *grid, quality = rest
            return {"values": self._synthesised(symbols, grid, quality)}

        return traced(decode, self._symbols(1), *specs, self._quality())

    def _fixed_decode(self, size: Sequence[int]) -> Function:
        grid = global_grid(size) if self._sphere else [centres(count) for count in size]
        grid = [axis[None].astype(np.float32) for axis in grid]

        def decode(symbols: tf.Tensor, quality: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"values": self._synthesised(symbols, list(map(tf.constant, grid)), quality)}

        symbols = tf.TensorSpec([1, self.network.code_size], tf.int32, "symbols")
        return traced(decode, symbols, tf.TensorSpec([1], tf.float32, "quality"))

    def _decode_grid(self) -> Function:
        axes = len(self.axes)
        sides = [tf.TensorSpec([], tf.int32, SIDES[axis]) for axis in self.axes]
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

        return traced(decode_grid, self._symbols(axes + 1), *sides, region, self._quality())

    def _encode(self) -> Function:
        codes = self._codes()

        def encode(signals: tf.Tensor, quality: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"symbols": self._quantiser.quantise(codes(signals, quality), quality)}

        shape = [None, *self.network.tile_shape, self.network.channels]
        return traced(encode, tf.TensorSpec(shape, tf.float32, "signals"), self._quality())

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

    def _codes(self) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
        """The inner loop: codes ``[B, M]`` of signals and qualities."""
        points, channels = math.prod(self.network.tile_shape), self.network.channels
        encoder = self._encoder()

        def codes(signals: tf.Tensor, quality: tf.Tensor) -> tf.Tensor:
            network = encoder(self.network.named_weights())
            tiles = tf.reshape(signals, [-1, points, channels])
            tiles = tf.transpose(tiles, [2, 0, 1])
            code = 2.0 * self.step_sizes[0] * network.analyse(tiles)
            for step in range(1, self._steps):
                sizes = self.step_sizes[min(step, self.step_sizes.shape[0] - 1)]
                code -= sizes * network.gradient(tiles, quality, code)
            return code

        return codes

    def _synthesised(
        self, symbols: tf.Tensor, grid: Sequence[tf.Tensor], quality: tf.Tensor
    ) -> tf.Tensor:
        return self.network(self._quantiser.dequantise(symbols, quality), *grid, quality)

    def _whole_tiles(self, symbols: tf.Tensor, quality: tf.Tensor) -> tf.Tensor:
        """Values ``[B, .., C]`` of tiles in the original size."""
        axis = tf.constant(centres(self._manifest.tile_edge)[None], tf.float32)
        axis = tf.tile(axis, [tf.shape(symbols)[0], 1])
        return self._synthesised(symbols, [axis] * len(self.axes), quality)

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
