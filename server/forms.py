"""Files in requests' bodies: bare, or the only part of a form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from mscn_tf.server.answers import RefusedError

FORM = "multipart/form-data"


@dataclass(frozen=True)
class Body:
    """What a request has brought.

    Attributes:
      data: bytes of it.
      boundary: between the parts of a form; None: it is none.
    """

    data: bytes
    boundary: Optional[bytes] = None

    def file(self) -> bytes:
        """The content of the file.

        Raises:
          RefusedError: there is none; or the form is damaged, or has several parts.
        """
        found = self.data if self.boundary is None else _only_part(self.data, self.boundary)
        if not found:
            raise RefusedError(422, "the body is empty")
        return found


def boundary_of(content_type: Optional[str]) -> Optional[bytes]:
    """That of a form, from its header; None of other bodies."""
    kind, options = parse_options_header(content_type)
    return options.get(b"boundary", b"") if kind == FORM.encode() else None


def _only_part(form: bytes, boundary: bytes) -> bytes:
    pieces: list[bytes] = []
    parts = ended = 0

    def begin() -> None:
        nonlocal parts
        parts += 1
        if parts > 1:
            raise RefusedError(415, "a form has one part, the file; parameters are of the address")

    def end() -> None:
        nonlocal ended
        ended += 1

    def add(data: bytes, first: int, last: int) -> None:
        pieces.append(data[first:last])

    callbacks: Any = {"on_part_begin": begin, "on_part_data": add, "on_end": end}
    try:
        MultipartParser(boundary, callbacks).write(form)
    except MultipartParseError as error:
        raise RefusedError(415, f"the form is damaged ({error})") from error
    if not ended:
        raise RefusedError(415, "the form is cut short")
    return b"".join(pieces)
