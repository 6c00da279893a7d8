"""Modulated codecs, from pictures to a bundle and on to what leaves TensorFlow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

from mscn_tf.codec import Codec
from mscn_tf.codec.tiling import as_floats, to_tiles
from mscn_tf.export.codec_bundle import write_codec_bundle
from mscn_tf.export.modulated_functions import ModulatedFunctions
from mscn_tf.export.onnx import function_graph
from mscn_tf.export.saved_model import write_saved_model
from mscn_tf.export.tflite import tflite_decoder
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.grids import centres
from mscn_tf.training.loop import read_record
from mscn_tf.training.train import train
from tests import reader, tiny, tiny_modulated

PICTURE = tiny.picture(20, 29, 5)
QUALITY = np.array([6.5], np.float32)


def made(folder: Path, workdir: str, **changes) -> tuple[Path, list[np.ndarray]]:
    """The bundle of a run, and its network's and entropy model's final weights."""
    config = tiny_modulated.get_config(str(folder))
    config.update(changes)
    trainer = train(config, folder / workdir)
    path = folder / workdir / "tiny.mscnb"
    write_codec_bundle(path, trainer, trainer.freeze(), read_record(folder / workdir))
    parts = (*trainer.fit.variables, *trainer.prior.weights, trainer.places)
    return path, [np.array(part) for part in parts]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("modulated")
    tiny.write_pictures(folder)
    return folder


@pytest.fixture(scope="module")
def trained(folder) -> tuple[Path, list[np.ndarray]]:
    return made(folder, "run")


@pytest.fixture(scope="module")
def codec(trained) -> Codec:
    return Codec.load(trained[0])


@pytest.fixture(scope="module")
def functions(codec) -> ModulatedFunctions:
    return ModulatedFunctions(codec.bundle)


def test_files_hold_sparse_codes(codec, trained):
    sizes = [len(codec.encode(PICTURE, quality=quality)) for quality in (1, 5, 10)]
    assert sizes[0] < sizes[1] < sizes[2]
    data = codec.encode(PICTURE, quality=10)
    symbols = codec.decode_symbols(data)
    assert 0 < np.count_nonzero(symbols) < symbols.size
    (again,) = reader.decode(reader.read_bundle(trained[0].read_bytes()), reader.read_file(data))
    np.testing.assert_array_equal(again, codec.decode(data))


def test_files_of_a_subspace(folder):
    """Whose map a bundle holds in whole numbers."""
    model = dict(modulation="subspace", latent_size=12, code_size=12)
    path, _ = made(folder, "subspace", principal_axes=(3,), model=model)
    codec = Codec.load(path)
    assert codec.bundle.arrays("weights")["map"].dtype == np.int8
    data = codec.encode(PICTURE, quality=10)
    found = codec.decode(data)
    (again,) = reader.decode(reader.read_bundle(path.read_bytes()), reader.read_file(data))
    np.testing.assert_array_equal(again, found)
    assert np.mean((found - PICTURE.astype(float)) ** 2) < np.var(PICTURE)


def test_effort_makes_up_for_what_is_left_out(codec):
    def error(effort):
        data = codec.encode(PICTURE, quality=8, effort=effort)
        return np.mean((codec.decode(data).astype(float) - PICTURE) ** 2)

    assert error(5) < 0.9 * error(1)


def test_a_stopped_run_goes_on_as_if_it_never_was(folder, trained):
    """In the second stage."""
    for steps in (8, 10):
        _, again = made(folder, "stopped", steps=steps)
    for found, expected in zip(again, trained[1]):
        np.testing.assert_array_equal(found, expected)


def test_both_stages_learn(folder, trained):
    told = tiny.scalars(folder / "run")
    assert set(told["train/kept"]) == {4}
    assert set(told["train/loss"]) == {8, 10}
    assert {"held out/psnr", "quality 3/bytes", "quality 8/psnr"} <= set(told)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (dict(target="all"), "config.model.target=all: must be delta"),
        (dict(code_size=9999), "config.model.code_size=9999: the network has"),
    ],
)
def test_refuses_what_files_can_not_hold(folder, model, says):
    with pytest.raises(MscnError, match=says):
        train(tiny_modulated.get_config(str(folder), **model), folder / "refused")


def encoded(codec):
    """The picture's file, by the inner loop alone, which is what the functions have."""
    return codec.encode(PICTURE, quality=float(QUALITY[0]), effort=1)


def fitted(codec):
    """Tiles of the picture, and their symbols."""
    tiles = as_floats(to_tiles(PICTURE, 8)).astype(np.float32)
    return tiles, codec.decode_symbols(encoded(codec))


def test_functions_are_the_runtimes(codec, functions):
    tiles, symbols = fitted(codec)
    quality = np.repeat(QUALITY, len(tiles))
    found = functions("encode", signals=tiles, quality=quality)
    assert np.mean(found != symbols) < 2e-3  # float32 in another order
    grid = functions(
        "decode_grid",
        symbols=symbols.reshape(1, 3, 4, -1),
        height=20,
        width=29,
        region=[0, 0, 29, 20],
        quality=QUALITY,
    )
    assert np.abs(grid[0].astype(int) - codec.decode(encoded(codec))).max() <= 1


@pytest.mark.parametrize("name", ["decode", "encode"])
def test_onnx(codec, functions, name):
    tiles, symbols = fitted(codec)
    axis = np.repeat(centres(11)[None], len(tiles), 0).astype(np.float32)
    given = {"symbols": symbols, "rows": axis, "cols": axis}
    if name == "encode":
        given = {"signals": tiles}
    given["quality"] = np.repeat(QUALITY, len(tiles))
    graph = function_graph(functions, codec.bundle, name)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    names = {entry.name for entry in session.get_inputs()}
    (found,) = session.run(None, {key: value for key, value in given.items() if key in names})
    expected = functions(name, **given)
    if name == "encode":
        assert np.mean(found != expected) < 2e-3
    else:
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_tflite(codec, functions):
    _, symbols = fitted(codec)
    interpreter = tf.lite.Interpreter(model_content=tflite_decoder(functions))
    runner = interpreter.get_signature_runner()
    axis = centres(8)[None].astype(np.float32)
    given = {"symbols": symbols[:1], "rows": axis, "cols": axis, "quality": QUALITY}
    found = runner(**given)["values"]
    np.testing.assert_allclose(found, functions("decode", **given), atol=1e-4)
    with pytest.raises(MscnError, match="give --precision=float32"):
        tflite_decoder(functions, "int8")


def test_saved_model(codec, functions, tmp_path):
    write_saved_model(tmp_path / "saved", functions)
    tiles, _ = fitted(codec)
    given = {"signals": tiles, "quality": np.repeat(QUALITY, len(tiles))}
    restored = tf.saved_model.load(str(tmp_path / "saved")).signatures["encode"]
    found = restored(**{name: tf.constant(value) for name, value in given.items()})["symbols"]
    np.testing.assert_array_equal(found, functions("encode", **given))
