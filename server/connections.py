"""Connections within time and number: what uvicorn does for each, and some more.

A connection without a request costs a descriptor, and a server without descriptors answers nobody.
So there are fewer than it has, none waits for ever, and the one that has waited longest makes room.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from typing import Any, Optional

import anyio
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

_ACCEPTED = 16  # at once: four times as many can be open before the first of them is counted
_BACKLOG = 1024  # connections that the system keeps until they are accepted
_RESERVE = 4 * _ACCEPTED + 32  # descriptors: also the server's own, and files that it lists
_A_WORKER = 4  # descriptors of pipes, and of a worker that starts while another one ends
_MOST = 1000
_CLOSE = b"connection: close\r\ncontent-type: application/json\r\n"


def _last_words(status: bytes, detail: bytes) -> bytes:
    content = b'{"detail": "%s"}' % detail
    head = b"HTTP/1.1 %s\r\n%scontent-length: %d\r\n\r\n" % (status, _CLOSE, len(content))
    return head + content


_TOO_LATE = _last_words(b"408 Request Timeout", b"the request's head took too long")
_NO_ROOM = _last_words(b"503 Service Unavailable", b"too many connections at once; try again")


def room(workers: int) -> int:
    """Connections that the limit on open files leaves; 0 or less: too few for a server."""
    if os.name != "posix":
        return _MOST
    import resource

    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    left = files - _RESERVE - _A_WORKER * workers
    return _MOST if files == resource.RLIM_INFINITY else min(left, _MOST)


class Connection(H11Protocol):
    """A client's connection.

    Args:
      timeout: seconds for a request's head, from its first byte; and for that first byte.
      most: connections at one time. A further one takes the place of that which has waited longest
        for the rest of its request.
      uvicorn: what each of its protocols gets.

    Attributes:
      since: when the first byte of the request came, or the wait for it began; the loop's time.
    """

    def __init__(self, timeout: float, most: int, **uvicorn: Any):
        super().__init__(**uvicorn)
        self._timeout, self._most = timeout, most
        self.app_state = {**self.app_state, "connection": self}
        self._work: Optional[anyio.CancelScope] = None
        self._late: Optional[asyncio.TimerHandle] = None
        self._wait(False)

    @property
    def deadline(self) -> float:
        """When the request must be answered; the loop's time."""
        return self.since + self._timeout

    @property
    def lost(self) -> bool:
        """Whether nobody is there to read an answer."""
        return self.transport.is_closing()

    @property
    def _waiting(self) -> bool:
        """Whether there is no request to answer, or not all of it."""
        return self.lost or self._idle or self.cycle.more_body

    @property
    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def end_with_it(self, work: anyio.CancelScope) -> None:
        """Has work cancelled when the client leaves."""
        self._work = work
        if self.lost:
            work.cancel()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Makes room, if there is none."""
        full = len(self.connections) >= self._most
        super().connection_made(transport)
        waiting = full and [each for each in self.connections - {self} if each._waiting]
        if waiting:
            oldest = min(waiting, key=lambda each: each.since)
            self.connections.discard(oldest)
            oldest.transport.abort()
        elif full:
            self._leave(_NO_ROOM)

    def connection_lost(self, exc: Optional[Exception]) -> None:
        """Nobody waits for the answer any more."""
        self._late.cancel()
        super().connection_lost(exc)
        if self._work is not None:
            self._work.cancel()

    def data_received(self, data: bytes) -> None:
        """Time runs from a request's first byte."""
        if not self._begun:
            self._wait(True)
        super().data_received(data)

    def on_response_complete(self) -> None:
        """The next request has its own time."""
        self._wait(False)
        super().on_response_complete()

    def _wait(self, begun: bool) -> None:
        self._begun, self.since = begun, self.loop.time()
        if self._late is not None:
            self._late.cancel()
        self._late = self.loop.call_at(self.deadline, self._too_late)

    def _too_late(self) -> None:
        if self._idle:  # requests that have begun are ended by `Limits`
            self._leave(_TOO_LATE if self._begun else b"")

    def _leave(self, words: bytes) -> None:
        self.transport.write(words)
        self.transport.close()


class Server(uvicorn.Server):
    """Accepts a few connections at a time: more than there are descriptors may wait."""

    def __init__(self, config: uvicorn.Config):
        config.backlog = _ACCEPTED
        super().__init__(config)
        logging.getLogger("asyncio").addFilter(_Once())
        logging.getLogger("asyncio").addFilter(_no_lost_child)

    async def startup(self, sockets: Optional[list[socket.socket]] = None) -> None:
        """Listens; asyncio takes the number to accept at once for that of those who may wait."""
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(_BACKLOG)


def _no_lost_child(record: logging.LogRecord) -> bool:
    """Not of killed workers: `Popen.kill` may reap one before asyncio's watcher does."""
    return "Unknown child process" not in record.getMessage()


class _Once(logging.Filter):
    """Says once that descriptors ran out, in one line, and not at each try to accept."""

    def __init__(self) -> None:
        super().__init__()
        self._said = False

    def filter(self, record: logging.LogRecord) -> bool:
        if "out of system resource" not in record.getMessage():
            return True
        said, self._said = self._said, True
        record.msg, record.args, record.exc_info = "out of open files; raise ulimit -n", (), None
        return not said
