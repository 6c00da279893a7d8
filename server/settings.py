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
      origins: whose pages may read answers (CORS); "*" for all.
      viewer: folder of the page that shows pictures, or None.
      access_log: whether there is a line on standard output for each request.
      max_requests: that are worked on or wait, their bodies there; more are refused.
      max_body: bytes of a request's body.
      max_bodies: of all of them at one time.
      max_pixels: samples that a request may have decoded, made or encoded.
      cache: bytes of answers of stored files that are kept, and in each worker of decoded blocks.
      max_age: seconds for which others may keep them without asking.
      timeout: seconds from a request's first byte to its answer's last.
    """

    codecs: tuple[str, ...]
    files: Optional[str]
    follow_links: bool
    hosts: tuple[str, ...]
    origins: tuple[str, ...]
    viewer: Optional[str]
    access_log: bool
    workers: int
    max_requests: int
    max_body: int
    max_bodies: int
    max_pixels: int
    cache: int
    max_age: int
    timeout: float
