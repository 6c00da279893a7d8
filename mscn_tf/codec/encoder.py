"""Fits codes to tiles with a bundle's network."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache

import ml_collections
import numpy as np
import tensorflow as tf

from mscn_tf.codec.tiling import as_floats
from mscn_tf.fitting.basis_codec import BasisCodec
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.errors import MscnError

BATCH = 64
_BATCH_POINTS = 2**17  # of larger tiles fewer at a time
_PARTS = 8  # of a code: its leading elements are counted in so many steps
_CORRECTION = 0.7  # of the way that a pass goes: all of it swings to and fro
_LEFT_OUT = 0.01  # of all symbols that aren't zero may lie in elements that aren't fitted

# Of a number of elements and a batch size.
Graph = Callable[[int, int], tf.types.experimental.ConcreteFunction]


class Encoder:
    """The inner loop of a trained codec, with the weights of its bundle.

    Args:
      bundle: of a tile codec.
      grid: that of the tiles, where it isn't the one that the codec was trained on.

    Attributes:
      fitting: the codec as it was trained.
      grid: coordinates of a tile's samples, for each axis float32 ``[1, N]``.

    Raises:
      MscnError: the bundle can only decode.
    """

    def __init__(self, bundle: Bundle, grid: Sequence[np.ndarray] | None = None):
        if not {"model", "rate_weight"} <= set(bundle.manifest):
            raise MscnError(f"bundle {bundle.name}: it can only decode; retrain it with mscn train")
        self._prior = bundle.prior
        self._rate_weight = bundle.manifest["rate_weight"]
        model = ml_collections.ConfigDict(bundle.manifest["model"])
        whole = self.fitting = BasisCodec(model, grid)
        weights = bundle.weights()
        try:
            whole.step_sizes.assign(weights["step_sizes"])
            for name, variable in whole.network.named_weights().items():
                variable.assign(weights[name].reshape(variable.shape))
        except (KeyError, ValueError) as error:
            raise MscnError(
                f"bundle {bundle.name}: its weights do not fit its model ({error})"
            ) from error
        self.grid = whole.grid
        shape = [*(axis.shape[1] for axis in whole.grid), whole.network.channels]

        @cache
        def shortened(size: int) -> BasisCodec:
            if size == self._prior.coefficients:
                return whole
            model.network.code_size = size
            part = BasisCodec(model, grid)
            part.step_sizes.assign(whole.step_sizes[:, :size])
            known = whole.network.named_weights()
            for name, variable in part.network.named_weights().items():
                variable.assign(known[name][: variable.shape[0]])  # a row for each code element
            return part

        # Graphs of a fixed size run faster, so there are two: for one tile, and for many.
        # Binding defaulted arguments to a graph is slow: these have none.
        @cache
        def fit(size: int, batch: int) -> tf.types.experimental.ConcreteFunction:
            codec = shortened(size)
            return tf.function(
                lambda tiles, quality: codec.fit_code(tiles, quality), autograph=False
            ).get_concrete_function(tf.TensorSpec([batch, *shape]), tf.TensorSpec([batch]))

        @cache
        def correct(size: int, batch: int) -> tf.types.experimental.ConcreteFunction:
            codec, code = shortened(size), tf.TensorSpec([batch, size])
            return tf.function(codec.correct, autograph=False).get_concrete_function(
                tf.TensorSpec([batch, *shape]), tf.TensorSpec([batch]), code
            )

        self._fit, self._correct = fit, correct
        self._leading = cache(self.leading)

    def leading(self, q16: int) -> int:
        """How many elements of a code are fitted at a quality; all others stay zero.

        Elements come in falling order of variance. The last ones would soak up error in the fit
        only to be rounded to zero, so leaving them out saves both time and bits.
        """
        activity = self._prior.activity(q16)
        rest = np.cumsum(activity[::-1])[::-1]  # of an element and all after it
        needed = np.count_nonzero(rest > _LEFT_OUT * rest[0])
        part = -(-self._prior.coefficients // _PARTS)
        return min(-(-needed // part) * part, self._prior.coefficients)

    def codes(self, tiles: np.ndarray, q16: np.ndarray) -> np.ndarray:
        """Fitted codes of tiles, not quantised.

        Args:
          tiles: uint8 ``[N, .., C]``, or floats in [0, 1].
          q16: integers ``[N]``, quality times 16.

        Returns:
          float32 ``[N, M]``.
        """
        return self._run(self._fit, tiles, q16)

    def _run(
        self, graph: Graph, tiles: np.ndarray, q16: np.ndarray, *codes: np.ndarray
    ) -> np.ndarray:
        """Runs a graph on tiles in batches; gives and takes codes ``[N, M]``."""
        found = np.zeros([len(tiles), self._prior.coefficients], np.float32)
        points = math.prod(tiles.shape[1:-1])
        batch = min(BATCH, max(1, _BATCH_POINTS // points)) if len(tiles) > 1 else 1
        size = self._leading(int(q16.max()))
        run = graph(size, batch)
        pixels = np.zeros([batch, *tiles.shape[1:]], np.float32)
        quality = np.ones([batch], np.float32)
        given = [np.zeros([batch, size], np.float32) for _ in codes]
        for at in range(0, len(tiles), batch):
            part = slice(at, at + batch)
            count = len(tiles[part])
            pixels[:count] = as_floats(tiles[part])
            quality[:count] = q16[part] / 16
            for buffer, code in zip(given, codes):
                buffer[:count] = code[part, :size]
            made = run(*map(tf.constant, (pixels, quality, *given)))
            found[part, :size] = made.numpy()[:count]
        return found

    def choose(
        self,
        tiles: np.ndarray,
        codes: np.ndarray,
        q16: np.ndarray,
        thrift: float = 1.0,
        passes: int = 1,
    ) -> np.ndarray:
        """Symbols of fitted codes, corrected by what a decoder makes of them.

        One pass chooses each symbol as if the others had no error. A further one takes a gradient
        step from the quantised codes and chooses anew, which is damped proximal gradient descent
        on rate and distortion together (cf. Blumensath and Davies 2008, "Iterative thresholding
        for sparse approximations").

        Args:
          tiles: as of ``codes``.
          codes: float ``[N, M]``, fitted to them.
          q16: integers ``[N]``.
          thrift: makes bits dearer.
          passes: how often symbols are chosen.

        Returns:
          int32 ``[N, M]``.
        """
        symbols = self.quantise(codes, q16, thrift)
        for _ in range(passes - 1):
            known = self._prior.dequantise(symbols, q16)
            codes = codes + _CORRECTION * (self._run(self._correct, tiles, q16, known) - codes)
            symbols = self.quantise(codes, q16, thrift)
        return symbols

    def quantise(self, codes: np.ndarray, q16: np.ndarray, thrift: float = 1.0) -> np.ndarray:
        """int32 ``[N, M]``: the symbols of codes; ``thrift`` makes bits dearer."""
        return self._prior.quantise(codes, q16, thrift * self._rate_weight)
