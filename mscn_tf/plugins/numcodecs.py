"""The codec `mscn` of numcodecs, for Zarr of format 2: entry point `numcodecs.codecs`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ensure_ndarray, ndarray_copy

from mscn_tf.plugins import chunks
from mscn_tf.plugins.goals import Goal


class Mscn(Codec):
    """Codes chunks of numbers within a bound; as the compressor of an array, or the only filter.

    Args:
      goal: keywords of `Goal`: one of `max_error`, `relative_error` and `quality`; `missing`.

    Raises:
      MscnError: there is no such goal.
    """

    codec_id = "mscn"

    def __init__(self, **goal: float):
        self._goal = Goal.of(goal)

    def encode(self, buf: Any) -> bytes:
        """A file of an array.

        Raises:
          MscnError: it can't be coded.
        """
        return chunks.encode(ensure_ndarray(buf), self._goal)

    def decode(self, buf: Any, out: Any = None) -> np.ndarray:
        """The array of a file; in ``out`` where that is given.

        Raises:
          MscnError: the file is damaged.
        """
        return ndarray_copy(chunks.decode(ensure_bytes(buf)), out)

    def get_config(self) -> dict[str, Any]:
        """What `numcodecs.get_codec` makes the same codec of."""
        return {"id": self.codec_id, **self._goal.to_json()}

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={value:g}" for name, value in self._goal.to_json().items())
        return f"Mscn({told})"
