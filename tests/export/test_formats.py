"""Every shipped tile codec in every format, by the command, against the runtime's values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

from mscn_tf.export.functions import Functions
from mscn_tf.export.saved_model import write_saved_model
from mscn_tf.export.tflite import tflite_decoder
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.decoder import Decoder
from mscn_tf.runtime.grids import axis_names
from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.tiles import Tiles
from tests.apps.conftest import Folder

TILE_CODECS = [name for name in Bundle.names() if issubclass(Bundle.load(name).scheme, Tiles)]
QUALITY = np.array([1, 5.5, 10], np.float32)

Inputs = dict[str, np.ndarray]


def inputs_of(bundle: Bundle) -> Inputs:
    """Symbols of three tiles, and another number of positions along each axis."""
    random = np.random.default_rng(0)
    names = axis_names(Modality.named(bundle.manifest.modality).axes)
    grid = {name: np.sort(random.uniform(-1, 1, (3, n)), 1) for name, n in zip(names, (5, 6, 7))}
    symbols = random.integers(-2, 3, (3, Tiles(bundle).prior.coefficients))
    typed = {name: axis.astype(np.float32) for name, axis in grid.items()}
    return {"symbols": symbols.astype(np.int32), **typed, "quality": QUALITY}


def runtime_values(bundle: Bundle, inputs: Inputs) -> np.ndarray:
    """float64 ``[3, .., C]``: of the decoder that TensorFlow has no part in."""
    symbols, *grid, quality = inputs.values()
    code = Tiles(bundle).prior.dequantise(symbols, np.rint(16 * quality).astype(int))
    return Decoder(bundle)(code, [axis.astype(np.float64) for axis in grid], quality)


def of_saved_model(path: Path, inputs: Inputs) -> np.ndarray:
    loaded = tf.saved_model.load(str(path))
    assert sorted(loaded.signatures) == ["decode", "decode_grid", "encode", "serving_default"]
    return loaded.signatures["decode"](**inputs)["values"].numpy()


def of_onnx(path: Path, inputs: Inputs) -> np.ndarray:
    for name in ("decode_grid", "encode"):
        onnxruntime.InferenceSession(path / f"{name}.onnx")
    return onnxruntime.InferenceSession(path / "decode.onnx").run(None, inputs)[0]


def of_tflite(path: Path, inputs: Inputs) -> np.ndarray:
    interpreter = tf.lite.Interpreter(str(path))
    return interpreter.get_signature_runner("serving_default")(**inputs)["values"]


READERS: dict[str, Callable[[Path, Inputs], np.ndarray]] = {
    "saved_model": of_saved_model,
    "onnx": of_onnx,
    "tflite": of_tflite,
}


def check(codec: str, form: str, path: Path) -> None:
    """What was exported decodes as the runtime does: no NaN, and nearly the same numbers."""
    bundle = Bundle.load(codec)
    inputs = inputs_of(bundle)
    expected = runtime_values(bundle, inputs)
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(READERS[form](path, inputs), expected, rtol=0, atol=2e-4)


@pytest.mark.slow
@pytest.mark.parametrize("form", READERS)
@pytest.mark.parametrize("codec", TILE_CODECS)
def test_command(tmp_path, codec, form):
    Folder(tmp_path).mscn("export", f"--codec={codec}", f"--format={form}", "out")
    check(codec, form, tmp_path / "out")


@pytest.mark.parametrize("form", ["saved_model", "tflite"])
def test_fields(tmp_path, form):
    """Functions that nobody has called yet are traced by the writer."""
    functions, path = Functions(Bundle.load("temperature")), tmp_path / "out"
    if form == "saved_model":
        write_saved_model(path, functions)
    else:
        path.write_bytes(tflite_decoder(functions))
    check("temperature", form, path)
