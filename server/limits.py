"""Keeps requests within time and number, and counts them: ASGI middleware."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Sequence
from typing import Any, Callable, Optional

import anyio
import anyio.lowlevel
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mscn_tf.server.access_log import AccessLog
from mscn_tf.server.metrics import Metrics

UNLIMITED = ("/health", "/metrics", "/docs", "/openapi.json")  # answered at once, always
_PIECE = 2**16  # bytes of an answer that are handed over at a time
_LENGTHS = {b"content-length", b"transfer-encoding"}
_RETRY, _CLOSE = [(b"retry-after", b"1")], [(b"connection", b"close")]

Header = tuple[bytes, bytes]
Refusal = tuple[int, str, Sequence[Header]]

_LEFT: Refusal = (499, "the client has left", _CLOSE)  # for the metrics: nobody reads it


class Limits:
    """Refuses requests beyond a number at once, and ends each of them in time.

    Args:
      app: what answers the requests.
      metrics: of all requests.
      log: of all requests.
      max_requests: that are worked on or wait, their bodies there; further ones get a 503 with
        Retry-After.
      max_bodies: bytes, of all bodies that have not come whole; beyond, the oldest gets a 503. And
        as many of those that have; beyond, the next one gets it.
      timeout: seconds, from the first byte. A request whose body has not come by then gets a 408,
        one without an answer a 504; an answer that is not read by then is broken off.
    """

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        log: AccessLog,
        max_requests: int,
        max_bodies: int,
        timeout: float,
    ):
        self._app, self._metrics, self._log, self._timeout = app, metrics, log, timeout
        self._max_requests, self._running = max_requests, 0
        self._max_bodies, self._held = max_bodies, 0
        self._coming: dict[_Exchange, int] = {}  # bytes there, of the oldest body first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        connection = scope["state"]["connection"]
        since = connection.since  # of this request; once it is answered, of the next one
        exchange = _Exchange(receive, send, connection.deadline)
        connection.end_with_it(exchange.limit)
        # HEAD is GET to all that follows; the connection sends no body.
        asked = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        try:
            with exchange.limit:
                await self._answer(asked, exchange)
            if exchange.status is None:
                reason = exchange.reason or self._late(exchange)
                await exchange.refuse(*_LEFT if connection.lost else reason)
        finally:
            self._leave(exchange)
            # Chosen by the router; none for what is refused before, or not there.
            route = getattr(asked.get("route"), "path", "none")
            status = exchange.status or 500
            seconds = anyio.current_time() - since
            self._metrics.requests.labels(route, status).inc()
            self._metrics.seconds.labels(route, status).observe(seconds)
            self._log.write(scope, status, exchange.sent, seconds)

    async def _answer(self, scope: Scope, exchange: _Exchange) -> None:
        names = {name for name, _ in scope["headers"]}
        if names >= _LENGTHS:  # which one counts, those in between may see otherwise
            await exchange.end(400, "give content-length or transfer-encoding", _CLOSE)
        exchange.whole = not names & _LENGTHS
        if scope["path"] not in UNLIMITED:
            await self._enter(exchange)
            exchange.watch = self._enter
        await self._app(scope, exchange.receive, exchange.send)

    async def _enter(self, exchange: _Exchange, size: int = 0) -> None:
        """Gives a place to a request whose body is there; refuses it where there is none."""
        if exchange.placed:
            return
        if self._running >= self._max_requests:
            await exchange.end(503, "too many requests at once; try again", _RETRY)
        exchange.size += size
        if exchange.whole:
            self._coming.pop(exchange, None)
            if self._held + exchange.size > self._max_bodies:
                await exchange.end(503, "too many bodies at once; try again", _RETRY)
            exchange.placed = True
            self._running += 1
            self._held += exchange.size
            self._metrics.running.set(self._running)
            return
        self._coming[exchange] = exchange.size
        if sum(self._coming.values()) > self._max_bodies:
            oldest = next(iter(self._coming))
            del self._coming[oldest]
            await oldest.end(503, "too many bodies at once; try again", _RETRY + _CLOSE)

    def _leave(self, exchange: _Exchange) -> None:
        self._coming.pop(exchange, None)
        if exchange.placed:
            self._running -= 1
            self._held -= exchange.size
            self._metrics.running.set(self._running)

    def _late(self, exchange: _Exchange) -> Refusal:
        if exchange.whole:
            return 504, f"took longer than {self._timeout:g} s; ask for less", _RETRY
        return 408, f"the body took longer than {self._timeout:g} s", _CLOSE


class _Exchange:
    """A request and its answer, watched.

    Args:
      receive, send: the server's.
      deadline: of the answer; the loop's time.

    Attributes:
      limit: ends the work.
      watch: is told of each piece of the body, and its bytes.
      whole: whether all of the request's body has come.
      size: bytes of it that have.
      placed: whether it counts as one of those that are worked on.
      reason: why it was ended before its time.
      status: of the answer, once it has begun.
      sent: bytes of its body.
    """

    def __init__(self, receive: Receive, send: Send, deadline: float):
        self._receive, self._send = receive, send
        self.limit = anyio.CancelScope(deadline=deadline)
        self.watch: Optional[Callable[[_Exchange, int], Awaitable[None]]] = None
        self.whole, self.placed, self.size = False, False, 0
        self.reason: Optional[Refusal] = None
        self.status: Optional[int] = None
        self.sent = 0

    async def receive(self) -> Message:
        message = await self._receive()
        self.whole = self.whole or not message.get("more_body", False)
        if self.watch is not None:
            await self.watch(self, len(message.get("body", b"")))
        return message

    async def send(self, message: Message) -> None:
        """Sends in pieces: what a slow reader leaves lying, in the server's buffers, is little."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        body = message.get("body", b"")
        self.sent += len(body)
        while len(body) > _PIECE:
            await self._send({**message, "body": body[:_PIECE], "more_body": True})
            body = memoryview(body)[_PIECE:]
        await self._send({**message, "body": bytes(body)} if "body" in message else message)

    async def end(self, *reason: Any) -> None:
        """Ends the work, to be refused for a reason; does not return to that work."""
        self.reason = reason
        self.limit.cancel()
        await anyio.lowlevel.checkpoint()

    async def refuse(self, status: int, detail: str, headers: Sequence[Header]) -> None:
        """Answers in place of the application."""
        content = json.dumps({"detail": detail}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(content)),
            *headers,
        ]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": content})
