"""The library's training step, inner loop and decoding on an accelerator, beside JAX and PyTorch.

TensorFlow lowers its functions to XLA programs here, and JAX compiles and runs these on a machine
that needs no TensorFlow:

    python benchmarks/accelerator.py --write=FOLDER [--cases=NAME,..] [--times=N]
    python benchmarks/accelerator.py --run=FOLDER --out=FOLDER [--precision=tf32] [--times=N]

The second needs JAX, PyTorch or both. Cases are those of benchmarks/frameworks, and a training step
of the shipped `thumb32`, which is not written in the others. Results are compared with what
TensorFlow computed on the CPU when it wrote the programs. Then programs and the other frameworks
are asked for one timed call after the other, in turns; weights, batches and results stay on the
device. Writes JSON and a Markdown table. Compiling is, in PyTorch, the first call. Memory is what
arguments, results and intermediate values of an XLA program take; in PyTorch the most that was
allocated, which has both batches and all weights in it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Callable, NamedTuple

import numpy as np
from absl import app, flags

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.frameworks.cases import BATCHES, CASES, Case
from benchmarks.frameworks.processes import difference

TASKS = ("train", "encode", "decode")
THUMB32, TILES = "thumb32", 64  # as many as it is trained with
FRAMEWORKS = {
    "sine": "TensorFlow, XLA's sine",  # as the library is traced where there is a GPU
    "polynomials": "TensorFlow, own sine",
    "jax": "JAX",
    "torch": "PyTorch, eager",
}

WRITE = flags.DEFINE_string("write", None, "folder to write programs to; needs TensorFlow")
RUN = flags.DEFINE_string("run", None, "folder of the programs to run")
OUT = flags.DEFINE_string("out", "build/accelerator", "folder of a run's JSON and table")
NAMES = flags.DEFINE_list("cases", [*CASES, THUMB32], "which cases")
CHOSEN_TASKS = flags.DEFINE_list("tasks", list(TASKS), "which tasks of them")
TIMES = flags.DEFINE_integer("times", 1, "batches so many times as large", lower_bound=1)
CHOSEN = flags.DEFINE_list("frameworks", list(FRAMEWORKS), "what to run")
REPEATS = flags.DEFINE_integer("repeats", 30, "timed calls of each", lower_bound=1)
WARM_UP = flags.DEFINE_integer("warm_up", 3, "calls of each before, not timed", lower_bound=1)
PRECISION = flags.DEFINE_enum(
    "precision",
    "float32",
    ["float32", "tf32", "bfloat16"],
    "of products; bfloat16 those of hidden layers in ours alone, all others in TF32",
)
LIMIT = flags.DEFINE_float("limit_s", 220, "seconds after which no other task is begun")


class Prepared(NamedTuple):
    """What is timed.

    Attributes:
      call: computes results for the batch of this number, and waits for them.
      results: of the first batch, on the host.
      compile_s: seconds of compiling.
      peak_mib: memory on the device, if it is known.
    """

    call: Callable[[int], Any]
    results: dict[str, np.ndarray]
    compile_s: float
    peak_mib: float | None


def case_of(name: str) -> Case:
    """With its batch so many times as large as it is asked for."""
    return dataclasses.replace(CASES[name], pictures=TIMES.value * CASES[name].pictures)


def by_jax(framework: str, name: str, task: str, wanted: dict[str, np.ndarray]) -> Prepared:
    """A program of TensorFlow's, or JAX's form of it."""
    import jax

    from benchmarks.frameworks import programs, with_jax

    if framework == "jax":
        if PRECISION.value == "float32":  # XLA allows TF32 by default
            jax.config.update("jax_default_matmul_precision", "highest")
        step = with_jax.steps(case_of(name), case_of(name).arrays())[task]
    else:
        path = Path(RUN.value) / f"{name}_{task}_{framework}_{PRECISION.value}.npz"
        known = {**case_of(name).arrays(), "codes": case_of(name).codes()} if name in CASES else {}
        step = programs.load(path, known, wanted)
    start = time.perf_counter()
    compiled = step.function.lower(step.weights, step.batches[0]).compile()
    seconds = time.perf_counter() - start
    sizes = compiled.memory_analysis()
    size = sizes.argument_size_in_bytes + sizes.output_size_in_bytes + sizes.temp_size_in_bytes

    def call(number: int) -> dict[str, jax.Array]:
        return jax.block_until_ready(compiled(step.weights, step.batches[number]))

    return Prepared(call, with_jax.on_host(call(0)), seconds, size / 2**20)


def by_torch(framework: str, name: str, task: str, wanted: dict[str, np.ndarray]) -> Prepared:
    """PyTorch's form of it."""
    import torch

    from benchmarks.frameworks import with_torch

    del framework, wanted
    torch.set_float32_matmul_precision("highest" if PRECISION.value == "float32" else "high")
    step = with_torch.steps(case_of(name), case_of(name).arrays())[task]
    on_gpu = with_torch.DEVICE == "cuda"

    def call(number: int) -> dict[str, torch.Tensor]:
        results = step(number)
        if on_gpu:
            torch.cuda.synchronize()
        return results

    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    results = call(0)
    seconds = time.perf_counter() - start
    peak = torch.cuda.max_memory_allocated() / 2**20 if on_gpu else None
    return Prepared(call, with_torch.on_host(results), seconds, peak)


def measure(case: str, task: str, frameworks: list[str]) -> dict[str, dict[str, Any]]:
    """One task in all frameworks, in turns."""
    with np.load(Path(RUN.value) / f"{case}_{task}.npz") as file:
        wanted = dict(file)
    prepared: dict[str, Prepared] = {}
    for name in frameworks:
        prepare = by_torch if name == "torch" else by_jax
        try:
            prepared[name] = prepare(name, case, task, wanted)
        except Exception as error:  # such as too little memory: the machine is ours for minutes
            print(f"{case}, {task}, {name}: {error!r:.2000}", file=sys.stderr, flush=True)
    taken: dict[str, list[float]] = {name: [] for name in prepared}
    for run in range(-WARM_UP.value, REPEATS.value):
        for name, each in prepared.items():
            start = time.perf_counter()
            each.call(run % BATCHES)
            if run >= 0:
                taken[name].append(1000 * (time.perf_counter() - start))
    measured = {}
    for name, each in prepared.items():
        own = {"min": min(taken[name]), "median": float(np.median(taken[name]))}
        measured[name] = {
            **{f"{kind}_ms": ms for kind, ms in own.items()},
            "compile_s": each.compile_s,
            "peak_mib": each.peak_mib,
            "difference": difference({"cpu": wanted, name: each.results}, "cpu"),
        }
        if "sine" in measured:
            ratios = {kind: measured["sine"][f"{kind}_ms"] / ms for kind, ms in own.items()}
            measured[name]["ours_over_it"] = ratios
    return measured


def table(report: dict[str, Any]) -> str:
    """Markdown."""
    rows = [
        f"products: {report['products']}; batches {report['times']} times as large; "
        f"{report['devices']}",
        "",
        "| case, task | framework | min, median ms | compile s | peak MiB | differs by | ratio |",
        "|---|---|---|---|---|---|---|",
    ]
    for entry in report["tasks"]:
        for name, own in entry["frameworks"].items():
            peak = "" if own["peak_mib"] is None else f"{own['peak_mib']:.0f}"
            ratios = [f"{ratio:.2f}" for ratio in own.get("ours_over_it", {}).values()]
            rows.append(
                f"| {entry['case']}, {entry['task']} | {FRAMEWORKS[name]} | {own['min_ms']:.3f}, "
                f"{own['median_ms']:.3f} | {own['compile_s']:.1f} | {peak} | "
                f"{own['difference']:.1g} | {', '.join(ratios)} |"
            )
    return "\n".join(rows) + "\n"


def devices() -> dict[str, str]:
    """Of the frameworks that are there: version and device."""
    # Read when JAX is imported; else it takes most of the memory, and PyTorch finds too little.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    found = {}
    try:
        import jax

        found["jax"] = f"JAX {jax.__version__} on {jax.devices()[0].device_kind}"
    except ImportError as error:
        print(f"left out: {error}", file=sys.stderr)
    try:
        import torch

        on = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
        found["torch"] = f"PyTorch {torch.__version__} on {on}"
    except ImportError as error:
        print(f"left out: {error}", file=sys.stderr)
    return found


def run(folder: Path) -> None:
    """Measures, and writes after each task, so that nothing is lost when time is up."""
    start, found = time.perf_counter(), devices()
    needed = {name: "torch" if name == "torch" else "jax" for name in FRAMEWORKS}
    there = [name for name in FRAMEWORKS if name in CHOSEN.value and needed[name] in found]
    folder.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {
        "products": PRECISION.value,
        "times": TIMES.value,
        "devices": ", ".join(found.values()),
        "tasks": [],
    }
    for case in NAMES.value:
        own = [name for name in there if case in CASES or name == "sine"]
        for task in CHOSEN_TASKS.value if case in CASES else ["train"]:
            if time.perf_counter() - start > LIMIT.value:
                print(f"left out for lack of time: {case}, {task}", file=sys.stderr)
                continue
            entry = {"case": case, "task": task, "frameworks": measure(case, task, own)}
            report["tasks"].append(entry)
            print(json.dumps(entry), file=sys.stderr, flush=True)
            path = folder / f"accelerator_{TIMES.value}_{PRECISION.value}"
            path.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
            path.with_suffix(".md").write_text(table(report))
    print(table(report))


def main(argv: list[str]) -> None:
    """Writes, or runs."""
    if bool(WRITE.value) == bool(RUN.value):
        raise app.UsageError("either --write or --run")
    if RUN.value:
        run(Path(OUT.value))
        return
    from benchmarks.frameworks import lowering

    for name in NAMES.value:
        if name in CASES:
            case = case_of(name)
            lowering.write(Path(WRITE.value), case, case.arrays(), CHOSEN_TASKS.value)
        else:
            lowering.write_thumb32(Path(WRITE.value), TIMES.value * TILES)


if __name__ == "__main__":
    app.run(main)
