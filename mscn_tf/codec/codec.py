"""`Codec`: the runtime's decoder with an encoder beside it."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, cached_property
from typing import Any, Union

import numpy as np
from tqdm import tqdm

from mscn_tf.codec.encoder import Encoder
from mscn_tf.codec.pyramid_encoding import PyramidEncoding
from mscn_tf.codec.tile_encoding import TileEncoding
from mscn_tf.runtime import codec as runtime
from mscn_tf.runtime import residuals
from mscn_tf.runtime.container import AXES, MAX_PIXELS, MAX_SIDE, Container, longest, size_text
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.grids import sphere_grid
from mscn_tf.runtime.prior import LEVELS
from mscn_tf.runtime.pyramids import Pyramids
from mscn_tf.runtime.tiles import Tiles
from mscn_tf.signals import images

DEFAULT_QUALITY = 5.0
DEFAULT_EFFORT = 2
_LOWEST, _HIGHEST = 16, 16 * LEVELS
_CLOSE = 0.99  # of a wanted rate is close enough
_DEAREST = 1.25  # times what bits cost: about what the next lower quality saves
_TRIES = 5
_FARTHEST = 2**20  # times the codec's range: beyond it symbols would not do
_NONE_WRONG = 0.5  # as the bound of truth values in a file, where it is more than 0
_ROUNDING = 1e-12  # of a rate that was multiplied and divided
Encoding = Union[TileEncoding, PyramidEncoding]


class Codec(runtime.Codec):
    """Encodes signals to `.mscn` files and decodes them.

    Example:
      codec = Codec.load("photo")
      data = codec.encode(picture, bpp=0.5)  # uint8 [H, W, 3]
      picture = codec.decode(data)
    """

    @cached_property
    def encoder(self) -> Encoder:
        """What fits codes to tiles.

        Raises:
          MscnError: the bundle can only decode.
        """
        return Encoder(self.bundle)

    @property
    def lowest_effort(self) -> int:
        """0 of codecs that can stop after the inner loop's first step, else 1."""
        return 1 if isinstance(self.scheme, Pyramids) else 0

    def encode(
        self,
        signals: np.ndarray | Sequence[np.ndarray],
        quality: float | None = None,
        bpp: float | None = None,
        psnr: float | None = None,
        size: int | None = None,
        max_error: float | None = None,
        effort: int = DEFAULT_EFFORT,
        names: Sequence[str] | None = None,
        metadata: dict[str, Any] | None = None,
        progress: bool = False,
    ) -> bytes:
        """A signal, or several as an archive, as the bytes of a `.mscn` file.

        Args:
          signals: one array ``[.., C]``, a sequence of them, or a stack ``[N, .., C]``: of
            pictures uint8 ``[H, W, C]``, C 1 (grey), 3 (RGB), 2 or 4 (with alpha); of other
            modalities of the axes, channels and type that the codec's manifest says.
          quality: 1 to 10 in steps of 1/16; 5 where nothing else is given.
          bpp: bits a pixel (or sample) that the whole file may take; a search finds the quality.
          psnr: mean PSNR in dB to reach; a search finds the quality.
          size: bytes that the whole file may take; a search finds the quality.
          max_error: no value of the decoded signals is off by more, in the original size; not of
            pyramid codecs. A search finds the quality that takes the fewest bytes, or `quality`
            gives it. Of truth values 0 (where the codec can): none is wrong, and the quality,
            1 where it isn't given, only counts for other sizes.
          effort: 1 (fast) to 9 (small): how often symbols are chosen anew; of tile codecs also 0:
            once, after the inner loop's first step alone.
          names: of the signals, kept in the file.
          metadata: a JSON object to keep in the file. Of fields `latitude` and `longitude`, in
            degrees, say where their rows and columns lie.
          progress: shows a bar on standard error.

        Returns:
          The same bytes for the same arguments on the same machine.

        Raises:
          MscnError: not such signals, or the target can't be met.
        """
        if self.bundle.manifest["modality"] == "image":
            signals = _checked_pictures(signals)
        else:
            signals = self._checked(signals)
        if sum(given is not None for given in (quality, bpp, psnr, size)) > 1:
            raise MscnError("give one of quality, bpp, psnr and size")
        if max_error is not None:
            self._check_bounded(max_error, bpp is psnr is size is None)
        if not self.lowest_effort <= effort <= 9:
            raise MscnError(f"effort={effort}: must be {self.lowest_effort} to 9")
        if names is not None and len(names) != len(signals):
            raise MscnError(f"{len(names)} names for {len(signals)} signals")
        with tqdm(unit="tile", disable=not progress, file=sys.stderr, leave=False) as bar:
            if isinstance(self.scheme, Pyramids):
                encoding = PyramidEncoding(self, signals, names, bar, effort)
            else:
                if self.scheme.sphere:
                    grid = sphere_grid(signals[0].shape[:-1], metadata, "these fields")
                    encoder = Encoder(self.bundle, [axis[None] for axis in grid])
                else:
                    encoder = self.encoder
                encoding = TileEncoding(self, encoder, signals, names, metadata, bar, effort)
            pixels = sum(math.prod(signal.shape[:-1]) for signal in signals)
            if bpp is not None:
                _check_positive("bpp", bpp)
                return self._within(encoding, bpp * pixels, f"bpp={bpp:g}", pixels)
            if size is not None:
                _check_positive("bytes", size)
                return self._within(encoding, 8.0 * size, f"bytes={size:g}", pixels)
            if psnr is not None:
                _check_positive("psnr", psnr)
                return self._reaching(encoding, psnr, signals)
            if max_error is not None and quality is None:
                if self._truth:  # what is coded besides is the same at all qualities
                    return self._bounded(encoding.file(_LOWEST), signals, max_error)
                return self._smallest(
                    lambda q16: self._bounded(encoding.file(q16), signals, max_error)
                )
            data = encoding.file(_to_q16(DEFAULT_QUALITY if quality is None else quality))
            return data if max_error is None else self._bounded(data, signals, max_error)

    def _check_bounded(self, max_error: float, alone: bool) -> None:
        if isinstance(self.scheme, Pyramids) or (self._truth and self.scheme.occupancy is None):
            raise MscnError(
                f"{self.bundle.name} can't keep max_error; it is for codecs of tiles, and of truth "
                "values for voxels32"
            )
        if not self._truth:
            _check_positive("max_error", max_error)
        elif max_error != 0:
            raise MscnError(f"max_error={max_error:g}: must be 0 for truth values")
        if not alone:
            raise MscnError("give max_error alone, or with quality")

    @property
    def _truth(self) -> bool:
        """Whether the codec's signals are truth values."""
        return isinstance(self.scheme, Tiles) and self.scheme.values.dtype == "bool"

    def _bounded(self, data: bytes, signals: Sequence[np.ndarray], bound: float) -> bytes:
        """A file with residuals."""
        container = Container.from_bytes(data)
        if self._truth:
            payloads = [self.scheme.occupancy.encode(signal) for signal in signals]
            return replace(container, error_bound=_NONE_WRONG, residuals=payloads).to_bytes()
        frequency_tables = self.scheme.prior.tables
        payloads = [
            residuals.encode(frequency_tables, signal, decoded, bound)
            for signal, decoded in zip(signals, self.decode_all(container))
        ]
        bounded = replace(container, error_bound=float(bound), residuals=payloads)
        return bounded.to_bytes()

    def _smallest(self, encode_at: Callable[[int], bytes]) -> bytes:
        """The smallest file that a walk over the qualities finds."""
        encode_at = cache(encode_at)
        q16 = 16 * LEVELS // 2
        for stride in (32, 16):
            while True:
                near = [q for q in (q16 - stride, q16, q16 + stride) if _LOWEST <= q <= _HIGHEST]
                best = min(near, key=lambda q: len(encode_at(q)))
                if best == q16:
                    break
                q16 = best
        return encode_at(q16)

    def _within(self, encoding: Encoding, bits: float, wish: str, pixels: int) -> bytes:
        """The best file of at most so many bits."""
        # The first quality whose file is too large: the one below it is wanted.
        found = _Target(
            float(np.log(bits) + _ROUNDING),
            encoding.file,
            lambda data: float(np.log(8 * len(data))),
            lambda q16: float(np.log(max(encoding.estimated_bits(q16), 1.0))),
        )
        best = found.below
        if best is None:
            raise MscnError(
                f"{wish} is out of reach: the smallest file takes {len(found.above)} bytes "
                f"({8 * len(found.above) / pixels:.4f} bpp); raise it, or shrink the picture"
            )
        # Between two qualities: the higher one with bits a little dearer.
        thrift, step = 1.0, _DEAREST - 1
        for _ in range(_TRIES if found.above is not None else 0):
            if 8 * len(best) >= _CLOSE * bits:
                break
            step /= 2
            data = encoding.file(found.high, thrift + step)
            if 8 * len(data) > bits * (1 + _ROUNDING):
                thrift += step
            elif len(data) > len(best):
                best = data
        return best

    def _checked(self, signals: np.ndarray | Sequence[np.ndarray]) -> list[np.ndarray]:
        """A list of arrays as the codec decodes them."""
        manifest, values = self.bundle.manifest, self.scheme.values
        modality, channels = manifest["modality"], manifest["channels"]
        axes = AXES[modality]
        if isinstance(signals, np.ndarray) and signals.ndim == axes + 1:
            signals = [signals]
        signals = list(signals)
        if not signals:
            raise MscnError(f"there is no {modality} to encode")
        for signal in signals:
            shape = getattr(signal, "shape", ())
            if len(shape) != axes + 1 or shape[-1] != channels:
                raise MscnError(
                    f"{self.bundle.name} encodes {modality} signals of {axes} axes and {channels} "
                    f"channels, not an array of shape {list(shape)}"
                )
            if 0 in shape:
                raise MscnError(f"a {modality} of size {size_text(shape[:-1])} holds nothing")
            if max(shape) > longest(axes) or math.prod(shape[:-1]) > MAX_PIXELS:
                raise MscnError(
                    f"a {modality} of size {size_text(shape[:-1])} is too large: at most "
                    f"{MAX_PIXELS} samples, sides up to {longest(axes)}"
                )
            if not np.can_cast(signal.dtype, values.dtype, "same_kind"):
                raise MscnError(f"a {modality} of {signal.dtype}; convert it to {values.dtype}")
            if signal.dtype.kind == "f" and not np.isfinite(signal).all():
                raise MscnError(f"a {modality} with NaN or infinite values; replace them")
            largest = max(abs(float(signal.min())), abs(float(signal.max())))
            if largest > _FARTHEST * max(map(abs, self.range)):
                raise MscnError(
                    f"a {modality} with values up to {largest:g}, but {self.bundle.name} is for "
                    f"{values.low:g} to {values.high:g}; scale them"
                )
        if manifest["modality"] == "field" and len({signal.shape for signal in signals}) > 1:
            raise MscnError("fields of different grids; encode them into a file each")
        return [signal.astype(values.dtype, copy=False) for signal in signals]

    def _reaching(self, encoding: Encoding, psnr: float, signals: Sequence[np.ndarray]) -> bytes:
        """The smallest file of at least so many dB."""

        def measured(data: bytes) -> float:
            pairs = zip(signals, self.decode_all(data))
            return float(np.mean([images.psnr(*pair, self.peak) for pair in pairs]))

        found = _Target(psnr, encoding.file, measured, encoding.estimated_psnr)
        if found.above is None:
            raise MscnError(
                f"psnr={psnr:g} is out of reach: quality {LEVELS} gives "
                f"{measured(found.below):.2f} dB; lower it"
            )
        return found.above


class _Target:
    """The two neighbouring qualities between which a file's measure reaches a target.

    An estimate leads to them, put right by every file that is measured, so that a few files do.

    Args:
      target: value of ``measure`` to reach; it grows with quality.
      encode_at: sixteenths of quality to a file.
      measure: of a file.
      estimate: of what ``measure`` will be at some sixteenths of quality, but for a constant.

    Attributes:
      below: the best file that falls short of the target, or None if even the lowest doesn't.
      above: the first file that reaches it, or None if even the highest doesn't.
      high: its quality in sixteenths.
    """

    def __init__(
        self,
        target: float,
        encode_at: Callable[[int], bytes],
        measure: Callable[[bytes], float],
        estimate: Callable[[int], float],
    ):
        estimate = cache(estimate)
        self.below = self.above = None
        low, high, correction = _LOWEST - 1, _HIGHEST + 1, 0.0
        while high - low > 1:
            wanted = target - correction
            q16 = _search(lambda q16, wanted=wanted: estimate(q16) >= wanted)
            # Of the pair that decides, the half that isn't known yet.
            q16 = min(max(q16 if q16 < high else high - 1, low + 1), high - 1)
            data = encode_at(q16)
            value = measure(data)
            correction = value - estimate(q16)
            if value >= target:
                high, self.above = q16, data
            else:
                low, self.below = q16, data
        self.high = high


def _search(reached: Callable[[int], bool]) -> int:
    """The lowest quality, in sixteenths, at which a monotone condition holds.

    One more than the highest quality where it never does.
    """
    low, high = _LOWEST, _HIGHEST + 1
    while low < high:
        middle = (low + high) // 2
        if reached(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _to_q16(quality: float) -> int:
    if not 1 <= quality <= LEVELS:
        raise MscnError(f"quality={quality:g}: must be 1 to {LEVELS}")
    return round(16 * quality)


def _check_positive(name: str, value: float) -> None:
    if not 0 < value < np.inf:
        raise MscnError(f"{name}={value:g}: must be more than 0")


def _checked_pictures(pictures: np.ndarray | Sequence[np.ndarray]) -> list[np.ndarray]:
    """A list of uint8 [H, W, C] pictures."""
    if isinstance(pictures, np.ndarray) and pictures.ndim == 3:
        pictures = [pictures]
    pictures = list(pictures)
    if not pictures:
        raise MscnError("there is no picture to encode")
    for picture in pictures:
        shape = getattr(picture, "shape", ())
        if getattr(picture, "dtype", None) != np.uint8 or len(shape) != 3 or not 1 <= shape[2] <= 4:
            raise MscnError(
                "a picture must be a uint8 array [H, W, C] of 1 to 4 channels, not "
                f"{getattr(picture, 'dtype', type(picture).__name__)} {list(shape)}"
            )
        if 0 in shape:
            raise MscnError(f"a picture of {shape[1]}x{shape[0]} pixels has nothing to encode")
        if max(shape) > MAX_SIDE or shape[0] * shape[1] > MAX_PIXELS:
            raise MscnError(
                f"a picture of {shape[1]}x{shape[0]} pixels is too large: at most {MAX_PIXELS} "
                f"pixels, sides up to {MAX_SIDE}"
            )
    return pictures
