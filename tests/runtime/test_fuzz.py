"""Damaged and hostile input decodes or raises `MscnError`, in bounded time and memory."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest

from mscn_tf.runtime import bundle as bundles
from mscn_tf.runtime import exact
from mscn_tf.runtime.bundle import COMMENT, Bundle, content_id
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.file_decoder import FileDecoder
from mscn_tf.runtime.input import varint
from mscn_tf.runtime.manifest import Manifest
from tests.runtime import fuzz


@pytest.mark.parametrize("inputs", [3000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_a_stream_of_inputs(inputs):
    total = 0
    for target, tally in fuzz.run(inputs, seed=0):
        assert not tally.failures, (target, tally.failures)
        assert tally.decoded or target == "bundle", target
        total += tally.inputs
    assert total >= inputs


@pytest.mark.parametrize("inputs", [2000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_stream_of_metadata(inputs):
    ((_, tally),) = fuzz.run(inputs, seed=1, only="metadata")
    assert not tally.failures, tally.failures
    assert tally.inputs == inputs
    assert tally.decoded > inputs / 10
    assert tally.refused > inputs / 4


def peak_of(call) -> int:
    """Bytes that a call allocates at most, whether or not it refuses its input."""
    tracemalloc.start()
    try:
        call()
    except MscnError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


def sealed(flags: int, items: int, *rest: bytes) -> bytes:
    """A file of one block, as long as the header has room for it."""
    head = b"MSCN\x01" + bytes([flags]) + bytes(8) + bytes([0, 8, 3])
    head += varint(items) + varint(4096) + b"".join(rest)
    return head + fuzz.crc(head) + fuzz.crc(b"")


def test_names_are_counted_before_they_are_made():
    newlines = zlib.compress(b"\n" * 2**26, 9)
    data = sealed(15, 1, b"\x01\x01\x50\x03", varint(len(newlines)), newlines, b"\0")
    assert peak_of(lambda: Container.from_bytes(data)) < 4 * 2**26


def test_names_of_ten_thousand_letters_and_twice_the_same():
    names = ["x" * 10_000, "x" * 10_000, "/etc/passwd", "../../x"]
    packed = zlib.compress("\n".join(names).encode())
    data = sealed(15, 4, b"\x01\x01\x50\x03", varint(len(packed)), packed, b"\0")
    assert Container.from_bytes(data).names == names  # labels; `images.file_names` makes files


@pytest.mark.parametrize("text", [b"[" * 2**20, b'{"a":' * 2**16, b"[],"[:2] * 2**20, b"1" * 2**20])
def test_metadata_of_odd_kinds(text):
    packed = zlib.compress(b'{"a":' + text)
    data = sealed(39, 1, b"\x01\x01\x50\x03", varint(len(packed)), packed, b"\0")
    assert peak_of(lambda: Container.from_bytes(data)) < 64 * len(text) + 2**20
    with pytest.raises(MscnError, match="metadata"):
        Container.from_bytes(data)


def test_a_large_picture_of_a_small_file(synthetic):
    """2^20 pixels in 70 bytes: what is allocated follows from the declared size."""
    codec = synthetic.codec
    one = Container.from_bytes(codec.pack(np.zeros((1, 48), np.int32), [(8, 8)], [16], [3]))
    codec.decode(one)  # loads the network
    one.shapes, one.tiles_per_block, one.blocks = [(2**10, 2**10)], 4096, [b""] * 4
    del one.first_tiles
    data = one.to_bytes()
    assert len(data) < 70
    peak = peak_of(lambda: codec.decode(data))
    assert 3 * 2**20 < peak < 64 * 3 * 2**20


def test_an_exact_plane_that_inflates_without_end():
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = deflater.compress(bytes(2**27)) + deflater.flush()
    for head in (b"\0", b"\1\4", b"\2\2"):
        peak = peak_of(lambda head=head: exact.decode(head + bomb, (100, 100, 3), "uint8"))
        assert peak < 2**20
        with pytest.raises(MscnError, match="damaged"):
            exact.decode(head + bomb, (100, 100, 3), "uint8")


def zipped(members: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A bundle with the right id."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.comment = COMMENT + content_id(members).hex().encode()
    return buffer.getvalue()


MANIFEST = json.dumps(
    {
        "format": "mscn-bundle",
        "version": 1,
        "name": "odd",
        "modality": "image",
        "tile_edge": 8,
        "channels": 3,
    }
).encode()


def test_a_bomb_that_declares_its_size(monkeypatch):
    monkeypatch.setattr(bundles, "MAX_BYTES", 2**24)
    data = zipped({"manifest.json": MANIFEST, "bomb": bytes(2**26)})
    assert len(data) < 2**17
    with pytest.raises(MscnError, match="inflated"):
        Bundle.from_bytes(data)
    assert peak_of(lambda: Bundle.from_bytes(data)) < 2**20


def test_a_bomb_that_lies_about_its_size():
    data = zipped({"manifest.json": MANIFEST, "bomb": bytes(2**26)})
    lie = data.replace((2**26).to_bytes(4, "little"), (99).to_bytes(4, "little"))
    assert lie != data
    assert peak_of(lambda: Bundle.from_bytes(lie)) < 2**21
    with pytest.raises(MscnError, match="damaged"):
        Bundle.from_bytes(lie)


@pytest.mark.parametrize("how", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_whose_bombs_cannot_be_stopped(how):
    data = zipped({"manifest.json": MANIFEST, "bomb": bytes(2**26)}, how)
    assert peak_of(lambda: Bundle.from_bytes(data)) < 2**21
    with pytest.raises(MscnError, match="not deflated"):
        Bundle.from_bytes(data)


def test_two_members_of_one_name():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("manifest.json", MANIFEST)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("manifest.json", MANIFEST)
    with pytest.raises(MscnError, match="two members"):
        Bundle.from_bytes(buffer.getvalue())


def test_links_and_paths_in_a_bundle_are_bytes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    members = {"manifest.json": MANIFEST, "../up": b"x", "/abs": b"x", "link": str(secret).encode()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o120777 if name == "link" else 0o644) << 16
            archive.writestr(entry, content)
        archive.comment = COMMENT + content_id(members).hex().encode()
    assert Bundle.from_bytes(buffer.getvalue()).members == members
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def npy(shape: str, descr: str = "'<f8'") -> bytes:
    """A header, and eight bytes of data."""
    head = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode() + bytes(8)


@pytest.mark.parametrize(
    "content",
    [
        npy("(1000000000000,)"),
        npy("(4294967296, 4294967296)"),
        npy("(-1,)"),
        npy("(1.0,)"),
        npy("(1,)", "'|O'"),
        npy("(1,)", "'<c8'"),
        npy("(1,)", "[('a', '<f8')]"),
        npy("(1,)", "'<V8'"),
        npy("__import__('os').system('touch pickled')"),
        b"\x93NUMPY\x03\x00" + npy("(1,)")[8:],
        b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x0dtouch pickled\x94\x85R.",
        b"",
    ],
)
def test_arrays_that_are_none(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    odd = Manifest("odd", "image", 8, 3, {})
    assert Bundle(bytes(32), odd, {"a/b.npy": npy("(1,)")}).arrays("a")["b"] == [0.0]
    bundle = Bundle(bytes(32), odd, {"a/b.npy": content})
    assert peak_of(lambda: bundle.arrays("a")) < 2**20
    with pytest.raises(MscnError, match=r"a/b\.npy is no array"):
        bundle.arrays("a")
    assert not list(tmp_path.iterdir())


def test_a_network_whose_weights_lie_in_files(bundle_members, tmp_path):
    import onnx

    manifest, members = bundle_members
    model = onnx.load_from_string(members["decoder.onnx"])
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    from mscn_tf.export.bundle import write_bundle

    path = tmp_path / "odd.mscnb"
    write_bundle(path, manifest, {**members, "decoder.onnx": model.SerializeToString()})
    codec = FileDecoder.load(path)
    data = codec.pack(np.zeros((1, 48), np.int32), [(8, 8)], [16], [1])
    with pytest.raises(MscnError, match="lie in other files"):
        codec.decode(data)
