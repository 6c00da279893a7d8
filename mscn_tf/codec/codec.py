"""`Codec`: the runtime's decoder with an encoder beside it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from tqdm import tqdm

from mscn_tf.codec.checks import (
    check_alpha,
    check_bound,
    check_goal,
    check_kept,
    checked_signals,
)
from mscn_tf.codec.encoder import Encoder
from mscn_tf.codec.parts import Parts, StoredEncoding, with_coarser_alpha
from mscn_tf.codec.pyramid_encoding import PyramidEncoding
from mscn_tf.codec.rate_control import LOWEST, best_file, smallest_file
from mscn_tf.codec.tile_encoding import TileEncoding
from mscn_tf.runtime import codec as runtime
from mscn_tf.runtime import exact, occupancy, residuals
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.grids import sphere_grid
from mscn_tf.runtime.pyramids import Pyramids
from mscn_tf.runtime.tiles import Tiles

DEFAULT_EFFORT = 2
_NONE_WRONG = 0.5  # as the bound of truth values in a file, where it is more than 0


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

    def check(self) -> None:
        """Tries all parts of the bundle, what encodes among them where it has that.

        Raises:
          MscnError: one of them is of no use.
        """
        super().check()
        if isinstance(self.scheme, Tiles) and self.bundle.manifest.model is not None:
            self.encoder  # noqa: B018

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
            check_goal(name, value)
        if not self.lowest_effort <= effort <= 9:
            raise MscnError(f"effort={effort}: must be {self.lowest_effort} to 9")
        bound = 0.0 if lossless else max_error
        if lossless and (goals or max_error is not None):
            raise MscnError("give lossless alone: it leaves nothing to choose")
        if bound is not None:
            check_bound(self, bound, goals)
        # Truth values have a code of their own that loses nothing.
        all_exact = bound == 0 and not self._truth
        given = checked_signals(self, signals, all_exact)
        if names is not None and len(names) != len(given):
            raise MscnError(f"{len(names)} names for {len(given)} signals")
        arrays = [signal.astype(self.values.dtype, copy=False) for signal in given]
        if alpha_quality is not None:
            check_alpha(self, alpha_quality, bound)
            arrays = [with_coarser_alpha(picture, alpha_quality) for picture in arrays]
        parts = Parts(self, arrays, names, metadata, all_exact)
        with tqdm(unit="tile", disable=not progress, file=sys.stderr, leave=False) as bar:
            if bound is None or all_exact:
                encoding = self._encoding(parts, metadata, bar, effort)
                data = best_file(self, parts, encoding, goals)
            else:
                data = self._bounded(parts, metadata, bar, effort, goals, bound)
        data = parts.cheapest(data)
        if bound is not None:
            check_kept(self, data, given, bound)
        return data

    def _encoding(
        self, parts: Parts, metadata: dict[str, Any] | None, bar: tqdm, effort: int
    ) -> TileEncoding | PyramidEncoding | StoredEncoding:
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
        return smallest_file(corrected) if parts.coded and not self._truth else corrected(LOWEST)

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
