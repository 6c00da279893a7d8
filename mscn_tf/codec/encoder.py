"""Fits codes to tiles with a bundle's network, without TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache, partial

import numpy as np

from mscn_tf.codec.encoding import OnlyDecodesError
from mscn_tf.codec.gates import cheapest, gated
from mscn_tf.codec.network import Floats, Network, functions_of
from mscn_tf.codec.tiling import as_floats
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.quantiser import CORRECTION
from mscn_tf.runtime.tiles import Tiles

BATCH = 64
_BATCH_POINTS = 2**17  # of larger tiles fewer at a time
_PARTS = 8  # of a code: its leading elements are counted in so many steps
_GATED_FROM = 6  # passes
_GATE_STEPS = 3  # that many corrections are of gated codes then
_LEFT_OUT = 0.01  # of all symbols that aren't zero may lie in elements that aren't fitted

# Of a network, tiles [C, B, P] and qualities [B], and codes where it starts from any.
Step = Callable[..., Floats]


class Encoder:
    """The inner loop of a trained tile codec (docs/method.md), with the weights of its bundle.

    Args:
      scheme: of the codec.
      grid: that of the tiles, for each axis ``[1, N]``, where it isn't the one that the codec was
        trained on; only on the sphere.

    Attributes:
      grid: coordinates of a tile's samples, for each axis float32 ``[1, N]``.

    Raises:
      OnlyDecodesError: the bundle can only decode.
      MscnError: its weights do not fit its model.
    """

    def __init__(self, scheme: Tiles, grid: Sequence[np.ndarray] | None = None):
        bundle = scheme.bundle
        model, rate_weight = bundle.manifest.model, bundle.manifest.rate_weight
        if model is None or rate_weight is None:
            raise OnlyDecodesError(
                f"bundle {bundle.name}: it can only decode; retrain it with mscn train"
            )
        self._prior = scheme.prior
        self._rate_weight = rate_weight
        weights = {name: w.astype(np.float32) for name, w in bundle.weights().items()}

        @cache
        def network(size: int) -> Network:
            return Network(model["network"], weights, functions, size)

        try:
            functions = functions_of(model, grid)
            self._steps, self._step_sizes = model["steps"], weights["step_sizes"]
            if self._step_sizes.shape[1:] != (self._prior.coefficients,):
                raise ValueError(f"step_sizes has shape {self._step_sizes.shape}")
            network(self._prior.coefficients)
        except (KeyError, TypeError, ValueError) as error:
            raise MscnError(
                f"bundle {bundle.name}: its weights do not fit its model ({error})"
            ) from error
        self.grid, self._network = functions.grid, network
        self._leading = cache(self.leading)

    def leading(self, q16: int) -> int:
        """How many elements of a code are fitted at a quality; all others stay zero.

        Elements come in falling order of variance. The last ones would soak up error in the fit
        only to be rounded to zero, so leaving them out saves both time and bits.
        """
        activity = self._prior.activity(q16)
        rest = np.cumsum(activity[::-1])[::-1]  # of an element and all after it
        needed = int(np.count_nonzero(rest > _LEFT_OUT * rest[0]))
        part = -(-self._prior.coefficients // _PARTS)
        return min(-(-needed // part) * part, self._prior.coefficients)

    def codes(self, tiles: np.ndarray, q16: np.ndarray, steps: int | None = None) -> np.ndarray:
        """Fitted codes of tiles, not quantised.

        Args:
          tiles: uint8 ``[N, .., C]``, or floats in [0, 1].
          q16: integers ``[N]``, quality times 16.
          steps: of the inner loop, at least 1; None is as many as in training.

        Returns:
          float32 ``[N, M]``.
        """
        return self._run(partial(self._fit, steps=steps or self._steps), tiles, q16)

    def _fit(self, network: Network, tiles: Floats, quality: np.ndarray, steps: int) -> Floats:
        """MetaSGD from a code of zero, where the first step has a closed form."""
        sizes = self._step_sizes
        codes = 2 * network.analyse(tiles)
        codes *= sizes[0, : codes.shape[1]]
        for step in range(1, steps):
            size = sizes[min(step, len(sizes) - 1), : codes.shape[1]]
            codes -= size * network.gradient(tiles, quality, codes)
        return codes

    def _correct(
        self, network: Network, tiles: Floats, quality: np.ndarray, codes: Floats
    ) -> Floats:
        """One more step, with the first one's size: about the network's least squares there."""
        size = self._step_sizes[0, : codes.shape[1]]
        return codes - size * network.gradient(tiles, quality, codes)

    def _run(self, step: Step, tiles: np.ndarray, q16: np.ndarray, *codes: np.ndarray) -> Floats:
        """Runs a step on tiles in batches; gives and takes codes ``[N, M]``."""
        fitted = np.zeros([len(tiles), self._prior.coefficients], np.float32)
        batch = min(BATCH, max(1, _BATCH_POINTS // math.prod(tiles.shape[1:-1])))
        size = self._leading(int(q16.max()))
        network = self._network(size)
        for at in range(0, len(tiles), batch):
            part = slice(at, at + batch)
            values = as_floats(tiles[part]).astype(np.float32, copy=False)
            values = values.reshape(len(values), -1, values.shape[-1]).transpose(2, 0, 1)
            given = [code[part, :size].astype(np.float32) for code in codes]
            values = np.ascontiguousarray(values)
            fitted[part, :size] = step(network, values, q16[part] / 16, *given)
        return fitted

    def choose(
        self,
        tiles: np.ndarray,
        codes: np.ndarray,
        q16: np.ndarray,
        bit_price: float = 1.0,
        passes: int = 1,
    ) -> np.ndarray:
        """Symbols of fitted codes, corrected by what a decoder makes of them.

        One pass chooses each symbol as if the others had no error. A further one takes a gradient
        step from the quantised codes and chooses anew, which is damped proximal gradient descent
        on rate and distortion together (cf. Blumensath and Davies 2008, "Iterative thresholding
        for sparse approximations"). From 6 passes on the first few steps start from gated codes
        in place of quantised ones, and symbols are chosen for what they cost others too.

        Args:
          tiles: as of ``codes``.
          codes: float ``[N, M]``, fitted to them.
          q16: integers ``[N]``.
          bit_price: what a bit counts; 1 is as trained.
          passes: how often symbols are chosen.

        Returns:
          int32 ``[N, M]``.
        """
        prior, weight = self._prior, bit_price * self._rate_weight
        thorough = passes >= _GATED_FROM
        symbols = self.quantise(codes, q16, bit_price)
        for step in range(passes - 1):
            if thorough and step < _GATE_STEPS:
                known = gated(prior, codes, symbols, q16, weight, step)
            else:
                known = prior.dequantise(symbols, q16)
            codes = codes + CORRECTION * (self._run(self._correct, tiles, q16, known) - codes)
            symbols = self.quantise(codes, q16, bit_price)
            if thorough:
                symbols = cheapest(prior, codes, symbols, q16, weight)
        return symbols

    def quantise(self, codes: np.ndarray, q16: np.ndarray, bit_price: float = 1.0) -> np.ndarray:
        """int32 ``[N, M]``: symbols of codes; ``bit_price`` is what a bit counts, 1 as trained."""
        return self._prior.quantise(codes, q16, bit_price * self._rate_weight)
