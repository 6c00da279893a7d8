"""Signals on their way into a file of tiles."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from mscn_tf.codec.encoder import Encoder
from mscn_tf.codec.parts import Parts
from mscn_tf.codec.rate_control import smallest_file
from mscn_tf.codec.tiling import as_floats, chunks, to_tiles
from mscn_tf.runtime import residuals
from mscn_tf.runtime.grids import sphere_grid
from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.quality import HIGHEST
from mscn_tf.runtime.tiles import Tiles

TILES_PER_BLOCK = 64
_PROGRESS_TILES = 256
_CHUNK_TILES = 4096  # of a sound, cut at once
# Rate is searched on tiles of so many values, spread over the signals, before all are encoded.
_SAMPLE_POINTS = 512 * 32 * 32 * 3


class Fitter(Protocol):
    """Finds the codes and symbols of tiles, as `codec.encoder.Encoder` does."""

    @property
    def grid(self) -> Sequence[np.ndarray]:
        """Coordinates of a tile's samples, for each axis ``[1, N]``."""

    def codes(self, tiles: np.ndarray, q16: np.ndarray, steps: int | None = None) -> np.ndarray:
        """float32 ``[N, M]``: fitted codes, not quantised."""

    def choose(
        self,
        tiles: np.ndarray,
        codes: np.ndarray,
        q16: np.ndarray,
        bit_price: float = 1.0,
        passes: int = 1,
    ) -> np.ndarray:
        """int32 ``[N, M]``: symbols, chosen so many times."""

    def quantise(self, codes: np.ndarray, q16: np.ndarray, bit_price: float = 1.0) -> np.ndarray:
        """int32 ``[N, M]``: the symbols of codes; ``bit_price`` is what a bit counts."""


class TileEncoder(Encoder):
    """The inner loop of a tile codec, for files.

    Args:
      scheme: of the codec.

    Raises:
      OnlyDecodesError: the bundle can only decode.
      MscnError: its weights do not fit its model.
    """

    def __init__(self, scheme: Tiles):
        super().__init__(scheme)
        self._scheme = scheme

    def encoding(
        self, parts: Parts, metadata: dict[str, Any] | None, bar: tqdm, effort: int
    ) -> TileEncoding:
        """As `codec.encoding.Encoder` has it."""
        encoder: Encoder = self
        if self._scheme.sphere:
            grid = sphere_grid(parts.signals[0].shape[:-1], metadata, "these fields")
            encoder = Encoder(self._scheme, [axis[None] for axis in grid])
        return TileEncoding(self._scheme, encoder, parts, bar, effort)


class TileEncoding:
    """Fits codes to tiles, at any quality, and estimates what that gives.

    Args:
      scheme: of the codec whose files are wanted.
      encoder: its inner loop.
      parts: signals, of which a plane at least is coded.
      bar: shows progress, in tiles.
      effort: how often symbols are chosen, each time corrected by what a decoder makes of them,
        from 6 on with gates first; 0 chooses once, from the inner loop's first step alone, which
        is one matrix product.
    """

    def __init__(
        self,
        scheme: Tiles,
        encoder: Fitter,
        parts: Parts,
        bar: tqdm,
        effort: int,
    ):
        self._scheme, self._encoder, self._parts, self._bar = scheme, encoder, parts, bar
        self._passes, self._steps = max(effort, 1), None if effort else 1
        coded = list(parts.coded)
        tiles = [self._cut(plane) for plane in coded]
        self._tiles = tiles[0] if len(tiles) == 1 else np.concatenate(tiles)
        self._one_each = len(coded) == len(self._tiles)
        self._sample = self._tiles
        most = max(_SAMPLE_POINTS // self._tiles[0].size, 8)
        if len(self._tiles) > most:
            spread = np.linspace(0, len(self._tiles) - 1, most)
            self._sample = self._tiles[spread.round().astype(int)]

    def _cut(self, plane: np.ndarray) -> np.ndarray:
        manifest, scheme = self._scheme.bundle.manifest, self._scheme
        if scheme.sphere:
            return scheme.values.normalise(plane)[None]
        edge, overlap = manifest.tile_edge, manifest.tile_overlap
        if Modality.named(manifest.modality).pixels:  # stays uint8: a quarter of the memory
            plane = np.broadcast_to(plane, (*plane.shape[:2], manifest.channels))
            return to_tiles(plane, edge, overlap)
        if plane.ndim > 2:
            return to_tiles(scheme.values.normalise(plane), edge, overlap)
        parts = chunks(len(plane), edge, overlap, _CHUNK_TILES)  # a sound may be hours long
        tiles = np.empty((parts[-1][0].stop, edge, plane.shape[-1]), np.float32)
        for place, samples in parts:
            tiles[place] = to_tiles(scheme.values.normalise(plane[samples]), edge, overlap)
        return tiles

    def file(self, q16: int, bit_price: float = 1.0) -> bytes:
        """The file at a quality in sixteenths; ``bit_price`` is what a bit counts, 1 as trained."""
        self._bar.reset(len(self._tiles))
        symbols = np.empty((len(self._tiles), self._scheme.prior.coefficients), np.int32)
        for at in range(0, len(self._tiles), _PROGRESS_TILES):
            part = self._tiles[at : at + _PROGRESS_TILES]
            qualities = np.full(len(part), q16)
            codes = self._encoder.codes(part, qualities, self._steps)
            chosen = self._encoder.choose(part, codes, qualities, bit_price, self._passes)
            symbols[at : at + len(part)] = chosen
            self._bar.update(len(part))
        return self._parts.pack(symbols, q16, TILES_PER_BLOCK)

    def file_within(self, bounds: Sequence[float], q16: int | None = None) -> bytes:
        """The file, with residuals that bring every value within the least bound of any plane."""
        bound = min(bounds[item] for item in self._parts.coded_items)

        def corrected(q16: int) -> bytes:
            data = self.file(q16)
            payloads = [
                residuals.encode(self._scheme.prior.tables, *pair, bound) if pair[0].size else b""
                for pair in self._parts.coded_pairs(data)
            ]
            return self._parts.bounded(data, bound, payloads)

        return smallest_file(corrected) if q16 is None else corrected(q16)

    @cached_property
    def _sample_codes(self) -> np.ndarray:
        # Codes hardly depend on the quality that they are fitted for: one fit does for all
        # estimates, that for the highest, which leaves out no elements.
        qualities = np.full(len(self._sample), HIGHEST)
        return self._encoder.codes(self._sample, qualities, self._steps)

    def estimated_bits(self, q16: int) -> float:
        """About what ``file`` takes, but for a constant factor."""
        qualities = np.full(len(self._sample), q16)
        symbols = self._encoder.quantise(self._sample_codes, qualities)
        bits = self._scheme.prior.bits(symbols, qualities).sum()
        return len(self._tiles) / len(self._sample) * bits + self._parts.bits

    def estimated_psnr(self, q16: int) -> float:
        """About what ``file`` reaches, in dB, but for a constant."""
        scheme, errors = self._scheme, []
        qualities = np.full(len(self._sample), q16)
        symbols = self._encoder.quantise(self._sample_codes, qualities)
        codes = scheme.prior.dequantise(symbols, qualities)
        for tile, code in zip(as_floats(self._sample), codes):
            values = scheme.decoder(code[None], self._encoder.grid, np.array([q16 / 16]))
            errors.append(np.mean(np.square(np.clip(values[0], 0, 1) - tile)))
        if not self._one_each:
            errors = [np.mean(errors)]
        return float(np.mean(-10 * np.log10(np.maximum(errors, 1e-12))))
