"""Metadata in few bytes: JSON whose regular lists are progressions, deflated against known words.

In the text an object of the only key "~" is a progression (`progressions`); other keys that begin
with "~" have one more of them.
"""

from __future__ import annotations

import json
import zlib
from typing import Any

from mscn_tf.runtime import progressions
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.field_words import WORDS

MARK = "~"
# What `unpack` raises where bytes are none of `pack`'s.
ERRORS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def pack(metadata: dict[str, Any]) -> bytes:
    """A JSON object as raw deflated data.

    Raises:
      MscnError: its parts lie too deep in each other.
      TypeError, ValueError: it is none.
    """
    try:
        short = _Short().of(metadata)
    except RecursionError as error:
        raise MscnError("metadata too deep in each other; flatten them") from error
    text = json.dumps(short, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, 9, zdict=WORDS)
    return deflater.compress(text.encode()) + deflater.flush()


def unpack(data: bytes, limit: int) -> dict[str, Any]:
    """The object that `pack` packed, of at most so many bytes of text.

    Raises:
      One of `ERRORS`: it is none.
    """
    inflater = zlib.decompressobj(-zlib.MAX_WBITS, zdict=WORDS)
    try:
        text = inflater.decompress(data, limit + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if len(text) > limit or not inflater.eof or inflater.unused_data:
        raise ValueError("too long, or cut short")
    metadata = json.loads(text.decode(), object_hook=_Long().of)
    if not isinstance(metadata, dict):
        raise TypeError("no object")
    return metadata


class _Short:
    """Replaces lists by progressions, as many as a reader takes."""

    def __init__(self) -> None:
        self._left = progressions.LONGEST

    def of(self, value: Any) -> Any:
        """A JSON value as it is written."""
        if isinstance(value, dict):
            return {_escaped(name): self.of(one) for name, one in value.items()}
        if not isinstance(value, (list, tuple)):
            return value
        told = progressions.told(value) if len(value) <= self._left else None
        if told is None:
            return [self.of(one) for one in value]
        self._left -= len(value)
        return {MARK: told}


class _Long:
    """Puts lists in the places of progressions."""

    def __init__(self) -> None:
        self._left = progressions.LONGEST

    def of(self, written: dict[str, Any]) -> Any:
        """What an object in the text stands for, those within it being done."""
        if MARK not in written:
            return {name.removeprefix(MARK): one for name, one in written.items()}
        (told,) = written.values()
        self._left -= progressions.count(told)
        if self._left < 0:
            raise ValueError("too many numbers")
        return progressions.numbers_of(told)


def _escaped(name: Any) -> Any:
    return MARK + name if isinstance(name, str) and name.startswith(MARK) else name
