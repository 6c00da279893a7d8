"""`Codec`: the runtime's decoder with an encoder beside it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np
from tqdm import tqdm

from mscn_tf.codec import bounds
from mscn_tf.codec.checks import check_alpha, checked_goal, checked_signals
from mscn_tf.codec.encoding import Encoder, Encoding, OnlyDecodesError, TunedEncoding
from mscn_tf.codec.parts import Parts, StoredEncoding, with_coarser_alpha
from mscn_tf.codec.rate_control import best_file
from mscn_tf.runtime import scheme
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.file_decoder import FileDecoder
from mscn_tf.runtime.quality import PSNR
from mscn_tf.runtime.sequences import Made


class Codec(FileDecoder):
    """Encodes signals to `.mscn` files and decodes them.

    Example:
      codec = Codec.load("photo")
      data = codec.encode(picture, bpp=0.5)  # uint8 [H, W, 3]
      picture = codec.decode(data)
    """

    @cached_property
    def encoder(self) -> Encoder:
        """What makes files of signals.

        Raises:
          OnlyDecodesError: the bundle can only decode.
          MscnError: what encodes is damaged.
        """
        return scheme.imported(self.scheme.encoder)(self.scheme)

    def check(self) -> None:
        """Tries all parts of the bundle, what encodes among them where it has that.

        Raises:
          MscnError: one of them is of no use.
        """
        super().check()
        with contextlib.suppress(OnlyDecodesError):
            self.encoder  # noqa: B018

    def encode(
        self,
        signals: np.ndarray | Sequence[np.ndarray],
        quality: float | None = None,
        bpp: float | None = None,
        psnr: float | None = None,
        size: int | None = None,
        max_error: float | Sequence[float] | None = None,
        effort: int | None = None,
        names: Sequence[str] | None = None,
        metadata: dict[str, Any] | None = None,
        progress: bool = False,
        lossless: bool = False,
        alpha_quality: float | None = None,
        check: bool = True,
        tune: str = PSNR,
    ) -> bytes:
        """A signal, or several as an archive, as the bytes of a `.mscn` file.

        Args:
          signals: one array ``[.., C]``, a sequence of them, or a stack ``[N, .., C]``: of
            pictures uint8 ``[H, W, C]``, C 1 (grey), 3 (RGB), 2 or 4 (with alpha), where RGB
            without any colour becomes grey and is decoded as such; of other modalities of the axes,
            channels and type that the codec's manifest says. Numbers of float64, and integers of 4
            or 8 bytes, come back in their own type where float32 is too coarse for a bound.
          quality: 1 to 10 in steps of 1/16; 5 where nothing else is given.
          bpp: bits a pixel (or sample) that the whole file may take; a search finds the quality.
          psnr: mean PSNR in dB to reach; a search finds the quality.
          size: bytes that the whole file may take; a search finds the quality.
          max_error: no value of the decoded signals is off by more, in the original size: one
            for all signals or a sequence of one each, 0 of those that are to be exact. A search
            finds the quality that takes the fewest bytes, or `quality` gives it; pyramids, and
            volumes within a sixteenth of their range, leave nothing to choose. Of truth values 0:
            none is wrong, and the quality, 1 where it isn't given, only counts for other sizes. Of
            numbers 0 is the same as `lossless`.
          effort: 1 (fast) to 9 (small): how often symbols are chosen anew; of tile codecs also 0:
            once, after the inner loop's first step alone. None: 3 of photographs, 2 of others.
          names: of the signals, kept in the file.
          metadata: a JSON object to keep in the file. Of fields `latitude` and `longitude`, in
            degrees, say where their rows and columns lie.
          progress: shows a bar on standard error.
          lossless: every value comes back as it was.
          alpha_quality: 1 to 10. Alpha is kept as it is; below 10 it takes fewer values before,
            from 2 (clear and opaque) at 1.
          tune: what is to be best for the bytes: "psnr", or, of `photo` and the codecs like it,
            "ssim", likeness of structures as MS-SSIM measures it.
          check: reads files with a bound, or without loss, back. Only for callers that do so
            themselves.

        Returns:
          The same bytes for the same arguments on the same machine.

        Raises:
          MscnError: not such signals, or the target can't be met.
        """
        goals = checked_goal(quality=quality, bpp=bpp, psnr=psnr, bytes=size)
        effort = self.scheme.default_effort if effort is None else effort
        if not self.scheme.lowest_effort <= effort <= 9:
            raise MscnError(f"effort={effort}: must be {self.scheme.lowest_effort} to 9")
        if tune not in self.bundle.scheme.tunes:
            known = " or ".join(self.bundle.scheme.tunes)
            raise MscnError(f"tune={tune}: with {self.bundle.name} it must be {known}")
        nothing_lost = lossless or (max_error is not None and not np.any(max_error))
        given = checked_signals(self, signals, nothing_lost, max_error is not None)
        promised = bounds.checked_bounds(self, max_error, lossless, goals, len(given))
        exact = bounds.of_exact(self, promised, goals)
        if names is not None and len(names) != len(given):
            raise MscnError(f"{len(names)} names for {len(given)} signals")
        arrays: Sequence[np.ndarray] = Made(
            len(given),
            lambda item: bounds.in_type(self, given[item], promised[item] if promised else None),
        )
        if alpha_quality is not None:
            check_alpha(self, alpha_quality, promised is not None)
            arrays = [with_coarser_alpha(picture, alpha_quality) for picture in arrays]
        parts = Parts(self, arrays, names, metadata, exact, promised or ())
        with tqdm(unit="tile", disable=not progress, file=sys.stderr, leave=False) as bar:

            def encoding() -> Encoding:  # of what is left then
                if not parts.coded:
                    return StoredEncoding(parts)
                made = self.encoder.encoding(parts, metadata, bar, effort)
                if tune != PSNR:
                    cast(TunedEncoding, made).tune(tune)
                return made

            if promised is None or (len(exact) == len(given) and not bounds.told(self, promised)):
                data = best_file(self, parts, encoding(), goals)
            else:
                data = bounds.within(self, parts, encoding, promised, goals)
        data = parts.cheapest(data, promised)
        if promised is not None and check:
            for signal, decoded, bound in zip(given, self.decode_all(data), promised):
                bounds.check_kept(signal, decoded, bound)
        return data
