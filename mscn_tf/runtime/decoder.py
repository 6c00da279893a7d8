"""The network that turns codes into pixel values, run by ONNX Runtime in float64.

In double precision results differ between machines by some 1e-15, so that 8-bit pixels agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.grids import AXES
from mscn_tf.runtime.onnx_session import line_of, session

if TYPE_CHECKING:
    from mscn_tf.runtime.bundle import Bundle

DECODER = "decoder.onnx"  # a bundle's member


class Decoder:
    """Decoder of a bundle.

    Args:
      bundle: the same.
      threads: that share the work.

    Raises:
      MscnError: the bundle has no decoder that ONNX Runtime can run, or lacks its weights.
    """

    def __init__(self, bundle: Bundle, threads: int = 1):
        self._name, self._channels = bundle.name, bundle.manifest.channels
        self._session = session(bundle, DECODER, threads)
        names = [entry.name for entry in self._session.get_inputs()]
        weights = bundle.weights()
        inputs = ("code", *AXES, "quality")
        missing = [name for name in names if name not in inputs and name not in weights]
        self._axes = [axis for axis in AXES if axis in names]
        if missing or "code" not in names or not self._axes:
            raise MscnError(f"bundle {bundle.name}: the decoder's inputs {names} are not all there")
        self._weights = {name: weights[name] for name in names if name in weights}
        self._names = [name for name in inputs if name in names]

    def __call__(
        self, code: np.ndarray, grid: Sequence[np.ndarray], quality: np.ndarray
    ) -> np.ndarray:
        """Values at the points of B grids.

        Args:
          code: float64 [B, M], dequantised.
          grid: for each axis, outermost first, float64 [B, n], or [1, n] for all, its coordinates:
            a tile spans -1 to 1; on the sphere latitudes and longitudes in radians.
          quality: float64 [B], 1 to 10.

        Returns:
          float64 [B, .., C], nominally 0 to 1, not clipped.

        Raises:
          MscnError: ONNX Runtime fails.
        """
        # Most tiles are wanted at the same points: what these give is then made once for all.
        grid = [np.broadcast_to(axis, (len(code), axis.shape[1])) for axis in grid]
        middle = len(code) // 2
        alike = np.logical_and.reduce([(axis == axis[middle]).all(axis=1) for axis in grid])
        shared = self._run(code[alike], [axis[middle, None] for axis in grid], quality[alike])
        if alike.all():
            return shared
        values = np.empty((len(code), *shared.shape[1:]))
        values[alike] = shared
        values[~alike] = self._run(code[~alike], [axis[~alike] for axis in grid], quality[~alike])
        return values

    def _run(self, code: np.ndarray, grid: Sequence[np.ndarray], quality: np.ndarray) -> np.ndarray:
        if len(grid) != len(self._axes):
            raise MscnError(f"bundle {self._name}: its decoder has other axes than its signals")
        given = {"code": code, "quality": quality, **dict(zip(self._axes, grid))}
        feed = {name: np.ascontiguousarray(given[name], np.float64) for name in self._names}
        try:
            values = self._session.run(["values"], {**feed, **self._weights})[0]
        except Exception as error:
            raise MscnError(f"bundle {self._name}: decoder fails ({line_of(error)})") from error
        shape = (len(code), *(axis.shape[1] for axis in grid), self._channels)
        if getattr(values, "shape", None) != shape or values.dtype != np.float64:
            raise MscnError(f"bundle {self._name}: decoder fails (it gives no float64 {shape})")
        return values
