"""What processes bring on a large picture: `mscn encode` and `mscn decode` in one and in several.

    python benchmarks/threads.py PHOTO.png [--size=6000x4000] [--threads=1,2] [--repeats=3]

The picture is mirrored until it has that size. Values of --threads take turns; of each the least
figures count, and ratios are those of the first one's. Where other work shares the cores, seconds
say less than processor time does: of all processes, and of the busiest one, which takes at least as
long. Memory is that of all processes, what they share counted once. Looks at Linux's /proc.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from absl import app, flags
from PIL import Image

SIZE = flags.DEFINE_string("size", "6000x4000", "width and height of the picture")
THREADS = flags.DEFINE_list("threads", ["1", "2"], "values of --threads to compare")
REPEATS = flags.DEFINE_integer("repeats", 3, "of each", lower_bound=1)


def family(pid: int) -> list[int]:
    """A process and all that it has started."""
    started = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for file in started for child in file.read_text().split()]
    return [pid, *(one for child in children for one in family(child))]


def busy(pid: int) -> float:
    """Processor seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> float:
    """MB of a process, what it shares with others in part."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:"))


def measured(arguments: list[str]) -> tuple[float, float, float, float]:
    """Seconds, processor seconds in all and of the busiest process, peak MB of `mscn`."""
    mscn, begin = Path(sys.executable).with_name("mscn"), time.perf_counter()
    pid, most, peak = os.posix_spawn(mscn, ["mscn", *arguments], os.environ), 0.0, 0.0
    while True:
        done, status, usage = os.wait4(pid, os.WNOHANG)
        if done:
            break
        with contextlib.suppress(OSError, StopIteration):  # of one that ends just now
            processes = family(pid)
            most = max(most, *map(busy, processes))
            peak = max(peak, sum(map(memory, processes)))
        time.sleep(0.1)
    if status:
        raise SystemExit(f"mscn {' '.join(arguments)} failed")
    return time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, most, peak


def main(argv: list[str]) -> None:
    """Measures and prints."""
    width, height = map(int, SIZE.value.split("x"))
    pixels = np.asarray(Image.open(argv[1]).convert("RGB"))[:height, :width]
    fill = [(0, height - pixels.shape[0]), (0, width - pixels.shape[1]), (0, 0)]
    with tempfile.TemporaryDirectory() as folder:
        source, coded, decoded = (f"{folder}/{name}" for name in ("in.png", "a.mscn", "out.npy"))
        Image.fromarray(np.pad(pixels, fill, mode="symmetric")).save(source, compress_level=1)
        found: dict[tuple[str, str], list[tuple[float, ...]]] = {}
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
    print("| | threads | s | CPU s | of the busiest | peak MB | times as fast |")
    print("|---|---|---|---|---|---|---|")
    for (command, count), rows in found.items():
        seconds, total, most, peak = np.min(rows, axis=0)
        first = np.min(found[command, THREADS.value[0]], axis=0)[0]
        cells = f"{seconds:.1f} | {total:.1f} | {most:.1f} | {peak:.0f} | {first / seconds:.2f}"
        print(f"| {command} | {count} | {cells} |")


if __name__ == "__main__":
    app.run(main)
