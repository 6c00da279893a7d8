"""What is exported, read by programs other than the TensorFlow that wrote it, in their processes.

OpenVINO and the newest TensorFlow live in environments under build/readers, which are made where
they are missing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from mscn_tf.export.functions import Functions
from mscn_tf.export.onnx import function_graph
from mscn_tf.export.saved_model import write_saved_model
from mscn_tf.runtime.bundle import Bundle

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = ROOT / "tests" / "golden" / "v1.mscnb"
SCRIPTS = Path(__file__).resolve().parent / "readers"

pytestmark = pytest.mark.slow


def environment(name: str, package: str) -> Path:
    """The Python of an environment that has the newest of a package."""
    folder = ROOT / "build" / "readers" / name
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    install = [python, "-m", "pip", "install", "-q", package]
    done = subprocess.run(install, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{package} can't be installed: {done.stderr.strip().splitlines()[-1]}")
    return python


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder with the SavedModel, the ONNX graph and inputs; and the values expected of them."""
    folder, bundle = tmp_path_factory.mktemp("exported"), Bundle.load(BUNDLE)
    functions = Functions(bundle)
    write_saved_model(folder / "model", functions)
    (folder / "decode.onnx").write_bytes(function_graph(functions, bundle, "decode"))
    random = np.random.default_rng(0)
    inputs = {
        "symbols": random.integers(-3, 4, [5, 96]).astype(np.int32),
        "rows": np.tile(np.linspace(-1, 1, 19, dtype=np.float32), [5, 1]),
        "cols": np.tile(np.linspace(-1, 1, 23, dtype=np.float32), [5, 1]),
        "quality": np.array([1, 3.5, 5, 8, 10], np.float32),
    }
    np.savez(folder / "inputs.npz", **inputs)
    expected = functions("decode", **inputs)
    assert np.ptp(expected) > 0.5
    return folder, expected


def check(exported, python, script, *arguments):
    """Runs a reader; its values must be those of the network that was exported."""
    folder, expected = exported
    command = [python, SCRIPTS / script, *arguments]
    command += [folder / "inputs.npz", folder / "values.npy"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = np.load(folder / "values.npy")
    (folder / "values.npy").unlink()
    print(done.stdout.strip(), "differs by at most", np.abs(found - expected).max())
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_c_library(exported):
    folder, _ = exported
    model = SavedModel.FromString((folder / "model" / "saved_model.pb").read_bytes())
    signature = model.meta_graphs[0].signature_def["decode"]
    tensors = {**signature.inputs, **signature.outputs}
    names = {name: tensor.name for name, tensor in tensors.items()}
    (folder / "tensors.json").write_text(json.dumps(names))
    library = Path(find_spec("tensorflow").origin).with_name("libtensorflow_cc.so.2")
    if not library.exists():
        pytest.skip(f"TensorFlow {tf.__version__} comes without {library.name}")
    arguments = (library, folder / "model", folder / "tensors.json")
    check(exported, sys.executable, "c_library.py", *arguments)


def test_openvino(exported):
    python = environment("openvino", "openvino")
    check(exported, python, "openvino_runtime.py", exported[0] / "decode.onnx")


def test_newest_tensorflow(exported):
    python = environment("tensorflow", "tensorflow-cpu")
    check(exported, python, "saved_model.py", exported[0] / "model")
