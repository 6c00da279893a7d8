"""Worker processes: at most so many jobs at once, each within its request's time."""

from __future__ import annotations

from typing import Any, Callable, TypeVar, Union

import anyio
from anyio import BrokenWorkerProcess, to_process
from fastapi import HTTPException

from mscn_tf.server import work
from mscn_tf.server.answers import Answer, failure
from mscn_tf.server.settings import Settings
from mscn_tf.server.turns import Turns

Made = TypeVar("Made")


class Workers:
    """The processes that decode and encode, as many as the settings say.

    Args:
      settings: of the server; each job gets them first.
    """

    def __init__(self, settings: Settings):
        self._settings = settings
        self._turns = Turns(settings.workers)
        self._limiter = anyio.CapacityLimiter(settings.workers)

    async def start(self) -> None:
        """Returns when all of them are ready."""
        async with anyio.create_task_group() as starting:
            for _ in range(self._settings.workers):
                starting.start_soon(self._run, "", work.warm)

    async def do(
        self, client: str, job: Callable[..., Union[Made, Answer]], *arguments: Any
    ) -> Union[Made, Answer]:
        """What a job makes for a client, or that its worker died.

        Raises:
          HTTPException: 503, no worker was free in time.
        """
        try:
            return await self._run(client, job, *arguments)
        except TimeoutError as error:
            detail = "too many requests at once; try again"
            raise HTTPException(503, detail, {"Retry-After": "1"}) from error
        except BrokenWorkerProcess:
            return failure(503, "the worker died over it; ask for less")

    async def _run(self, client: str, job: Callable[..., Any], *arguments: Any) -> Any:
        deadline = anyio.current_effective_deadline()
        with anyio.fail_after((deadline - anyio.current_time()) / 2):  # what begins has time left
            await self._turns.enter(client)  # who leaves here, leaves nothing to do
        try:
            # Killing a worker costs others the start of a new one. So work whose client has left
            # goes on to its end, or to the end of its time.
            with anyio.CancelScope(deadline=deadline, shield=True):
                return await to_process.run_sync(
                    job, self._settings, *arguments, cancellable=True, limiter=self._limiter
                )
            with anyio.CancelScope(shield=True):  # those who wait find a new worker that is ready
                await to_process.run_sync(work.warm, self._settings, limiter=self._limiter)
            return await anyio.sleep_forever()  # the time of what waits for this is over, too
        finally:
            self._turns.leave()
