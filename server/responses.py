"""Answers as they are sent, and what clients and proxies may keep of them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from email.utils import formatdate, parsedate_to_datetime

from fastapi import HTTPException, Response

from mscn_tf import __version__
from mscn_tf.server.answers import Answer, RefusedError
from mscn_tf.server.files import Place

NOTE = "mscn-note"  # the header with what was left out or done otherwise, once for each


def response(answer: Answer) -> Response:
    """An answer as it is sent."""
    sent = Response(answer.content, answer.status, media_type=answer.media_type)
    for note in answer.notes:
        sent.headers.append(NOTE, note.encode("ascii", "backslashreplace").decode())
    return sent


def checked(answer: Answer) -> Answer:
    """The answer, if it is none of why there is none.

    Raises:
      HTTPException: it is.
    """
    if answer.status != 200:
        raise HTTPException(answer.status, json.loads(answer.content)["detail"])
    return answer


@contextlib.contextmanager
def raised() -> Iterator[None]:
    """Turns what is refused in the server itself, not by a worker, into its answer."""
    try:
        yield
    except RefusedError as error:
        raise HTTPException(error.status, str(error)) from error


def validators(file: Place, kind: str, max_age: int) -> dict[str, str]:
    """Headers by which an answer made of a stored file is kept, and asked for again.

    Args:
      file: the same.
      kind: of the answer, where one address has several.
      max_age: seconds for which it may be taken without asking.
    """
    return {
        "ETag": f'"{file.changed:x}-{file.size:x}-{__version__}-{kind}"',
        "Last-Modified": formatdate(file.changed // 10**9, usegmt=True),
        "Cache-Control": f"public, max-age={max_age}",
    }


def unchanged(asked: Mapping[str, str], kept: Mapping[str, str]) -> bool:
    """Whether a client has the answer already (RFC 9110, 13.1).

    Args:
      asked: headers of the request, by names in lower case.
      kept: of `validators`.
    """
    tags = asked.get("if-none-match")
    if tags is not None:
        given = {tag.strip().removeprefix("W/") for tag in tags.split(",")}
        return not given.isdisjoint(("*", kept["ETag"]))
    try:
        since = parsedate_to_datetime(asked["if-modified-since"])
        return parsedate_to_datetime(kept["Last-Modified"]) <= since
    except (KeyError, TypeError, ValueError):  # none, or no date
        return False
