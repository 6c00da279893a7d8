"""Every flipped bit is found, and damage to one item leaves the others readable."""

from __future__ import annotations

import numpy as np
import pytest

from mscn_tf.runtime import exact
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.file_decoder import FileDecoder
from tests import pyramids
from tests.runtime.conftest import EDGE, make_prior, make_symbols

SHAPES = [(EDGE, EDGE), (2 * EDGE, EDGE), (EDGE, 3 * EDGE), (5, 5)]


@pytest.fixture(scope="module")
def archive(synthetic):
    """Four pictures in seven blocks of a tile each."""
    return synthetic.pack(SHAPES, tiles_per_block=1, channels=[3] * 4, names=list("abcd"))


def flipped(data: bytes, bit: int) -> bytes:
    out = bytearray(data)
    out[bit // 8] ^= 1 << bit % 8
    return bytes(out)


def payload_bits(data: bytes) -> tuple[int, int]:
    """First bit of the blocks, and the number of all bits."""
    container = Container.from_bytes(data)
    blocks = sum(len(block) + 4 for block in container.blocks)
    return 8 * (len(data) - blocks), 8 * len(data)


def test_every_flipped_bit_of_a_picture_is_found_by_decoding_it(synthetic):
    data = synthetic.pack([(EDGE, EDGE)], channels=[3])
    synthetic.codec.decode(data)
    for bit in range(8 * len(data)):
        with pytest.raises(MscnError):
            synthetic.codec.decode(flipped(data, bit))


def test_every_flipped_bit_of_an_archive_harms_one_item_at_most(synthetic, archive):
    codec = synthetic.codec
    intact = [codec.decode(archive, item) for item in range(4)]
    first, last = payload_bits(archive)
    owner = [0, 1, 1, 2, 2, 2, 3]
    ends = np.cumsum([len(block) + 4 for block in Container.from_bytes(archive).blocks])
    for bit in range(first):
        with pytest.raises(MscnError):
            Container.from_bytes(flipped(archive, bit), lazy=True)
    for bit in range(first, last):
        damaged = flipped(archive, bit)
        with pytest.raises(MscnError):
            Container.from_bytes(damaged)
        container = Container.from_bytes(damaged, "a.mscn", lazy=True)
        block = int(np.searchsorted(ends, (bit - first) // 8, "right"))
        for number in range(len(container.blocks)):
            if number != block:
                assert container.blocks[number] is not None
        with pytest.raises(MscnError, match=rf"a\.mscn: damaged.*checksum of block {block}\b"):
            container.blocks[block]
        if bit % 41:  # decoding takes longer
            continue
        for item in range(4):
            if item == owner[block]:
                with pytest.raises(MscnError, match="checksum"):
                    codec.decode(damaged, item)
            else:
                np.testing.assert_array_equal(codec.decode(damaged, item), intact[item])
        with pytest.raises(MscnError, match="checksum"):
            list(codec.decode_all(damaged))


def test_a_pyramid_too(tmp_path):
    pyramids.write_codec(tmp_path / "pyramid.mscnb")
    from mscn_tf.codec import Codec as Encoder

    picture = np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8)
    data = Encoder.load(tmp_path / "pyramid.mscnb").encode([picture, picture[:9]], quality=2)
    codec = FileDecoder.load(tmp_path / "pyramid.mscnb")
    whole = codec.decode(data, 0)
    damaged = flipped(data, 8 * len(data) - 40)
    np.testing.assert_array_equal(codec.decode(damaged, 0), whole)
    with pytest.raises(MscnError, match="checksum of block"):
        codec.decode(damaged, 1)


def test_exact_planes_are_checked_when_they_are_used(synthetic):
    """A picture's alpha, and a whole picture: each flipped bit harms its own item alone."""
    alpha = np.arange(2 * EDGE * EDGE, dtype=np.uint8).reshape(2 * EDGE, EDGE, 1)
    pictures = [alpha[:EDGE], np.tile(alpha, 3)]
    blocks = [exact.encode(part) for part in (alpha[:EDGE], alpha, np.tile(alpha, 3))]
    symbols = make_symbols(make_prior(), 2)
    shapes = [(EDGE, EDGE), (2 * EDGE, EDGE), (2 * EDGE, EDGE)]
    data = synthetic.codec.pack(
        symbols, shapes, [80] * 3, [1, 4, 3], None, 4, None, [1, 2, 1], blocks
    )
    intact = list(synthetic.codec.decode_all(data))
    np.testing.assert_array_equal(intact[0], pictures[0])
    np.testing.assert_array_equal(intact[1][..., 3:], alpha)
    np.testing.assert_array_equal(intact[2], pictures[1])
    ends = len(data) - np.cumsum([0, *(len(block) + 4 for block in blocks[::-1])])[::-1]
    for bit in range(8 * int(ends[0]), 8 * len(data), 7):
        damaged = flipped(data, bit)
        owner = int(np.searchsorted(ends, bit // 8, "right")) - 1
        for item in range(3):
            if item == owner:
                with pytest.raises(MscnError, match="checksum of block"):
                    synthetic.codec.decode(damaged, item)
            else:
                np.testing.assert_array_equal(synthetic.codec.decode(damaged, item), intact[item])


def test_residuals_are_checked_when_they_are_used():
    container = Container(
        b"12345678", 1, 8, 1, [(8, 8)] * 2, [80] * 2, [1] * 2, None, 1, [b"one", b"two"]
    )
    container.error_bound, container.residuals = 0.1, [b"three", b"four"]
    data = bytearray(container.to_bytes())
    data[-3] ^= 1
    lazy = Container.from_bytes(bytes(data), lazy=True)
    assert [*lazy.blocks, lazy.residuals[0]] == [b"one", b"two", b"three"]
    with pytest.raises(MscnError, match="checksum of block 3"):
        lazy.residuals[1]
