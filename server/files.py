"""Stored files and the ids that requests call them by."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from typing import Optional

SUFFIX = ".mscn"
# No separators, and no dot in front: an id can't leave the folder.
ID = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"


@dataclass(frozen=True)
class Place:
    """A stored file as it was last changed.

    Attributes:
      name: its id.
      path: of it.
      changed: when, in ns since 1970.
      size: bytes.
    """

    name: str
    path: str
    changed: int
    size: int


def listed(folder: str, follow_links: bool) -> list[tuple[str, int]]:
    """Id and bytes of each stored file, in the ids' order; others are left out."""
    files = []
    with os.scandir(folder) as entries:
        for entry in entries:
            name, suffix = os.path.splitext(entry.name)
            if (
                suffix == SUFFIX
                and re.fullmatch(ID, name)
                and entry.is_file(follow_symlinks=follow_links)
            ):
                files.append((name, entry.stat(follow_symlinks=follow_links).st_size))
    return sorted(files)


def place_of(folder: str, name: str, follow_links: bool) -> Optional[Place]:
    """Where a stored file is; None: there is no such."""
    if not re.fullmatch(ID, name):
        return None
    path = os.path.join(folder, name + SUFFIX)
    try:
        status = os.stat(path, follow_symlinks=follow_links)
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return Place(name, path, status.st_mtime_ns, status.st_size)
