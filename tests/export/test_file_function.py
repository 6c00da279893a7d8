"""From files' bytes to pixels in TensorFlow alone, against the runtime."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from mscn_tf.codec import Codec
from mscn_tf.export.checksums import crc32
from mscn_tf.export.functions import Functions
from mscn_tf.export.range_decoding import LetterTables, begin, words_of
from mscn_tf.runtime import tables

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
PICTURE = np.asarray(Image.open(ROOT / "demo" / "kodim.png"))[200:263, 300:397]


@pytest.fixture(scope="module")
def codec():
    return Codec.load(GOLDEN / "v1.mscnb")


@pytest.fixture(scope="module")
def decode_file(codec):
    functions = Functions(codec.bundle)
    return lambda *files: functions("decode_file", files=files)


def bytes_of(data: bytes) -> tf.Tensor:
    return tf.constant(list(data), tf.int64)


@pytest.mark.parametrize("length", [0, 1, 2, 3, 5, 64, 1001])
def test_checksums_are_zlibs(length):
    data = np.random.default_rng(length).bytes(length)
    assert int(crc32(bytes_of(data))) == zlib.crc32(data)


def test_range_decoding(codec):
    """Symbols of all sizes, whose escapes follow each table's letters."""
    arrays = codec.bundle.arrays("prior")
    random = np.random.default_rng(0)
    index = random.integers(0, len(arrays["support"]), 300)
    symbols = np.rint(random.standard_cauchy(300) * 20).astype(np.int32)
    symbols[:3] = 2**31 - 1, -(2**31 - 1), 0
    encoder = tables.RangeEncoder()
    tables.Tables(arrays).encode(encoder, symbols, index)
    words = words_of(bytes_of(tables.seal(encoder)))
    decode = tf.function(LetterTables(arrays).decode)
    _, found = decode(words, begin(words), tf.constant(index, tf.int32))
    np.testing.assert_array_equal(found, symbols)


def items(codec, data):
    return np.stack(list(codec.decode_all(data))).astype(int)


@pytest.mark.parametrize("quality", [2, 5.5, 9])
def test_pictures(codec, decode_file, quality):
    data = codec.encode(PICTURE, quality=quality)
    found = decode_file(data)
    assert found.dtype == np.uint8
    assert np.abs(found - items(codec, data)).max() <= 1


def test_golden_files(codec, decode_file):
    data = (GOLDEN / "v1_picture.mscn").read_bytes()
    expected = np.asarray(Image.open(GOLDEN / "v1_picture_0.png"))
    assert np.abs(decode_file(data)[0].astype(int) - expected).max() <= 1


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_archives_of_several_blocks_and_qualities(codec, decode_file, channels):
    """Names, metadata and transparency included; and several such files at once."""
    random, files = np.random.default_rng(0), []
    for size in (channels, 10):  # symbols that fit their tables, and others
        planes = 1 + (channels % 2 == 0)
        symbols = random.integers(-size, size + 1, (3 * planes * 6, 96), dtype=np.int32)
        symbols *= random.random(symbols.shape) < 0.05
        extra = {"names": ["a", "b", "c"], "metadata": {"k": 1}, "tiles_per_block": 5}
        shapes, q16 = [(20, 40)] * 3, [30, 100, 150]
        files.append(codec.pack(symbols, shapes, q16, [channels] * 3, **extra))
    expected = np.concatenate([items(codec, data) for data in files])
    found = decode_file(*files)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1


@pytest.mark.parametrize("place", [20, 30, -1, -9])
def test_refuses_what_is_damaged(codec, decode_file, place):
    data = bytearray(codec.encode(PICTURE, quality=5))
    data[place] ^= 4
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode_file(bytes(data))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("v1_exact", "planes without loss"),
        ("v1_bounded", "an error bound"),
        ("v1_archive", "items of several sizes"),
        ("v1field_single", "no .mscn file of codec"),
    ],
)
def test_refuses_in_words(decode_file, name, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        decode_file((GOLDEN / f"{name}.mscn").read_bytes())
