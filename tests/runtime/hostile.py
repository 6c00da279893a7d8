"""Small files that declare as much as the format allows."""

from __future__ import annotations

from pathlib import Path

from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.container import Container


def large_picture(bundle: Path) -> bytes:
    """A picture of 2^14 x 2^14 pixels of one colour, in one block."""
    found = Bundle.load(bundle)
    return Container(
        found.id[:8], 0, found.manifest.tile_edge, 3, [(2**14, 2**14)], [80], [3], None, 1, [b""]
    ).to_bytes()
