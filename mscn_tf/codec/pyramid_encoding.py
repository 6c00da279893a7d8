"""Pictures on their way into a file of wavelet pyramids."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from mscn_tf.codec.encoding import OnlyDecodesError
from mscn_tf.codec.parts import Parts
from mscn_tf.fitting.filter_update import suited_to
from mscn_tf.fitting.pyramid import added_by_filter, quantise, to_channels
from mscn_tf.fitting.visibility import prices, weights
from mscn_tf.runtime.layout import Span, Tiling, tile_side
from mscn_tf.runtime.pyramid_parts import Place
from mscn_tf.runtime.pyramid_prior import Fitted
from mscn_tf.runtime.pyramids import Choice, Pyramids
from mscn_tf.runtime.quality import SSIM
from mscn_tf.runtime.quantiser import round_dead_zone
from mscn_tf.runtime.sequences import Made
from mscn_tf.runtime.wavelet import Pyramid, analyse, analyse_part, part_at, reach_of, sizes

_SAMPLE = 2**18  # coefficients of a picture that estimates look at
_DEAD_ZONE = 0.25  # about what rounding with an eye on the rate amounts to
_BITS_OF_ONE = 6.0  # about what a coefficient that isn't zero costs
_PEAK = 255  # of pixels, 1 in steps
_FINE = 3  # levels, with 63 of 64 coefficients, that aren't kept


class _Seen(NamedTuple):
    """What the finest coefficients of a tile depend on.

    Attributes:
      pixels: uint8 ``[h, w, 1 or 3]``, the tile's and some around.
      corner: row and column of the first of them.
      span: of the tile.
    """

    pixels: np.ndarray
    corner: Place
    span: Span

    def own(self) -> np.ndarray:
        """The tile's pixels."""
        within = (slice(*np.subtract(ends, at)) for ends, at in zip(self.span, self.corner))
        return self.pixels[tuple(within)]

    def analysed(self, colour: np.ndarray, levels: int) -> Pyramid:
        """Its coefficients of the finest levels."""
        return analyse_part(to_channels(self.pixels, colour), self.corner, self.span, levels)


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
        look, samples = partial(_looked_at, scheme.colour, self._fine, self.every), []
        with scheme.workers(len(self.spans)) as workers:
            looked_at = workers.in_order(look, map(self.seen, self.spans))
            for span, (low, sample) in zip(self.spans, looked_at):
                coarse[part_at(self._fine, span)] = low
                samples.append(sample)
        self._coarse = analyse(coarse, scheme.prior.levels - self._fine)
        self.sample = np.concatenate([*samples, _sample(self._coarse, self.every)])

    def seen(self, span: Span) -> _Seen:
        """What the finest coefficients of a tile depend on."""
        (top, bottom), (left, right) = reach_of(self.pixels.shape[:2], span, self._fine)
        return _Seen(self.pixels[top:bottom, left:right], (top, left), span)

    def coarser(self, span: Span) -> Pyramid:
        """Coefficients of a tile at the other levels."""
        levels = enumerate(self._coarse.details, self._fine + 1)
        details = [detail[part_at(level, span)] for level, detail in levels]
        return Pyramid(self._coarse.coarse[part_at(self._scheme.prior.levels, span)], details)

    def prices(self) -> list[list[np.ndarray]]:
        """How much dearer bits are in each tile, for likeness of structures."""
        tiles = (self.pixels[slice(*rows), slice(*columns)] for rows, columns in self.spans)
        weigh = partial(weights, levels=self._scheme.prior.levels)
        with self._scheme.workers(len(self.spans)) as workers:
            return prices(list(workers.in_order(weigh, tiles)))


def _looked_at(
    colour: np.ndarray, levels: int, every: int, seen: _Seen
) -> tuple[np.ndarray, np.ndarray]:
    """The coarse part of a tile's finest levels, and magnitudes of one in so many coefficients."""
    part = seen.analysed(colour, levels)
    return part.coarse, _sample(part, every)


def _sample(part: Pyramid, every: int) -> np.ndarray:
    parts = [np.abs(detail.ravel()[::every]) for detail in part.details]
    return np.concatenate([np.zeros(0, np.float32), *parts])


def _chosen(
    seen: _Seen,
    coarser: Pyramid,
    dearer: list[np.ndarray] | None,
    q16: int,
    price: float,
    passes: int,
    scheme: Pyramids,
) -> Fitted:
    """Symbols of a tile; see `quantise`."""
    height, width = (last - first for first, last in seen.span)
    fine = seen.analysed(scheme.colour, scheme.prior.levels - len(coarser.details))
    part = Pyramid(coarser.coarse, fine.details + coarser.details)
    pixels = seen.own()
    alone = pixels.shape == seen.pixels.shape  # no other tile is beside it
    added = added_by_filter(scheme, q16, None if alone else pixels)
    bit_error = price * scheme.prior.step(q16) ** 2
    suited = suited_to(scheme, pixels, q16, bit_error)
    return quantise(scheme.prior, part, height, width, q16, price, passes, added, dearer, suited)


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
        price = bit_price * self._rate_weight

        def choice(tile: int) -> Choice:
            self._bar.update(tile - self._bar.n)  # all before are done, or worked on
            plane, span = self._tiles[tile]
            dearer = self._prices[tile] if self._prices else None
            tile_of = plane.seen(span), plane.coarser(span), dearer
            return partial(_chosen, *tile_of, q16, price, self._passes)

        data, step = (
            self._parts.pack(Made(len(self._tiles), choice), q16),
            self._scheme.prior.step(q16),
        )
        worth, least = price * (_PEAK * step) ** 2, -10 * math.log10(step**2 / 12)
        return self._parts.in_few_colours(data, worth, least)

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
