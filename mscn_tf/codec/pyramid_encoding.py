"""Pictures on their way into a file of wavelet pyramids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from tqdm import tqdm

from mscn_tf.codec.encoding import OnlyDecodesError
from mscn_tf.codec.parts import Parts
from mscn_tf.fitting.pyramid import added_by_filter, quantise, to_channels
from mscn_tf.runtime.pyramids import Pyramids
from mscn_tf.runtime.quantiser import round_dead_zone
from mscn_tf.runtime.wavelet import Pyramid, analyse, analyse_rows, rows_at

_SAMPLE = 2**18  # coefficients of a picture that estimates look at
_DEAD_ZONE = 0.25  # about what rounding with an eye on the rate amounts to
_BITS_OF_ONE = 6.0  # about what a coefficient that isn't zero costs
_FINE = 3  # levels, with 63 of 64 coefficients, that aren't kept


class _Plane:
    """One plane of a picture and its coefficients, the finest ones for a row of tiles at a time.

    Args:
      scheme: of the codec.
      pixels: uint8 ``[H, W, 1 or 3]``.

    Attributes:
      pixels: the same.
      sample: magnitudes of some coefficients.
      every: how many each of them stands for.
    """

    def __init__(self, scheme: Pyramids, pixels: np.ndarray):
        self.pixels, self._scheme = pixels, scheme
        self._fine = min(_FINE, scheme.prior.levels)
        self.every = -(-pixels[..., 0].size * len(scheme.colour) // _SAMPLE)
        coarse, sample = [], []
        for top, bottom in self._rows():
            part = self._analysed(top, bottom)
            coarse.append(part.coarse)
            sample += [np.abs(detail.ravel()[:: self.every]) for detail in part.details]
        self._coarse = analyse(np.concatenate(coarse, axis=1), scheme.prior.levels - self._fine)
        sample += [np.abs(detail.ravel()[:: self.every]) for detail in self._coarse.details]
        self.sample = np.concatenate(sample)

    def _rows(self) -> Iterator[tuple[int, int]]:
        """Those of the tiles."""
        edge, height = self._scheme.edge, len(self.pixels)
        return ((top, min(top + edge, height)) for top in range(0, height, edge))

    def _analysed(self, top: int, bottom: int) -> Pyramid:
        def channels(first: int, last: int) -> np.ndarray:
            return to_channels(self.pixels[first:last], self._scheme.colour)

        return analyse_rows(channels, len(self.pixels), top, bottom, self._fine)

    def tiles(self) -> Iterator[tuple[Pyramid, tuple[int, int]]]:
        """Each tile's coefficients, row-major, and its (height, width)."""
        scheme, width = self._scheme, self.pixels.shape[1]
        for top, bottom in self._rows():
            details = self._analysed(top, bottom).details
            for detail in self._coarse.details:
                details.append(detail[:, :, rows_at(len(details) + 1, top, bottom)])
            coarse = self._coarse.coarse[:, rows_at(len(details), top, bottom)]
            strip, shape = Pyramid(coarse, details), (bottom - top, width)
            for place in scheme.places(shape):
                yield scheme.tile(strip, shape, *place), scheme.tile_shape(shape, *place)


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
        self._planes = [_Plane(scheme, plane) for plane in parts.coded]
        shapes = [plane.pixels.shape[:2] for plane in self._planes]
        self._tiles = sum(len(scheme.places(shape)) for shape in shapes)

    def _symbols(self, q16: int, rate_weight: float) -> Iterator[Pyramid]:
        """Of every tile, as they are wanted."""
        prior, added = self._scheme.prior, added_by_filter(self._scheme, q16)
        for plane in self._planes:
            for part, size in plane.tiles():
                yield quantise(prior, part, *size, q16, rate_weight, self._passes, added)
                self._bar.update()

    def file(self, q16: int, bit_price: float = 1.0) -> bytes:
        """The file at a quality in sixteenths; ``bit_price`` is what a bit counts, 1 as trained."""
        self._bar.reset(self._tiles)
        return self._parts.pack(self._symbols(q16, bit_price * self._rate_weight), q16)

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
