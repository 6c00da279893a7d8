"""`Codec`: the runtime's decoder with an encoder beside it."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import cache, cached_property
from typing import Any, Union

import numpy as np
from tqdm import tqdm

from mscn_tf.codec.checks import checked_signals
from mscn_tf.codec.encoder import Encoder
from mscn_tf.codec.parts import Parts, StoredEncoding, with_coarser_alpha
from mscn_tf.codec.pyramid_encoding import PyramidEncoding
from mscn_tf.codec.target import HIGHEST, LOWEST, Target
from mscn_tf.codec.tile_encoding import TileEncoding
from mscn_tf.runtime import codec as runtime
from mscn_tf.runtime import exact, occupancy, residuals
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.grids import sphere_grid
from mscn_tf.runtime.prior import LEVELS
from mscn_tf.runtime.pyramids import Pyramids
from mscn_tf.signals import images

DEFAULT_QUALITY = 5.0
DEFAULT_EFFORT = 2
_CLOSE = 0.99  # of a wanted rate is close enough
_DEAREST = 1.25  # times what bits cost: about what the next lower quality saves
_TRIES = 5
_NONE_WRONG = 0.5  # as the bound of truth values in a file, where it is more than 0
_ROUNDING = 1e-12  # of a rate that was multiplied and divided
Encoding = Union[TileEncoding, PyramidEncoding, StoredEncoding]


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
        lossless: bool = False,
        alpha_quality: float | None = None,
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
          max_error: no value of the decoded signals is off by more, in the original size; of
            pyramid codecs 0 alone. A search finds the quality that takes the fewest bytes, or
            `quality` gives it. Of truth values 0: none is wrong, and the quality, 1 where it isn't
            given, only counts for other sizes. Of numbers 0 is the same as `lossless`.
          effort: 1 (fast) to 9 (small): how often symbols are chosen anew; of tile codecs also 0:
            once, after the inner loop's first step alone.
          names: of the signals, kept in the file.
          metadata: a JSON object to keep in the file. Of fields `latitude` and `longitude`, in
            degrees, say where their rows and columns lie.
          progress: shows a bar on standard error.
          lossless: every value comes back as it was.
          alpha_quality: 1 to 10. Alpha is kept as it is; below 10 it takes fewer values before,
            from 2 (clear and opaque) at 1.

        Returns:
          The same bytes for the same arguments on the same machine.

        Raises:
          MscnError: not such signals, or the target can't be met.
        """
        goals = {"quality": quality, "bpp": bpp, "psnr": psnr, "bytes": size}
        goals = {name: value for name, value in goals.items() if value is not None}
        if len(goals) > 1:
            raise MscnError("give one of quality, bpp, psnr and size")
        for name, value in goals.items():
            _check_goal(name, value)
        if not self.lowest_effort <= effort <= 9:
            raise MscnError(f"effort={effort}: must be {self.lowest_effort} to 9")
        bound = 0.0 if lossless else max_error
        if lossless and (goals or max_error is not None):
            raise MscnError("give lossless alone: it leaves nothing to choose")
        if bound is not None:
            self._check_bound(bound, goals)
        # Truth values have a code of their own that loses nothing.
        all_exact = bound == 0 and not self._truth
        given = checked_signals(self, signals, all_exact)
        if names is not None and len(names) != len(given):
            raise MscnError(f"{len(names)} names for {len(given)} signals")
        arrays = [signal.astype(self.values.dtype, copy=False) for signal in given]
        if alpha_quality is not None:
            self._check_alpha(alpha_quality, bound)
            arrays = [with_coarser_alpha(picture, alpha_quality) for picture in arrays]
        parts = Parts(self, arrays, names, metadata, all_exact)
        with tqdm(unit="tile", disable=not progress, file=sys.stderr, leave=False) as bar:
            if bound is None or all_exact:
                data = self._reached(parts, self._encoding(parts, metadata, bar, effort), goals)
            else:
                data = self._bounded(parts, metadata, bar, effort, goals, bound)
        data = parts.cheapest(data)
        if bound is not None:
            self._check_kept(data, given, bound)
        return data

    def _encoding(
        self, parts: Parts, metadata: dict[str, Any] | None, bar: tqdm, effort: int
    ) -> Encoding:
        """What fits codes to those parts that need them."""
        if not parts.coded:
            return StoredEncoding(parts)
        if isinstance(self.scheme, Pyramids):
            return PyramidEncoding(self, parts, bar, effort)
        encoder = self.encoder
        if self.scheme.sphere:
            grid = sphere_grid(parts.signals[0].shape[:-1], metadata, "these fields")
            encoder = Encoder(self.bundle, [axis[None] for axis in grid])
        return TileEncoding(self, encoder, parts, bar, effort)

    def _reached(self, parts: Parts, encoding: Encoding, goals: dict[str, float]) -> bytes:
        """The best file that reaches a goal, or that of the default quality."""
        if "bpp" in goals:
            bits = goals["bpp"] * sum(math.prod(signal.shape[:-1]) for signal in parts.signals)
            return self._within(parts, encoding, bits, f"bpp={goals['bpp']:g}")
        if "bytes" in goals:
            return self._within(parts, encoding, 8.0 * goals["bytes"], f"bytes={goals['bytes']:g}")
        if "psnr" in goals:
            return self._reaching(parts, encoding, goals["psnr"])
        return encoding.file(round(16 * goals.get("quality", DEFAULT_QUALITY)))

    def _check_bound(self, bound: float, goals: Collection[str]) -> None:
        if not 0 <= bound < np.inf:
            raise MscnError(f"max_error={bound:g}: must be 0 or more")
        if bound and self._truth:
            raise MscnError(f"max_error={bound:g}: must be 0 for truth values")
        if bound and isinstance(self.scheme, Pyramids):
            raise MscnError(
                f"{self.bundle.name} can't keep max_error={bound:g}; take --lossless, or a codec "
                "of tiles, such as thumb32"
            )
        if set(goals) - {"quality"}:
            raise MscnError("give max_error alone, or with quality")

    def _check_alpha(self, quality: float, bound: float | None) -> None:
        if not 1 <= quality <= LEVELS:
            raise MscnError(f"alpha_quality={quality:g}: must be 1 to {LEVELS}")
        if self.bundle.manifest["modality"] != "image":
            raise MscnError("alpha_quality is for pictures")
        if bound is not None:
            raise MscnError("give alpha_quality without lossless and max_error")

    def _check_kept(self, data: bytes, signals: Sequence[np.ndarray], bound: float) -> None:
        """Reads a file back: what was promised is kept.

        Raises:
          MscnError: it isn't.
        """
        for signal, decoded in zip(signals, self.decode_all(data)):
            if np.array_equal(signal, decoded):
                continue
            error = residuals.largest_error(signal, decoded)
            if not error <= bound:
                raise MscnError(
                    f"an error of {error:g} is left, max_error={bound:g} can't be kept in "
                    f"{decoded.dtype}; raise it"
                )

    @property
    def _truth(self) -> bool:
        """Whether the codec's signals are truth values."""
        return self.values.dtype == "bool"

    def _bounded(
        self,
        parts: Parts,
        metadata: dict[str, Any] | None,
        bar: tqdm,
        effort: int,
        goals: dict[str, float],
        bound: float,
    ) -> bytes:
        """A file with what brings every value within a bound."""
        occupied = self._occupied(parts) if self._truth else None
        encoding = self._encoding(parts, metadata, bar, effort)

        def corrected(q16: int) -> bytes:
            container = Container.from_bytes(encoding.file(q16))
            payloads = self._residuals(parts, container, bound) if occupied is None else occupied
            kept = _NONE_WRONG if self._truth else float(bound)
            return replace(container, error_bound=kept, residuals=payloads).to_bytes()

        if "quality" in goals:
            return corrected(round(16 * goals["quality"]))
        # What is coded besides truth values is the same at all qualities.
        return self._smallest(corrected) if parts.coded and not self._truth else corrected(LOWEST)

    def _occupied(self, parts: Parts) -> list[bytes]:
        """Truth values of each item, but for those that become exact because they're smaller so."""
        coder, found = self.scheme.occupancy, []
        for item, signal in enumerate(parts.signals):
            stored = parts.payloads.get((item, 0)) or exact.encode(signal)
            fits = coder is not None and occupancy.fits(signal.shape)
            coded = coder.encode(signal) if fits else None
            if coded is None or len(stored) <= len(coded):
                parts.payloads[item, 0] = stored
                coded = b""
            found.append(coded)
        return found

    def _residuals(self, parts: Parts, container: Container, bound: float) -> list[bytes]:
        """What brings each item within a bound; nothing for those that are exact."""
        found = []
        for item, (signal, decoded) in enumerate(zip(parts.signals, self.decode_all(container))):
            pair = [parts.coded_of(item, values) for values in (signal, decoded)]
            known = (
                residuals.encode(self.scheme.prior.tables, *pair, bound) if pair[0].size else b""
            )
            found.append(known)
        return found

    def _smallest(self, encode_at: Callable[[int], bytes]) -> bytes:
        """The smallest file that a walk over the qualities finds."""
        encode_at = cache(encode_at)
        q16 = 16 * LEVELS // 2
        for stride in (32, 16):
            while True:
                near = [q for q in (q16 - stride, q16, q16 + stride) if LOWEST <= q <= HIGHEST]
                best = min(near, key=lambda q: len(encode_at(q)))
                if best == q16:
                    break
                q16 = best
        return encode_at(q16)

    def _within(self, parts: Parts, encoding: Encoding, bits: float, wish: str) -> bytes:
        """The best file of at most so many bits."""
        pixels = sum(math.prod(signal.shape[:-1]) for signal in parts.signals)
        advice = ", or lower --alpha-quality" if any(plane for _, plane in parts.payloads) else ""
        # The first quality whose file is too large: the one below it is wanted.
        found = Target(
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
                f"{advice}"
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

    def _reaching(self, parts: Parts, encoding: Encoding, psnr: float) -> bytes:
        """The smallest file of at least so many dB, in the mean of all items that aren't exact."""

        def measured(data: bytes) -> float:
            found = [
                images.psnr(signal, decoded, self.peak)
                for item, (signal, decoded) in enumerate(zip(parts.signals, self.decode_all(data)))
                if parts.coded_of(item, signal).size
            ]
            return float(np.mean(found)) if found else np.inf

        found = Target(psnr, encoding.file, measured, encoding.estimated_psnr)
        if found.above is None:
            raise MscnError(
                f"psnr={psnr:g} is out of reach: quality {LEVELS} gives "
                f"{measured(found.below):.2f} dB; lower it"
            )
        return found.above


def _check_goal(name: str, value: float) -> None:
    if name == "quality" and not 1 <= value <= LEVELS:
        raise MscnError(f"quality={value:g}: must be 1 to {LEVELS}")
    if not 0 < value < np.inf:
        raise MscnError(f"{name}={value:g}: must be more than 0")
