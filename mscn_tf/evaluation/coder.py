"""Codecs that hold many pictures in one file: ours, and the linear reference."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from mscn_tf.codec import Codec
from mscn_tf.runtime.bundle import SHIPPED, SUFFIX, Bundle
from mscn_tf.runtime.container import Container


class Coder(Protocol):
    """What `measure_coder` measures.

    Attributes:
      name: what rows of results call it.
      label: for readers.
      settings: what ``encode`` is called with, from small to large files.
      version: rows measured with another are stale.
      shared_bytes: of what all files share and none contains.
      suffix: of the files' names.
    """

    name: str
    label: str
    settings: tuple[float, ...]
    version: str
    shared_bytes: int
    suffix: str

    def encode(self, pictures: Sequence[np.ndarray], setting: float) -> bytes:
        """Pictures, uint8 ``[H, W, C]``, to a file."""

    def decode(self, data: bytes) -> list[np.ndarray]:
        """The pictures of a file."""

    def sizes(self, data: bytes) -> dict[str, int]:
        """Bytes of a file by purpose: ``header``, ``side``, ``payload``."""


class MscnCoder:
    """A codec bundle as a `Coder`.

    Args:
      source: name or path of the bundle.
      qualities: 1 to 10.

    Raises:
      MscnError: there is no such bundle, or it is damaged.
    """

    def __init__(self, source: str, qualities: Sequence[float]):
        self.bundle = Bundle.load(source)
        self.suffix = "mscn"
        shipped = source in Bundle.names()
        path = SHIPPED / (source + SUFFIX) if shipped else Path(source)
        self.name = path.stem
        self.label = f"mscn {self.name}"
        self.settings = tuple(sorted(set(qualities)))
        self.version = self.bundle.id.hex()[:16]
        self.shared_bytes = path.stat().st_size

    @property
    def tile_edge(self) -> int:
        """In pixels."""
        return self.bundle.manifest["tile_edge"]

    @cached_property
    def _codec(self) -> Codec:
        return Codec(self.bundle)

    def encode(self, pictures: Sequence[np.ndarray], setting: float) -> bytes:
        """Pictures, uint8 ``[H, W, C]``, to a `.mscn` file."""
        return self._codec.encode(pictures, quality=setting)

    def decode(self, data: bytes) -> list[np.ndarray]:
        """The pictures of a `.mscn` file."""
        return list(self._codec.decode_all(data))

    def sizes(self, data: bytes) -> dict[str, int]:
        """Bytes of a `.mscn` file by purpose: ``header``, ``side``, ``payload``."""
        return Container.from_bytes(data).sizes()
