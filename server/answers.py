"""What requests are answered, whoever answers them: the server or one of its workers."""

from __future__ import annotations

import json
from dataclasses import dataclass

from mscn_tf.runtime.errors import MscnError

JSON, MSCN = "application/json", "application/octet-stream"


@dataclass(frozen=True)
class Answer:
    """Status, media type and body of an HTTP response, and notes on it, a line each."""

    status: int
    media_type: str
    content: bytes
    notes: tuple[str, ...] = ()


class RefusedError(MscnError):
    """A `MscnError` with the HTTP status that says it best."""

    def __init__(self, status: int, detail: str):
        super().__init__(detail)
        self.status = status


def failure(status: int, detail: str) -> Answer:
    """The answer to a request that can't be met: JSON with one line, `detail`."""
    return Answer(status, JSON, json.dumps({"detail": " ".join(detail.split())}).encode())
