import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mscn_tf.export.bundle import write_bundle
from mscn_tf.runtime import bundle as bundle_module
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.file_decoder import FileDecoder

SHAPES = [(20, 13), (8, 8), (9, 30), (1, 1), (17, 41)]
LUMA = [0.299, 0.587, 0.114]


@pytest.fixture(scope="module")
def archive(synthetic):
    return synthetic.pack(SHAPES, channels=[3, 1, 3, 3, 1], names=list("abcde"))


@pytest.mark.parametrize("item", range(len(SHAPES)))
def test_decode_is_the_network_at_pixel_centres(synthetic, archive, item):
    height, width = SHAPES[item]
    picture = synthetic.codec.decode(archive, item)
    values = synthetic.picture(archive, item, np.arange(height) + 0.5, np.arange(width) + 0.5)
    if item in (1, 4):
        values = (values @ LUMA)[..., None]
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, np.rint(255 * values))
    assert picture.size < 10 or picture.std() > 20


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_a_region_is_a_crop(synthetic, archive, data):
    item = data.draw(st.integers(0, len(SHAPES) - 1))
    height, width = SHAPES[item]
    y, x = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    h, w = data.draw(st.integers(1, height - y)), data.draw(st.integers(1, width - x))
    crop = synthetic.codec.decode(archive, item, region=(x, y, w, h))
    whole = synthetic.codec.decode(archive, item)
    np.testing.assert_array_equal(crop, whole[y : y + h, x : x + w])


@pytest.mark.parametrize("size", [(13, 20), (1, 1), (5, 3), (26, 40), (100, 33), (13, 300)])
def test_other_sizes_are_the_network_at_their_pixel_centres(synthetic, archive, size):
    width, height = size
    picture = synthetic.codec.decode(archive, 0, size=size)
    rows, cols = (np.arange(height) + 0.5) * 20 / height, (np.arange(width) + 0.5) * 13 / width
    values = synthetic.picture(archive, 0, rows, cols)
    difference = np.abs(picture - 255 * values)
    assert picture.shape == (height, width, 3)
    assert difference.max() <= 0.5 + 1e-9


def test_scale_region_and_size_agree(synthetic, archive):
    codec = synthetic.codec
    double = codec.decode(archive, 2, scale=2)
    assert double.shape == (18, 60, 3)
    np.testing.assert_array_equal(codec.decode(archive, 2, size=(60, 18)), double)
    part = codec.decode(archive, 2, scale=2, region=(7, 1, 11, 6))
    np.testing.assert_array_equal(part, double[2:14, 14:36])
    assert codec.decode(archive, 2, scale=0.001).shape == (1, 1, 3)


def test_large_outputs_are_made_in_pieces(synthetic, archive):
    """Tiles larger than a piece, and more pixels than one run of the network makes."""
    picture = synthetic.codec.decode(archive, 1, size=(700, 900))
    rows, cols = (np.arange(900) + 0.5) * 8 / 900, (np.arange(700) + 0.5) * 8 / 700
    lines, columns = [0, 255, 256, 511, 899], [0, 255, 256, 699]
    values = synthetic.picture(archive, 1, rows[lines], cols[columns]) @ LUMA
    got = picture[np.ix_(lines, columns)][..., 0]
    assert np.abs(got - 255 * values).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("scale", [None, 1.7])
def test_decode_all(synthetic, archive, scale):
    pictures = list(synthetic.codec.decode_all(archive, scale))
    assert len(pictures) == len(SHAPES)
    for item, picture in enumerate(pictures):
        np.testing.assert_array_equal(picture, synthetic.codec.decode(archive, item, scale))


def test_only_the_needed_blocks_are_decoded(synthetic):
    """Garbage in another block, its checksum right, harms nobody who does not look there."""
    data = synthetic.pack([(64, 64)], tiles_per_block=8)  # a block is a row of tiles
    container = Container.from_bytes(data)
    whole = synthetic.codec.decode(data)
    container.blocks[5] = b"garbage"
    again = container.to_bytes()
    top = synthetic.codec.decode(again, region=(0, 0, 64, 40))
    np.testing.assert_array_equal(top, whole[:40])


def test_info_needs_no_codec(archive):
    info = FileDecoder.info(archive)
    assert info["bytes"]["total"] == len(archive)
    assert sum(info["bytes"].values()) == 2 * len(archive)
    assert [item["name"] for item in info["items"]] == list("abcde")
    assert [tuple(item["size"][::-1]) for item in info["items"]] == SHAPES
    pixels = sum(h * w for h, w in SHAPES)
    assert info["bits_per_pixel"] == pytest.approx(8 * len(archive) / pixels)


def test_info_imports_neither_onnxruntime_nor_tensorflow(tmp_path, archive):
    path = tmp_path / "a.mscn"
    path.write_bytes(archive)
    program = (
        "import sys; from mscn_tf.runtime.file_decoder import FileDecoder; "
        "FileDecoder.info(open(sys.argv[1], 'rb').read()); "
        "assert not {'onnxruntime', 'tensorflow', 'onnx'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=True, timeout=60)


def test_codecs_are_found_by_id(synthetic, archive, bundle_members, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle_module, "SHIPPED", tmp_path)
    with pytest.raises(MscnError, match=r"cat\.mscn.*--codec=PATH"):
        FileDecoder.of(archive, name="cat.mscn")
    np.testing.assert_array_equal(
        FileDecoder.of(archive, synthetic.path).decode(archive), synthetic.codec.decode(archive)
    )
    manifest, members = bundle_members
    write_bundle(tmp_path / "first.mscnb", {**manifest, "name": "first"}, members)
    write_bundle(tmp_path / "synthetic.mscnb", manifest, members)
    (tmp_path / "broken.mscnb").write_bytes(b"broken")
    assert Bundle.names() == ["broken", "first", "synthetic"]
    assert FileDecoder.of(archive).bundle.name == "synthetic"
    other = FileDecoder.load("first")
    ours = synthetic.codec.bundle.id[:8].hex()
    for call in (other.decode, lambda data, name: FileDecoder.of(data, "first", name)):
        with pytest.raises(MscnError, match=f"cat.mscn: made with codec {ours}") as caught:
            call(archive, name="cat.mscn")
        assert other.bundle.id[:8].hex() in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        {"item": 5},
        {"item": -1},
        {"scale": 0},
        {"scale": -1},
        {"scale": float("nan")},
        {"scale": float("inf")},
        {"scale": 1e9},
        {"scale": 2, "size": (3, 3)},
        {"size": (0, 5)},
        {"size": (2**15, 2**14)},
        {"region": (0, 0, 14, 20)},
        {"region": (-1, 0, 3, 3)},
        {"region": (0, 0, 0, 3)},
        {"region": (13, 0, 1, 1)},
    ],
)
def test_arguments_out_of_range(synthetic, archive, arguments):
    with pytest.raises(MscnError):
        synthetic.codec.decode(archive, **arguments)


def test_header_that_disagrees_with_the_codec(synthetic, archive):
    container = Container.from_bytes(archive)
    container.code_channels = 1
    with pytest.raises(MscnError, match="disagrees"):
        synthetic.codec.decode(container.to_bytes())


def test_pack_checks_its_arguments(synthetic, symbols_of):
    pack = synthetic.codec.pack
    for shapes, q16, channels in (
        ([(8, 8)] * 2, [80] * 2, [3] * 2),
        ([(8, 8)], [80] * 2, [3]),
        ([(8, 8)], [80], []),
        ([(8, 8)], [200], [3]),
        ([(8, 8)], [80], [2]),
        ([(8, 8)], [80], [5]),
    ):
        with pytest.raises(MscnError):
            pack(symbols_of(1), shapes, q16, channels)


@given(garbage=st.binary(max_size=100), q16=st.integers(16, 160))
@settings(deadline=None, max_examples=100)
def test_garbage_payloads_with_good_checksums(synthetic, garbage, q16):
    container = Container(
        synthetic.codec.bundle.id[:8], 0, 8, 3, [(20, 20)], [q16], [3], None, 16, [garbage]
    )
    try:
        picture = synthetic.codec.decode(container.to_bytes(), name="cat.mscn")
    except MscnError as error:
        assert "cat.mscn" in str(error)  # noqa: PT017
    else:
        assert picture.shape == (20, 20, 3)
