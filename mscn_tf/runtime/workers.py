"""Threads or processes that share one signal's work: tiles, strips. Results don't depend on them.

NumPy and ONNX Runtime let other threads run while they compute, but what they compute is short, and
threads wait for Python's lock in between. Processes don't. They run nothing of the program that
starts them, but take up to a second to start and some 100 MB each: so they are for programs that
say so, as `mscn` does.
"""

from __future__ import annotations

import contextlib
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
from functools import lru_cache
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from mscn_tf.runtime.errors import MscnError

if TYPE_CHECKING:
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


def in_worker() -> bool:
    """Whether this process is one of several that share a signal's work."""
    return _Processes.is_worker


class Workers:
    """So many threads, or processes, in a ``with`` block that ends when their work has.

    Args:
      threads: how many; one is the caller's own.
      picklable: whether all work, its parts and what it makes of them can be pickled: processes do
        it where the program allows that.
    """

    def __init__(self, threads: int, picklable: bool = False):
        self._threads = threads
        self._processes = _processes(threads) if _uses_processes(threads, picklable) else None
        threaded = threads > 1 and self._processes is None
        self._pool = ThreadPoolExecutor(threads) if threaded else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        if self._processes is not None and kind is not None:
            _processes.cache_clear()
            self._processes.kill()

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
        if most <= 1 or self._threads == 1:
            yield from map(work, parts)
            return
        ahead: deque[Future[R]] = deque()
        most = min(most, self._threads) + (self._processes is not None)  # one lies ready for them
        submit = self._submitter(work)
        try:
            for part in parts:
                ahead.append(submit(part))
                if len(ahead) >= most:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        except BrokenProcessPool as error:
            raise MscnError(
                "a process that shares the work has ended, for want of memory maybe; "
                "--threads=1 takes less"
            ) from error

    def _submitter(self, work: Callable[[T], R]) -> Callable[[T], Future[R]]:
        if self._processes is not None:
            return self._processes.submitter(work)
        pool = self._pool
        assert pool is not None  # of one thread `in_order` asks for none
        return lambda part: pool.submit(work, part)


def _uses_processes(threads: int, picklable: bool) -> bool:
    return picklable and threads > 1 and _processes_allowed


class _Processes:
    """Worker processes, which end when this one does, however that ends."""

    is_worker = False

    def __init__(self, count: int):
        context = multiprocessing.get_context("spawn")  # a fork of a process with threads can hang
        held, self._alive = context.Pipe(duplex=False)
        self._pool = ProcessPoolExecutor(count, context, _begin, (held,))

    def submitter(self, work: Callable[[T], R]) -> Callable[[T], Future[R]]:
        """What has a part worked on. Work is pickled once, and unpickled once in each process."""
        pickled = pickle.dumps(work)

        def submit(part: T) -> Future[R]:
            with _starting():
                return self._pool.submit(_done, pickled, part)

        return submit

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


def _begin(alive: Connection) -> None:
    """Of a worker: ignores Ctrl-C, and ends when the other end of `alive` is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _Processes.is_worker = True

    def watch() -> None:
        with contextlib.suppress(EOFError, OSError):
            alive.recv()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _done(pickled: bytes, part: Any) -> Any:
    return _unpickled(pickled)(part)


@lru_cache(2)
def _unpickled(pickled: bytes) -> Callable[[Any], Any]:
    work: Callable[[Any], Any] = pickle.loads(pickled)
    return work
