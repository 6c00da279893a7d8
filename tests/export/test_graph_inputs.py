"""From a file to an exported graph and back, in the runtime's calls, against what it decodes."""

from __future__ import annotations

import re
from functools import cache, partial
from pathlib import Path

import numpy as np
import onnx
import pytest
import tensorflow as tf
from PIL import Image

from mscn_tf.codec import Codec
from mscn_tf.export.float_functions import FloatFunctions
from mscn_tf.export.onnx import function_graph
from mscn_tf.export.pyramid_functions import PyramidFunctions
from mscn_tf.export.saved_model import write_saved_model
from mscn_tf.export.tflite import tflite_decoder
from mscn_tf.runtime import FileDecoder
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.scheme import imported

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
QUICK = ("v1_alpha", "v1field_bounded", "v1sound_exact", "v1pyramid_archive", "v1filter_archive")
QUICK += ("v1interpolation_parents", "v1surface_single")
FILES = [
    pytest.param(path.stem, marks=() if path.stem in QUICK else pytest.mark.slow)
    for path in sorted(GOLDEN.glob("v1*_*.mscn"))
]
EXACT = ("v1interpolation", "v1surface")  # kinds whose graphs give what the runtime gives


@pytest.fixture(scope="module")
def functions_of():
    """Those of golden bundles, which take a while to make."""

    @cache
    def of(path: Path) -> FloatFunctions:
        bundle = Bundle.load(path)
        return imported(bundle.scheme.functions)(bundle)

    return of


@pytest.mark.parametrize("stem", FILES)
def test_values_become_the_signal_that_is_decoded(stem, functions_of):
    """Exact planes and residuals included, of tiles that overlap or not, and on the sphere."""
    bundle = GOLDEN / f"{stem.split('_')[0]}.mscnb"
    codec = FileDecoder.load(bundle)
    container = Container.from_bytes((GOLDEN / f"{stem}.mscn").read_bytes())
    for item in range(container.items):
        if not container.coded(item):
            with pytest.raises(MscnError, match="stored without loss"):
                codec.graph_inputs(container, item)
            continue
        inputs = codec.graph_inputs(container, item)
        found = codec.from_graph(functions_of(bundle)("decode", **inputs), container, item)
        expected = codec.decode(container, item)
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        if stem.startswith(EXACT):
            np.testing.assert_array_equal(found, expected)
            continue
        tolerance = 1 if found.dtype == np.uint8 else 1e-3 * max(np.ptp(expected.astype(float)), 1)
        apart = np.abs(found.astype(float) - expected)
        if found.dtype == bool:
            assert apart.mean() < 1e-3  # a value may lie on the border
        else:
            assert apart.max() <= tolerance


@pytest.mark.parametrize(
    "stem",
    [
        "v1_archive",
        "v1field_single",
        *(
            pytest.param(f"v1{m}", marks=pytest.mark.slow)
            for m in ("sound_archive", "volume_single")
        ),
    ],
)
def test_decode_grid(stem, functions_of):
    bundle = GOLDEN / f"{stem.split('_')[0]}.mscnb"
    codec = FileDecoder.load(bundle)
    container = Container.from_bytes((GOLDEN / f"{stem}.mscn").read_bytes())
    for item in range(container.items):
        inputs = codec.graph_inputs(container, item, "decode_grid")
        found = functions_of(bundle)("decode_grid", **inputs)[0]
        expected = codec.decode(container, item)
        if expected.shape[-1] == 1 and found.shape[-1] == 3:
            found = np.rint(found @ [0.299, 0.587, 0.114])[..., None]
        reach = 2 if expected.dtype == np.uint8 else 1e-3 * max(np.ptp(expected.astype(float)), 1)
        assert np.abs(found.astype(float) - expected).max() <= reach


def test_refuses_what_is_none(tmp_path):
    codec = FileDecoder.load(GOLDEN / "v1.mscnb")
    data = (GOLDEN / "v1_picture.mscn").read_bytes()
    with pytest.raises(MscnError, match="no function encode"):
        codec.graph_inputs(data, function="encode")
    with pytest.raises(MscnError, match="are not those of"):
        codec.from_graph(np.zeros((3, 16, 16, 3)), data)
    pyramid = FileDecoder.load(GOLDEN / "v1pyramid.mscnb")
    data = (GOLDEN / "v1pyramid_picture.mscn").read_bytes()
    with pytest.raises(MscnError, match="have decode, and no decode_grid"):
        pyramid.graph_inputs(data, function="decode_grid")
    with pytest.raises(MscnError, match="are not those of"):
        pyramid.from_graph(np.zeros((1, 16, 16, 3)), data)
    for kind, noun in (("interpolation", "fields"), ("surface", "solids")):
        codec = FileDecoder.load(GOLDEN / f"v1{kind}.mscnb")
        data = (GOLDEN / f"v1{kind}_single.mscn").read_bytes()
        with pytest.raises(MscnError, match=f"{noun} have decode, and no decode_grid"):
            codec.graph_inputs(data, function="decode_grid")
        with pytest.raises(MscnError, match="are not those of"):
            codec.from_graph(np.zeros((1, 2, 2, 2)), data)


def test_a_file_on_an_irregular_grid_has_no_region(functions_of):
    codec = FileDecoder.load(GOLDEN / "v1field.mscnb")
    with pytest.raises(MscnError, match="isn't regular"):
        codec.graph_inputs((GOLDEN / "v1field_archive.mscn").read_bytes(), 0, "decode_grid")


@pytest.fixture(scope="module", params=["v1", "v1filter"])
def exported(request, functions_of, tmp_path_factory) -> tuple[Path, Path]:
    """A bundle, and its codec's exports in a folder, under the names that the docs have."""
    bundle, folder = GOLDEN / f"{request.param}.mscnb", tmp_path_factory.mktemp("exports")
    functions = functions_of(bundle)
    write_saved_model(folder / "saved_model", functions)
    (folder / "onnx").mkdir()
    graph = function_graph(functions, Bundle.load(bundle), "decode")
    (folder / "onnx" / "decode.onnx").write_bytes(graph)
    (folder / "codec.tflite").write_bytes(tflite_decoder(functions))
    return bundle, folder


@pytest.mark.parametrize("quality", [2, 5.5, 9])
@pytest.mark.parametrize("form", ["onnx", "saved_model", "tflite"])
def test_the_programs_in_the_docs(exported, monkeypatch, form, quality):
    """As they stand there, but for the codec's name; of tiles and of photographs."""
    bundle, folder = exported
    text = (ROOT / "docs" / "deploy.md").read_text()
    programs = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (program,) = (code for code in programs if f"codec.{form}" in code or f'"{form}' in code)
    assert program.count("\n") <= 40
    codec = Codec.load(bundle)
    picture = np.asarray(Image.open(ROOT / "demo" / "kodim.png"))[200:263, 300:397]
    data = codec.encode(picture, quality=quality)
    monkeypatch.chdir(folder)
    Path("in.mscn").write_bytes(data)
    exec(compile(program.replace('"thumb32"', repr(str(bundle))), "docs", "exec"), {})
    expected = codec.decode(data).astype(int)
    with Image.open("out.png") as found:
        assert np.abs(np.asarray(found) - expected).max() <= 1


@pytest.mark.parametrize(
    "shape", [(7, 12), pytest.param((2, 3), marks=pytest.mark.slow), (1, 9), (5, 1)]
)
@pytest.mark.parametrize("bound", [0.05, 2e-6])
def test_fields_of_any_size_to_the_bit(functions_of, shape, bound):
    """Numbers of steps of a fine bound need more digits than float32 has."""
    bundle = GOLDEN / "v1interpolation.mscnb"
    codec = Codec.load(bundle)
    waves = np.add.outer(np.sin(np.arange(shape[0])), np.cos(np.arange(shape[1]) * 0.7))
    values = waves.astype(np.float32)[..., None] + np.float32(0.25)
    values[0, -1] += 7
    data = codec.encode([values, values * np.float32(1.01)], max_error=bound)
    assert Container.from_bytes(data).coded(1)
    for item in (0, 1):
        inputs = codec.graph_inputs(data, item)
        found = codec.from_graph(functions_of(bundle)("decode", **inputs), data, item)
        np.testing.assert_array_equal(found, codec.decode(data, item))


def test_fields_in_a_batch(functions_of):
    """Each with its own parent, or none, and its own ends of rows."""
    bundle = GOLDEN / "v1interpolation.mscnb"
    codec = FileDecoder.load(bundle)
    container = Container.from_bytes((GOLDEN / "v1interpolation_parents.mscn").read_bytes())
    items = [1, 5, 6]
    each = [codec.graph_inputs(container, item) for item in items]
    together = {name: np.concatenate([one[name] for one in each]) for name in each[0]}
    assert together["shares"].any(1).tolist() == [True, False, True]
    values = functions_of(bundle)("decode", **together)
    for item, found in zip(items, values):
        found = codec.from_graph(found[None], container, item)
        np.testing.assert_array_equal(found, codec.decode(container, item))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["interpolation", "surface"])
def test_loops_in_onnx(kind, functions_of):
    """Axes have names; OpenVINO wants no body that gives an input back."""
    path = GOLDEN / f"v1{kind}.mscnb"
    model = onnx.load_from_string(function_graph(functions_of(path), Bundle.load(path), "decode"))
    axes = ["rows", "cols"] if kind == "interpolation" else ["slices", "rows", "cols"]
    shapes = {
        value.name: [side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim]
        for value in model.graph.input
    }
    assert shapes["steps"] == ["batch", *axes]
    if kind == "interpolation":
        assert shapes["parent"] == ["batch", *axes, 3]
        assert shapes["shares"] == ["batch", "levels"]
    (loop,) = (node for node in model.graph.node if node.op_type == "Loop")
    (body,) = (attribute.g for attribute in loop.attribute)
    assert not {value.name for value in body.input} & {value.name for value in body.output}
    assert len(body.initializer) < 200  # each once


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["interpolation", "surface"])
def test_a_fixed_size(kind):
    """All shapes of the model are fixed, in TFLite with its loop."""
    bundle, data = GOLDEN / f"v1{kind}.mscnb", (GOLDEN / f"v1{kind}_single.mscn").read_bytes()
    codec, shape = FileDecoder.load(bundle), Container.from_bytes(data).shapes[0]
    model = tflite_decoder(imported(codec.bundle.scheme.functions)(codec.bundle, shape))
    interpreter = tf.lite.Interpreter(model_content=model)
    wanted = codec.graph_inputs(data)
    for detail in interpreter.get_input_details():
        assert detail["shape_signature"].min() > 0
    values = interpreter.get_signature_runner()(**wanted)["values"]
    np.testing.assert_array_equal(codec.from_graph(values, data), codec.decode(data))


@pytest.mark.parametrize("updates", [[[3, 0], [3, 0]], [[-3, 2], [2, 1]]])
def test_updates_of_the_filter(functions_of, updates):
    """Of several tiles that say the same, or that don't."""
    bundle = GOLDEN / "v1steps.mscnb"
    codec = Codec.load(bundle)
    picture = np.asarray(Image.open(ROOT / "demo" / "kodim.png"))[100:151, 50:97]
    tiles = codec.decode_symbols(codec.encode(picture, quality=2))
    told = np.array([updates[number % 2] for number in range(len(tiles))], np.int8)
    tiles = [tile._replace(filter_update=update) for tile, update in zip(tiles, told)]
    data = codec.pack(tiles, [(51, 47)], [32], [3])
    inputs = codec.graph_inputs(data)
    found = codec.from_graph(functions_of(bundle)("decode", **inputs), data).astype(int)
    assert np.abs(found - codec.decode(data)).max() <= 1
    inputs["filter_update"] *= 0
    other = codec.from_graph(functions_of(bundle)("decode", **inputs), data)
    assert np.abs(found - other).max() > 3


@pytest.mark.parametrize("taps", [[3, 3], [4, -2]])
def test_taps(functions_of, taps):
    """Of several tiles that say the same, or that don't."""
    bundle = GOLDEN / "v1taps.mscnb"
    codec = Codec.load(bundle)
    picture = np.asarray(Image.open(ROOT / "demo" / "kodim.png"))[100:151, 50:97]
    tiles = codec.decode_symbols(codec.encode(picture, quality=2))
    told = [np.full(48, taps[number % 2], np.int8) for number in range(len(tiles))]
    tiles = [tile._replace(taps=own) for tile, own in zip(tiles, told)]
    data = codec.pack(tiles, [(51, 47)], [32], [3])
    inputs = codec.graph_inputs(data)
    found = codec.from_graph(functions_of(bundle)("decode", **inputs), data).astype(int)
    assert np.abs(found - codec.decode(data)).max() <= 1
    inputs["taps"] *= 0
    other = codec.from_graph(functions_of(bundle)("decode", **inputs), data)
    assert np.abs(found - other).max() > 3


def test_photographs_of_any_size(functions_of):
    """Lines of one sample at coarse levels, and sides that aren't even."""
    bundle = GOLDEN / "v1filter.mscnb"
    codec = Codec.load(bundle)
    picture = np.asarray(Image.open(ROOT / "demo" / "kodim.png"))[100:109, 50:183]

    def check(shape, run):
        data = codec.encode(picture[: shape[0], : shape[1]], quality=8)
        found = codec.from_graph(run(**codec.graph_inputs(data)), data).astype(int)
        assert np.abs(found - codec.decode(data)).max() <= 1

    for shape in ((9, 133), (1, 40), (5, 1)):
        check(shape, partial(functions_of(bundle), "decode"))
    fixed = tflite_decoder(PyramidFunctions(codec.bundle, (1, 40)))
    runner = tf.lite.Interpreter(model_content=fixed).get_signature_runner()
    check((1, 40), lambda **inputs: runner(**inputs)["values"])
    with pytest.raises(MscnError, match="a size of 3 axes"):
        PyramidFunctions(codec.bundle, (4, 4, 4))
