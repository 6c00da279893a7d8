"""Frameworks in processes of their own, asked for one timed call after the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = {
    "tensorflow": Path(sys.executable),
    "onnx": Path(sys.executable),
    "torch": ROOT / "build/bench/torch/bin/python",
    "jax": ROOT / "build/bench/jax/bin/python",
}
THREADS = len(os.sched_getaffinity(0))


def check_there(frameworks: Iterable[str]) -> None:
    """Ends the program where a framework's environment is missing."""
    for name in frameworks:
        if not PYTHONS[name].exists():
            raise SystemExit(f"{PYTHONS[name]} is missing; run: make bench (for {name})")


class Worker:
    """A process with one framework."""

    def __init__(self, framework: str, case: str):
        count = str(THREADS)
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count}
        self._process = subprocess.Popen(
            [PYTHONS[framework], "-m", "benchmarks.frameworks.worker", framework, case, count],
            cwd=ROOT,
            env={**os.environ, **quiet},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.version = self._answer()["version"]

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"a worker ended with status {self._process.wait()}")
        return json.loads(line)

    def call(self, task: str, batch: int, save: str | None = None) -> dict[str, float]:
        """Times one call."""
        request = json.dumps({"task": task, "batch": batch, "save": save})
        self._process.stdin.write(request + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def difference(
    results: Mapping[Hashable, dict[str, np.ndarray]], reference: Hashable = "tensorflow"
) -> float:
    """Largest difference from the reference of any element, relative to its array's largest."""
    ours, worst = results[reference], 0.0
    for theirs in results.values():
        if set(theirs) != set(ours):
            raise SystemExit(f"results differ: {sorted(ours)} and {sorted(theirs)}")
        for name, array in ours.items():
            worst = max(worst, float(np.abs(theirs[name] - array).max() / np.abs(array).max()))
    return worst
