"""Keeps requests within time and number, and counts them: ASGI middleware."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

import anyio
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
_RETRY = [(b"retry-after", b"1")]

Header = tuple[bytes, bytes]


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
      max_requests: at one time; further ones get a 503 with Retry-After.
      timeout: seconds. A request whose body has not come by then gets a 408, one without an answer
        a 504; an answer that is not read by then is broken off.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, max_requests: int, timeout: float):
        self._app, self._metrics = app, metrics
        self._max_requests, self._timeout, self._running = max_requests, timeout, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.monotonic()
        exchange = _Exchange(receive, send)
        try:
            if scope["path"] in UNLIMITED:
                await self._app(scope, exchange.receive, exchange.send)
            elif self._running >= self._max_requests:
                await exchange.refuse(503, "too many requests at once; try again", _RETRY)
            else:
                await self._limited(scope, exchange)
        finally:
            # Chosen by the router; none for what is refused before, or not there.
            endpoint = getattr(scope.get("endpoint"), "__name__", "none")
            self._metrics.requests.labels(endpoint, exchange.status or 500).inc()
            self._metrics.seconds.labels(endpoint).observe(time.monotonic() - start)

    async def _limited(self, scope: Scope, exchange: _Exchange) -> None:
        self._running += 1
        self._metrics.running.set(self._running)
        try:
            with anyio.move_on_after(self._timeout) as limit:
                await self._app(scope, exchange.receive, exchange.send)
        finally:
            self._running -= 1
            self._metrics.running.set(self._running)
        if limit.cancelled_caught and exchange.status is None:
            if exchange.whole:
                what = f"took longer than {self._timeout:g} s; ask for less"
                await exchange.refuse(504, what, _RETRY)
            else:
                what = f"the body took longer than {self._timeout:g} s"
                await exchange.refuse(408, what, [(b"connection", b"close")])


class _Exchange:
    """A request and its answer, watched.

    Attributes:
      whole: whether all of the request's body has come.
      status: of the answer, once it has begun.
    """

    def __init__(self, receive: Receive, send: Send):
        self._receive, self._send = receive, send
        self.whole, self.status = False, None

    async def receive(self) -> Message:
        message = await self._receive()
        self.whole = self.whole or not message.get("more_body", False)
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
