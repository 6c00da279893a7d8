"""The one error that users see."""

from __future__ import annotations


class MscnError(ValueError):
    """Something the user can mend: one line that names the file and the cure."""
