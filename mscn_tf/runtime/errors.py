"""The one error that users see."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class MscnError(ValueError):
    """Something the user can mend: one line that names the file and the cure."""


def install(extra: str) -> str:
    """The cure for a library that isn't installed; the package is on no index, so from a clone.

    Args:
      extra: that of setup.cfg which brings it, or several separated by commas.
    """
    return f"pip install '.[{extra}]' in a clone of mscn_tf"


def printable(text: str) -> str:
    """A line as a terminal may get it: what isn't shown, or turns the line, is escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


@contextlib.contextmanager
def naming(path: object) -> Iterator[None]:
    """Puts a file's name before the errors of a block that doesn't know it."""
    try:
        yield
    except MscnError as error:
        raise MscnError(f"{path}: {error}") from error
