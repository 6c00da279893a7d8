"""Threads that share one signal's work: tiles, strips. What comes out does not depend on them.

NumPy and ONNX Runtime let other threads run while they compute, but what they compute is short, and
threads wait for Python's lock in between: so one is the default. Processes don't, but a program
that starts some must be written for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Callable, TypeVar

from mscn_tf.runtime.errors import MscnError

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

T = TypeVar("T")
R = TypeVar("R")
MOST_THREADS = 256


def check_threads(wanted: int) -> None:
    """Raises MscnError where it is no number of threads to work in."""
    if not 1 <= wanted <= MOST_THREADS:
        raise MscnError(f"threads={wanted}: must be 1 to {MOST_THREADS}")


class Workers:
    """So many threads, in a ``with`` block that ends when all of them have.

    Args:
      threads: how many; one is the caller's own.
    """

    def __init__(self, threads: int):
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def in_order(
        self, work: Callable[[T], R], parts: Iterable[T], most: int = MOST_THREADS
    ) -> Iterator[R]:
        """What ``work`` makes of each part.

        Args:
          work: done in the threads.
          parts: asked for in the caller's own thread; ``in_order`` may have made them, too.
          most: parts that are worked on at a time: what bounds the memory.
        """
        if self._pool is None or most <= 1:
            yield from map(work, parts)
            return
        ahead: deque[Future[R]] = deque()
        for part in parts:
            ahead.append(self._pool.submit(work, part))
            if len(ahead) >= min(most, self._threads):
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
