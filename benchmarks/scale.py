"""Time and peak memory of `mscn encode` against the number of signals and of pixels.

Each point is a process of its own with one thread. Prints a table with linear fits, draws a plot.

    python benchmarks/scale.py STACK.npy PHOTO.png docs/images/scale.png
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from absl import app
from PIL import Image

SIGNALS = (10, 100, 1000, 10_000)
SIZES = ((32, 32), (256, 256), (1024, 768), (3000, 2000), (6000, 4000))  # up to 24 megapixels
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def measured(codec: str, source: Path, out: Path) -> tuple[float, float]:
    """CPU seconds and peak MB of encoding a file."""
    mscn = Path(sys.executable).with_name("mscn")
    arguments = ["mscn", "encode", f"--codec={codec}", "--quality=4", str(source), str(out)]
    pid = os.posix_spawn(mscn, arguments, {**os.environ, **ONE_THREAD})
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise SystemExit(f"mscn encode {source} failed")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main(argv: list[str]) -> None:
    """Measures, prints, draws."""
    stack, photo, plot = np.load(argv[1]), Image.open(argv[2]).convert("RGB"), argv[3]
    series: dict[str, list[tuple[float, float, float, int]]] = {"signals": [], "megapixels": []}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.mscn"
        for count in SIGNALS:
            source = Path(folder) / "in.npy"
            np.save(source, stack[:count])
            found = measured("thumb32", source, out)
            series["signals"].append((count, *found, out.stat().st_size))
        for size in SIZES:
            source = Path(folder) / "in.png"
            # Mirror images side by side: as much detail a pixel at every size.
            tile = np.asarray(photo)[: size[1], : size[0]]
            fill = [(0, size[1] - tile.shape[0]), (0, size[0] - tile.shape[1]), (0, 0)]
            Image.fromarray(np.pad(tile, fill, mode="symmetric")).save(source)
            found = measured("photo", source, out)
            series["megapixels"].append((size[0] * size[1] / 1e6, *found, out.stat().st_size))
    figure, axes = plt.subplots(2, 2, figsize=(9, 6), constrained_layout=True)
    for column, (unit, rows) in enumerate(series.items()):
        n, seconds, memory, _ = np.array(rows).T
        for row, (values, label) in enumerate([(seconds, "CPU s"), (memory, "peak MB")]):
            slope, start = np.polyfit(n, values, 1)
            print(f"{label} = {start:.4g} + {slope:.4g} x {unit}")
            axes[row, column].loglog(n, values, "o", n, start + slope * n, "-")
            axes[row, column].set(xlabel=unit, ylabel=label)
        for row in rows:
            print(f"{row[0]:10.4g} {unit}: {row[1]:8.2f} s, {row[2]:6.0f} MB, {row[3]:,} bytes")
    figure.savefig(plot, dpi=110)


if __name__ == "__main__":
    app.run(main)
