"""Signals on their way into a file of tiles."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from tqdm import tqdm

from mscn_tf.codec.encoder import Encoder
from mscn_tf.codec.tiling import as_floats, planes, to_tiles
from mscn_tf.runtime.codec import Codec
from mscn_tf.runtime.prior import LEVELS

TILES_PER_BLOCK = 64
_PROGRESS_TILES = 256
# Rate is searched on tiles of so many values, spread over the signals, before all are encoded.
_SAMPLE_POINTS = 512 * 32 * 32 * 3


class TileEncoding:
    """Fits codes to tiles, at any quality, and estimates what that gives.

    Args:
      codec: whose files are wanted.
      encoder: its inner loop.
      signals: ``[.., C]`` each, in the type that the codec decodes to.
      names: of the signals, or None.
      metadata: kept in the file, or None.
      bar: shows progress, in tiles.
      effort: how often symbols are chosen, each time corrected by what a decoder makes of them; 0
        chooses once, from the inner loop's first step alone, which is one matrix product.
    """

    def __init__(
        self,
        codec: Codec,
        encoder: Encoder,
        signals: Sequence[np.ndarray],
        names: Sequence[str] | None,
        metadata: dict[str, Any] | None,
        bar: tqdm,
        effort: int,
    ):
        self._codec, self._encoder, self._signals = codec, encoder, signals
        self._names, self._metadata, self._bar = names, metadata, bar
        self._passes, self._steps = max(effort, 1), None if effort else 1
        self._tiles = np.concatenate([self._cut(signal) for signal in signals])
        self._sample = self._tiles
        most = max(_SAMPLE_POINTS // self._tiles[0].size, 8)
        if len(self._tiles) > most:
            spread = np.linspace(0, len(self._tiles) - 1, most)
            self._sample = self._tiles[spread.round().astype(int)]

    def _cut(self, signal: np.ndarray) -> np.ndarray:
        manifest, scheme = self._codec.bundle.manifest, self._codec.scheme
        if scheme.sphere:
            return scheme.values.normalise(signal)[None]
        edge, overlap = manifest["tile_edge"], manifest.get("tile_overlap", 0)
        if manifest["modality"] == "image":  # stays uint8: a quarter of the memory
            shape = (*signal.shape[:2], manifest["channels"])
            parts = [to_tiles(np.broadcast_to(p, shape), edge, overlap) for p in planes(signal)]
            return np.concatenate(parts)
        return to_tiles(scheme.values.normalise(signal), edge, overlap)

    def file(self, q16: int, thrift: float = 1.0) -> bytes:
        """The file at a quality in sixteenths; ``thrift`` makes bits dearer."""
        self._bar.reset(len(self._tiles))
        parts = []
        for at in range(0, len(self._tiles), _PROGRESS_TILES):
            part = self._tiles[at : at + _PROGRESS_TILES]
            qualities = np.full(len(part), q16)
            codes = self._encoder.codes(part, qualities, self._steps)
            parts.append(self._encoder.choose(part, codes, qualities, thrift, self._passes))
            self._bar.update(len(part))
        return self._codec.pack(
            np.concatenate(parts),
            [signal.shape[:-1] for signal in self._signals],
            [q16] * len(self._signals),
            [signal.shape[-1] for signal in self._signals],
            self._names,
            TILES_PER_BLOCK,
            self._metadata,
        )

    @cached_property
    def _sample_codes(self) -> np.ndarray:
        # Codes hardly depend on the quality that they are fitted for: one fit does for all
        # estimates, that for the highest, which leaves out no elements.
        qualities = np.full(len(self._sample), 16 * LEVELS)
        return self._encoder.codes(self._sample, qualities, self._steps)

    def estimated_bits(self, q16: int) -> float:
        """About what ``file`` takes, but for a constant factor."""
        qualities = np.full(len(self._sample), q16)
        symbols = self._encoder.quantise(self._sample_codes, qualities)
        bits = self._codec.scheme.prior.bits(symbols, qualities).sum()
        return len(self._tiles) / len(self._sample) * bits

    def estimated_psnr(self, q16: int) -> float:
        """About what ``file`` reaches, in dB, but for a constant."""
        scheme, errors = self._codec.scheme, []
        qualities = np.full(len(self._sample), q16)
        symbols = self._encoder.quantise(self._sample_codes, qualities)
        codes = scheme.prior.dequantise(symbols, qualities)
        for tile, code in zip(as_floats(self._sample), codes):
            values = scheme.decoder(code[None], self._encoder.grid, np.array([q16 / 16]))
            errors.append(np.mean(np.square(np.clip(values[0], 0, 1) - tile)))
        if len(self._signals) < len(self._tiles):
            errors = [np.mean(errors)]
        return float(np.mean(-10 * np.log10(np.maximum(errors, 1e-12))))
