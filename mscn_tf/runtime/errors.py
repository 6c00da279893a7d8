"""The one error that users see."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class MscnError(ValueError):
    """Something the user can mend: one line that names the file and the cure."""


@contextlib.contextmanager
def naming(path: object) -> Iterator[None]:
    """Puts a file's name before the errors of a block that doesn't know it."""
    try:
        yield
    except MscnError as error:
        raise MscnError(f"{path}: {error}") from error
