"""The blocks of a `.mscn` file: payloads, each with its checksum."""

from __future__ import annotations

import copy
import itertools
import zlib
from collections.abc import Sequence

from mscn_tf.runtime.input import Input


def checksum(data: bytes) -> bytes:
    """CRC-32 as it is written."""
    return zlib.crc32(data).to_bytes(4, "little")


class Blocks(Sequence[bytes]):
    """Payloads of a file, each checked when it is asked for.

    Raises:
      MscnError: they don't fit into the file; when one is asked for: its checksum is wrong.
    """

    def __init__(self, reader: Input, lengths: Sequence[int]):
        declared = sum(lengths) + 4 * len(lengths)
        if declared != reader.left:
            raise reader.damaged(f"{reader.left} bytes of blocks, {declared} declared")
        self._reader, self._first = reader, 0
        self._ends = list(itertools.accumulate((n + 4 for n in lengths), initial=reader.at))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> bytes:  # type: ignore[override]  # slices are `part`'s
        if not 0 <= index < len(self):
            raise IndexError(index)
        start, end = self._ends[index], self._ends[index + 1]
        payload = self._reader.data[start : end - 4]
        if self._reader.data[end - 4 : end] != checksum(payload):
            raise self._reader.damaged(f"checksum of block {self._first + index}")
        return payload

    def part(self, start: int, stop: int, lazy: bool) -> Sequence[bytes]:
        """Some of the payloads, checked now unless `lazy`."""
        some = copy.copy(self)
        some._first, some._ends = start, self._ends[start : stop + 1]
        return some if lazy else list(some)
