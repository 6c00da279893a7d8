"""A line for each request that was answered."""

from __future__ import annotations

import datetime
from typing import Optional, TextIO

from starlette.types import Scope


class AccessLog:
    """Writes lines: time, client, request, status, bytes and seconds.

    Args:
      file: to write to; None writes nothing.
    """

    def __init__(self, file: Optional[TextIO]):
        self._file = file

    def write(self, scope: Scope, status: int, sent: int, seconds: float) -> None:
        """Writes a line.

        Args:
          scope: of the request.
          status: of the answer.
          sent: bytes of its body.
          seconds: that it took.
        """
        if self._file is None:
            return
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        client = (scope.get("client") or ("-",))[0]
        query = scope["query_string"]
        target = scope["raw_path"] + (b"?" + query if query else b"")
        # What a terminal or a reader of lines would take for more than text is escaped.
        text = "".join(c if " " < c <= "~" and c not in '"\\' else f"\\x{ord(c):02x}"
                       for c in target.decode("latin-1"))  # fmt: skip
        line = f'{now} {client} "{scope["method"]} {text}" {status} {sent} {seconds:.3f}'
        print(line, file=self._file, flush=True)
