"""What mends decoded pictures: convolutions in whole numbers, run by ONNX Runtime.

All sums are whole numbers below 2^24 in the units of their layer, which float32 holds exactly in
whatever order they are added: every machine gets the same correction. A picture may change the last
layer; weights, which may be larger then, are split into two digits, whose sums are exact again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Optional

import numpy as np

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.filter_updates import NAME, FilterUpdates
from mscn_tf.runtime.onnx_session import line_of, session
from mscn_tf.runtime.quality import HIGHEST, LEVELS, MIDDLE
from mscn_tf.runtime.quantiser import around, between
from mscn_tf.runtime.sampling import slices_of_rows
from mscn_tf.runtime.tables import checked_array

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

    from mscn_tf.runtime.bundle import Bundle

GRAPH = "post_filter.onnx"  # a bundle's member
ARRAYS = ("kernel", "kernel_slope", "bias", "bias_slope")
DIRECTIONS = ("update_kernel", "update_bias")  # of what pictures change
SHIFT = 10  # fractional bits of weights
LAYERS = 4
MARGIN = 2 * LAYERS  # pixels around that a pixel's correction depends on, on its grid of 2x2
INPUT_SCALE = 1024.0  # of values less 1/2
LARGEST_INPUT = 1023
RANGE = (-64, 383)  # of what lies between layers
LEAK = 0.125
OUTPUT_SCALE = 512.0  # of corrections, in units of the error that is expected
EXACT = 2**24  # whole numbers up to here are exact in float32
DIRECTION_SHIFT = 4  # fractional bits of directions, in units of weights
DIGIT = 2**8  # of weights that a picture changed
_TOGETHER = 2**16  # pixels that are run at once, which stay in the processor's cache
_WIDEST = 2**8  # columns of them


class PostFilter:
    """The filter of a bundle.

    Args:
      bundle: with `GRAPH` (inputs ``pixels`` [1, 4 C, h, w], ``kernel_n`` [out, in, 3, 3] and
        ``bias_n`` [out], all float32; outputs ``correction`` and, where pictures change the filter,
        ``hidden``: what the last layer sees), and by name in ``filter/``, for layer n:
        ``kernel_n``, ``kernel_slope_n``, ``bias_n`` and ``bias_slope_n``, integers; ``log_error``,
        float [10], natural logarithm of the error to expect at qualities 1 to 10; and where
        pictures change the filter ``update_kernel`` [K, out, in, 3, 3] and ``update_bias``
        [K, out], integers: what a step along each direction adds to the last layer.
      updates: what pictures change, or None.

    Attributes:
      directions: int64 [K, out, in, 3, 3] and [K, out], or None.

    Raises:
      MscnError: the bundle lacks something, or its sums may become too large to be exact.
    """

    def __init__(self, bundle: Bundle, updates: Optional[FilterUpdates] = None):
        self._bundle, self._channels = bundle, bundle.manifest.channels
        arrays = bundle.arrays("filter")
        self._layers = [
            [checked_array(arrays, f"{name}_{n}", rank) for name, rank in zip(ARRAYS, (4, 4, 1, 1))]
            for n in range(LAYERS)
        ]
        self._log_error = checked_array(arrays, "log_error", 1, "f")
        if len(self._log_error) != LEVELS:
            raise MscnError(
                f"bundle {bundle.name}: its filter must know the error at ten qualities"
            )
        inputs, reach = 4 * self._channels, LARGEST_INPUT
        for kernel, kernel_slope, bias, bias_slope in self._layers:
            outputs = len(kernel)
            if not (
                kernel.shape == kernel_slope.shape == (outputs, inputs, 3, 3)
                and bias.shape == bias_slope.shape == (outputs,)
            ):
                raise MscnError(f"bundle {bundle.name}: the layers of its filter do not fit")
            for q16 in (MIDDLE - HIGHEST, HIGHEST - MIDDLE):
                weights = np.abs(_told(kernel, kernel_slope, q16)) + 1
                sums = reach * weights.sum((1, 2, 3)) + np.abs(_told(bias, bias_slope, q16)) + 1
                if sums.max() >= EXACT:
                    raise MscnError(
                        f"bundle {bundle.name}: the sums of its filter are too large to be exact"
                    )
            inputs, reach = outputs, max(map(abs, RANGE))
        if inputs != 4 * self._channels:
            raise MscnError(f"bundle {bundle.name}: the layers of its filter do not fit")
        self.directions = self._checked_directions(arrays, updates)

    def _checked_directions(
        self, arrays: Mapping[str, np.ndarray], updates: Optional[FilterUpdates]
    ) -> Optional[tuple[np.ndarray, ...]]:
        name = self._bundle.name
        if not updates:
            if any(direction in arrays for direction in DIRECTIONS):
                raise MscnError(
                    f"bundle {name}: its filter has directions, but its prior no {NAME}"
                )
            return None
        directions = tuple(checked_array(arrays, *each) for each in zip(DIRECTIONS, (5, 2)))
        kernel, kernel_slope, bias, bias_slope = self._layers[-1]
        shapes = [(updates.count, *part.shape) for part in (kernel, bias)]
        if [part.shape for part in directions] != shapes:
            raise MscnError(f"bundle {name}: the directions of its filter do not fit")
        moved, moved_bias = (
            updates.limit * np.abs(part.astype(np.float64)).sum(0) / 2**DIRECTION_SHIFT + 2
            for part in directions
        )
        reach = max(map(abs, RANGE))
        most = reach * kernel[0].size + 1  # of sums whose weights are ones
        for q16 in (MIDDLE - HIGHEST, HIGHEST - MIDDLE):
            sums = reach * (np.abs(_told(kernel, kernel_slope, q16)) + moved).sum((1, 2, 3))
            sums += np.abs(_told(bias, bias_slope, q16)) + moved_bias
            if max(sums.max() / DIGIT + most, DIGIT / 2 * most) >= EXACT:  # of either digits
                raise MscnError(
                    f"bundle {name}: the sums of its filter, updated, are too large to be exact"
                )
        return directions

    @cached_property
    def _session(self) -> InferenceSession:
        """Of the graph; the first use imports ONNX Runtime."""
        return session(self._bundle, GRAPH)

    def warm_up(self) -> None:
        """Makes the session.

        Raises:
          MscnError: ONNX Runtime can't run the graph.
        """
        self._session  # noqa: B018

    def __call__(
        self, values: np.ndarray, q16: int, update: Optional[np.ndarray] = None
    ) -> np.ndarray:
        """Mended values.

        Args:
          values: float64 ``[H, W, C]``, nominally in [0, 1]; H and W even, above twice `MARGIN`.
          q16: quality in sixteenths.
          update: int8 [K], of the picture; None changes nothing.

        Returns:
          ``[H - 2 MARGIN, W - 2 MARGIN, C]``.

        Raises:
          MscnError: ONNX Runtime fails.
        """
        mended, unit = values[MARGIN:-MARGIN, MARGIN:-MARGIN].copy(), self.unit(q16)
        for rows, columns, (found,) in self._runs(values, self._feed(q16, update), []):
            mended[rows, columns] += unit * self._correction(found)
        return mended

    def at_blocks(
        self, values: np.ndarray, q16: int, y: np.ndarray, x: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Blocks of 2x2 pixels, mended without an update, and what the last layer sees of each.

        Args:
          values: as above.
          q16: quality in sixteenths.
          y: integers [n], rows of the blocks among those that are mended.
          x: integers [n], columns.

        Returns:
          float64 [2, 2, C, n]; and whole numbers, float32 [in, 3, 3, n], of the blocks and those
          around.

        Raises:
          MscnError: ONNX Runtime fails, or the graph gives no ``hidden``.
        """
        mended = np.empty((2, 2, self._channels, len(y)))
        hidden = np.empty((self._layers[-1][0].shape[1], 3, 3, len(y)), np.float32)
        unit, inner = self.unit(q16), values[MARGIN:-MARGIN, MARGIN:-MARGIN]
        for rows, columns, (found, (seen,)) in self._runs(values, self._feed(q16), ["hidden"]):
            here = (2 * y >= rows.start) & (2 * y < rows.stop)
            here = np.flatnonzero(here & (2 * x >= columns.start) & (2 * x < columns.stop))
            down, along = y[here] - rows.start // 2, x[here] - columns.start // 2
            part = inner[rows, columns] + unit * self._correction(found)
            for i, j in np.ndindex(2, 2):
                mended[i, j][:, here] = part[2 * down + i, 2 * along + j].T
            for i, j in np.ndindex(3, 3):
                hidden[:, i, j, here] = seen[:, down + i, along + j]
        return mended, hidden

    def error(self, q16: int) -> float:
        """That is expected of pixels, at a quality in sixteenths."""
        low, high, sixteenths = around(np, q16)
        return float(np.exp(between(self._log_error[low], self._log_error[high], sixteenths)))

    def unit(self, q16: int) -> float:
        """Of corrections, at a quality in sixteenths."""
        return self.error(q16) / OUTPUT_SCALE

    def _feed(self, q16: int, update: Optional[np.ndarray] = None) -> dict[str, np.ndarray]:
        """What the graph is given besides pixels; of an updated layer its weights' digits."""
        feed = {}
        for number, layer in enumerate(self._layers):
            for name, place in (("kernel", 0), ("bias", 2)):
                told = _told(layer[place], layer[place + 1], q16 - MIDDLE)
                given = told * 2.0**-SHIFT
                if number == LAYERS - 1 and self.directions and update is not None and update.any():
                    given = _digits(told + _moved(self.directions[place // 2], update))
                feed[f"{name}_{number}"] = given.astype(np.float32)
        return feed

    def _runs(
        self, values: np.ndarray, feed: dict[str, np.ndarray], more: Sequence[str]
    ) -> Iterator[tuple[slice, slice, list[np.ndarray]]]:
        """Rows and columns of what is mended; what the last layer gives there, and more outputs."""
        height, width = (side - 2 * MARGIN for side in values.shape[:2])
        for columns in slices_of_rows(width, 1, _WIDEST, 2):
            wide = slice(columns.start, columns.stop + 2 * MARGIN)
            for rows in slices_of_rows(height, columns.stop - columns.start, _TOGETHER, 2):
                blocks = _blocks(values[rows.start : rows.stop + 2 * MARGIN, wide])
                yield rows, columns, self._run(["correction", *more], {"pixels": blocks, **feed})

    def _run(self, outputs: Sequence[str], feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        name = self._bundle.name
        try:
            found = self._session.run(outputs, feed)
        except Exception as error:
            raise MscnError(f"bundle {name}: its filter fails ({line_of(error)})") from error
        last = feed[f"kernel_{LAYERS - 1}"]
        rows, columns = (side - MARGIN for side in feed["pixels"].shape[2:])
        shapes = [(1, len(last), rows, columns), (1, last.shape[1], rows + 2, columns + 2)]
        if any(getattr(part, "shape", None) != shape for part, shape in zip(found, shapes)):
            raise MscnError(f"bundle {name}: its filter gives another shape")
        return found

    def _correction(self, found: np.ndarray) -> np.ndarray:
        """float64 [h, w, C], of what the last layer gives: corrections, or two digits' sums."""
        _, outputs, rows, columns = found.shape
        if outputs > 4 * self._channels:
            high, low = np.split(found, 2, axis=1)
            found = np.floor((high + np.floor(low / DIGIT)) * (DIGIT / 2**SHIFT))
        found = found.reshape(2, 2, self._channels, rows, columns).transpose(3, 0, 4, 1, 2)
        return found.reshape(2 * rows, 2 * columns, self._channels).astype(np.float64)


def whole_pixels(values: np.ndarray) -> np.ndarray:
    """float64, whole numbers, of the shape of values that are nominally in [0, 1]."""
    pixels = np.rint((values - 0.5) * INPUT_SCALE)
    return np.clip(pixels, -LARGEST_INPUT, LARGEST_INPUT, out=pixels)


def _blocks(values: np.ndarray) -> np.ndarray:
    """float32 [1, 4 C, h / 2, w / 2], whole numbers: the filter's input, of values [h, w, C]."""
    height, width, channels = values.shape
    pixels = whole_pixels(values)
    blocks = pixels.reshape(height // 2, 2, width // 2, 2, channels).transpose(1, 3, 4, 0, 2)
    blocks = np.ascontiguousarray(blocks, np.float32)
    return blocks.reshape(1, 4 * channels, height // 2, width // 2)


def _told(constant: np.ndarray, slope: np.ndarray, away: int) -> np.ndarray:
    """Whole numbers at a quality so many sixteenths from the middle one."""
    return constant + ((slope * away + 32) >> 6)


def _moved(directions: np.ndarray, update: np.ndarray) -> np.ndarray:
    """What an update [K] adds to weights, of directions [K, ..]."""
    sums = np.tensordot(update.astype(np.int64), directions, 1)
    return (sums + 2 ** (DIRECTION_SHIFT - 1)) >> DIRECTION_SHIFT


def _digits(weights: np.ndarray) -> np.ndarray:
    """Whole numbers [2 out, ..]: of weights [out, ..] the high digits, then the low ones."""
    high = (weights + DIGIT // 2) // DIGIT
    return np.concatenate([high, weights - high * DIGIT])
