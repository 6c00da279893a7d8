"""Pictures on their way into a file of tiles."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from mscn_tf.codec.tiling import tile_pictures
from mscn_tf.runtime.codec import Codec
from mscn_tf.runtime.prior import LEVELS
from mscn_tf.signals import images

if TYPE_CHECKING:
    from mscn_tf.codec.encoder import Encoder

TILES_PER_BLOCK = 64
_PROGRESS_TILES = 256
# Rate is searched on so many tiles, spread over the pictures, before everything is encoded.
_SAMPLE_TILES = 512


class TileEncoding:
    """Fits codes to tiles, at any quality, and estimates what that gives.

    Args:
      codec: whose files are wanted.
      encoder: its inner loop.
      pictures: uint8 ``[H, W, C]`` each.
      names: of the pictures, or None.
      bar: shows progress, in tiles.
      passes: how often symbols are chosen anew, each time at better scales.
    """

    def __init__(
        self,
        codec: Codec,
        encoder: Encoder,
        pictures: Sequence[np.ndarray],
        names: Sequence[str] | None,
        bar: tqdm,
        passes: int,
    ):
        self._codec, self._encoder, self._pictures = codec, encoder, pictures
        self._names, self._bar, self._passes = names, bar, passes
        manifest = codec.bundle.manifest
        self._tiles = tile_pictures(pictures, manifest["tile_edge"], manifest["channels"])
        self._sample = self._tiles
        if len(self._tiles) > _SAMPLE_TILES:
            spread = np.linspace(0, len(self._tiles) - 1, _SAMPLE_TILES)
            self._sample = self._tiles[spread.round().astype(int)]

    def file(self, q16: int, thrift: float = 1.0) -> bytes:
        """The file at a quality in sixteenths; ``thrift`` makes bits dearer."""
        self._bar.reset(len(self._tiles))
        parts = []
        for at in range(0, len(self._tiles), _PROGRESS_TILES):
            part = self._tiles[at : at + _PROGRESS_TILES]
            qualities = np.full(len(part), q16)
            codes = self._encoder.codes(part, qualities)
            parts.append(self._encoder.quantise(codes, qualities, thrift, self._passes))
            self._bar.update(len(part))
        return self._codec.pack(
            np.concatenate(parts),
            [picture.shape[:2] for picture in self._pictures],
            [q16] * len(self._pictures),
            [picture.shape[2] for picture in self._pictures],
            self._names,
            TILES_PER_BLOCK,
        )

    @cached_property
    def _sample_codes(self) -> np.ndarray:
        # Codes hardly depend on the quality that they are fitted for: one fit does for all
        # estimates, that for the highest, which leaves out no elements.
        return self._encoder.codes(self._sample, np.full(len(self._sample), 16 * LEVELS))

    def estimated_bits(self, q16: int) -> float:
        """About what ``file`` takes, but for a constant factor."""
        qualities = np.full(len(self._sample), q16)
        symbols = self._encoder.quantise(self._sample_codes, qualities)
        bits = self._codec.scheme.prior.bits(symbols, qualities).sum()
        return len(self._tiles) / len(self._sample) * bits

    def estimated_psnr(self, q16: int) -> float:
        """About what ``file`` reaches, in dB, but for a constant."""
        sample = self._sample
        symbols = self._encoder.quantise(self._sample_codes, np.full(len(sample), q16))
        tile = [sample.shape[1:3]] * len(sample)
        data = self._codec.pack(symbols, tile, [q16] * len(tile), [sample.shape[3]] * len(tile))
        decoded = np.stack(list(self._codec.decode_all(data)))
        if len(self._pictures) < len(self._tiles):
            return images.psnr(sample, decoded)
        return float(np.mean([images.psnr(*pair) for pair in zip(sample, decoded)]))
