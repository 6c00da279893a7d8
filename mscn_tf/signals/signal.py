"""What every modality reads files into, and what of a file is written again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np

from mscn_tf.runtime.files import PathLike


@dataclass(frozen=True)
class Signals:
    """Signals of one file or folder.

    Attributes:
      arrays: each ``[.., C]``, in the modality's own units.
      names: one for each, or None.
      metadata: a JSON object of what else the file said, or None.
      notes: what the reader changed or left out, a line each, for who encodes them.
      lossless: whether they are labels or the like, of which no loss is right.
      originals: what decoded arrays are compared with where it isn't `arrays`, one for each.
    """

    arrays: Sequence[np.ndarray]
    names: Optional[Sequence[str]] = None
    metadata: Optional[dict[str, Any]] = None
    notes: Sequence[str] = ()
    lossless: bool = False
    originals: Optional[Sequence[Any]] = None


@dataclass(frozen=True)
class Selection:
    """Which part of a file was decoded.

    Attributes:
      shapes: samples along each axis of all signals in the file; empty where nobody knows them.
      item: the only signal that was decoded; None where all were.
      scale: output size as a multiple of the original's, or None.
      size: samples of the output along each axis, innermost first, or None.
      region: first samples, then numbers of samples, innermost axis first; None is all of them.
      poses: of scenes, a file that describes the wanted views; None leaves them open.
    """

    shapes: Sequence[Sequence[int]] = ()
    item: Optional[int] = None
    scale: Optional[float] = None
    size: Optional[Sequence[int]] = None
    region: Optional[Sequence[int]] = None
    poses: Optional[PathLike] = None

    @property
    def items(self) -> range:
        """Numbers of the signals that were decoded, where the shapes are known."""
        if self.item is None:
            return range(len(self.shapes))
        return range(self.item, self.item + 1)

    @property
    def wholes(self) -> list[tuple[int, ...]]:
        """Shapes of the originals of the signals that were decoded, where they are known."""
        return [tuple(self.shapes[item]) for item in self.items if self.shapes]

    def window(self, whole: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """First sample and number of samples along each axis, of a signal of that shape."""
        if self.region is None:
            return (0,) * len(whole), tuple(whole)
        axes = len(self.region) // 2
        return tuple(self.region[:axes][::-1]), tuple(self.region[axes:][::-1])
