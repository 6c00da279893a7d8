import io
import json
import zipfile

import numpy as np
import pytest

from mscn_tf.export.bundle import write_bundle
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.file_decoder import FileDecoder
from mscn_tf.runtime.tiles import Tiles

M = 3
MANIFEST = {
    "name": "tiny",
    "modality": "image",
    "tile_edge": 4,
    "channels": 1,
    "code_size": M,
    "qualities": [1, 10],
    "training": {"steps": 5},
}


@pytest.fixture
def members():
    return {
        "decoder.onnx": b"not looked at here",
        "prior/band": np.zeros(M, np.uint8),
        "prior/base": np.zeros((10, M), np.int32),
        "prior/context": np.zeros((M, M), np.int16),
        "prior/magnitude": np.arange(3, dtype=np.int32),
        "prior/support": np.array([1], np.int32),
        "prior/frequencies": np.array([1000, 63000, 1000, 536], np.uint32),
        "prior/centroid": np.zeros((1, 2)),
        "prior/log_step": np.zeros((10, M)),
        "weights/plain": np.arange(4, dtype=np.float32),
        "weights/whole": np.array([[1, -2], [300, 4]], np.int16),
        "weights/whole.step": np.array([0.5, 0.25]),
    }


def test_what_is_written_is_read(tmp_path, members):
    path = tmp_path / "tiny.mscnb"
    identity = write_bundle(path, MANIFEST, members)
    bundle = Bundle.load(path)
    assert bundle.id == identity
    assert {key: bundle.manifest.record[key] for key in MANIFEST} == MANIFEST
    assert bundle.members["decoder.onnx"] == members["decoder.onnx"]
    assert Tiles(bundle).prior.coefficients == M
    weights = bundle.weights()
    assert sorted(weights) == ["plain", "whole"]
    assert all(array.dtype == np.float64 for array in weights.values())
    np.testing.assert_array_equal(weights["plain"], [0, 1, 2, 3])
    np.testing.assert_array_equal(weights["whole"], [[0.5, -0.5], [150, 1]])


def test_same_content_same_bytes(tmp_path, members):
    first, second = tmp_path / "a", tmp_path / "b"
    one = write_bundle(first, MANIFEST, members)
    turned = {name: members[name] for name in reversed(list(members))}
    turned["weights/whole"] = np.asfortranarray(members["weights/whole"].astype(">i2"))
    two = write_bundle(second, dict(reversed(list(MANIFEST.items()))), turned)
    assert one == two
    assert first.read_bytes() == second.read_bytes()


def test_other_content_other_id(tmp_path, members):
    one = write_bundle(tmp_path / "a", MANIFEST, members)
    assert write_bundle(tmp_path / "b", {**MANIFEST, "name": "other"}, members) != one
    changed = {**members, "weights/plain": np.arange(4, dtype=np.float32) + 1}
    assert write_bundle(tmp_path / "c", MANIFEST, changed) != one


def test_damage_is_found(tmp_path, members):
    path = tmp_path / "tiny.mscnb"
    write_bundle(path, MANIFEST, members)
    data = path.read_bytes()
    whole = Bundle.from_bytes(data)
    rng = np.random.default_rng(0)
    for position in rng.choice(len(data), 400, replace=False):
        flipped = bytearray(data)
        flipped[position] ^= 1 << rng.integers(8)
        try:  # the zip directory has bytes that mean nothing, such as dates
            assert Bundle.from_bytes(bytes(flipped), "tiny").members == whole.members
        except MscnError as error:
            assert str(error).startswith("tiny")  # noqa: PT017
    for length in range(0, len(data), 37):
        with pytest.raises(MscnError):
            Bundle.from_bytes(data[:length])


def test_an_exchanged_member_is_found(tmp_path, members):
    path = tmp_path / "tiny.mscnb"
    write_bundle(path, MANIFEST, members)
    buffer = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            new.writestr(name, b"another" if name == "decoder.onnx" else old.read(name))
        new.comment = old.comment
    with pytest.raises(MscnError, match="not what its id says"):
        Bundle.from_bytes(buffer.getvalue())


def _zip(manifest):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("manifest.json", manifest)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a codec bundle"),
        (_zip("{"), "not a codec bundle"),
        (_zip("[]"), "not a codec bundle"),
        (_zip("{}"), "not a codec bundle"),
        (_zip(json.dumps({"format": "mscn-bundle", "version": 2})), "update"),
        (_zip(json.dumps({"format": "mscn-bundle", "version": 1})), "modality is None"),
        (
            _zip(json.dumps({**MANIFEST, "format": "mscn-bundle", "version": 1, "name": 3})),
            "name is 3",
        ),
    ],
)
def test_other_files_are_refused(tmp_path, data, message):
    path = tmp_path / "other.mscnb"
    path.write_bytes(data)
    with pytest.raises(MscnError, match=rf"other\.mscnb.*{message}"):
        Bundle.load(path)


def test_unknown_names_and_paths(tmp_path):
    with pytest.raises(MscnError, match="no codec named nosuchcodec; known: "):
        FileDecoder.load("nosuchcodec")
    with pytest.raises(MscnError, match="cannot read"):
        FileDecoder.load(tmp_path / "none.mscnb")


@pytest.mark.parametrize(
    ("changes", "manifest"),
    [
        ({"prior/band": np.zeros(M + 1, np.uint8)}, {}),
        ({"weights/whole.step": np.ones(3)}, {}),
        ({"weights/lonely": np.ones(3, np.int16)}, {}),
        ({"manifest.json": b"{}"}, {}),
        ({}, {"code_size": M + 1}),
        ({}, {"tile_edge": "4"}),
    ],
)
def test_what_cannot_be_loaded_is_not_written(tmp_path, members, changes, manifest):
    path = tmp_path / "tiny.mscnb"
    with pytest.raises(MscnError):
        write_bundle(path, {**MANIFEST, **manifest}, {**members, **changes})
    assert list(tmp_path.iterdir()) == []


def test_a_decoder_that_is_no_network_is_a_clear_error(tmp_path, members):
    path = tmp_path / "tiny.mscnb"
    write_bundle(path, MANIFEST, members)
    codec = FileDecoder.load(path)
    data = codec.pack(np.zeros((1, M), np.int32), [(4, 4)], [16], [1])
    with pytest.raises(MscnError, match="tiny: unusable decoder"):
        codec.decode(data)
