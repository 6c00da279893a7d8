"""`Codec`: the runtime's decoder with an encoder beside it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import cache, cached_property

import numpy as np
from tqdm import tqdm

from mscn_tf.codec.encoder import Encoder
from mscn_tf.codec.tiling import tile_pictures
from mscn_tf.runtime import codec as runtime
from mscn_tf.runtime.container import MAX_PIXELS, MAX_SIDE
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.prior import LEVELS
from mscn_tf.signals import images

TILES_PER_BLOCK = 64
DEFAULT_QUALITY = 5.0
_LOWEST, _HIGHEST = 16, 16 * LEVELS
_PROGRESS_TILES = 256
# Rate is searched on so many tiles, spread over the pictures, before everything is encoded.
_SAMPLE_TILES = 512


class Codec(runtime.Codec):
    """Encodes pictures to `.mscn` files and decodes them.

    Example:
      codec = Codec.load("photo")
      data = codec.encode(picture, bpp=0.5)  # uint8 [H, W, 3]
      picture = codec.decode(data)
    """

    @cached_property
    def encoder(self) -> Encoder:
        """What fits codes to tiles; built at first use."""
        return Encoder(self.bundle)

    def encode(
        self,
        pictures: np.ndarray | Sequence[np.ndarray],
        quality: float | None = None,
        bpp: float | None = None,
        psnr: float | None = None,
        names: Sequence[str] | None = None,
        progress: bool = False,
    ) -> bytes:
        """A picture, or several as an archive, as the bytes of a `.mscn` file.

        Args:
          pictures: uint8 ``[H, W, C]``, C 1 (grey) or 3 (RGB), or a sequence of such pictures
            or a stack ``[N, H, W, C]``.
          quality: 1 to 10 in steps of 1/16; 5 where nothing else is given.
          bpp: bits a pixel that the whole file may take; a search finds the quality.
          psnr: mean PSNR in dB to reach; a search finds the quality.
          names: of the pictures, kept in the file.
          progress: shows a bar on standard error.

        Returns:
          The same bytes for the same arguments on the same machine.

        Raises:
          MscnError: not such pictures, or the target can't be met.
        """
        pictures = _checked(pictures)
        if sum(given is not None for given in (quality, bpp, psnr)) > 1:
            raise MscnError("give one of quality, bpp and psnr")
        if names is not None and len(names) != len(pictures):
            raise MscnError(f"{len(names)} names for {len(pictures)} pictures")
        tiles = tile_pictures(
            pictures, self.bundle.manifest["tile_edge"], self.bundle.manifest["channels"]
        )
        bar = tqdm(
            total=len(tiles), unit="tile", disable=not progress, file=sys.stderr, leave=False
        )
        shapes = [picture.shape[:2] for picture in pictures]
        channels = [picture.shape[2] for picture in pictures]

        def encode_at(q16: int) -> bytes:
            bar.reset()
            parts = []
            for at in range(0, len(tiles), _PROGRESS_TILES):
                part = tiles[at : at + _PROGRESS_TILES]
                qualities = np.full(len(part), q16)
                codes = self.encoder.codes(part, qualities)
                parts.append(self.encoder.quantise(codes, qualities))
                bar.update(len(part))
            return self.pack(
                np.concatenate(parts), shapes, [q16] * len(shapes), channels, names, TILES_PER_BLOCK
            )

        sample = _sample(tiles)
        scale = len(tiles) / len(sample)

        @cache
        def sample_codes() -> np.ndarray:
            # Codes hardly depend on the quality that they are fitted for: one fit does for all
            # estimates, that for the highest, which leaves out no elements.
            return self.encoder.codes(sample, np.full(len(sample), _HIGHEST))

        def estimated_bits(q16: int) -> float:
            qualities = np.full(len(sample), q16)
            symbols = self.encoder.quantise(sample_codes(), qualities)
            return scale * self.prior.bits(symbols, qualities).sum()

        def estimated_psnr(q16: int) -> float:
            symbols = self.encoder.quantise(sample_codes(), np.full(len(sample), q16))
            tile = [sample.shape[1:3]] * len(sample)
            data = self.pack(symbols, tile, [q16] * len(tile), [sample.shape[3]] * len(tile))
            decoded = np.stack(list(self.decode_all(data)))
            if len(pictures) < len(tiles):
                return images.psnr(sample, decoded)
            return float(np.mean([images.psnr(*pair) for pair in zip(sample, decoded)]))

        def measured_psnr(data: bytes) -> float:
            decoded = self.decode_all(data)
            return float(np.mean([images.psnr(*pair) for pair in zip(pictures, decoded)]))

        with bar:
            if bpp is not None:
                _check_positive("bpp", bpp)
                pixels = sum(height * width for height, width in shapes)
                # The first quality whose file is too large: the one below it is wanted.
                limit = np.nextafter(bpp * pixels, np.inf)
                found = _Target(limit, encode_at, lambda data: 8 * len(data), estimated_bits)
                if found.below is None:
                    raise MscnError(
                        f"bpp={bpp:g} is out of reach: the smallest file takes "
                        f"{8 * len(found.above) / pixels:.4f}; raise it, or shrink the picture"
                    )
                return found.below
            if psnr is not None:
                _check_positive("psnr", psnr)
                found = _Target(psnr, encode_at, measured_psnr, estimated_psnr)
                if found.above is None:
                    raise MscnError(
                        f"psnr={psnr:g} is out of reach: quality {LEVELS} gives "
                        f"{measured_psnr(found.below):.2f} dB; lower it"
                    )
                return found.above
            return encode_at(_to_q16(DEFAULT_QUALITY if quality is None else quality))


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


def _sample(tiles: np.ndarray) -> np.ndarray:
    """At most ``_SAMPLE_TILES`` tiles, evenly spread."""
    if len(tiles) <= _SAMPLE_TILES:
        return tiles
    return tiles[np.linspace(0, len(tiles) - 1, _SAMPLE_TILES).round().astype(int)]


def _to_q16(quality: float) -> int:
    if not 1 <= quality <= LEVELS:
        raise MscnError(f"quality={quality:g}: must be 1 to {LEVELS}")
    return round(16 * quality)


def _check_positive(name: str, value: float) -> None:
    if not 0 < value < np.inf:
        raise MscnError(f"{name}={value:g}: must be more than 0")


def _checked(pictures: np.ndarray | Sequence[np.ndarray]) -> list[np.ndarray]:
    """A list of uint8 [H, W, C] pictures."""
    if isinstance(pictures, np.ndarray) and pictures.ndim == 3:
        pictures = [pictures]
    pictures = list(pictures)
    if not pictures:
        raise MscnError("there is no picture to encode")
    for picture in pictures:
        shape = getattr(picture, "shape", ())
        if getattr(picture, "dtype", None) != np.uint8 or len(shape) != 3 or shape[2] not in (1, 3):
            raise MscnError(
                "a picture must be a uint8 array [H, W, 1] or [H, W, 3], not "
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
