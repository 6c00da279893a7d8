"""Manifest and index of a sharded archive.

Names of items rise from shard to shard, so the index has one line a shard: the shard of a name is
the last one whose first name is not above it. The names themselves are in the shards.
"""

from __future__ import annotations

import bisect
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mscn_tf.archives.plan import Shard
from mscn_tf.archives.shard import RECORDS, records_folder
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike, atomic_write, read_bytes

MANIFEST, INDEX = "manifest.json", "index.tsv"
FAILED, NOTES = "failed.tsv", "notes.txt"
_SETTINGS = "settings.json"


def begin(out: str, settings: dict[str, Any], shards: Sequence[Shard]) -> None:
    """Makes the folder, or finds that the same work was begun there.

    Raises:
      MscnError: something else lies there.
    """
    digest = hashlib.sha256(repr(list(shards)).encode()).hexdigest()
    wanted = json.dumps({**settings, "plan": digest}, indent=1, sort_keys=True).encode()
    path = Path(out) / _SETTINGS
    if path.exists():
        if path.read_bytes() != wanted:
            raise MscnError(f"{out}: begun with other settings or inputs; give an empty folder")
        return
    if os.path.isdir(out) and os.listdir(out):
        raise MscnError(f"{out}: not empty, and no archive of this command; give an empty folder")
    records_folder(out)
    with atomic_write(path) as file:
        file.write(wanted)


def finish(out: str, settings: dict[str, Any], shards: Sequence[Shard]) -> dict[str, Any]:
    """Writes index, failed items, notes and manifest from the records; returns the manifest."""
    folder = Path(out)
    records = [
        json.loads((folder / RECORDS / f"{shard.number:06d}.json").read_bytes()) for shard in shards
    ]
    written = [record for record in records if record["file"]]
    failed = [pair for record in records for pair in record["failed"]]
    # Records of earlier versions have no notes.
    notes = [line for record in records for line in record.get("notes", ())]
    manifest = {
        **settings,
        "items": sum(record["items"] for record in written),
        "failed": len(failed),
        "notes": len(notes),
        "bytes": sum(record["bytes"] for record in written),
        "shards": [
            {key: record[key] for key in ("file", "items", "bytes", "sha256")} for record in written
        ],
    }
    lines = ["first\tlast\titems\tfile"]
    lines += [f"{r['first']}\t{r['last']}\t{r['items']}\t{r['file']}" for r in written]
    _write_lines(folder / INDEX, lines)
    rows = [
        f"{name!r}\t{reason}" if not name.isprintable() else f"{name}\t{reason}"
        for name, reason in failed
    ]
    if rows:
        _write_lines(folder / FAILED, rows)
    if notes:
        _write_lines(folder / NOTES, notes)
    with atomic_write(folder / MANIFEST) as file:
        file.write((json.dumps(manifest, indent=1) + "\n").encode())
    return manifest


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    with atomic_write(path) as file:
        file.write(("\n".join(lines) + "\n").encode(errors="backslashreplace"))


def find(out: PathLike, name: str) -> tuple[str, int]:
    """Path of the shard that holds an item, and the item's number in it.

    Raises:
      MscnError: there is no such archive, or no such item in it.
    """
    lines = read_bytes(Path(out) / INDEX).decode().splitlines()[1:]
    rows = [line.split("\t") for line in lines]
    at = bisect.bisect_right([row[0] for row in rows], name) - 1
    if at >= 0:
        path = str(Path(out) / rows[at][3])
        names = Container.from_bytes(read_bytes(path), path, lazy=True).names or []
        if name in names:
            return path, names.index(name)
    raise MscnError(f"{out}: no item {name}; names are paths below the pattern's folder")
