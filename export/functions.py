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

from mscn_tf.codec.network import functions_of
from mscn_tf.export.axes_of_tiles import axis_of_tiles, positions
from mscn_tf.fitting.basis_codec import BasisCodec
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.grids import axis_names, centres, global_grid
from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.prior import DEAD_ZONE, FRACTION
from mscn_tf.runtime.quality import LEVELS
from mscn_tf.runtime.tiles import Tiles
from mscn_tf.stack.keras_versions import holder_of

_SIDES = {"slices": "depth", "rows": "height", "cols": "width"}
_EXACT = 2**24  # whole numbers below are exact in float32


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


class Functions:
    """The functions of the table above, of dynamic batch and size.

    Args:
      bundle: of a tile codec.
      size: samples along each axis, outermost first; then ``functions`` has only ``decode``, for
        one signal of a tile in that size, so that all shapes are fixed.

    Attributes:
      network: the float network.
      large: those of its weights that take nearly all room.
      functions: by name; their ``input_signature`` names their arguments.
      holder: of the weights that they use, as writers and converters want it.

    Raises:
      MscnError: the bundle has no float network, or the size has another number of axes.
    """

    def __init__(self, bundle: Bundle, size: Sequence[int] | None = None):
        self._manifest = bundle.manifest
        self._sphere = Modality.named(bundle.manifest.modality).sphere
        self._values = bundle.manifest.values
        self._load(bundle)
        self._axes = axis_names(len(self.network.tile_shape))
        self._freeze_prior(bundle)
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

    def _load(self, bundle: Bundle) -> None:
        codec = BasisCodec.restored(bundle)
        self.network: Any = codec.network
        self.step_sizes = codec.step_sizes
        self.large: Sequence[tf.Variable] = (codec.network.basis, codec.network.feature_basis)
        self.holder = holder_of(self.network, self.step_sizes)
        self._steps = codec.steps

    def __call__(self, function: str, **arguments: Any) -> np.ndarray:
        """Runs one of the functions on arguments by name; returns its one output."""
        called = self.functions[function]
        ordered = [tf.constant(arguments[s.name], s.dtype) for s in called.input_signature]
        (output,) = called(*ordered).values()
        return output.numpy()

    def _freeze_prior(self, bundle: Bundle) -> None:
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
        zone = 0.5 * rate_weight * tables.one_over_zero
        self._dead_zone = np.clip(zone, 0.0, 0.45).astype("f4")
        self._tables = tables.count

    # What symbols mean (docs/format.md).

    def _levels(self, quality: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The levels around each quality, int32 ``[B]``, and sixteenths between, ``[B, 1]``."""
        q16 = tf.clip_by_value(tf.round(16.0 * quality), 16.0, 16.0 * LEVELS)
        whole = tf.floor(q16 / 16.0)
        lower = tf.cast(whole, tf.int32) - 1
        return lower, tf.minimum(lower + 1, LEVELS - 1), (q16 - 16.0 * whole)[:, None]

    def _steps_of(self, quality: tf.Tensor) -> tf.Tensor:
        """The quantiser's steps ``[B, M]``."""
        lower, upper, part = self._levels(quality)
        low, high = tf.gather(self._log_step, lower), tf.gather(self._log_step, upper)
        return tf.exp(low + (high - low) * part / 16.0)

    def _scale_index(self, size: tf.Tensor, quality: tf.Tensor) -> tf.Tensor:
        """int32 ``[B, M]``, from symbols' sizes, which are whole numbers ``[B, M]``."""
        lower, upper, part = self._levels(quality)
        low, high = tf.gather(self._base, lower), tf.gather(self._base, upper)
        base = low + tf.floor((high - low) * part / 16.0)
        place = tf.cast(tf.minimum(size, len(self._magnitude) - 1.0), tf.int32)
        seen = tf.matmul(tf.gather(self._magnitude, place), self._context)
        index = tf.floor((base + seen + 2.0 ** (FRACTION - 1)) * 2.0**-FRACTION)
        return tf.cast(tf.clip_by_value(index, 0.0, self._tables - 1.0), tf.int32)

    def _dequantised(self, symbols: tf.Tensor, quality: tf.Tensor) -> tf.Tensor:
        """Codes ``[B, M]``."""
        values = tf.cast(symbols, tf.float32)
        size = tf.abs(values)
        index = 2 * self._scale_index(size, quality)
        index += tf.cast(tf.clip_by_value(size - 1.0, 0.0, 1.0), tf.int32)
        kept = size - tf.gather(self._centroid, index)
        return self._steps_of(quality) * tf.sign(values) * kept

    def _quantised(self, code: tf.Tensor, quality: tf.Tensor) -> tf.Tensor:
        """int32 ``[B, M]``: what `Prior.quantise` gives in one pass."""
        scaled = code / self._steps_of(quality)
        size = tf.abs(scaled)
        index = self._scale_index(tf.floor(size + (0.5 - DEAD_ZONE)), quality)
        size = tf.floor(size + 0.5 - tf.gather(self._dead_zone, index))
        return tf.cast(tf.sign(scaled) * size, tf.int32)

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
        sides = [tf.TensorSpec([], tf.int32, _SIDES[axis]) for axis in self._axes]
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
        shape = [None, *self.network.tile_shape, self.network.channels]
        codes = self._codes()

        def encode(signals: tf.Tensor, quality: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"symbols": self._quantised(codes(signals, quality), quality)}

        return _function(encode, tf.TensorSpec(shape, tf.float32, "signals"), self._quality())

    def _symbols(self, rank: int) -> tf.TensorSpec:
        return tf.TensorSpec([None] * rank + [self.network.code_size], tf.int32, "symbols")

    def _quality(self) -> tf.TensorSpec:
        return tf.TensorSpec([None], tf.float32, "quality")

    # Their parts.

    def _codes(self) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
        """The inner loop: codes ``[B, M]`` of signals and qualities."""
        analysed = self._analysed_on_sphere() if self._sphere else self.network.analyse

        def codes(signals: tf.Tensor, quality: tf.Tensor) -> tf.Tensor:
            code = 2.0 * self.step_sizes[0] * analysed(signals)
            for step in range(1, self._steps):
                size = self.step_sizes[min(step, self.step_sizes.shape[0] - 1)]
                code -= size * self._gradient(signals, code, quality)
            return code

        return codes

    def _synthesised(
        self, symbols: tf.Tensor, grid: Sequence[tf.Tensor], quality: tf.Tensor
    ) -> tf.Tensor:
        return self.network(self._dequantised(symbols, quality), *grid, quality)

    def _analysed_on_sphere(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """``network.analyse`` for fields on the training grid.

        There least squares are a constant matrix, made here, before any graph is. (ONNX has no
        Cholesky factors.)
        """
        network = self.network
        shape = [-1, network.count(network.frequencies), network.channels]
        rows = network.basis.numpy().reshape(shape).swapaxes(1, 2)
        mean = network.mean.numpy().reshape(shape[1:]).T
        matrix, offset = functions_of(self._manifest.model or {}).solve(rows, mean)
        matrix = matrix.reshape(rows.shape).swapaxes(1, 2).reshape(len(rows), -1)
        offset = offset.reshape(mean.shape).T.ravel()
        return lambda signals: tf.matmul(
            network.project(signals) - offset, matrix, transpose_b=True
        )

    def _gradient(self, signals: tf.Tensor, code: tf.Tensor, quality: tf.Tensor) -> tf.Tensor:
        """``[B, M]``: that of each signal's squared error, spelled out.

        A tape's operations for a batch of any size, such as BroadcastGradientArgs, aren't in ONNX.
        """
        network, weights = self.network, self.network.named_weights()
        grid = [tf.constant(axis, tf.float32) for axis in network.nominal_grid]
        embedded, own = network.embed(grid), network.feature_code_size
        shape, channels = network.tile_shape, network.channels
        points = math.prod(shape)
        kernels = [weights[f"kernel_{i}"] for i in range(network.depth)]
        coefficients = tf.matmul(code, weights["basis"]) + weights["mean"]
        linear = network.expand(coefficients, embedded, network.frequencies)
        coefficients = tf.matmul(code[:, :own], weights["feature_basis"])
        further = network.expand(coefficients, embedded, network.feature_frequencies)
        hidden = tf.concat([further, 4.0 * (linear - 0.5)], -1)
        hidden = tf.matmul(tf.reshape(hidden, [-1, hidden.shape[-1]]), kernels[0])
        seen = network.see_coordinates(weights, grid, embedded)
        told = tf.matmul((quality[:, None] - 5.5) / 4.5, weights["quality_kernel"])
        hidden = tf.reshape(hidden, [-1, points, network.width]) + told[:, None]
        hidden += tf.reshape(seen, [1, points, network.width])
        hidden = tf.reshape(hidden, [-1, network.width]) + weights["bias_0"]
        slopes = [_cosine(hidden)]
        for i, kernel in enumerate(kernels[1:], start=1):
            hidden = tf.matmul(tf.sin(hidden), kernel) + weights[f"bias_{i}"]
            slopes.append(_cosine(hidden))
        residual = tf.matmul(tf.sin(hidden), weights["out_kernel"]) + weights["out_bias"]
        error = tf.reshape(linear - signals, [-1, channels]) + residual
        error *= 2.0
        back = tf.matmul(error, weights["out_kernel"], transpose_b=True)
        for kernel, slope in zip(reversed(kernels), reversed(slopes)):
            back = tf.matmul(back * slope, kernel, transpose_b=True)
        error += 4.0 * back[:, network.features :]
        # On the sphere ``project`` weighs points by area, as the error does.
        error = network.project(tf.reshape(error, [-1, *shape, channels]))
        gradient = tf.matmul(error, weights["basis"], transpose_b=True)
        back = tf.reshape(back[:, : network.features], [-1, *shape, network.features])
        back = network.project(back, network.feature_frequencies)
        further = tf.matmul(back, weights["feature_basis"], transpose_b=True)
        return gradient + tf.pad(further, [[0, 0], [0, network.code_size - own]])

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


def _cosine(angle: tf.Tensor) -> tf.Tensor:
    return tf.sin(angle + math.pi / 2)  # as the network has it


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
