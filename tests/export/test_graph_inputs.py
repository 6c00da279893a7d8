"""From a file to an exported graph and back, in the runtime's calls, against what it decodes."""

from __future__ import annotations

import re
from functools import cache, partial
from pathlib import Path

import numpy as np
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
FILES = [
    pytest.param(path.stem, marks=() if path.stem in QUICK else pytest.mark.slow)
    for path in sorted(GOLDEN.glob("v1*_*.mscn"))
    if path.stem.partition("_")[0] not in ("v1interpolation", "v1steps")
]


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
    interpolation = FileDecoder.load(GOLDEN / "v1interpolation.mscnb")
    with pytest.raises(MscnError, match="codecs of kind interpolation have no graph"):
        interpolation.graph_inputs((GOLDEN / "v1interpolation_single.mscn").read_bytes())


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


def test_tiles_that_change_the_filter_differently_are_refused():
    codec = FileDecoder.load(GOLDEN / "v1steps.mscnb")
    with pytest.raises(MscnError, match="change the filter differently"):
        codec.graph_inputs((GOLDEN / "v1steps_picture.mscn").read_bytes())


@pytest.mark.parametrize("update", [[3, 0], [-3, 2]])
def test_updates_of_the_filter(functions_of, update):
    """Of several tiles that say the same."""
    bundle = GOLDEN / "v1steps.mscnb"
    codec = Codec.load(bundle)
    picture = np.asarray(Image.open(ROOT / "demo" / "kodim.png"))[100:151, 50:97]
    told = np.array(update, np.int8)
    tiles = codec.decode_symbols(codec.encode(picture, quality=2))
    tiles = [tile._replace(filter_update=told) for tile in tiles]
    data = codec.pack(tiles, [(51, 47)], [32], [3])
    inputs = codec.graph_inputs(data)
    found = codec.from_graph(functions_of(bundle)("decode", **inputs), data).astype(int)
    assert np.abs(found - codec.decode(data)).max() <= 1
    inputs["filter_update"] *= 0
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
