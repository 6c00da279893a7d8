"""Keeps requests within time and number, and counts them: ASGI middleware."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Sequence
from typing import Any, Callable, Optional

import anyio
import anyio.lowlevel
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

UNLIMITED = ("/health", "/metrics", "/docs", "/openapi.json")  # answered at once, always
_PIECE = 2**16  # bytes of an answer that are handed over at a time
_LENGTHS = {b"content-length", b"transfer-encoding"}
_RETRY, _CLOSE = [(b"retry-after", b"1")], [(b"connection", b"close")]

Header = tuple[bytes, bytes]
Refusal = tuple[int, str, Sequence[Header]]

_LEFT: Refusal = (499, "the client has left", _CLOSE)  # for the metrics: nobody reads it


class Metrics:
    """What `/metrics` shows; of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = Counter(
            "mscn_requests_total",
            "Requests answered, by endpoint and status",
            ("endpoint", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "mscn_request_seconds",
            "From a request's first byte to its answer's last",
            ("endpoint",),
            buckets=(0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60),
            registry=self.registry,
        )
        self.running = Gauge(
            "mscn_requests_in_progress", "Worked on or waiting", registry=self.registry
        )


class Limits:
    """Refuses requests beyond a number at once, and ends each of them in time.

    Args:
      app: what answers the requests.
      metrics: of all requests.
      max_requests: whose bodies are there, at one time; further ones get a 503 with Retry-After.
      max_bodies: bytes, of all bodies that have not come whole; beyond, the oldest gets a 503.
      timeout: seconds, from the first byte. A request whose body has not come by then gets a 408,
        one without an answer a 504; an answer that is not read by then is broken off.
    """

    def __init__(
        self, app: ASGIApp, metrics: Metrics, max_requests: int, max_bodies: int, timeout: float
    ):
        self._app, self._metrics, self._timeout = app, metrics, timeout
        self._max_requests, self._running = max_requests, 0
        self._max_bodies = max_bodies
        self._coming: dict[_Exchange, int] = {}  # bytes there, of the oldest body first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        connection = scope["state"]["connection"]
        exchange = _Exchange(receive, send, connection.deadline)
        connection.end_with_it(exchange.limit)
        try:
            with exchange.limit:
                await self._answer(scope, exchange)
            if exchange.status is None:
                reason = exchange.reason or self._late(exchange)
                await exchange.refuse(*_LEFT if connection.lost else reason)
        finally:
            self._leave(exchange)
            # Chosen by the router; none for what is refused before, or not there.
            endpoint = getattr(scope.get("endpoint"), "__name__", "none")
            self._metrics.requests.labels(endpoint, exchange.status or 500).inc()
            seconds = anyio.current_time() - connection.deadline + self._timeout
            self._metrics.seconds.labels(endpoint).observe(seconds)

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
        if exchange.whole:
            self._coming.pop(exchange, None)
            exchange.placed = True
            self._running += 1
            self._metrics.running.set(self._running)
            return
        self._coming[exchange] = self._coming.get(exchange, 0) + size
        if sum(self._coming.values()) > self._max_bodies:
            oldest = next(iter(self._coming))
            del self._coming[oldest]
            await oldest.end(503, "too many bodies at once; try again", _RETRY + _CLOSE)

    def _leave(self, exchange: _Exchange) -> None:
        self._coming.pop(exchange, None)
        if exchange.placed:
            self._running -= 1
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
      placed: whether it counts as one of those that are worked on.
      reason: why it was ended before its time.
      status: of the answer, once it has begun.
    """

    def __init__(self, receive: Receive, send: Send, deadline: float):
        self._receive, self._send = receive, send
        self.limit = anyio.CancelScope(deadline=deadline)
        self.watch: Optional[Callable[[_Exchange, int], Awaitable[None]]] = None
        self.whole, self.placed = False, False
        self.reason: Optional[Refusal] = None
        self.status: Optional[int] = None

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
