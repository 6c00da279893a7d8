"""What mends decoded pictures: convolutions in whole numbers, run by ONNX Runtime.

All sums are whole numbers below 2^24 in the units of their layer, which float32 holds exactly in
whatever order they are added: every machine gets the same correction.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mscn_tf.runtime.errors import MscnError
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
SHIFT = 10  # fractional bits of weights
LAYERS = 4
MARGIN = 2 * LAYERS  # pixels around that a pixel's correction depends on, on its grid of 2x2
INPUT_SCALE = 1024.0  # of values less 1/2
LARGEST_INPUT = 1023
RANGE = (-64, 383)  # of what lies between layers
LEAK = 0.125
OUTPUT_SCALE = 512.0  # of corrections, in units of the error that is expected
EXACT = 2**24  # whole numbers up to here are exact in float32
_TOGETHER = 2**16  # pixels that are run at once, which stay in the processor's cache
_WIDEST = 2**8  # columns of them


class PostFilter:
    """The filter of a bundle.

    Args:
      bundle: with `GRAPH` (inputs ``pixels`` [1, 4 C, h, w], ``kernel_n`` [out, in, 3, 3] and
        ``bias_n`` [out], all float32; output ``correction``), and by name in ``filter/``, for layer
        n: ``kernel_n``, ``kernel_slope_n``, ``bias_n`` and ``bias_slope_n``, integers; and
        ``log_error``, float [10], natural logarithm of the error to expect at qualities 1 to 10.

    Raises:
      MscnError: the bundle lacks something, or its sums may become too large to be exact.
    """

    def __init__(self, bundle: Bundle):
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

    def __call__(self, values: np.ndarray, q16: int) -> np.ndarray:
        """Mended values.

        Args:
          values: float64 ``[H, W, C]``, nominally in [0, 1]; H and W even, above twice `MARGIN`.
          q16: quality in sixteenths.

        Returns:
          ``[H - 2 MARGIN, W - 2 MARGIN, C]``.

        Raises:
          MscnError: ONNX Runtime fails.
        """
        feed = {}
        for number, layer in enumerate(self._layers):
            for name, place in (("kernel", 0), ("bias", 2)):
                told = _told(layer[place], layer[place + 1], q16 - MIDDLE) * 2.0**-SHIFT
                feed[f"{name}_{number}"] = told.astype(np.float32)
        low, high, sixteenths = around(np, q16)
        log_error = between(self._log_error[low], self._log_error[high], sixteenths)
        unit = np.exp(log_error) / OUTPUT_SCALE
        mended = values[MARGIN:-MARGIN, MARGIN:-MARGIN].copy()
        height, width = mended.shape[:2]
        for columns in slices_of_rows(width, 1, _WIDEST, 2):
            wide = slice(columns.start, columns.stop + 2 * MARGIN)
            for rows in slices_of_rows(height, columns.stop - columns.start, _TOGETHER, 2):
                part = values[rows.start : rows.stop + 2 * MARGIN, wide]
                mended[rows, columns] += unit * self._correction(part, feed)
        return mended

    def _correction(self, values: np.ndarray, feed: dict[str, np.ndarray]) -> np.ndarray:
        height, width, channels = values.shape
        pixels = np.rint((values - 0.5) * INPUT_SCALE)
        np.clip(pixels, -LARGEST_INPUT, LARGEST_INPUT, out=pixels)
        blocks = pixels.reshape(height // 2, 2, width // 2, 2, channels).transpose(1, 3, 4, 0, 2)
        blocks = np.ascontiguousarray(blocks, np.float32)
        blocks = blocks.reshape(1, 4 * channels, height // 2, width // 2)
        try:
            found = self._session.run(["correction"], {"pixels": blocks, **feed})[0]
        except Exception as error:
            name = self._bundle.name
            raise MscnError(f"bundle {name}: its filter fails ({line_of(error)})") from error
        rows, columns = height // 2 - MARGIN, width // 2 - MARGIN
        if getattr(found, "shape", None) != (1, 4 * channels, rows, columns):
            raise MscnError(f"bundle {self._bundle.name}: its filter gives another shape")
        found = found.reshape(2, 2, channels, rows, columns).transpose(3, 0, 4, 1, 2)
        return found.reshape(2 * rows, 2 * columns, channels).astype(np.float64)


def _told(constant: np.ndarray, slope: np.ndarray, away: int) -> np.ndarray:
    """Whole numbers at a quality so many sixteenths from the middle one."""
    return constant + ((slope * away + 32) >> 6)
