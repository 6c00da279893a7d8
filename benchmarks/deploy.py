"""One file decoded by everything that can: agreement, sizes, cold start and speed in one run.

    make web node
    python benchmarks/deploy.py

Exports the codec, encodes a part of the demo's picture, and decodes it in a fresh process each:
prints the table of docs/deploy.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import numpy as np
from absl import app, flags
from PIL import Image

from mscn_tf.runtime.bundle import SHIPPED

ROOT = Path(__file__).resolve().parents[1]
NODE = ROOT / "build" / "node" / "node_modules"
WEB = ROOT / "build" / "web"
CODEC, SIDE, TILE, QUALITY, REPEATS = "thumb32", 256, 32, 7, 5
BUNDLE = SHIPPED / f"{CODEC}.mscnb"
RUNTIME = ("absl-py", "constriction", "flatbuffers", "numpy", "onnxruntime", "packaging")
RUNTIME += ("pillow", "protobuf", "tqdm")

WORKER = flags.DEFINE_string("worker", None, "used by the program itself")
FOLDER = flags.DEFINE_string("folder", None, "used by the program itself")
Decode = Callable[[], np.ndarray]


def of_runtime(folder: Path) -> Decode:
    """Range decoder, and the bundle's graph in ONNX Runtime."""
    from mscn_tf.runtime import FileDecoder

    codec, data = FileDecoder.load(BUNDLE), (folder / "in.mscn").read_bytes()
    return lambda: codec.decode(data)


def inputs_of(folder: Path, function: str) -> dict[str, np.ndarray]:
    """Arguments of a function, from the range decoder."""
    from mscn_tf.runtime import FileDecoder

    data = (folder / "in.mscn").read_bytes()
    return FileDecoder.load(BUNDLE).graph_inputs(data, function=function)


def of_tensorflow(folder: Path) -> Decode:
    """The network as it is trained."""
    from mscn_tf.export.functions import Functions
    from mscn_tf.runtime.bundle import Bundle

    functions, inputs = Functions(Bundle.load(BUNDLE)), inputs_of(folder, "decode_grid")
    return lambda: functions("decode_grid", **inputs)[0]


def of_saved_model(folder: Path) -> Decode:
    """Decodes with the SavedModel as TensorFlow Serving loads it."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder / "saved_model"))
    inputs = {name: tf.constant(value) for name, value in inputs_of(folder, "decode_grid").items()}
    return lambda: loaded.signatures["decode_grid"](**inputs)["picture"].numpy()[0]


def of_onnx(folder: Path) -> Decode:
    """The exported graph, in ONNX Runtime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        folder / "onnx" / "decode_grid.onnx", providers=["CPUExecutionProvider"]
    )
    inputs = inputs_of(folder, "decode_grid")
    return lambda: session.run(["picture"], inputs)[0][0]


def of_tflite(folder: Path, precision: str) -> Decode:
    """TFLite's interpreter, tile by tile into the picture."""
    import tensorflow as tf

    from mscn_tf.runtime import FileDecoder

    interpreter = tf.lite.Interpreter(str(folder / f"{precision}.tflite"), num_threads=2)
    run, inputs = interpreter.get_signature_runner(), inputs_of(folder, "decode")
    codec, data = FileDecoder.load(BUNDLE), (folder / "in.mscn").read_bytes()
    return lambda: codec.from_graph(run(**inputs)["values"], data)


WORKERS: dict[str, Callable[[Path], Decode]] = {
    "runtime": of_runtime,
    "tensorflow": of_tensorflow,
    "saved_model": of_saved_model,
    "onnx": of_onnx,
    **{
        precision: lambda folder, precision=precision: of_tflite(folder, precision)
        for precision in ("float32", "float16", "int8")
    },
}


def work(name: str, folder: Path) -> None:
    """A process that decodes: prints when the first picture was there and the best time after."""
    decode = WORKERS[name](folder)
    picture = decode()
    first, times = time.time(), []
    for _ in range(REPEATS):
        start = time.perf_counter()
        decode()
        times.append(time.perf_counter() - start)
    np.save(folder / f"{name}.npy", picture)
    print(json.dumps({"first": first, "best": min(times)}))


def measured(name: str, folder: Path) -> tuple[float, float, np.ndarray]:
    """Seconds from a process's start to the picture, those of a later one, and the picture."""
    command = [sys.executable, __file__, f"--worker={name}", f"--folder={folder}"]
    begin = time.time()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    found = json.loads(done.stdout)
    return found["first"] - begin, found["best"], np.load(folder / f"{name}.npy")


def measured_in_node(name: str, folder: Path) -> tuple[float, float, np.ndarray]:
    """The same of the package for Node.js; cold start is the whole process less the repeats."""
    script, target = ROOT / "build" / "node" / "decode.mjs", folder / f"{name}.png"
    files = [folder / "in.mscn", BUNDLE, target]
    begin = time.time()
    subprocess.run(["node", script, f"--runtime={name}", *files], check=True, capture_output=True)
    cold = time.time() - begin
    done = subprocess.run(
        ["node", script, f"--runtime={name}", f"--repeat={REPEATS + 1}", *files],
        check=True,
        stdout=subprocess.PIPE,
    )
    return cold, json.loads(done.stdout)["best"] / 1000, np.asarray(Image.open(target))


def export(folder: Path) -> None:
    """What is measured."""
    from mscn_tf.codec import Codec

    picture = np.asarray(Image.open(ROOT / "demo" / "kodim.png"))[:SIDE, :SIDE]
    (folder / "in.mscn").write_bytes(Codec.load(BUNDLE).encode(picture, quality=QUALITY))
    mscn = [Path(sys.executable).with_name("mscn"), "export", f"--codec={CODEC}"]
    for kind in ("saved_model", "onnx"):
        subprocess.run([*mscn, f"--format={kind}", folder / kind], check=True)
    for precision in ("float32", "float16", "int8"):
        target = folder / f"{precision}.tflite"
        subprocess.run([*mscn, "--format=tflite", f"--precision={precision}", target], check=True)


def size_of(*paths: Path) -> int:
    """Bytes of files, and of all files in folders."""
    files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*"))]
    return sum(file.stat().st_size for file in files if file.is_file())


def installed(names: set[str]) -> int:
    """Bytes that installed distributions take."""
    files = [file for name in names for file in metadata.files(name) or []]
    return sum(Path(file.locate()).stat().st_size for file in files if file.locate().is_file())


def requirements(name: str, found: set[str]) -> set[str]:
    """Names of an installed distribution and of all that it needs."""
    from packaging.requirements import Requirement

    if name not in found:
        found.add(name)
        for text in metadata.requires(name) or []:
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                requirements(needed.name.lower().replace("_", "-"), found)
    return found


def main(argv: list[str]) -> None:
    """Measures all and prints the table."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    if WORKER.value:
        work(WORKER.value, Path(FOLDER.value))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export(folder)
        package = size_of(*(ROOT / "mscn_tf" / part for part in ("runtime", "codec", "signals")))
        light = installed(set(RUNTIME)) + package
        heavy = installed(requirements("tensorflow", set()))
        node = size_of(NODE / "onnxruntime-common")
        node += size_of(NODE / "onnxruntime-node" / "bin" / "napi-v6" / "linux" / "x64")
        lite, graph = "part of TensorFlow", folder / "onnx" / "decode_grid.onnx"
        rows = [
            ("`mscn_tf.runtime`", measured("runtime", folder), size_of(BUNDLE), light),
            ("TensorFlow, from the bundle", measured("tensorflow", folder), size_of(BUNDLE), heavy),
            ("SavedModel", measured("saved_model", folder), size_of(folder / "saved_model"), heavy),
            ("ONNX Runtime, Python", measured("onnx", folder), size_of(graph), light),
            ("onnxruntime-node", measured_in_node("node", folder), size_of(BUNDLE), node),
            (
                "the page's JavaScript, in Node.js",
                measured_in_node("web", folder),
                size_of(BUNDLE),
                size_of(WEB / "vendor", *WEB.glob("*.js")),
            ),
            *(
                (f"TFLite, {p}", measured(p, folder), size_of(folder / f"{p}.tflite"), lite)
                for p in ("float32", "float16", "int8")
            ),
        ]
    pictures = [picture.astype(int) for _, (_, _, picture), *_ in rows]
    exact = pictures[:-1]  # all but the 8-bit one
    print("| decoded by | artefact, MB | install, MB | cold start, s | Mpixel/s | off by at most |")
    print("|---|---|---|---|---|---|")
    for (label, (cold, best, _), artefact, install), picture in zip(rows, pictures):
        place = install if isinstance(install, str) else f"{install / 1e6:.0f}"
        worst = max(np.abs(picture - other).max() for other in exact)
        cells = [label, f"{artefact / 1e6:.1f}", place, f"{cold:.2f}"]
        print("|", " | ".join([*cells, f"{SIDE**2 / best / 1e6:.2f}", str(worst)]), "|")


if __name__ == "__main__":
    app.run(main)
