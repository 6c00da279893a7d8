"""Pictures on their way into a file of wavelet pyramids."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from tqdm import tqdm

from mscn_tf.codec.encoding import OnlyDecodesError
from mscn_tf.codec.parts import Parts
from mscn_tf.fitting.pyramid import added_by_filter, quantise, to_channels
from mscn_tf.fitting.visibility import prices, weights
from mscn_tf.runtime.layout import Span, Tiling, tile_side
from mscn_tf.runtime.pyramid_prior import Fitted
from mscn_tf.runtime.pyramids import Pyramids
from mscn_tf.runtime.quality import SSIM
from mscn_tf.runtime.quantiser import round_dead_zone
from mscn_tf.runtime.sequences import Made
from mscn_tf.runtime.wavelet import Pyramid, analyse, analyse_part, part_at, sizes

_SAMPLE = 2**18  # coefficients of a picture that estimates look at
_DEAD_ZONE = 0.25  # about what rounding with an eye on the rate amounts to
_BITS_OF_ONE = 6.0  # about what a coefficient that isn't zero costs
_FINE = 3  # levels, with 63 of 64 coefficients, that aren't kept


class _Plane:
    """One plane of a picture and its coefficients, the finest ones for a tile at a time.

    Args:
      scheme: of the codec.
      pixels: uint8 ``[H, W, 1 or 3]``.

    Attributes:
      pixels: the same.
      spans: of its tiles, row-major.
      sample: magnitudes of some coefficients.
      every: how many each of them stands for.
    """

    def __init__(self, scheme: Pyramids, pixels: np.ndarray):
        self.pixels, self._scheme = pixels, scheme
        self._fine = min(_FINE, scheme.prior.levels)
        shape = height, width = pixels.shape[:2]
        tiling = Tiling(shape, tile_side(shape, scheme.edge, scheme.by_area))
        self.spans = [tiling.span(*place) for place in tiling.places()]
        self.every = -(-math.prod(shape) * len(scheme.colour) // _SAMPLE)
        coarse = np.empty((len(scheme.colour), *sizes(height, width, self._fine)[-1]), np.float32)

        def sampled(span: Span) -> np.ndarray:
            part = self._analysed(span)
            coarse[part_at(self._fine, span)] = part.coarse
            return self._sampled(part)

        with scheme.workers() as workers:
            sample = list(workers.in_order(sampled, self.spans))
        self._coarse = analyse(coarse, scheme.prior.levels - self._fine)
        self.sample = np.concatenate([*sample, self._sampled(self._coarse)])

    def _sampled(self, part: Pyramid) -> np.ndarray:
        parts = [np.abs(detail.ravel()[:: self.every]) for detail in part.details]
        return np.concatenate([np.zeros(0, np.float32), *parts])

    def _analysed(self, span: Span) -> Pyramid:
        def channels(rows: slice, columns: slice) -> np.ndarray:
            return to_channels(self.pixels[rows, columns], self._scheme.colour)

        return analyse_part(channels, self.pixels.shape[:2], span, self._fine)

    def tile(self, span: Span) -> Pyramid:
        """Coefficients of a tile."""
        details = list(self._analysed(span).details)
        for detail in self._coarse.details:
            details.append(detail[part_at(len(details) + 1, span)])
        return Pyramid(self._coarse.coarse[part_at(len(details), span)], details)

    def prices(self) -> list[list[np.ndarray]]:
        """How much dearer bits are in each tile, for likeness of structures."""

        def weighed(span: Span) -> list[np.ndarray]:
            rows, columns = (slice(*ends) for ends in span)
            return weights(self.pixels[rows, columns], self._scheme.prior.levels)

        with self._scheme.workers() as workers:
            return prices(list(workers.in_order(weighed, self.spans)))


class PyramidEncoder:
    """Wavelet analysis and the choice of symbols, for files.

    Args:
      scheme: of the codec.

    Raises:
      OnlyDecodesError: the bundle can only decode.
    """

    def __init__(self, scheme: Pyramids):
        rate_weight, name = scheme.bundle.manifest.rate_weight, scheme.bundle.name
        if rate_weight is None:
            raise OnlyDecodesError(f"bundle {name}: it can only decode, without a rate_weight")
        self._scheme, self._rate_weight = scheme, rate_weight

    def encoding(
        self, parts: Parts, metadata: dict[str, Any] | None, bar: tqdm, effort: int
    ) -> PyramidEncoding:
        """As `codec.encoding.Encoder` has it."""
        return PyramidEncoding(self._scheme, self._rate_weight, parts, bar, effort)


class PyramidEncoding:
    """Chooses symbols, at any quality, and estimates what that gives.

    Args:
      scheme: of the codec whose files are wanted.
      rate_weight: squared error that a bit is worth, in steps squared.
      parts: pictures, of which a plane at least is coded.
      bar: shows progress, in tiles.
      passes: how often symbols are chosen anew, each time at better scales.
    """

    def __init__(self, scheme: Pyramids, rate_weight: float, parts: Parts, bar: tqdm, passes: int):
        self._scheme, self._rate_weight = scheme, rate_weight
        self._parts, self._bar, self._passes = parts, bar, passes
        self._prices: list[list[np.ndarray]] = []
        self._planes = [_Plane(scheme, plane) for plane in parts.coded]
        self._tiles = [(plane, span) for plane in self._planes for span in plane.spans]

    def tune(self, measure: str) -> None:
        """As `codec.encoding.TunedEncoding` has it."""
        if measure == SSIM:
            self._prices = [tile for plane in self._planes for tile in plane.prices()]

    def file(self, q16: int, bit_price: float = 1.0) -> bytes:
        """The file at a quality in sixteenths; ``bit_price`` is what a bit counts, 1 as trained."""
        self._bar.reset(len(self._tiles))
        price, prior = bit_price * self._rate_weight, self._scheme.prior
        added = added_by_filter(self._scheme, q16)

        def symbols(tile: int) -> Fitted:
            plane, span = self._tiles[tile]
            height, width = (last - first for first, last in span)
            part = plane.tile(span)
            dearer = self._prices[tile] if self._prices else None
            chosen = quantise(prior, part, height, width, q16, price, self._passes, added, dearer)
            with self._bar.get_lock():  # tiles are made in several threads
                self._bar.update()
            return chosen

        return self._parts.pack(Made(len(self._tiles), symbols), q16)

    def estimated_bits(self, q16: int) -> float:
        """About what ``file`` takes, but for a constant factor."""
        step = self._scheme.prior.step(q16)
        total = 1.0 + self._parts.bits
        for plane in self._planes:
            used = plane.sample[plane.sample >= (1 - _DEAD_ZONE) * step]
            total += plane.every * (_BITS_OF_ONE * len(used) + 1.5 * np.log2(used / step + 1).sum())
        return total

    def estimated_psnr(self, q16: int) -> float:
        """About what ``file`` reaches, in dB, but for a constant."""
        step = self._scheme.prior.step(q16)
        psnrs = []
        for plane in self._planes:
            error = plane.sample - step * round_dead_zone(np, plane.sample / step, _DEAD_ZONE)
            values = 3 * plane.pixels[..., 0].size
            psnrs.append(-10 * np.log10(max(plane.every * np.sum(error**2) / values, 1e-9)))
        return float(np.mean(psnrs))
