"""The codec `mscn` of Zarr, format 3, from arrays to bytes: entry point `zarr.codecs`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import zarr
from packaging.version import Version
from zarr.abc.codec import ArrayBytesCodec, ArrayBytesCodecPartialDecodeMixin
from zarr.abc.store import ByteGetter
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer, NDBuffer

from mscn_tf.plugins import chunks
from mscn_tf.plugins.goals import Goal, check_dtype


@dataclass(frozen=True, init=False)
class _Whole(ArrayBytesCodec):
    """Codes chunks of numbers within a bound.

    A finite fill value other than 0 is taken for `missing` where nothing is said of that.

    Args:
      goal: keywords of `Goal`: one of `max_error`, `relative_error` and `quality`; `missing`.

    Raises:
      MscnError: there is no such goal.
    """

    goal: Goal
    is_fixed_size = False

    def __init__(self, **goal: float):
        object.__setattr__(self, "goal", Goal.of(goal))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> _Whole:
        """The codec that an array's metadata name."""
        return cls(**(data.get("configuration") or {}))

    def to_dict(self) -> dict[str, Any]:
        """What an array's metadata say."""
        return {"name": "mscn", "configuration": self.goal.to_json()}

    def validate(self, *, dtype: Any, **_: Any) -> None:
        """Raises MscnError where arrays of a type, Zarr's `ZDType`, can't be coded."""
        check_dtype(dtype.to_native_dtype())

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """As Zarr has it where nobody knows."""
        raise NotImplementedError

    async def _encode_single(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer:
        return await asyncio.to_thread(self._encode_sync, chunk_data, chunk_spec)

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        return await asyncio.to_thread(self._decode_sync, chunk_data, chunk_spec)

    def _encode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer:
        goal, fill = self.goal, chunk_spec.fill_value
        if goal.missing is None and fill is not None and np.isfinite(fill) and fill != 0:
            goal = replace(goal, missing=float(fill))
        data = chunks.encode(np.ascontiguousarray(chunk_data.as_numpy_array()), goal)
        return chunk_spec.prototype.buffer.from_bytes(data)

    def _decode_sync(
        self, chunk_data: Buffer, chunk_spec: ArraySpec, selection: Any = ()
    ) -> NDBuffer:
        data, dtype = chunk_data.to_bytes(), chunk_spec.dtype.to_native_dtype()
        found = chunks.decode(data, chunk_spec.shape, selection).astype(dtype, copy=False)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(found)


class _InParts(_Whole, ArrayBytesCodecPartialDecodeMixin):
    async def _decode_partial_single(
        self, byte_getter: ByteGetter, selection: Any, chunk_spec: ArraySpec
    ) -> NDBuffer | None:
        data = await byte_getter.get(prototype=chunk_spec.prototype)
        if data is None:
            return None
        return await asyncio.to_thread(self._decode_sync, data, chunk_spec, selection)


# Before, indices of both numbers and lists got chunks of too many axes from codecs of parts.
_HAS_PARTS = Version(zarr.__version__) >= Version("3.1.6")
Mscn: type[_Whole] = _InParts if _HAS_PARTS else _Whole
