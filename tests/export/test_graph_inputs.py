"""From a file to an exported graph and back, in the runtime's calls, against what it decodes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mscn_tf.codec import Codec
from mscn_tf.export.functions import Functions
from mscn_tf.export.onnx import function_graph
from mscn_tf.export.saved_model import write_saved_model
from mscn_tf.export.tflite import tflite_decoder
from mscn_tf.runtime import FileDecoder
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
QUICK = ("v1_alpha", "v1field_bounded", "v1sound_exact")
FILES = [
    pytest.param(path.stem, marks=() if path.stem in QUICK else pytest.mark.slow)
    for path in sorted(GOLDEN.glob("v1*_*.mscn"))
    if path.stem.partition("_")[0] not in ("v1pyramid", "v1signs", "v1filter", "v1interpolation")
]


@pytest.fixture(scope="module")
def functions_of():
    """Those of golden bundles, which take a while to make."""
    made: dict[str, Functions] = {}

    def of(codec: FileDecoder) -> Functions:
        key = codec.bundle.id.hex()
        return made.setdefault(key, made.get(key) or Functions(codec.bundle))

    return of


@pytest.mark.parametrize("stem", FILES)
def test_values_become_the_signal_that_is_decoded(stem, functions_of):
    """Exact planes and residuals included, of tiles that overlap or not, and on the sphere."""
    codec = FileDecoder.load(GOLDEN / f"{stem.split('_')[0]}.mscnb")
    container = Container.from_bytes((GOLDEN / f"{stem}.mscn").read_bytes())
    for item in range(container.items):
        if not container.coded(item):
            with pytest.raises(MscnError, match="stored without loss"):
                codec.graph_inputs(container, item)
            continue
        inputs = codec.graph_inputs(container, item)
        found = codec.from_graph(functions_of(codec)("decode", **inputs), container, item)
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
    codec = FileDecoder.load(GOLDEN / f"{stem.split('_')[0]}.mscnb")
    container = Container.from_bytes((GOLDEN / f"{stem}.mscn").read_bytes())
    for item in range(container.items):
        inputs = codec.graph_inputs(container, item, "decode_grid")
        found = functions_of(codec)("decode_grid", **inputs)[0]
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
    with pytest.raises(MscnError, match="codecs of kind pyramid have no graph"):
        pyramid.graph_inputs((GOLDEN / "v1pyramid_picture.mscn").read_bytes())


def test_a_file_on_an_irregular_grid_has_no_region(functions_of):
    codec = FileDecoder.load(GOLDEN / "v1field.mscnb")
    with pytest.raises(MscnError, match="isn't regular"):
        codec.graph_inputs((GOLDEN / "v1field_archive.mscn").read_bytes(), 0, "decode_grid")


@pytest.fixture(scope="module")
def exported(functions_of, tmp_path_factory) -> Path:
    """A codec's exports in a folder, under the names that the docs have."""
    folder = tmp_path_factory.mktemp("exports")
    codec = FileDecoder.load(GOLDEN / "v1.mscnb")
    functions = functions_of(codec)
    write_saved_model(folder / "saved_model", functions)
    (folder / "onnx").mkdir()
    graph = function_graph(functions, codec.bundle, "decode")
    (folder / "onnx" / "decode.onnx").write_bytes(graph)
    (folder / "codec.tflite").write_bytes(tflite_decoder(functions))
    return folder


@pytest.mark.parametrize("quality", [2, 5.5, 9])
@pytest.mark.parametrize("form", ["onnx", "saved_model", "tflite"])
def test_the_programs_in_the_docs(exported, monkeypatch, form, quality):
    """As they stand there, but for the codec's name."""
    text = (ROOT / "docs" / "deploy.md").read_text()
    programs = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (program,) = (code for code in programs if f"codec.{form}" in code or f'"{form}' in code)
    assert program.count("\n") <= 40
    codec = Codec.load(GOLDEN / "v1.mscnb")
    picture = np.asarray(Image.open(ROOT / "demo" / "kodim.png"))[200:263, 300:397]
    data = codec.encode(picture, quality=quality)
    monkeypatch.chdir(exported)
    Path("in.mscn").write_bytes(data)
    exec(compile(program.replace('"thumb32"', repr(str(GOLDEN / "v1.mscnb"))), "docs", "exec"), {})
    expected = codec.decode(data).astype(int)
    with Image.open("out.png") as found:
        assert np.abs(np.asarray(found) - expected).max() <= 1
