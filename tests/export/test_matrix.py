"""Every shipped codec in every format, by the command, in each program that reads it.

The programs run in processes of their own where they are not the TensorFlow and ONNX Runtime of
these tests. OpenVINO and the newest TensorFlow live in environments under build/readers, which are
made where they are missing. What comes out is compared with what the runtime decodes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Union

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from mscn_tf.codec import Codec
from mscn_tf.export.functions import Functions
from mscn_tf.export.saved_model import write_saved_model
from mscn_tf.export.tflite import tflite_decoder
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.container import grid
from mscn_tf.runtime.modality import Modality
from tests.apps.conftest import Folder

ROOT = Path(__file__).resolve().parents[2]
READERS = Path(__file__).resolve().parent / "readers"
VENDOR = ROOT / "build" / "web" / "vendor"
Inputs = dict[str, np.ndarray]
Argument = Union[str, Path]


def environment(package: str) -> Path:
    """The Python of an environment that has the newest of a package."""
    folder = ROOT / "build" / "readers" / package
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    install = [python, "-m", "pip", "install", "-q", package]
    done = subprocess.run(install, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{package} can't be installed: {done.stderr.strip().splitlines()[-1]}")
    return python


def run(*command: Argument) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def in_python(python: Argument, script: str, folder: Path, inputs: Inputs, *given: Argument) -> Any:
    """What a reader makes of inputs."""
    np.savez(folder / "inputs.npz", **inputs)
    run(python, READERS / script, *given, folder / "inputs.npz", folder / "values.npy")
    return np.load(folder / "values.npy")


def tensorflow(folder: Path, inputs: Inputs) -> np.ndarray:
    loaded = tf.saved_model.load(str(folder / "saved_model"))
    return loaded.signatures["decode"](**inputs)["values"].numpy()


def newest_tensorflow(folder: Path, inputs: Inputs) -> np.ndarray:
    python = environment("tensorflow-cpu")
    return in_python(python, "saved_model.py", folder, inputs, folder / "saved_model")


def saved_model_cli(folder: Path, inputs: Inputs) -> np.ndarray:
    for name, value in inputs.items():
        np.save(folder / f"{name}.npy", value)
    given = ";".join(f"{name}={folder / name}.npy" for name in inputs)
    program = Path(sys.executable).with_name("saved_model_cli")
    command = [program, "run", "--dir", folder / "saved_model", "--tag_set", "serve"]
    command += ["--signature_def", "decode", "--inputs", given, "--outdir", folder, "--overwrite"]
    run(*command)
    return np.load(folder / "values.npy")


def c_library(folder: Path, inputs: Inputs) -> np.ndarray:
    model = SavedModel.FromString((folder / "saved_model" / "saved_model.pb").read_bytes())
    signature = model.meta_graphs[0].signature_def["decode"]
    tensors = {**signature.inputs, **signature.outputs}
    names = {name: tensor.name for name, tensor in tensors.items()}
    (folder / "tensors.json").write_text(json.dumps(names))
    library = Path(find_spec("tensorflow").origin).with_name("libtensorflow_cc.so.2")
    if not library.exists():
        pytest.skip(f"TensorFlow {tf.__version__} comes without {library.name}")
    given = (library, folder / "saved_model", folder / "tensors.json")
    return in_python(sys.executable, "c_library.py", folder, inputs, *given)


def onnx_runtime(folder: Path, inputs: Inputs) -> np.ndarray:
    for other in (folder / "onnx").glob("*.onnx"):
        onnxruntime.InferenceSession(other)
    return onnxruntime.InferenceSession(folder / "onnx" / "decode.onnx").run(None, inputs)[0]


def onnx_in_node(folder: Path, inputs: Inputs) -> np.ndarray:
    if not VENDOR.exists():
        pytest.skip("needs the built page: make web")
    given = {
        name: {"type": value.dtype.name, "shape": value.shape, "data": value.ravel().tolist()}
        for name, value in inputs.items()
    }
    (folder / "inputs.json").write_text(json.dumps(given))
    files = (VENDOR, folder / "onnx" / "decode.onnx", folder / "inputs.json", folder / "values")
    run("node", READERS / "onnx_in_node.mjs", *files)
    session = onnxruntime.InferenceSession(folder / "onnx" / "decode.onnx")
    values = np.fromfile(folder / "values", np.float32)
    return values.reshape(session.run(None, inputs)[0].shape)


def openvino(folder: Path, inputs: Inputs) -> np.ndarray:
    graph = folder / "onnx" / "decode.onnx"
    return in_python(environment("openvino"), "openvino_runtime.py", folder, inputs, graph)


def tflite(folder: Path, inputs: Inputs) -> np.ndarray:
    return tf.lite.Interpreter(str(folder / "tflite")).get_signature_runner()(**inputs)["values"]


CONSUMERS: dict[str, Callable[[Path, Inputs], np.ndarray]] = {
    "TensorFlow": tensorflow,
    "newest TensorFlow": newest_tensorflow,
    "`saved_model_cli`": saved_model_cli,
    "TensorFlow's C library": c_library,
    "ONNX Runtime": onnx_runtime,
    "ONNX Runtime in Node.js": onnx_in_node,
    "OpenVINO": openvino,
    "TFLite": tflite,
}
FORMATS = {"saved_model": 4, "onnx": 3, "tflite": 1}  # and how many of the consumers are theirs
EXACT = ("field", "surface")  # codecs whose graphs give what the runtime gives, to the bit
FORMS = [form for form, count in FORMATS.items() for _ in range(count)]  # of each consumer


def table() -> str:
    """The matrix as it stands in the docs."""
    lines = [f"| codec | {' | '.join(CONSUMERS)} |", "|---" * (1 + len(CONSUMERS)) + "|"]
    lines.append(f"| `--format=` | {' | '.join(f'`{form}`' for form in FORMS)} |")
    for name in Bundle.names():
        lines.append(f"| `{name}` | {' | '.join(['yes'] * len(CONSUMERS))} |")
    return "\n".join(lines) + "\n"


def test_the_matrix_in_the_docs():
    assert len(FORMS) == len(CONSUMERS)
    assert table() in (ROOT / "docs" / "deploy.md").read_text()


@cache
def file_of(name: str) -> bytes:
    """A file of a codec: symbols made up where any will do, else of a picture, field or ball."""
    codec = Codec.load(name)
    manifest = codec.bundle.manifest
    modality, edge = Modality.named(manifest.modality), manifest.tile_edge
    if modality.pixels and not manifest.code_size:
        picture = np.asarray(Image.open(ROOT / "demo" / "kodim.png"))[200:263, 300:397]
        return codec.encode(picture, quality=5.5)
    if not manifest.code_size:
        places = np.stack(np.indices((22, 40, 18)[: modality.axes]), -1).astype(np.float32)
        signal = np.linalg.norm(places - 9.3, axis=-1, keepdims=True) - 7
        return codec.encode(signal, max_error=1e-3 if codec.bundle.scheme.keeps_bounds else None)
    shape = (9, 18) if modality.sphere else (edge + edge // 4,) * modality.axes
    tiles = int(np.prod(grid(shape, edge, manifest.tile_overlap)))
    random = np.random.default_rng(0)
    symbols = random.integers(-2, 3, (tiles, manifest.code_size), dtype=np.int32)
    symbols *= random.random(symbols.shape) < 0.1
    return codec.pack(symbols, [shape], [88], [manifest.channels])


def check(name: str, consumer: Callable[[Path, Inputs], np.ndarray], folder: Path) -> None:
    """What was exported gives the signal that the runtime decodes, but for rounding."""
    codec, data = Codec.load(name), file_of(name)
    found = codec.from_graph(consumer(folder, codec.graph_inputs(data)), data)
    expected = codec.decode(data)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert np.ptp(expected.astype(float)) > 0
    apart = np.abs(found.astype(float) - expected)
    if name in EXACT:
        assert not apart.any()
    elif expected.dtype == bool:
        assert apart.mean() < 1e-3  # a value may lie on the border
    else:
        assert apart.max() <= (1 if expected.dtype == np.uint8 else 2e-4 * codec.peak)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Folders with a codec in a format, each made once, by the command."""
    folders: dict[str, Path] = {}

    def of(codec: str, form: str) -> Path:
        folder = folders.setdefault(codec, tmp_path_factory.mktemp("exports"))
        if not (folder / form).exists():
            Folder(folder).mscn("export", f"--codec={codec}", f"--format={form}", form)
        return folder

    return of


@pytest.mark.slow
@pytest.mark.parametrize("consumer", CONSUMERS)
@pytest.mark.parametrize("codec", Bundle.names())
def test_every_codec_in_every_program(exported, codec, consumer):
    form = FORMS[list(CONSUMERS).index(consumer)]
    check(codec, CONSUMERS[consumer], exported(codec, form))


def test_fields(tmp_path):
    """Functions that nobody has called yet are traced by the writers."""
    write_saved_model(tmp_path / "saved_model", Functions(Bundle.load("temperature")))
    check("temperature", tensorflow, tmp_path)
    model = tflite_decoder(Functions(Bundle.load("temperature")))
    (tmp_path / "tflite").write_bytes(model)
    check("temperature", tflite, tmp_path)
