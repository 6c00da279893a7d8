"""What a kind of codec gives `Codec.encode`: signals on their way into a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from tqdm import tqdm

from mscn_tf.codec.parts import Parts
from mscn_tf.runtime.errors import MscnError


class OnlyDecodesError(MscnError):
    """The bundle lacks what encoding takes."""


class Encoding(Protocol):
    """Signals on their way into a file, at any quality in sixteenths."""

    def file(self, q16: int, bit_price: float = 1.0) -> bytes:
        """The file; ``bit_price`` is what a bit counts, 1 as trained."""

    def estimated_bits(self, q16: int) -> float:
        """About what ``file`` takes, but for a constant factor."""

    def estimated_psnr(self, q16: int) -> float:
        """About what ``file`` reaches, in dB, but for a constant."""


class BoundedEncoding(Encoding, Protocol):
    """What kinds give of which `Scheme.keeps_bounds` says so."""

    def file_within(self, bounds: Sequence[float], q16: int | None = None) -> bytes:
        """The file in which no value is off by more: the smallest one, or that of a quality.

        Args:
          bounds: of each signal; of those that are exact any.

        Raises:
          MscnError: a bound is too small for the signals' type.
        """


class TunedEncoding(Encoding, Protocol):
    """What kinds give of which `Scheme.tunes` says so."""

    def tune(self, measure: str) -> None:
        """Chooses symbols for another measure than PSNR from now on."""


@runtime_checkable
class VariedEncoding(Encoding, Protocol):
    """What kinds give that can code the same in several ways, of which files of a size try all."""

    def ways(self) -> Sequence[Encoding]:
        """Each way by itself."""

    def loss(self, data: bytes) -> float:
        """Of a file: of two of about the same size the one that loses less is better."""


class Encoder(Protocol):
    """What the class that `Scheme.encoder` names is: made of a scheme, once for all files.

    Raises:
      OnlyDecodesError: the bundle has nothing to encode with.
      MscnError: what it has doesn't fit together.
    """

    def encoding(
        self, parts: Parts, metadata: dict[str, Any] | None, bar: tqdm, effort: int
    ) -> Encoding:
        """Of signals of which a plane at least is coded.

        Args:
          parts: the signals.
          metadata: of the file.
          bar: shows progress, in tiles.
          effort: how long symbols are looked for: the kind's lowest to 9.
        """
