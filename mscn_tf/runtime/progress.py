"""Progress of decoding, by the blocks that it takes."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence

from tqdm import tqdm

from mscn_tf.runtime.container import Container


class _Watched(Sequence[bytes]):
    """Blocks that move a bar on as they are taken, each once."""

    def __init__(self, blocks: Sequence[bytes], bar: tqdm):
        self._blocks, self._bar = blocks, bar
        self._taken: set[int] = set()

    def __len__(self) -> int:
        return len(self._blocks)

    def __getitem__(self, index: int) -> bytes:  # type: ignore[override]  # nobody asks for slices
        block = self._blocks[index]
        if index not in self._taken:
            self._taken.add(index)
            with self._bar.get_lock():  # blocks are taken by several threads
                self._bar.update()
        return block


@contextlib.contextmanager
def shown(container: Container, label: str, progress: bool) -> Iterator[None]:
    """Shows on standard error, within the block, which of a file's blocks are decoded.

    Args:
      container: the file; its blocks are watched.
      label: what is done.
      progress: whether a bar is wanted at all.
    """
    if not progress:
        yield
        return
    total = len(container.blocks)
    with tqdm(total=total, desc=label, unit="block", file=sys.stderr, leave=False) as bar:
        blocks = container.blocks
        container.blocks = _Watched(blocks, bar)
        try:
            yield
        finally:
            container.blocks = blocks
