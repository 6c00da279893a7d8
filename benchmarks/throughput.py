"""Decoding codes by SIRENs of several widths: ONNX Runtime, the runtime, TensorFlow, PyTorch.

A batch of codes becomes values on a grid by one network of five layers
(benchmarks/frameworks/cases.py), with equal weights in each framework. A framework runs in a
process of its own and is asked for one timed call after the other, all in turns, after all have
agreed on the values. Prints a Markdown table of Mpixel/s, of the fastest calls.

    python benchmarks/throughput.py [--widths=16,..] [--repeats=N]

Needs the environments that `make bench` makes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import app, flags

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.frameworks.cases import POINTS, WIDTHS
from benchmarks.frameworks.processes import Worker, check_there, difference

CHOSEN = flags.DEFINE_list("widths", [str(width) for width in WIDTHS], "of the hidden layers")
REPEATS = flags.DEFINE_integer("repeats", 10, "timed calls of each", lower_bound=1)
WARM_UP = 2  # calls of each before, not timed
TOLERANCE = 1e-3  # of the largest value


class Column(NamedTuple):
    """What is measured."""

    label: str
    framework: str
    task: str


REFERENCE = Column("`tf.function`", "tensorflow", "decode")
COLUMNS = (
    Column("ONNX Runtime, float32", "onnx", "decode"),
    Column("`mscn_tf.runtime`, float64", "onnx", "runtime"),
    REFERENCE,
    Column("PyTorch, eager", "torch", "decode"),
    Column("PyTorch, `torch.compile`", "torch", "compiled"),
)


def seconds(width: int) -> dict[Column, float]:
    """The fastest call of each."""
    name = WIDTHS[width].name
    workers = {framework: Worker(framework, name) for framework in {c.framework for c in COLUMNS}}
    values = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (_, framework, task) in enumerate(COLUMNS):
            path = f"{folder}/{number}.npz"
            workers[framework].call(task, 0, path)
            with np.load(path) as saved:
                values[COLUMNS[number]] = {"values": saved["values"]}
    worst = difference(values, REFERENCE)
    if worst > TOLERANCE:
        raise SystemExit(f"width {width}: values differ by {worst:.2g} of the largest")
    print(f"width {width}: values differ by {worst:.1g} of the largest", file=sys.stderr)
    taken: dict[Column, list[float]] = {column: [] for column in COLUMNS}
    for run in range(-WARM_UP, REPEATS.value):
        for column in COLUMNS:
            call = workers[column.framework].call(column.task, run % 2)
            if run >= 0:
                taken[column].append(call["clock"])
    for worker in workers.values():
        worker.close()
    return {column: min(times) for column, times in taken.items()}


def main(argv: list[str]) -> None:
    """Measures and prints."""
    check_there({column.framework for column in COLUMNS})
    print("| width |", " | ".join(column.label for column in COLUMNS), "|")
    print("|---" * (len(COLUMNS) + 1) + "|")
    for width in map(int, CHOSEN.value):
        found = seconds(width)
        pixels = POINTS * WIDTHS[width].pictures
        speeds = [pixels / found[column] / 1e6 for column in COLUMNS]
        cells = [
            f"{speed:.2f} ({found[REFERENCE] / found[column]:.2f})"
            for speed, column in zip(speeds, COLUMNS)
        ]
        print(f"| {width} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    app.run(main)
