"""Threads or processes that share one signal's work: tiles, strips. Results don't depend on them.

The caller's own thread is one of them: it takes the next part itself rather than wait for another.
NumPy and ONNX Runtime let other threads run while they compute, but what they compute is short, and
threads wait for Python's lock in between. Processes don't. They run nothing of the program that
starts them, but take up to a second to start and some 100 MB each: so they are for programs that
say so, as `mscn` does.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import types
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Callable, Generic, TypeVar

from mscn_tf.runtime.errors import MscnError

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event
    from types import TracebackType

    from typing_extensions import Self

T = TypeVar("T")
R = TypeVar("R")
MOST_THREADS = 256
_processes_allowed = False


def check_threads(wanted: int) -> None:
    """Raises MscnError where it is no number of threads to work in."""
    if not 1 <= wanted <= MOST_THREADS:
        raise MscnError(f"threads={wanted}: must be 1 to {MOST_THREADS}")


def allow_processes() -> None:
    """Has work that can be shared between processes done in them, from now on."""
    global _processes_allowed
    _processes_allowed = True


class Workers:
    """So many threads, or processes, in a ``with`` block that ends when their work has.

    Args:
      threads: how many; one is the caller's own.
      picklable: whether all work, its parts and what it makes of them can be pickled: processes do
        it where the program allows that.
    """

    def __init__(self, threads: int, picklable: bool = False):
        self._others, self._picklable = threads - 1, picklable
        self._processes: _Processes | None = None  # which start when there is work for them
        # Each process has a thread that waits for it, so that it gets its next part at once.
        self._pool = ThreadPoolExecutor(self._others) if self._others else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if self._processes is not None and kind is not None:
            _processes.cache_clear()
            self._processes.kill()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def in_order(
        self, work: Callable[[T], R], parts: Iterable[T], most: int = MOST_THREADS
    ) -> Iterator[R]:
        """What ``work`` makes of each part.

        Args:
          work: done by the workers.
          parts: asked for in the caller's own thread; ``in_order`` may have made them, too.
          most: parts that are worked on at a time: what bounds the memory.

        Raises:
          MscnError: a process was ended from outside.
        """
        if most <= 1 or self._pool is None:
            yield from map(work, parts)
            return
        parts = iter(parts)
        begun = list(itertools.islice(parts, 2))
        if len(begun) < 2:  # nothing to share
            yield from map(work, begun)
            return
        shared = self._shared(work)
        if most > self._others:  # all may work, and as many parts lie ready for them
            most = 2 * (self._others + 1)
        ahead: deque[_Ahead[T, R]] = deque()
        try:
            for part in itertools.chain(begun, parts):
                ahead.append(_Ahead(part, self._pool.submit(shared, part)))
                if len(ahead) >= most:
                    yield _first(work, ahead)
            while ahead:
                yield _first(work, ahead)
        except BrokenProcessPool as error:
            raise MscnError(
                "a process that shares the work has ended, for want of memory maybe; "
                "--threads=1 takes less"
            ) from error

    def _shared(self, work: Callable[[T], R]) -> Callable[[T], R]:
        """Work as others do it."""
        if self._picklable and _processes_allowed:
            self._processes = _processes(self._others)
        return work if self._processes is None else self._processes.sharing(work)


@dataclass
class _Ahead(Generic[T, R]):
    """A part, and what is made of it."""

    part: T
    made: Future[R]


def _first(work: Callable[[T], R], ahead: deque[_Ahead[T, R]]) -> R:
    """What is made of the first part, which is taken from `ahead`.

    Until others have made it, parts that none has begun are worked on here.
    """
    waiting = iter(range(len(ahead)))
    while not ahead[0].made.done():
        own = next((number for number in waiting if ahead[number].made.cancel()), None)
        if own is None:
            break
        made: Future[R] = Future()
        try:
            made.set_result(work(ahead[own].part))
        except Exception as error:  # which is raised when it is this part's turn
            made.set_exception(error)
        ahead[own].made = made
    return ahead.popleft().made.result()


class _Processes:
    """Worker processes, which end when this one does, however that ends."""

    def __init__(self, count: int):
        context = multiprocessing.get_context("spawn")  # a fork of a process with threads can hang
        held, self._alive = context.Pipe(duplex=False)
        all_start = context.Event()
        self._pool = ProcessPoolExecutor(count, context, _begin, (held, all_start))
        with _starting():
            for _ in range(count):
                self._pool.submit(int)  # starts another one, as none has done anything yet
        all_start.set()

    def sharing(self, work: Callable[[T], R]) -> Callable[[T], R]:
        """Has a process work on a part. Work is pickled once, and unpickled once in each."""
        pickled = pickle.dumps(work)
        return lambda part: self._pool.submit(_done, pickled, part).result()

    def kill(self) -> None:
        """Ends all of them at once, whatever they do."""
        self._alive.close()
        self._pool.shutdown(wait=False, cancel_futures=True)


@lru_cache(1)  # they take long to start: so they serve all of a program's work
def _processes(count: int) -> _Processes | None:
    """So many; None where the system lets programs share no semaphores."""
    try:
        return _Processes(count)
    except (ImportError, NotImplementedError, OSError):
        return None


@contextlib.contextmanager
def _starting() -> Iterator[None]:
    """Keeps from processes that start within Ctrl-C, which is for who started them, and the main
    module, which they would run."""
    main = sys.modules["__main__"]
    masks = hasattr(signal, "pthread_sigmask")  # not so on Windows
    if masks:
        resource_tracker.ensure_running()  # which would unblock signals in the midst of it
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        if masks:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(alive: Connection, all_start: Event) -> None:
    """Of a worker: ignores Ctrl-C, and ends when the other end of `alive` is closed.

    Does nothing more before all have been started.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        with contextlib.suppress(EOFError, OSError):
            alive.recv()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    all_start.wait()


def _done(pickled: bytes, part: Any) -> Any:
    return _unpickled(pickled)(part)


@lru_cache(2)
def _unpickled(pickled: bytes) -> Callable[[Any], Any]:
    work: Callable[[Any], Any] = pickle.loads(pickled)
    return work
