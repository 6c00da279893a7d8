"""Runs one framework's part of one case, a call at a time: JSON lines in, JSON lines out.

    python -m benchmarks.frameworks.worker FRAMEWORK CASE THREADS

A request is ``{"task": name, "batch": number, "save": path or null}``, the task one of those that
the framework's ``build`` returns; the answer has seconds by the clock and of the processor, and the
process's peak memory so far in MiB. With ``save`` the results go there as an .npz. Every call but
the first is made twice, and the second one timed: threads of the process before may still spin,
and own ones have to wake.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time

import numpy as np

from benchmarks.frameworks.cases import CASES, WIDTHS


def main() -> None:
    framework, name, threads = sys.argv[1:]
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer
    module = importlib.import_module(f"benchmarks.frameworks.with_{framework}")
    module.set_threads(int(threads))
    case = {**CASES, **{case.name: case for case in WIDTHS.values()}}[name]
    tasks = module.build(case, case.arrays())

    def answer(**values: object) -> None:
        print(json.dumps(values), file=answers, flush=True)

    answer(version=module.VERSION)
    called = False
    for line in sys.stdin:
        request = json.loads(line)
        if called:
            tasks[request["task"]](request["batch"])
        called = True
        cpu, clock = time.process_time(), time.perf_counter()
        results = tasks[request["task"]](request["batch"])
        cpu, clock = time.process_time() - cpu, time.perf_counter() - clock
        if request["save"]:
            np.savez(request["save"], **results)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        answer(clock=clock, cpu=cpu, peak_mib=peak)


if __name__ == "__main__":
    main()
