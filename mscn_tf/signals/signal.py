"""What every modality reads files into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np


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
