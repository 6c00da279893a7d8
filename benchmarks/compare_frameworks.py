"""Meta-training steps, inner loops and decoding: this library beside PyTorch and JAX, in turns.

The networks are those of benchmarks/frameworks/cases.py. Each framework runs in a process of its
own and is asked for one timed call after the other, all frameworks in turns. Before that the
losses, gradients, codes and values of all must agree. Writes JSON and a Markdown table.

    python benchmarks/compare_frameworks.py [--cases=NAME,..] [--repeats=N] [--out=FOLDER]

Needs the environments that `make bench` makes: build/bench/torch and build/bench/jax.
"""

from __future__ import annotations

import json
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.frameworks.cases import CASES  # noqa: E402
from benchmarks.frameworks.processes import THREADS, Worker, check_there, difference  # noqa: E402

FRAMEWORKS = ("tensorflow", "torch", "jax")
TASKS = ("train", "encode", "decode")
# Of the largest element of each result; sines of large arguments differ by so much.
TOLERANCE = 2e-3

NAMES = flags.DEFINE_list("cases", list(CASES), "which cases")
REPEATS = flags.DEFINE_integer("repeats", 10, "timed calls of each", lower_bound=1)
WARM_UP = flags.DEFINE_integer("warm_up", 2, "calls of each before, not timed", lower_bound=1)
OUT = flags.DEFINE_string("out", "build/frameworks", "folder of frameworks.json and frameworks.md")


def summary(calls: list[dict[str, float]], first: dict[str, float]) -> dict[str, float]:
    """Milliseconds of the timed calls; seconds that the first one took longer."""
    clock, cpu = ([1000 * call[kind] for call in calls] for kind in ("clock", "cpu"))
    return {
        "min_ms": round(min(clock), 2),
        "median_ms": round(float(np.median(clock)), 2),
        "cpu_ms": round(float(np.median(cpu)), 2),
        "compile_s": round(first["clock"] - float(np.median(clock)) / 1000, 2),
        "peak_mib": round(calls[-1]["peak_mib"]),
    }


def measure(case: str, repeats: int) -> dict[str, Any]:
    """All tasks of one case."""
    measured: dict[str, Any] = {"case": case, "versions": {}, "tasks": {}}
    for task in TASKS:  # new processes, so that peak memory is one task's
        workers = {framework: Worker(framework, case) for framework in FRAMEWORKS}
        measured["versions"] = {name: worker.version for name, worker in workers.items()}
        firsts, results = {}, {}
        with tempfile.TemporaryDirectory() as folder:
            for name, worker in workers.items():
                path = f"{folder}/{name}.npz"
                firsts[name] = worker.call(task, 0, path)
                with np.load(path) as saved:
                    results[name] = dict(saved)
        worst = difference(results)
        if worst > TOLERANCE:
            raise SystemExit(f"{case}, {task}: results differ by {worst:.2g} of the largest")
        calls: dict[str, list[dict[str, float]]] = {name: [] for name in workers}
        for run in range(-WARM_UP.value, repeats):
            for name, worker in workers.items():
                taken = worker.call(task, run % 2)
                if run >= 0:
                    calls[name].append(taken)
        for worker in workers.values():
            worker.close()
        own = {name: summary(calls[name], firsts[name]) for name in calls}
        for name in own:
            for kind in ("min_ms", "median_ms"):
                ratio = own["tensorflow"][kind] / own[name][kind]
                own[name][f"ours_over_it_{kind[:-3]}"] = round(ratio, 2)
        measured["tasks"][task] = {"difference": worst, "frameworks": own}
    return measured


def codec_beside_coinpp(repeats: int) -> dict[str, float]:
    """Milliseconds a picture: `thumb32`, pixels to file, beside COIN++'s steps alone in PyTorch."""
    from mscn_tf.codec import Codec
    from mscn_tf.signals import images

    picture = images.read_picture(ROOT / "demo" / "kodim.png")
    blocks = picture[:256, :256].reshape(8, 32, 8, 32, 3)
    tiles = list(blocks.swapaxes(1, 2).reshape(-1, 32, 32, 3))
    codec, coinpp = Codec.load("thumb32"), Worker("torch", "coinpp_64x5")
    taken: dict[str, list[float]] = {"coinpp_64x5, torch": []}
    for run in range(-3, 3 * repeats):
        call = coinpp.call("encode", run % 2)
        if run >= 0:
            taken["coinpp_64x5, torch"].append(call["clock"] / CASES["coinpp_64x5"].pictures)
        for effort in (0, 1, 2):
            codec.encode(tiles, quality=5, effort=effort)  # as the workers: the second one counts
            start = time.perf_counter()
            codec.encode(tiles, quality=5, effort=effort)
            if run >= 0:
                each = (time.perf_counter() - start) / len(tiles)
                taken.setdefault(f"thumb32, effort {effort}", []).append(each)
    coinpp.close()
    return {name: round(1000 * float(np.median(each)), 3) for name, each in taken.items()}


def machine_rates() -> dict[str, float]:
    """Measured float32 rates, 10^9 a second: operations of products, sines, sines with cosines."""
    import tensorflow as tf

    from mscn_tf.networks.sine import sines_and_cosines

    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    matrix, values = tf.random.normal([2048, 2048]), 10 * tf.random.normal([2**20])

    def fastest(function) -> float:
        taken = []
        for _ in range(10):
            start = time.perf_counter()
            function().numpy()
            taken.append(time.perf_counter() - start)
        return min(taken)

    product = fastest(lambda: tf.matmul(matrix, matrix)[0, 0])
    both = fastest(lambda: sines_and_cosines(values, tf.zeros([]))[0][0])
    sines = min(both, fastest(lambda: tf.sin(values)[0]))
    return {
        "product_gflops": 2e-9 * 2048**3 / product,
        "sines_g": 1e-9 * 2**20 / sines,
        "sines_and_cosines_g": 1e-9 * 2**20 / both,
    }


def roofline_share(case: str, task: str, median_ms: float, rates: dict[str, float]) -> float:
    """Least time of a task's products and sines at the measured rates, over what it took.

    Counts a product forward, one backward to the hidden values, and where a weight's gradient is
    wanted one more; each of an inner step's counts three times where it is differentiated again.
    Sines come with cosines, unless there is nothing to differentiate.
    """
    spec = CASES[case]
    points = spec.pictures * 1024
    product = 2 * points * sum(m * n for m, n in zip(spec.sizes, spec.sizes[1:]))
    own = 3 if spec.modulation == "weight" else 2  # products of an inner step
    products, passes, kind = {
        "train": (3 * own * spec.steps + 3, spec.steps + 1, "sines_and_cosines_g"),
        "encode": (own * spec.steps, spec.steps, "sines_and_cosines_g"),
        "decode": (1, 1, "sines_g"),
    }[task]
    waves = passes * points * spec.width * (spec.layers - 1)
    least = 1e-9 * (products * product / rates["product_gflops"] + waves / rates[kind])
    return 1000 * least / median_ms


def table(report: dict[str, Any]) -> str:
    """Markdown."""
    rows = [
        "| case, task | framework | min, median ms | CPU ms | compile s | peak MiB | ratio |",
        "|---|---|---|---|---|---|---|",
    ]
    for measured in report["cases"]:
        for task, entry in measured["tasks"].items():
            for name, own in entry["frameworks"].items():
                rows.append(
                    f"| {measured['case']}, {task} | {name} | {own['min_ms']:.1f}, "
                    f"{own['median_ms']:.1f} | {own['cpu_ms']:.1f} | {own['compile_s']:.1f} | "
                    f"{own['peak_mib']} | {own['ours_over_it_min']}, "
                    f"{own['ours_over_it_median']} |"
                )
            rows.append(f"| | ours, of the roofline | {entry['roofline_share']:.0%} | | | | |")
    rows += ["", "| encoding | ms a picture |", "|---|---|"]
    rows += [f"| {name} | {each} |" for name, each in report["codec_ms_a_picture"].items()]
    return "\n".join(rows) + "\n"


def main(argv: list[str]) -> None:
    """Measures and writes."""
    check_there(FRAMEWORKS)
    measured = []
    for case in NAMES.value:
        measured.append(measure(case, REPEATS.value))
        print(json.dumps(measured[-1]), file=sys.stderr, flush=True)
    rates = machine_rates()
    for entry in measured:
        for task, own in entry["tasks"].items():
            median = own["frameworks"]["tensorflow"]["median_ms"]
            own["roofline_share"] = roofline_share(entry["case"], task, median, rates)
    report = {
        "machine": f"{platform.machine()}, {THREADS} threads",
        "rates": rates,
        "cases": measured,
        "codec_ms_a_picture": codec_beside_coinpp(REPEATS.value),
    }
    folder = Path(OUT.value)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "frameworks.json").write_text(json.dumps(report, indent=1) + "\n")
    (folder / "frameworks.md").write_text(table(report))
    print(json.dumps(rates))
    print(table(report))


if __name__ == "__main__":
    app.run(main)
