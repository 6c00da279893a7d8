"""Stored files and the ids that requests call them by."""

from __future__ import annotations

import os
import re
import stat

SUFFIX = ".mscn"
# No separators, and no dot in front: an id can't leave the folder.
ID = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"


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


def path_of(folder: str, name: str, follow_links: bool) -> tuple[str, int, int] | None:
    """Path, time of the last change in ns and bytes of a stored file; None: there is no such."""
    if not re.fullmatch(ID, name):
        return None
    path = os.path.join(folder, name + SUFFIX)
    try:
        status = os.stat(path, follow_symlinks=follow_links)
    except OSError:
        return None
    return (path, status.st_mtime_ns, status.st_size) if stat.S_ISREG(status.st_mode) else None
