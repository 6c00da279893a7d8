"""Pictures on their way into a file of wavelet pyramids."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from mscn_tf.codec.tiling import planes
from mscn_tf.fitting.pyramid import quantise, to_channels
from mscn_tf.runtime.codec import Codec
from mscn_tf.runtime.wavelet import analyse

_SAMPLE = 2**18  # coefficients of a picture that estimates look at
_DEAD_ZONE = 0.25  # about what rounding with an eye on the rate amounts to
_BITS_OF_ONE = 6.0  # about what a coefficient that isn't zero costs


class PyramidEncoding:
    """Chooses symbols, at any quality, and estimates what that gives.

    Args:
      codec: whose files are wanted.
      pictures: uint8 ``[H, W, C]`` each.
      names: of the pictures, or None.
      bar: shows progress, in tiles.
      passes: how often symbols are chosen anew, each time at better scales.
    """

    def __init__(
        self,
        codec: Codec,
        pictures: Sequence[np.ndarray],
        names: Sequence[str] | None,
        bar: tqdm,
        passes: int,
    ):
        self._codec, self._pictures, self._names = codec, pictures, names
        self._bar, self._passes = bar, passes
        scheme = codec.scheme
        self._planes = [plane for picture in pictures for plane in planes(picture)]
        self._pyramids = [
            analyse(to_channels(plane, scheme.colour), scheme.prior.levels)
            for plane in self._planes
        ]
        self._tiles = sum(len(scheme.places(plane.shape[:2])) for plane in self._planes)
        self._samples = []  # magnitudes of each plane, and how many each stands for
        for pyramid in self._pyramids:
            flat = np.concatenate([np.abs(detail).ravel() for detail in pyramid.details])
            every = -(-len(flat) // _SAMPLE)
            self._samples.append((flat[::every], every))

    def file(self, q16: int, thrift: float = 1.0) -> bytes:
        """The file at a quality in sixteenths; ``thrift`` makes bits dearer."""
        self._bar.reset(self._tiles)
        scheme = self._codec.scheme
        rate_weight = thrift * self._codec.bundle.manifest["rate_weight"]
        symbols = []
        for plane, pyramid in zip(self._planes, self._pyramids):
            shape = plane.shape[:2]
            for place in scheme.places(shape):
                part, size = scheme.tile(pyramid, shape, *place), scheme.tile_shape(shape, *place)
                symbols.append(quantise(scheme.prior, part, *size, q16, rate_weight, self._passes))
                self._bar.update()
        return self._codec.pack(
            symbols,
            [picture.shape[:2] for picture in self._pictures],
            [q16] * len(self._pictures),
            [picture.shape[2] for picture in self._pictures],
            self._names,
        )

    def estimated_bits(self, q16: int) -> float:
        """About what ``file`` takes, but for a constant factor."""
        step = self._codec.scheme.prior.step(q16)
        total = 1.0
        for sizes, every in self._samples:
            used = sizes[sizes >= (1 - _DEAD_ZONE) * step]
            total += every * (_BITS_OF_ONE * len(used) + 1.5 * np.log2(used / step + 1).sum())
        return total

    def estimated_psnr(self, q16: int) -> float:
        """About what ``file`` reaches, in dB, but for a constant."""
        step = self._codec.scheme.prior.step(q16)
        found = []
        for plane, (sizes, every) in zip(self._planes, self._samples):
            error = sizes - step * np.floor(sizes / step + 0.5 - _DEAD_ZONE)
            values = 3 * plane.shape[0] * plane.shape[1]
            found.append(-10 * np.log10(max(every * np.sum(error**2) / values, 1e-9)))
        return float(np.mean(found))
