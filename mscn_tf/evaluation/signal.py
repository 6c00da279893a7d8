"""One signal, as all codecs of an evaluation get it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np


@dataclass(frozen=True)
class Signal:
    """A signal that all codecs are measured on.

    Attributes:
      name: of its file, or its number in a stack; no two signals have the same.
      array: ``[.., C]``, what our codecs encode: of pictures uint8 ``[H, W, C]``.
      digest: of its values and shape: a row is of this signal only if it has the same.
      metadata: what else its file says, as if it had been alone there; or None.
      original: what decoded signals are compared with where that is not the array: a silhouette at
        full size, a mesh, views of a scene; or None.
    """

    name: str
    array: np.ndarray
    digest: str
    metadata: Optional[dict[str, Any]] = None
    original: Any = None

    @classmethod
    def of(
        cls,
        name: str,
        array: np.ndarray,
        metadata: Optional[dict[str, Any]] = None,
        original: Any = None,
    ) -> Signal:
        """A signal with the digest that belongs to it."""
        content = hashlib.sha256()
        for part in (array, original):
            if isinstance(part, np.ndarray):
                content.update(repr(part.shape).encode())
                content.update(np.ascontiguousarray(part).data)
        return cls(name, array, content.hexdigest()[:12], metadata, original)

    @classmethod
    def stack(cls, signals: Sequence[Signal]) -> Signal:
        """Signals of one shape as one with a further axis, the first."""
        return cls.of("all", np.stack([one.array for one in signals]), signals[0].metadata)

    @property
    def samples(self) -> int:
        """Of all axes: pixels of a picture."""
        return math.prod(self.array.shape[:-1])
