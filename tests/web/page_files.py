"""Files that the tests of the page open, and what they, and some of its examples, look like.

python tests/web/page_files.py build/web-tests
"""

from __future__ import annotations

import base64
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mscn_tf.codec import Codec
from mscn_tf.runtime.file_decoder import FileDecoder
from mscn_tf.runtime.rendering import orbit, render

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "build" / "web" / "samples"
SLICE = 5  # along the first axis
LARGE, LARGE_QUALITY = (1290, 1470), 3
REGION = (840, 1020, 450, 450)  # left, top, width, height of its lower right corner
CANVAS = 400  # the page's, for scenes


def large() -> bytes:
    """A photograph of several tiles and more pixels than the page's first, small version has."""
    pixels = Image.open(ROOT / "demo" / "kodim.png").resize(LARGE, Image.Resampling.BICUBIC)
    return Codec.load("photo").encode(np.asarray(pixels), quality=LARGE_QUALITY, effort=1)


def wide() -> bytes:
    """A PNG of more pixels than the page encodes, in few bytes."""
    file = io.BytesIO()
    Image.new("1", (8000, 5000)).save(file, "PNG")
    return file.getvalue()


def field(grid: dict[str, Any]) -> bytes:
    """A field on a grid that covers a part of the Earth, or that has no place on it."""
    rows, columns = np.mgrid[:26, :41]
    values = (280 + rows / 2 + 5 * np.sin(columns / 6)).astype(np.float32)[..., None]
    metadata = {**grid, "fields": [{"name": "air", "units": "K"}]}
    return Codec.load("field").encode(values, max_error=0.1, metadata=metadata)


def voxels() -> bytes:
    """A solid corner of a cube: seen from where the page starts it is no mirror image of itself."""
    filled = np.zeros((32, 32, 32, 1), bool)
    filled[6:26, 6:26, 6:12] = filled[6:12, 6:26, 6:26] = True
    return Codec.load("voxels32").encode(filled, quality=8)


def seen() -> np.ndarray:
    """The page's scene as the runtime renders it at first, uint8 [H, W, 4], premultiplied."""
    data = (SAMPLES / "toy.mscn").read_bytes()
    grid = FileDecoder.of(data).decode(data)
    view = render(grid, next(orbit(1, 3.0)), 1.2 * CANVAS, CANVAS, CANVAS)
    return np.rint(255 * view.clip(0, 1)).astype(np.uint8)


def sliced() -> np.ndarray:
    """A slice of the page's scan, uint8 [H, W]."""
    data = (SAMPLES / "scan.mscn").read_bytes()
    values = FileDecoder.of(data).decode(data)[SLICE, ..., 0]
    return np.rint(255 * values.clip(0, 1)).astype(np.uint8)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def main(folder: str) -> None:
    """Writes page.json."""
    data = large()
    region = FileDecoder.of(data).decode(data, region=REGION)
    files = {
        "large": {
            "file": _text(data),
            "region": REGION,
            "pixels": _text(region.tobytes()),
        },
        "slice": {"number": SLICE, "shape": sliced().shape, "pixels": _text(sliced().tobytes())},
        "region": {
            "file": _text(
                field({"latitude": [*range(40, -12, -2)], "longitude": [*range(-20, 62, 2)]})
            )
        },
        "rotated": {"file": _text(field({"grids": [{"dims": ["rlat", "rlon"]}]}))},
        "wide": {"file": _text(wide())},
        "voxels": {"file": _text(voxels())},
        "scene": {"side": CANVAS, "pixels": _text(seen().tobytes())},
    }
    (Path(folder) / "page.json").write_text(json.dumps(files))


if __name__ == "__main__":
    main(sys.argv[1])
