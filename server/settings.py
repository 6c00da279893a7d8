"""What a server is told when it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class Settings:
    """What is served, and how much a request may take.

    Attributes:
      codecs: names or paths of bundles.
      files: folder of stored `.mscn` files, or None.
      follow_links: whether links in that folder are stored files, too.
      hosts: that requests may name; "*" for all, "*.example.org" for those below one.
      workers: processes that decode and encode.
      max_requests: whose bodies are there, at one time; more are refused.
      max_body: bytes of a request's body.
      max_pixels: samples that a request may have decoded, made or encoded.
      timeout: seconds from a request's first byte to its answer's last.
    """

    codecs: tuple[str, ...]
    files: Optional[str]
    follow_links: bool
    hosts: tuple[str, ...]
    workers: int
    max_requests: int
    max_body: int
    max_pixels: int
    timeout: float
