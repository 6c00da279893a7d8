"""Programs that benchmarks/accelerator.py writes: their signatures, and what JAX makes of them."""

from __future__ import annotations

import dataclasses
import itertools
import subprocess

import numpy as np
import pytest
from tensorflow.compiler.xla import xla_data_pb2
from tensorflow.compiler.xla.service import hlo_pb2

from benchmarks.frameworks import lowering
from benchmarks.frameworks.cases import CASES
from benchmarks.frameworks.processes import PYTHONS, ROOT, difference
from benchmarks.frameworks.with_tensorflow import build
from tests.benchmarks.test_frameworks import tiny

TASKS = ("train", "encode", "decode")
PRECISIONS = {
    "float32": xla_data_pb2.PrecisionConfig.HIGHEST,
    "tf32": xla_data_pb2.PrecisionConfig.DEFAULT,
    "bfloat16": xla_data_pb2.PrecisionConfig.DEFAULT,
}
IN_JAX = """
import sys
from pathlib import Path
import numpy as np
from benchmarks.frameworks import programs
folder, name = Path(sys.argv[1]), sys.argv[2]
known = dict(np.load(folder / "known.npz"))
for task in sys.argv[3:]:
    results = dict(np.load(folder / f"{name}_{task}.npz"))
    for path in folder.glob(f"{name}_{task}_*_float32.npz"):
        step = programs.load(path, known, results)
        np.savez(folder / f"jax_{path.name}", **step.function(step.weights, step.batches[0]))
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with the programs of a tiny case, the case, and its arrays."""
    folder = tmp_path_factory.mktemp("programs")
    case, arrays = tiny(dataclasses.replace(CASES["coinpp_64x5"], steps=2))
    with pytest.MonkeyPatch.context() as patch:  # so that it has the sines of a large case
        patch.setattr("mscn_tf.networks.sine._COMPILED_SIZE", 1)
        lowering.write(folder, case, arrays, TASKS)
    return folder, case, arrays


def load(folder, name: str) -> dict[str, np.ndarray]:
    with np.load(folder / f"{name}.npz") as file:
        return dict(file)


def test_results_are_tensorflow_s(written):
    folder, case, arrays = written
    for task, run in build(case, arrays).items():
        results = {"written": load(folder, f"{case.name}_{task}"), "tensorflow": run(0)}
        assert difference(results) < 1e-5


@pytest.mark.parametrize(
    ("task", "sine", "precision"), list(itertools.product(TASKS, lowering.SINES, PRECISIONS))
)
def test_program_takes_and_returns_what_is_named(written, task, sine, precision):
    folder, case, arrays = written
    known, results = {**arrays, "codes": case.codes()}, load(folder, f"{case.name}_{task}")
    saved = load(folder, f"{case.name}_{task}_{sine}_{precision}")
    module = hlo_pb2.HloModuleProto.FromString(saved["hlo"].tobytes())

    batches, *weights = saved["arguments"]
    unused = {"pictures", "step_sizes"} if task == "decode" else {"pictures"}
    assert set(weights) == set(arrays) - unused
    taken = [known[batches][0].shape, *(known[name].shape for name in weights)]
    shape = module.host_program_shape
    assert [tuple(each.dimensions) for each in shape.parameters] == taken
    returned = [results[name].shape for name in saved["results"]]
    parts = shape.result.tuple_shapes or [shape.result]
    assert [tuple(each.dimensions) for each in parts] == returned

    steps = [each for part in module.computations for each in part.instructions]
    assert any(each.opcode == "sine" for each in steps) == (sine == "sine")
    products = [each.precision_config.operand_precision for each in steps if each.opcode == "dot"]
    assert products
    assert all(set(factors) == {PRECISIONS[precision]} for factors in products)


@pytest.mark.skipif(not PYTHONS["jax"].exists(), reason="needs JAX: make bench")
def test_jax_computes_the_same(written):
    folder, case, arrays = written
    np.savez(folder / "known.npz", codes=case.codes(), **arrays)
    subprocess.run([PYTHONS["jax"], "-c", IN_JAX, folder, case.name, *TASKS], cwd=ROOT, check=True)
    for task, sine in itertools.product(TASKS, lowering.SINES):
        name = f"{case.name}_{task}"
        found = load(folder, f"jax_{name}_{sine}_float32")
        assert difference({"tensorflow": load(folder, name), "jax": found}) < 1e-4
