"""Codecs that hold many signals in one file: ours, and the linear reference."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Optional, Protocol

import numpy as np

from mscn_tf.codec import Codec
from mscn_tf.runtime.bundle import SHIPPED, SUFFIX, Bundle
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.modality import Modality


class Coder(Protocol):
    """What `measure_coder` measures.

    Attributes:
      name: what rows of results call it.
      label: for readers.
      settings: what ``encode`` is called with, from small to large files.
      version: rows measured with another are stale.
      shared_bytes: of what all files share and none contains.
      suffix: of the files' names.
      lossless: every signal comes back as it was.
    """

    name: str
    label: str
    settings: tuple[float, ...]
    version: str
    shared_bytes: int
    suffix: str
    lossless: bool

    def encode(
        self,
        signals: Sequence[np.ndarray],
        setting: float,
        metadata: Optional[dict[str, Any]] = None,
    ) -> bytes:
        """Arrays ``[.., C]``, of pictures uint8, to a file that keeps their metadata."""

    def decode(self, data: bytes) -> list[np.ndarray]:
        """The signals of a file."""

    def sizes(self, data: bytes) -> dict[str, int]:
        """Bytes of a file by purpose: ``header``, ``side``, ``payload``."""


class MscnCoder:
    """A codec bundle as a `Coder`.

    Args:
      source: name or path of the bundle.
      qualities: 1 to 10.
      lossless: codes truth values or sounds without loss, at the first of the qualities.

    Raises:
      MscnError: there is no such bundle, or it is damaged.
    """

    def __init__(self, source: str, qualities: Sequence[float], lossless: bool = False):
        self.source, self.lossless = source, lossless
        self.bundle = Bundle.load(source)
        self.suffix = "mscn"
        shipped = source in Bundle.names()
        path = SHIPPED / (source + SUFFIX) if shipped else Path(source)
        self.name = path.stem
        self.label = f"mscn {self.name}"
        self.settings = tuple(sorted(set(qualities)))
        if lossless:
            self.name, self.label = f"{self.name}-lossless", f"{self.label}, without loss"
            self.settings = self.settings[:1]
        self.version = self.bundle.id.hex()[:16]
        self.shared_bytes = path.stat().st_size

    @property
    def tile_edge(self) -> int:
        """In pixels."""
        return self.bundle.manifest.tile_edge

    @cached_property
    def _codec(self) -> Codec:
        return Codec(self.bundle)

    @property
    def modality(self) -> str:
        """Of the signals that it encodes."""
        return self.bundle.manifest.modality

    @property
    def can_be_lossless(self) -> bool:
        """Whether its signals are truth values or waves, and it can give each of them back."""
        is_wave = Modality.named(self.modality).axes == 1
        return self._codec.scheme.occupancy is not None or is_wave

    def encode(
        self,
        signals: Sequence[np.ndarray],
        setting: float,
        metadata: Optional[dict[str, Any]] = None,
    ) -> bytes:
        """Arrays ``[.., C]`` to a `.mscn` file."""
        bound = 0 if self.lossless else None
        return self._codec.encode(signals, quality=setting, metadata=metadata, max_error=bound)

    def decode(self, data: bytes) -> list[np.ndarray]:
        """The signals of a `.mscn` file."""
        return list(self._codec.decode_all(data))

    def sizes(self, data: bytes) -> dict[str, int]:
        """Bytes of a `.mscn` file by purpose: ``header``, ``side``, ``payload``."""
        return Container.from_bytes(data).sizes()
