"""Figures for Prometheus."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)


class Metrics:
    """What `/metrics` shows; of one server.

    Attributes:
      requests: that were answered, by the route's path and status.
      seconds: that each took, by route and status.
      running: requests that are worked on or wait.
      cache: answers that were kept (hit), or had to be made (miss).
      cache_bytes: that the kept ones take.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = Counter(
            "mscn_requests_total",
            "Requests answered, by route and status",
            ("route", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "mscn_request_seconds",
            "From a request's first byte to its answer's last",
            ("route", "status"),
            buckets=(0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60),
            registry=self.registry,
        )
        self.running = Gauge(
            "mscn_requests_in_progress", "Worked on or waiting", registry=self.registry
        )
        self.cache = Counter(
            "mscn_cache_total",
            "Answers of stored files: hit, kept; miss, made",
            ("result",),
            registry=self.registry,
        )
        self.cache_bytes = Gauge(
            "mscn_cache_bytes", "That kept answers take", registry=self.registry
        )
