"""Answers that are kept, in bounded memory; what several ask for at once is made once."""

from __future__ import annotations

from collections.abc import Awaitable, Hashable, Mapping
from typing import Callable, Optional, Union

import anyio
from anyio.abc import TaskGroup
from cachetools import LRUCache
from fastapi import HTTPException

from mscn_tf.server.answers import Answer, failure
from mscn_tf.server.metrics import Metrics

_OVERHEAD = 512  # bytes that an answer takes beside its content

Made = Union[Answer, Mapping[Hashable, Answer]]
Make = Callable[[], Awaitable[Made]]


class Cache:
    """The answers that were asked for last.

    Args:
      most: bytes of all of them.
      metrics: are told of what is found and what isn't.

    Attributes:
      tasks: in which they are made, while the server runs: one that many wait for does not end
        because the first of them has left.
    """

    def __init__(self, most: int, metrics: Metrics):
        self._most, self._metrics = most, metrics
        self._kept: LRUCache[Hashable, Answer] = LRUCache(most, getsizeof=_size)
        self._jobs: dict[Hashable, _Job] = {}
        self.tasks: Optional[TaskGroup] = None

    async def answer(self, key: Hashable, together: Hashable, make: Make) -> Answer:
        """What is kept, or made now.

        Args:
          key: of the answer.
          together: of those that are made with it, which are kept, too.
          make: gives all of them by their keys; or one answer for all, which says why there is
            none. Called by the first who asks, and in the time of that.

        Raises:
          HTTPException: what making it raised; 504, its time was over.
        """
        found = self._kept.get(key)
        self._metrics.cache.labels("miss" if found is None else "hit").inc()
        if found is not None:
            return found
        made = await self._made(together, make)
        if isinstance(made, Answer):
            return made
        return made.get(key) or failure(503, "the file has changed meanwhile; try again")

    async def _made(self, together: Hashable, make: Make) -> Made:
        while True:
            job = self._jobs.get(together)
            if job is None:
                assert self.tasks is not None
                job = self._jobs[together] = _Job(make, anyio.current_effective_deadline())
                self.tasks.start_soon(self._run, together, job)
            await job.wait()
            if job.error is not None:
                raise job.error
            if job.made is not None:
                return job.made
            if not job.deserted:
                raise HTTPException(504, "took too long; ask for less", {"Retry-After": "1"})

    async def _run(self, together: Hashable, job: _Job) -> None:
        try:
            with job.scope:
                job.made = await job.make()
        except Exception as error:  # of whoever waits
            job.error = error
        finally:
            del self._jobs[together]
            job.done.set()
        if job.made is not None and not isinstance(job.made, Answer):
            for key, answer in job.made.items():
                self._keep(key, answer)

    def _keep(self, key: Hashable, answer: Answer) -> None:
        if _size(answer) <= self._most:
            self._kept[key] = answer
            self._metrics.cache_bytes.set(self._kept.currsize)


class _Job:
    """What is being made.

    Args:
      make: makes it.
      deadline: until then; the loop's time.

    Attributes:
      make: the same.
      scope: ends it when its time is over, or nobody waits for it.
      deserted: whether it was that.
      done: whether it is over.
      made, error: one of them, then; neither if it was ended.
    """

    def __init__(self, make: Make, deadline: float):
        self.make, self._waiting, self.deserted = make, 0, False
        self.scope, self.done = anyio.CancelScope(deadline=deadline), anyio.Event()
        self.made: Optional[Made] = None
        self.error: Optional[Exception] = None

    async def wait(self) -> None:
        """Until it is over."""
        self._waiting += 1
        try:
            await self.done.wait()
        finally:
            self._waiting -= 1
            if anyio.current_time() >= self.scope.deadline:
                with anyio.CancelScope(shield=True):  # those who come find a worker that is ready
                    await self.done.wait()
            elif not self._waiting and not self.done.is_set():
                self.deserted = True
                self.scope.cancel()


def _size(answer: Answer) -> int:
    return len(answer.content) + _OVERHEAD
