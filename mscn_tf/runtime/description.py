"""What a file says about itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from mscn_tf.runtime import exact
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.modality import Modality


def described(container: Container, limit: int | None = None) -> dict[str, Any]:
    """As `FileDecoder.info`.

    Args:
      container: of the file.
      limit: items that are listed at most; all where it is None.
    """
    sizes = container.sizes()
    total = sum(sizes.values())
    samples = sum(map(math.prod, container.shapes))
    shown = container.items if limit is None else min(limit, container.items)
    names: Sequence[str | None] = container.names or [None] * shown
    tiles = np.diff(container.first_tiles[: shown + 1]).tolist()
    return {
        "version": container.version,
        "codec": container.bundle_id.hex(),
        "modality": Modality.numbered(container.modality).name,
        "tile_edge": container.tile_edge,
        "tile_overlap": container.tile_overlap,
        "blocks": len(container.blocks),
        "tiles_per_block": container.tiles_per_block,
        "bytes": {"total": total, **sizes},
        "bits_per_pixel": 8 * total / samples,
        "metadata": container.metadata,
        "error_bound": container.error_bound,
        "parents": container.parents,
        "count": container.items,
        "tiles": container.tiles,
        "items": [
            {
                "name": names[item],
                "size": list(shape[::-1]),
                "channels": container.channels[item],
                "quality": container.q16[item] / 16,
                "tiles": tiles[item],
                "exact": [
                    plane
                    for plane in range(len(container.planes(item)))
                    if container.is_exact(item, plane)
                ],
                "within": max(
                    (
                        exact.bound_of(container.exact_block(item, plane))
                        for plane in range(len(container.planes(item)))
                        if container.is_exact(item, plane)
                    ),
                    default=0,
                ),
            }
            for item, shape in enumerate(container.shapes[:shown])
        ],
    }
