"""One shard: reads its items, encodes them, writes the file and what is to be told of it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mscn_tf.archives.plan import Shard
from mscn_tf.codec import Codec
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import atomic_write
from mscn_tf.signals import images

RECORDS = "records"  # folder of what is told of finished shards
Record = dict[str, Any]


def encode_shard(codec: Codec, shard: Shard, out: str, goal: dict[str, Any]) -> Record:
    """Writes ``NNNNNN.mscn``, then its record; neither where both are there and agree.

    Args:
      codec: of pictures.
      shard: its items.
      out: the archive's folder.
      goal: keyword arguments of `Codec.encode`.

    Returns:
      The record: `file` (None where no item is left), `items`, `bytes`, `sha256`, `first` and
      `last` (names), `failed`: a list of [name, reason], `notes`: lines on what reading changed.
    """
    file = Path(out) / f"{shard.number:06d}.mscn"
    record_file = Path(out) / RECORDS / f"{shard.number:06d}.json"
    done = _finished(file, record_file)
    if done is not None:
        return done
    failed: list[tuple[str, str]] = []
    names, pictures = [], []
    notes: list[str] = []
    for name, picture in _read(shard, failed, notes):
        names.append(name)
        pictures.append(picture)
    data = _encode(codec, names, pictures, goal, failed)
    record: Record = {"file": None, "items": len(names), "failed": sorted(failed), "notes": notes}
    if names:
        with atomic_write(file) as target:
            target.write(data)
        record.update(
            file=file.name,
            bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            first=names[0],
            last=names[-1],
        )
    with atomic_write(record_file) as target:
        target.write(json.dumps(record).encode())
    return record


def _finished(file: Path, record_file: Path) -> Record | None:
    if not record_file.exists():
        return None
    record = json.loads(record_file.read_bytes())
    if record["file"] is None:
        return record
    whole = file.exists() and hashlib.sha256(file.read_bytes()).hexdigest() == record["sha256"]
    return record if whole else None


def _read(
    shard: Shard, failed: list[tuple[str, str]], notes: list[str]
) -> Iterator[tuple[str, np.ndarray]]:
    for part in shard.parts:
        stack = images.open_stack(part.path) if part.digits else None
        for item in range(part.start, part.stop):
            name = part.item_name(item)
            try:
                if not name.isprintable():
                    raise MscnError(f"name {name!r} has control characters; rename the file")
                if stack is None:
                    signals = images.read(part.path)
                    notes += signals.notes
                    yield name, signals.arrays[0]
                else:
                    yield name, images.stack_pixels(stack[item : item + 1], part.path)[0]
            except MscnError as error:
                failed.append((name, str(error)))


def _encode(
    codec: Codec,
    names: list[str],
    pictures: list[np.ndarray],
    goal: dict[str, Any],
    failed: list[tuple[str, str]],
) -> bytes:
    """The file of what can be encoded; what can't leaves both lists."""
    if not names:
        return b""
    try:
        return codec.encode(pictures, names=names, **goal)
    except MscnError as error:
        reasons = [_reason(codec, picture, goal) for picture in pictures]
        if not any(reasons):  # together only: none is to blame alone
            reasons = [str(error)] * len(names)
    failed += [(name, reason) for name, reason in zip(names, reasons) if reason]
    kept = [index for index, reason in enumerate(reasons) if not reason]
    names[:] = [names[index] for index in kept]
    pictures[:] = [pictures[index] for index in kept]
    return _encode(codec, names, pictures, goal, failed)


def _reason(codec: Codec, picture: np.ndarray, goal: dict[str, Any]) -> str:
    try:
        codec.encode(picture, **goal)
    except MscnError as error:
        return str(error)
    return ""


def records_folder(out: str) -> str:
    """The folder of records, made if need be."""
    folder = os.path.join(out, RECORDS)
    os.makedirs(folder, exist_ok=True)
    return folder
