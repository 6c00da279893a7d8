"""Fits codes of a modulated network to tiles, without TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from mscn_tf.codec.encoding import OnlyDecodesError
from mscn_tf.codec.modulated_network import InnerLoop, Network, points_of
from mscn_tf.codec.parts import Parts
from mscn_tf.codec.tile_encoding import TileEncoding
from mscn_tf.codec.tiling import as_floats
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.grids import centres, sphere_grid
from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.modulated import Modulated

_BATCH_POINTS = 2**16  # of all tiles that are fitted at once
_REFINEMENTS = 4  # gradient steps a pass
_FIRST_SHARE = np.float32(0.05)  # of Polyak's step, before curvature is known
_TINY = np.float32(1e-30)

Floats = npt.NDArray[np.float32]


class ModulatedEncoder:
    """The inner loop of a trained modulated codec, with the arrays of its bundle.

    Args:
      scheme: of the codec.
      grid: that of the tiles, for each axis ``[1, N]``; only fields on the sphere need one.

    Attributes:
      grid: as given, or that of a tile.

    Raises:
      OnlyDecodesError: the bundle can only decode.
      MscnError: its arrays do not fit its model.
    """

    def __init__(self, scheme: Modulated, grid: Sequence[np.ndarray] = ()):
        bundle, self._scheme = scheme.bundle, scheme
        model, rate_weight = bundle.manifest.model, bundle.manifest.rate_weight
        if model is None or rate_weight is None:
            raise OnlyDecodesError(
                f"bundle {bundle.name}: it can only decode; retrain it with mscn train"
            )
        self._prior, self._rate_weight = scheme.prior, rate_weight
        try:
            weights = {name: w.astype(np.float32) for name, w in bundle.weights().items()}
            arrays = bundle.arrays("inner")
            self._network = Network(np, model, {**weights, "places": arrays["places"]})
            self._fit = InnerLoop(np, self._network, model, arrays)
            self._places = np.empty(self._prior.coefficients, np.int64)
            held = np.flatnonzero(arrays["places"] < len(self._places))
            self._places[arrays["places"][held]] = held
            self.grid = list(grid) or self._tile_grid()
            points = points_of(np, self.grid, scheme.sphere).astype(np.float32)
            self._points = points.reshape(-1, points.shape[-1])
            channels = bundle.manifest.channels
            self._fit(np.zeros([1, len(self._points[:2]), channels], np.float32), self._points[:2])
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise MscnError(
                f"bundle {bundle.name}: its arrays do not fit its model ({error})"
            ) from error

    def _tile_grid(self) -> list[np.ndarray]:
        manifest = self._scheme.bundle.manifest
        if self._scheme.sphere:  # until a file's grid is known
            return [centres(2)[None]] * 2
        return [centres(manifest.tile_edge)[None]] * Modality.named(manifest.modality).axes

    def encoding(
        self, parts: Parts, metadata: dict[str, Any] | None, bar: tqdm, effort: int
    ) -> TileEncoding:
        """As `codec.encoding.Encoder` has it."""
        encoder = self
        if self._scheme.sphere:
            grid = sphere_grid(parts.signals[0].shape[:-1], metadata, "these fields")
            encoder = ModulatedEncoder(self._scheme, [axis[None] for axis in grid])
        return TileEncoding(self._scheme, encoder, parts, bar, effort)

    def codes(self, tiles: np.ndarray, q16: np.ndarray, steps: int | None = None) -> np.ndarray:
        """float32 ``[N, M]``: fitted codes of tiles, gated, not quantised.

        Args:
          tiles: uint8 ``[N, .., C]``, or floats in [0, 1].
          q16: not needed: codes are the same at all qualities.
          steps: not needed: as many as in training.
        """
        found = np.empty([len(tiles), self._prior.coefficients], np.float32)
        batch = max(1, _BATCH_POINTS // math.prod(tiles.shape[1:-1]))
        for at in range(0, len(tiles), batch):
            values = self._flat(tiles[at : at + batch])
            found[at : at + batch] = self._fit(values, self._points)[:, self._places]
        return found

    @staticmethod
    def _flat(tiles: np.ndarray) -> Floats:
        """float32 ``[N, points, C]``."""
        values = as_floats(tiles).astype(np.float32, copy=False)
        return values.reshape(len(values), -1, values.shape[-1])

    def choose(
        self,
        tiles: np.ndarray,
        codes: np.ndarray,
        q16: np.ndarray,
        bit_price: float = 1.0,
        passes: int = 1,
    ) -> np.ndarray:
        """int32 ``[N, M]``: symbols of fitted codes; see `codec.encoder.Encoder.choose`.

        With further passes what isn't zero is fitted on, to make up for what is.
        """
        symbols = self.quantise(codes, q16, bit_price)
        steps = _REFINEMENTS * (passes - 1)
        if not steps:
            return symbols
        codes = np.where(symbols, codes, 0).astype(np.float32)
        units = self._prior.steps(q16).astype(np.float32) * (symbols != 0)
        batch = max(1, _BATCH_POINTS // math.prod(tiles.shape[1:-1]))
        for at in range(0, len(tiles), batch):
            part = slice(at, at + batch)
            codes[part] = self._refined(self._flat(tiles[part]), codes[part], units[part], steps)
        return self.quantise(codes, q16, bit_price)

    def _refined(self, signals: Floats, codes: Floats, units: Floats, steps: int) -> Floats:
        """Codes after gradient descent with the step sizes of Barzilai and Borwein (1988).

        Of all codes that it passes, those with the least error.
        """
        best, least = codes, np.full(len(codes), np.inf, np.float32)
        last: tuple[Floats, Floats] | None = None
        for _ in range(steps + 1):
            errors = np.empty_like(least)

            def errors_of(values: Floats, errors: Floats = errors) -> Floats:
                difference = values - signals
                errors[:] = np.sum(difference**2, axis=(1, 2))
                return 2 * difference

            placed = self._network.placed(codes)
            gradient = self._network.gradient(placed, self._points, errors_of)[:, self._places]
            gradient *= units
            better = errors < least
            best, least = np.where(better[:, None], codes, best), np.minimum(errors, least)
            most = errors / np.maximum(np.sum(gradient**2, axis=1), _TINY)  # Polyak's step
            size = _FIRST_SHARE * most
            if last is not None:
                moved = np.divide(codes - last[0], units, where=units > 0, out=np.zeros_like(codes))
                bend = np.sum(moved * (gradient - last[1]), axis=1)
                size = np.minimum(np.sum(moved**2, axis=1) / np.maximum(bend, _TINY), most)
            last = codes, gradient
            codes = codes - size[:, None] * units * gradient
        return best

    def quantise(self, codes: np.ndarray, q16: np.ndarray, bit_price: float = 1.0) -> np.ndarray:
        """int32 ``[N, M]``: the symbols of codes; ``bit_price`` is what a bit counts."""
        return self._prior.quantise(codes, q16, bit_price * self._rate_weight)
