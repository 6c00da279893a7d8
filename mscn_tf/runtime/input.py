"""Bytes from a stranger, read one after the other."""

from __future__ import annotations

import zlib

from mscn_tf.runtime.errors import MscnError


class Input:
    """Cursor over bytes that refuses to run past their end.

    Args:
      data: the bytes.
      source: what error messages call them.
    """

    def __init__(self, data: bytes, source: str):
        self.data, self.at, self.source = data, 0, source

    @property
    def left(self) -> int:
        """Bytes that are still to be read."""
        return len(self.data) - self.at

    def damaged(self, what: str) -> MscnError:
        """The error to raise: what is wrong."""
        return MscnError(f"{self.source}: damaged or cut short ({what}); get a fresh copy")

    def take(self, count: int) -> bytes:
        """The next bytes."""
        if count > self.left:
            raise self.damaged(f"ends at byte {len(self.data)}")
        self.at += count
        return self.data[self.at - count : self.at]

    def varint(self) -> int:
        """The next number, as `varint` writes it."""
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if byte == 0 and shift:
                    raise self.damaged("padded number")  # one spelling for every value
                return value
            shift += 7
            if shift > 56:
                raise self.damaged("number too long")

    def inflated(self, count: int, limit: int, what: str, bits: int = zlib.MAX_WBITS) -> bytes:
        """The next `count` bytes, one deflated stream of at most `limit` bytes."""
        inflater = zlib.decompressobj(bits)
        try:
            data = inflater.decompress(self.take(count), limit + 1)
        except zlib.error as error:
            raise self.damaged(what) from error
        if len(data) > limit or not inflater.eof or inflater.unused_data:
            raise self.damaged(what)
        return data


def varint(value: int) -> bytes:
    """LEB128: groups of 7 bits, lowest first, the high bit set on all but the last byte."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
