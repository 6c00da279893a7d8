"""What threads bring on a large picture: `mscn encode` and `mscn decode` with one and with several.

    python benchmarks/threads.py PHOTO.png [--size=6000x4000] [--threads=1,2] [--repeats=3]

The picture is mirrored until it has that size. Numbers of threads take turns; of each the least
seconds count, and ratios are those of the first number's. Where other work shares the cores, they
say less than the processor time does, which threads should not add to.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from absl import app, flags
from PIL import Image

SIZE = flags.DEFINE_string("size", "6000x4000", "width and height of the picture")
THREADS = flags.DEFINE_list("threads", ["1", "2"], "numbers of threads to compare")
REPEATS = flags.DEFINE_integer("repeats", 3, "of each number", lower_bound=1)


def measured(arguments: list[str]) -> tuple[float, float, float]:
    """Seconds, processor seconds and peak MB of `mscn` with these arguments."""
    mscn, begin = Path(sys.executable).with_name("mscn"), time.perf_counter()
    _, status, usage = os.wait4(os.posix_spawn(mscn, ["mscn", *arguments], os.environ), 0)
    if status:
        raise SystemExit(f"mscn {' '.join(arguments)} failed")
    seconds = time.perf_counter() - begin
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main(argv: list[str]) -> None:
    """Measures and prints."""
    width, height = map(int, SIZE.value.split("x"))
    pixels = np.asarray(Image.open(argv[1]).convert("RGB"))[:height, :width]
    fill = [(0, height - pixels.shape[0]), (0, width - pixels.shape[1]), (0, 0)]
    with tempfile.TemporaryDirectory() as folder:
        source, coded, decoded = (f"{folder}/{name}" for name in ("in.png", "a.mscn", "out.npy"))
        Image.fromarray(np.pad(pixels, fill, mode="symmetric")).save(source, compress_level=1)
        found: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
        files = set()
        for _ in range(REPEATS.value):
            for count in THREADS.value:
                shared = ["--quiet", f"--threads={count}"]
                commands = {
                    "encode": [*shared, "--quality=4", "--nomeasure", source, coded],
                    "decode": [*shared, "--force", coded, decoded],
                }
                for command, arguments in commands.items():
                    figures = measured([command, *arguments])
                    found.setdefault((command, count), []).append(figures)
                files.add((Path(coded).read_bytes(), Path(decoded).read_bytes()))
        if len(files) > 1:
            raise SystemExit("bytes or pixels depend on the number of threads")
    print("| | threads | s | CPU s | peak MB | times as fast |")
    print("|---|---|---|---|---|---|")
    for (command, count), rows in found.items():
        seconds, busy, memory = np.min(rows, axis=0)
        first = np.min(found[command, THREADS.value[0]], axis=0)[0]
        cells = f"{seconds:.1f} | {busy:.1f} | {memory:.0f} | {first / seconds:.2f}"
        print(f"| {command} | {count} | {cells} |")


if __name__ == "__main__":
    app.run(main)
