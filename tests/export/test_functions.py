"""What leaves TensorFlow beside the runtime: SavedModel, ONNX and TFLite of whole codecs."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from PIL import Image

from mscn_tf.codec import Codec, network
from mscn_tf.codec.tiling import as_floats, to_tiles
from mscn_tf.export.float_functions import example
from mscn_tf.export.functions import Functions
from mscn_tf.export.namespace import xp
from mscn_tf.export.onnx import OPSET, function_graph
from mscn_tf.export.saved_model import WARM_UP, write_saved_model
from mscn_tf.export.tflite import tflite_decoder
from mscn_tf.fitting.basis_codec import BasisCodec
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.grids import centres

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = str(ROOT / "tests" / "golden" / "v1.mscnb")
CIFAR = ROOT.parent / "shared" / "data" / "cifar10" / "test_first500.png"
DEMO = np.asarray(Image.open(ROOT / "demo" / "kodim.png"))
PICTURE, QUALITY = DEMO[100:163, 200:297], np.array([6.5], "f4")


@cache
def codec_of(name):
    return Codec.load(name)


@cache
def functions_of(name):
    return Functions(codec_of(name).bundle)


@cache
def graph_of(name, function):
    return function_graph(functions_of(name), codec_of(name).bundle, function)


@cache
def session(name, function):
    return onnxruntime.InferenceSession(
        graph_of(name, function), providers=["CPUExecutionProvider"]
    )


def run_onnx(name, function, **inputs):
    types = {
        i.name: "i4" if "int32" in i.type else "f4" for i in session(name, function).get_inputs()
    }
    inputs = {key: np.asarray(value, types[key]) for key, value in inputs.items()}
    return session(name, function).run(None, inputs)[0]


def run_tensorflow(name, function, **inputs):
    return functions_of(name)(function, **inputs)


BOTH = pytest.mark.parametrize("run", [run_tensorflow, run_onnx])
BOTH_SLOWLY = pytest.mark.parametrize(
    "run", [run_tensorflow, pytest.param(run_onnx, marks=pytest.mark.slow)]
)


@cache
def picture_file():
    codec = codec_of(GOLDEN)
    data = codec.encode(PICTURE, quality=float(QUALITY[0]), effort=1)
    return data, codec.decode_symbols(data).reshape(1, 4, 7, -1)


@BOTH
@pytest.mark.parametrize(
    ("size", "region"),
    [
        ((97, 63), (0, 0, 97, 63)),
        ((40, 50), (10, 20, 30, 35)),
        ((131, 90), (33, 7, 60, 21)),
        ((7, 5), (0, 0, 97, 63)),
        ((1, 1), (96, 62, 1, 1)),
    ],
)
def test_pictures_of_any_part_in_any_size(run, size, region):
    data, symbols = picture_file()
    expected = codec_of(GOLDEN).decode(data, size=size, region=region)
    picture = run(
        GOLDEN,
        "decode_grid",
        symbols=symbols,
        width=size[0],
        height=size[1],
        region=region,
        quality=QUALITY,
    )
    assert picture.dtype == np.uint8
    assert picture.shape == (1, *expected.shape)
    assert np.abs(picture[0].astype(int) - expected).max() <= 1


@BOTH
def test_two_pictures_at_once(run):
    _, symbols = picture_file()
    both = np.concatenate([symbols, symbols[:, ::-1]])
    sizes = {"width": 30, "height": 20, "region": (0, 0, 112, 64)}
    quality = np.array([6.5, 3], "f4")
    pictures = run(GOLDEN, "decode_grid", symbols=both, quality=quality, **sizes)
    for i in range(2):
        one = run(
            GOLDEN, "decode_grid", symbols=both[i : i + 1], quality=quality[i : i + 1], **sizes
        )
        assert np.abs(pictures[i].astype(int) - one[0]).max() <= 1


@BOTH
@pytest.mark.parametrize("quality", [1, 4.3, 10])
def test_symbols_are_the_encoders(run, quality):
    codec = codec_of(GOLDEN)
    tiles = to_tiles(DEMO[:100, :200], 16)
    q16 = np.full(len(tiles), round(16 * quality))
    whole = codec.encoder.codes(tiles, np.append(q16[1:], 160))  # no element left out
    expected = codec.encoder.quantise(whole, q16)
    quality = np.full(len(tiles), quality, "f4")
    symbols = run(GOLDEN, "encode", signals=as_floats(tiles), quality=quality)
    assert symbols.dtype == np.int32
    assert np.mean(symbols != expected) < 2e-3
    assert (symbols != 0).any()


@BOTH
def test_sounds_whose_tiles_overlap(run):
    codec = codec_of("speech")
    time = np.arange(1500)
    wave = (0.3 * np.sin(time / 9) * np.exp(-time / 700))[:, None].astype("f4")
    data = codec.encode(wave, quality=7)
    symbols = codec.decode_symbols(data)[None]
    for size, region in ((1500, (0, 1500)), (777, (100, 600))):
        expected = codec.decode(data, size=(size,), region=region)
        signal = run(
            "speech", "decode_grid", symbols=symbols, width=size, region=region, quality=[7.0]
        )
        np.testing.assert_allclose(signal[0], expected, rtol=0, atol=1e-4)


@BOTH_SLOWLY
def test_grids_of_three_axes(run):
    codec = codec_of("scene")
    grid = np.random.default_rng(0).uniform(-1, 1, (9, 12, 20, 4)).astype("f4")
    data = codec.encode(grid, quality=6)
    symbols = codec.decode_symbols(data).reshape(1, 2, 2, 3, -1)
    expected = codec.decode(data, size=(11, 9, 8), region=(1, 2, 3, 17, 9, 5))
    signal = run(
        "scene",
        "decode_grid",
        symbols=symbols,
        depth=8,
        height=9,
        width=11,
        region=(1, 2, 3, 17, 9, 5),
        quality=[6.0],
    )
    np.testing.assert_allclose(signal[0], expected, rtol=0, atol=2e-4)


@BOTH_SLOWLY
def test_fields_on_the_sphere(run):
    codec = codec_of("temperature")
    latitude = np.linspace(np.pi / 2, -np.pi / 2, 48)[1:-1, None]
    longitude = np.linspace(0, 2 * np.pi, 91)[None, :-1]
    field = 288 + 30 * np.cos(latitude) + 4 * np.sin(longitude) * np.cos(latitude)
    field = field[..., None].astype("f4")
    data = codec.encode(field, quality=8, effort=1)
    symbols = codec.decode_symbols(data)[None, None]
    expected = codec.decode(data, size=(60, 30))
    signal = run(
        "temperature",
        "decode_grid",
        symbols=symbols,
        height=30,
        width=60,
        region=(0, 90, 360, 180),
        quality=[8.0],
    )
    np.testing.assert_allclose(signal[0], expected, rtol=0, atol=0.02)
    signals = codec.scheme.values.normalise(field)[None]
    q16 = np.array([160])  # no element is left out
    expected = codec.encoder.quantise(codec.encoder.codes(signals, q16), q16)
    own = run("temperature", "encode", signals=signals, quality=[10.0])
    assert np.mean(own != expected) < 0.01


def test_the_gradient_is_the_tapes():
    bundle = codec_of(GOLDEN).bundle
    codec, model = BasisCodec.restored(bundle), bundle.manifest.model
    weights, on_grid = codec.network.named_weights(), network.functions_of(model, xp=xp)
    spelled_out = network.Network(model["network"], weights, on_grid, 96)
    random = np.random.default_rng(0)
    signals = tf.constant(random.uniform(0, 1, (5, 16, 16, 3)), tf.float32)
    code, quality = tf.constant(random.normal(size=(5, 96)), tf.float32), tf.fill([5], 4.0)
    tiles = tf.transpose(tf.reshape(signals, [5, 256, 3]), [2, 0, 1])
    with tf.GradientTape() as tape:
        tape.watch(code)
        error = codec.squared_error(signals, code, quality)
    np.testing.assert_allclose(
        spelled_out.gradient(tiles, quality, code),
        tape.gradient(error, code),
        rtol=0,
        atol=1e-3,
    )


def test_the_graphs_are_standard_and_name_their_bundle():
    bundle = codec_of(GOLDEN).bundle
    for name in ("decode", "decode_grid", "encode"):
        model = onnx.load_from_string(graph_of(GOLDEN, name))
        onnx.checker.check_model(model, full_check=True)
        assert {node.domain for node in model.graph.node} == {""}
        assert [(o.domain, o.version) for o in model.opset_import if not o.domain] == [("", OPSET)]
        known = {entry.key: entry.value for entry in model.metadata_props}
        assert known == {
            "name": "golden",
            "id": bundle.id.hex(),
            "bundle_version": "1",
            "function": name,
        }


def test_the_graphs_are_little_larger_than_their_bundle():
    """Which is deflated, and has weights once: those of ``encode`` stand there twice."""
    bundle = Path(GOLDEN).stat().st_size
    assert len(graph_of(GOLDEN, "decode")) < 2.5 * bundle
    assert len(graph_of(GOLDEN, "encode")) < 4 * bundle


def test_the_graphs_name_their_axes():
    shapes = {}
    for name in ("decode", "decode_grid", "encode"):
        graph = onnx.load_from_string(graph_of(GOLDEN, name)).graph
        for value in (*graph.input, *graph.output):
            sizes = value.type.tensor_type.shape.dim
            shapes[name, value.name] = [size.dim_param or size.dim_value for size in sizes]
    assert shapes == {
        ("decode", "symbols"): ["batch", 96],
        ("decode", "rows"): ["batch", "rows"],
        ("decode", "cols"): ["batch", "cols"],
        ("decode", "quality"): ["batch"],
        ("decode", "values"): ["batch", "rows", "cols", 3],
        ("decode_grid", "symbols"): ["batch", "tiles_rows", "tiles_cols", 96],
        ("decode_grid", "height"): [],
        ("decode_grid", "width"): [],
        ("decode_grid", "region"): [4],
        ("decode_grid", "quality"): ["batch"],
        ("decode_grid", "picture"): ["batch", "height", "width", 3],
        ("encode", "signals"): ["batch", 16, 16, 3],
        ("encode", "quality"): ["batch"],
        ("encode", "symbols"): ["batch", 96],
    }


def shared_values(**extra):
    symbols = picture_file()[1].reshape(-1, 96)
    grid = np.tile(np.linspace(-1, 1, 9, dtype="f4"), [len(symbols), 1])
    quality = np.full(len(symbols), 6.5, "f4")
    return {"symbols": symbols.astype("i4"), "rows": grid, "cols": grid[:, ::2], "quality": quality}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "model"
    write_saved_model(folder, functions_of(GOLDEN))
    return folder


def test_saved_model(saved):
    loaded = tf.saved_model.load(str(saved))
    names = ["decode", "decode_file", "decode_grid", "encode", "serving_default"]
    assert sorted(loaded.signatures) == names
    inputs = shared_values()
    values = loaded.signatures["decode"](**{k: tf.constant(v) for k, v in inputs.items()})
    expected = run_tensorflow(GOLDEN, "decode", **inputs)
    np.testing.assert_array_equal(values["values"], expected)
    unnamed = loaded.signatures["serving_default"](**{k: tf.constant(v) for k, v in inputs.items()})
    np.testing.assert_array_equal(unnamed["values"], expected)
    np.testing.assert_allclose(run_onnx(GOLDEN, "decode", **inputs), expected, rtol=0, atol=1e-4)


def test_saved_model_cli(saved, tmp_path):
    """TensorFlow's own program, which has TensorFlow's own operations and no others."""
    inputs = shared_values()
    for name, value in inputs.items():
        np.save(tmp_path / f"{name}.npy", value)
    program = Path(sys.executable).with_name("saved_model_cli")
    given = ";".join(f"{name}={tmp_path / name}.npy" for name in inputs)
    subprocess.run(
        [program, "run", "--dir", saved, "--tag_set", "serve", "--signature_def", "decode"]
        + ["--inputs", given, "--outdir", tmp_path / "out"],
        check=True,
        capture_output=True,
    )
    expected = run_tensorflow(GOLDEN, "decode", **inputs)
    np.testing.assert_allclose(np.load(tmp_path / "out" / "values.npy"), expected, atol=1e-5)


@pytest.mark.slow
def test_saved_model_cli_decodes_files(saved, tmp_path):
    """As docs/deploy.md has it: bytes in hexadecimal, where none of them means anything."""
    data, _ = picture_file()
    spelled = "".join(f"\\x{byte:02x}" for byte in data)
    program = Path(sys.executable).with_name("saved_model_cli")
    subprocess.run(
        [program, "run", "--dir", saved, "--tag_set", "serve", "--signature_def", "decode_file"]
        + ["--input_exprs", f"files=[b'{spelled}']", "--outdir", tmp_path],
        check=True,
        capture_output=True,
    )
    expected = codec_of(GOLDEN).decode(data).astype(int)
    assert np.abs(np.load(tmp_path / "picture.npy")[0] - expected).max() <= 1


def test_servings_configuration_in_the_docs():
    from google.protobuf import text_format
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

    text = (ROOT / "docs" / "deploy.md").read_text()
    (block,) = re.findall(r"```\n(model_config_list.*?)```", text, re.DOTALL)
    (model,) = text_format.Parse(block, ModelServerConfig()).model_config_list.config
    assert (model.name, model.model_platform) == ("thumb32", "tensorflow")


def test_warm_up_requests_run(saved):
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    loaded, warmed = tf.saved_model.load(str(saved)), []
    for record in tf.data.TFRecordDataset(str(saved / "assets.extra" / WARM_UP)):
        request = PredictionLog.FromString(record.numpy()).predict_log.request
        name = request.model_spec.signature_name
        inputs = {key: tf.constant(tf.make_ndarray(v)) for key, v in request.inputs.items()}
        loaded.signatures[name](**inputs)
        warmed.append(name)
    assert sorted(warmed) == ["decode", "decode_file", "decode_grid", "encode"]


def test_saved_models_replace_nothing(saved):
    with pytest.raises(MscnError, match="is there already"):
        write_saved_model(saved, functions_of(GOLDEN))


@cache
def tflite(precision):
    return tf.lite.Interpreter(model_content=tflite_decoder(functions_of(GOLDEN), precision))


@pytest.mark.parametrize(("precision", "most"), [("float32", 0.03), ("float16", 1), ("int8", 2)])
def test_tflite(precision, most):
    """Largest difference in steps of 8 bits."""
    inputs = shared_values()
    values = tflite(precision).get_signature_runner("serving_default")(**inputs)["values"]
    expected = run_tensorflow(GOLDEN, "decode", **inputs)
    difference = np.clip(values, 0, 1) - np.clip(expected, 0, 1)
    assert 255 * np.abs(difference).max() <= most


def test_tflite_is_smaller_in_fewer_bits():
    sizes = [len(tflite_decoder(functions_of(GOLDEN), p)) for p in ("float32", "float16", "int8")]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[2] < 0.6 * sizes[0]


def test_fixed_sizes():
    bundle = codec_of(GOLDEN).bundle
    fixed = Functions(bundle, (24, 32))
    symbols = picture_file()[1].reshape(-1, 96)[:1].astype("i4")
    inputs = {"symbols": symbols, "quality": QUALITY}
    grid = {"rows": centres(24)[None].astype("f4"), "cols": centres(32)[None].astype("f4")}
    expected = run_tensorflow(GOLDEN, "decode", **inputs, **grid)
    np.testing.assert_allclose(fixed("decode", **inputs), expected, rtol=0, atol=1e-5)
    model = onnx.load_from_string(function_graph(fixed, bundle, "decode"))
    shapes = [[d.dim_value for d in o.type.tensor_type.shape.dim] for o in model.graph.output]
    assert shapes == [[1, 24, 32, 3]]
    interpreter = tf.lite.Interpreter(model_content=tflite_decoder(fixed))
    values = interpreter.get_signature_runner("serving_default")(**inputs)["values"]
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-4)
    with pytest.raises(MscnError, match="3 axes"):
        Functions(bundle, (4, 4, 4))


def test_examples_fit():
    functions = functions_of(GOLDEN)
    for name in (*functions.functions, *functions.of_files):
        functions(name, **example(functions, name))


@pytest.mark.slow
@pytest.mark.skipif(not CIFAR.exists(), reason="needs the CIFAR-10 test pictures in ../shared")
def test_a_hundred_real_pictures():
    """ONNX Runtime and TFLite beside TensorFlow."""
    pictures = np.asarray(Image.open(CIFAR)).reshape(500, 32, 32, 3)[:100]
    quality, grid = np.full(100, 5, "f4"), np.tile(centres(32).astype("f4"), [100, 1])
    signals = as_floats(pictures)
    symbols = run_tensorflow("thumb32", "encode", signals=signals, quality=quality)
    own = run_onnx("thumb32", "encode", signals=signals, quality=quality)
    assert np.mean(own != symbols) < 1e-4
    inputs = {"symbols": symbols, "rows": grid, "cols": grid, "quality": quality}
    values = run_tensorflow("thumb32", "decode", **inputs)

    def pixels(of):
        return np.rint(255 * np.clip(of, 0, 1)).astype(int)

    found = run_onnx("thumb32", "decode", **inputs)
    print("ONNX Runtime", np.abs(found - values).max())
    assert np.abs(found - values).max() <= 1e-4
    assert np.abs(pixels(found) - pixels(values)).max() <= 1
    for precision, most in (("float32", 1), ("float16", 1), ("int8", 2)):
        model = tflite_decoder(functions_of("thumb32"), precision)
        runner = tf.lite.Interpreter(model_content=model).get_signature_runner("serving_default")
        difference = np.abs(pixels(runner(**inputs)["values"]) - pixels(values)).max()
        print("TFLite", precision, len(model), difference)
        assert difference <= most
