"""Test pictures of a folder: the central squares of its last ones by name, as PNG files.

With CelebA's aligned faces it makes the pictures that `faces32` and `faces64` are measured on.

    python benchmarks/face_pictures.py [--edge=64] [--count=200] FOLDER OUT_FOLDER
"""

from __future__ import annotations

from pathlib import Path

from absl import app, flags
from PIL import Image

from mscn_tf.signals.datasets import central_square
from mscn_tf.signals.images import SUFFIXES

EDGE = flags.DEFINE_integer("edge", 64, "pixels along each side", lower_bound=1)
COUNT = flags.DEFINE_integer("count", 200, "how many, the last ones by name", lower_bound=1)


def main(argv: list[str]) -> None:
    """Writes the pictures."""
    if len(argv) != 3:
        raise app.UsageError("give a folder of pictures and one for the results")
    out = Path(argv[2])
    out.mkdir(parents=True, exist_ok=True)
    paths = sorted(p for p in Path(argv[1]).iterdir() if p.suffix.lower() in SUFFIXES)
    for path in paths[-COUNT.value :]:
        with Image.open(path) as picture:
            square = central_square(picture.convert("RGB"), EDGE.value)
        square.save(out / f"{path.stem}.png")


if __name__ == "__main__":
    app.run(main)
