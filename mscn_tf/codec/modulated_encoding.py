"""Fits codes of a modulated network to tiles, without TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
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
            values = as_floats(tiles[at : at + batch]).astype(np.float32, copy=False)
            values = values.reshape(len(values), -1, values.shape[-1])
            found[at : at + batch] = self._fit(values, self._points)[:, self._places]
        return found

    def choose(
        self,
        tiles: np.ndarray,
        codes: np.ndarray,
        q16: np.ndarray,
        thrift: float = 1.0,
        passes: int = 1,
    ) -> np.ndarray:
        """int32 ``[N, M]``: symbols of fitted codes; see `codec.encoder.Encoder.choose`."""
        return self.quantise(codes, q16, thrift)

    def quantise(self, codes: np.ndarray, q16: np.ndarray, thrift: float = 1.0) -> np.ndarray:
        """int32 ``[N, M]``: the symbols of codes; ``thrift`` makes bits dearer."""
        return self._prior.quantise(codes, q16, thrift * self._rate_weight)
