from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

from mscn_tf.runtime.bundle import SHIPPED
from tests.apps.test_main import modules_after

GOLDEN = str(Path(__file__).resolve().parents[1] / "golden" / "v1.mscnb")


@pytest.mark.parametrize("codec", ["photo", "speech", GOLDEN])
def test_bundle(folder, codec):
    said = folder.mscn("export", f"--codec={codec}", "--format=bundle", "out.mscnb").stdout
    path = Path(codec) if codec == GOLDEN else SHIPPED / f"{codec}.mscnb"
    assert (folder.path / "out.mscnb").read_bytes() == path.read_bytes()
    assert said.endswith(f"as bundle, {path.stat().st_size:,} bytes\n")


def test_bundle_needs_no_tensorflow(tmp_path):
    arguments = ("export", "--codec=speech", "--format=bundle", str(tmp_path / "out.mscnb"))
    modules, _, code = modules_after(*arguments, before="sys.modules['tensorflow'] = None")
    assert code == 0
    assert not modules & {"keras", "onnx"}


def test_onnx(folder):
    arguments = (f"--codec={GOLDEN}", "--format=onnx", "--fixed-size=24x32")
    said = folder.mscn("export", *arguments, "out").stdout
    assert said.startswith("out: golden as onnx, ")
    assert sorted(folder.content()) == ["out", "out/decode.onnx"]
    session = onnxruntime.InferenceSession(folder.path / "out" / "decode.onnx")
    inputs = {"symbols": np.zeros((1, 96), "i4"), "quality": np.full(1, 5, "f4")}
    assert session.run(None, inputs)[0].shape == (1, 32, 24, 3)


@pytest.mark.slow
def test_onnx_of_all_functions(folder):
    folder.mscn("export", f"--codec={GOLDEN}", "--format=onnx", "out")
    names = ["out", "out/decode.onnx", "out/decode_grid.onnx", "out/encode.onnx"]
    assert sorted(folder.content()) == names
    session = onnxruntime.InferenceSession(folder.path / "out" / "encode.onnx")
    inputs = {"signals": np.ones((2, 16, 16, 3), "f4"), "quality": np.full(2, 5, "f4")}
    symbols = session.run(None, inputs)[0]
    assert symbols.shape == (2, 96)
    np.testing.assert_array_equal(symbols[0], symbols[1])


def test_saved_model(folder):
    folder.mscn("export", f"--codec={GOLDEN}", "--format=saved_model", "out")
    loaded = tf.saved_model.load(str(folder.path / "out"))
    assert sorted(loaded.signatures) == [
        "decode",
        "decode_file",
        "decode_grid",
        "encode",
        "serving_default",
    ]
    assert "is there already" in folder.refuses(
        "export", f"--codec={GOLDEN}", "--format=saved_model", "out"
    )


@pytest.mark.slow
def test_tflite(folder):
    arguments = ("export", f"--codec={GOLDEN}", "--format=tflite", "--fixed-size=20x10")
    folder.mscn(*arguments, "--precision=int8", "out.tflite")
    interpreter = tf.lite.Interpreter(str(folder.path / "out.tflite"))
    assert interpreter.get_output_details()[0]["shape"].tolist() == [1, 10, 20, 3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--codec=field", "--format=onnx", "--fixed-size=8"), "a size of 1 axes; of a field give"),
        (
            ("--codec=surface", "--format=tflite", "--fixed-size=8x8"),
            "of a solid give WIDTHxHEIGHT",
        ),
        (("--format=onnx",), "give --codec=NAME and --format"),
        (("--codec=speech",), "give --codec=NAME and --format"),
        (("--codec=speech", "--format=coreml"), "saved_model|onnx|tflite|bundle"),
        (("--codec=speech", "--format=onnx", "--precision=int8"), "is for --format=tflite"),
        (("--codec=speech", "--format=onnx", "--fixed-size=0x4"), "WIDTHxHEIGHT"),
        (("--codec=speech", "--format=bundle", "--fixed-size=4x4"), "decodes at any size"),
        (("--codec=nosuch", "--format=bundle"), "no codec named nosuch"),
    ],
)
def test_refuses(folder, arguments, message):
    assert message in folder.refuses("export", *arguments, "out")


@pytest.mark.slow
def test_photo(folder):
    folder.mscn("export", "--codec=photo", "--format=onnx", "--fixed-size=24x32", "out")
    assert sorted(folder.content()) == ["out", "out/decode.onnx"]
    session = onnxruntime.InferenceSession(folder.path / "out" / "decode.onnx")
    inputs = {"coefficients": np.zeros((1, 32, 24, 3), "f4"), "quality": np.full(1, 5, "f4")}
    assert session.run(None, inputs)[0].shape == (1, 32, 24, 3)


def test_refuses_sizes_of_other_axes(folder):
    said = folder.refuses("export", "--codec=speech", "--format=tflite", "--fixed-size=4x4", "out")
    assert "2 axes, but speech has 1" in said
