"""Which item goes into which shard. It depends on the input's names and sizes alone."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from mscn_tf.runtime.errors import MscnError
from mscn_tf.signals import images

SHARD_BYTES = 2**26  # of input: large pictures make shards of few items
STACK = ".npy"


@dataclass(frozen=True)
class Part:
    """Items of one input file.

    Attributes:
      path: of the file.
      name: of the file, below the pattern's folder.
      start, stop: the first item of a stack, and the one after the last; 0 and 1 of a picture.
      digits: of an item's number in its name; 0 of a picture.
    """

    path: str
    name: str
    start: int = 0
    stop: int = 1
    digits: int = 0

    def item_name(self, item: int) -> str:
        """Name of an item in the archive: ``folder/a.png``, or ``stack.npy/0017``."""
        return f"{self.name}/{item:0{self.digits}}" if self.digits else self.name


@dataclass(frozen=True)
class Shard:
    """What one file of the archive is made of."""

    number: int
    parts: tuple[Part, ...]


def plan(pattern: str, shard_items: int) -> list[Shard]:
    """Shards of the files that a pattern names, in the order of the items' names.

    Args:
      pattern: as of `glob`, with ``**``.
      shard_items: items of a shard at most.

    Raises:
      MscnError: it names no file, or a folder.
    """
    if os.path.isdir(pattern):
        raise MscnError(f"{pattern}: a folder; give a pattern, such as '{pattern}/**'")
    files = [path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path)]
    if not files:
        raise MscnError(f"{pattern}: no such files; check the pattern")
    root = os.path.dirname(re.split(r"[*?\[]", pattern)[0])
    shards: list[Shard] = []
    parts: list[Part] = []
    items = size = 0
    for part, cost in _pieces(sorted(files, key=_order), root, shard_items):
        count = part.stop - part.start
        if parts and (items + count > shard_items or size + cost > SHARD_BYTES):
            shards.append(Shard(len(shards), tuple(parts)))
            parts, items, size = [], 0, 0
        parts.append(part)
        items, size = items + count, size + cost
    return [*shards, Shard(len(shards), tuple(parts))]


def _order(path: str) -> str:
    """Sorts a stack by the names of its items, so that all names of an archive rise."""
    return f"{path}/" if path.endswith(STACK) else path


def _pieces(files: list[str], root: str, most: int) -> Iterator[tuple[Part, int]]:
    """Parts of at most so many items, and their bytes."""
    for path in files:
        name, size = os.path.relpath(path, root or "."), os.path.getsize(path)
        count = _stack_length(path) if path.endswith(STACK) else None
        if count is None:  # a picture, or a stack that can't be read: it will be set aside
            yield Part(path, name), size
            continue
        digits = len(str(count - 1))
        step = max(1, min(most, SHARD_BYTES * count // max(size, 1)))
        for start in range(0, count, step):
            stop = min(start + step, count)
            yield Part(path, name, start, stop, digits), size * (stop - start) // count


def _stack_length(path: str) -> int | None:
    try:
        return len(images.open_stack(path))
    except MscnError:
        return None
