import dataclasses
import re
import time
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mscn_tf.runtime.container import MAX_PIXELS, Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.header import field_table
from mscn_tf.runtime.input import varint

NAME = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=12)


@st.composite
def containers(draw):
    count = draw(st.integers(1, 20))
    edge = draw(st.integers(1, 64))
    side = st.integers(1, 4 * edge)

    def column(values):
        same = st.builds(lambda value: [value] * count, values)
        return draw(same | st.lists(values, min_size=count, max_size=count))

    container = Container(
        bundle_id=draw(st.binary(min_size=8, max_size=8)),
        modality=0,
        tile_edge=edge,
        code_channels=draw(st.integers(1, 255)),
        shapes=column(st.tuples(side, side)),
        q16=column(st.integers(16, 160)),
        channels=column(st.integers(1, 4)),
        exact=[],
        names=draw(st.none() | st.lists(NAME, min_size=count, max_size=count)),
        tiles_per_block=draw(st.integers(1, 40)),
        blocks=[],
        metadata=draw(st.sampled_from([None, {}, {"~": [0.5, 1.0, 1.5, 2.0], "a": "ü"}])),
        by_area=draw(st.booleans()),
    )
    container.packed = container.metadata is not None and draw(st.booleans())
    if draw(st.booleans()):
        container.error_bound = 0.25
        container.residuals = draw(st.sampled_from([[], [bytes(3)] * count]))
    if draw(st.booleans()):
        kinds = [draw(st.integers(0, 2 ** (2 - n % 2) - 1)) for n in container.channels]
        container.exact += kinds if any(kinds) else []
        payloads = sum(bin(kind).count("1") for kind in container.exact)
        container.exact_blocks += [bytes([k]) * k for k in range(payloads)]
    blocks = -(-container.tiles // container.tiles_per_block)
    container.blocks += [bytes([k % 251]) * (k * 7 % 300) for k in range(blocks)]
    return container


def small(**changes):
    one = Container(b"12345678", 0, 32, 3, [(32, 32)], [80], [3], None, 64, [b"payload" * 10])
    return dataclasses.replace(one, **changes)


@given(containers())
@settings(deadline=None, max_examples=200)
def test_round_trip(container):
    data = container.to_bytes()
    again = Container.from_bytes(data)
    assert again == container
    assert again.to_bytes() == data
    assert sum(container.sizes().values()) == len(data)
    payloads = [*container.blocks, *container.residuals, *container.exact_blocks]
    assert container.sizes()["payload"] == sum(map(len, payloads))
    bare = container.error_bound is not None and not container.residuals
    newest = container.by_area or container.packed or bare
    assert data[4] == (3 if newest else 1 + (len(container.exact) > 0))


@given(containers())
@settings(deadline=None, max_examples=100)
def test_tiles_belong_to_their_items(container):
    owners = []
    for item, (height, width) in enumerate(container.shapes):
        edge = container.tile_edge
        while container.by_area and 2 * edge * min(height, width) <= container.tile_edge**2:
            edge *= 2
        tiles = -(-height // edge) * -(-width // edge)
        planes = [container.tiles_of(item, p) for p in container.coded(item)]
        exact = bin(container.exact[item]).count("1") if container.exact else 0
        assert len(planes) == 2 - container.channels[item] % 2 - exact
        assert [len(plane) for plane in planes] == [tiles] * len(planes)
        assert [tile for plane in planes for tile in plane] == list(container.tiles_of(item))
        owners += [item] * len(container.tiles_of(item))
    covered = []
    for block in range(len(container.blocks)):
        tiles = container.tiles_in(block)
        covered += tiles
        expected = [container.q16[owners[tile]] for tile in tiles]
        assert container.q16_of(tiles).tolist() == expected
    assert covered == list(range(len(owners)))
    planes = [(i, p) for i in range(container.items) for p in range(len(container.planes(i)))]
    found = [container.exact_block(*place) for place in planes if container.is_exact(*place)]
    assert found == container.exact_blocks


def test_every_flipped_bit_and_every_truncation_is_found():
    archive = small(
        shapes=[(40, 20), (33, 64)], q16=[16, 160], channels=[1, 3], names=["a", "b"],
        tiles_per_block=3, blocks=[b"first", b"", b""][:2],
    )  # fmt: skip
    exact = dataclasses.replace(
        archive, channels=[4, 1], exact=[3, 0], blocks=[b"one"] * 2, exact_blocks=[b"two", b"three"]
    )
    newest = small(shapes=[(3, 99)], packed=True, metadata={"a": [1, 2, 3, 4]}, by_area=True)
    newest = dataclasses.replace(newest, error_bound=0.5)
    for container in (small(), archive, exact, newest):
        data = container.to_bytes()
        Container.from_bytes(data)
        for bit in range(8 * len(data)):
            flipped = bytearray(data)
            flipped[bit // 8] ^= 1 << bit % 8
            with pytest.raises(MscnError):
                Container.from_bytes(bytes(flipped))
        for length in range(len(data)):
            with pytest.raises(MscnError):
                Container.from_bytes(data[:length])
        with pytest.raises(MscnError):
            Container.from_bytes(data + b"\0")


@given(st.binary(max_size=200), st.booleans())
@settings(deadline=None, max_examples=500)
def test_garbage_is_refused(garbage, with_magic):
    with pytest.raises(MscnError):
        Container.from_bytes(b"MSCN\x01" * with_magic + garbage)


def header(flags, items, per_block, *rest):
    head = b"MSCN\x01" + bytes([flags]) + bytes(8) + bytes([0, 32, 3])
    return head + varint(items) + varint(per_block) + b"".join(rest)


def sealed(head):
    return head + zlib.crc32(head).to_bytes(4, "little")


@pytest.mark.parametrize(
    "head",
    [
        header(7, 1, 4096, varint(100_000), varint(100_000), b"\x50\x03"),
        header(7, 1, 1, varint(2**14), varint(2**14), b"\x50\x03"),
        header(7, 2**24, 4096, varint(32), varint(32), b"\x50\x03"),
        header(7, 2**24, 1, varint(2**14), varint(2**14), b"\x50\x03"),
        header(0, 2**24, 4096, bytes(30)),
        header(7, 2**60, 4096, bytes(30)),
        header(8, 1, 1, b"\x01\x01\x50\x03", varint(2**40)),
    ],
)
def test_hostile_sizes_are_refused_at_once(head):
    data = sealed(head + bytes(max(0, 56 - len(head))))
    assert len(data) <= 64
    tracemalloc.start()
    begin = time.perf_counter()
    with pytest.raises(MscnError):
        Container.from_bytes(data)
    assert time.perf_counter() - begin < 1
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_names_that_inflate_without_end_are_refused():
    bomb = zlib.compress(bytes([65]) * 2**27, 9)
    head = header(15, 1, 1, b"\x01\x01\x50\x03", varint(len(bomb)), bomb, b"\0")
    with pytest.raises(MscnError, match="names"):
        Container.from_bytes(sealed(head) + bytes(4))


@pytest.mark.parametrize(
    "changes",
    [
        {"bundle_id": b"1234567"},
        {"modality": 8},
        {"modality": 2},  # has one axis
        {"tile_edge": 0},
        {"tile_edge": 2**20 + 1},
        {"code_channels": 0},
        {"q16": [15]},
        {"q16": [161]},
        {"q16": [80, 80]},
        {"channels": [0]},
        {"tile_overlap": 32},
        {"metadata": {"a": float("nan")}},
        {"error_bound": 0.0, "residuals": [b""]},
        {"error_bound": 1.0, "residuals": [b"", b""]},
        {"residuals": [b""]},
        {"shapes": [(0, 5)]},
        {"shapes": [(2**15, 2**14)]},
        {"shapes": [(1, 2**20 + 1)]},
        {"shapes": []},
        {"tiles_per_block": 0},
        {"tiles_per_block": 4097},
        {"names": ["a\nb"]},
        {"names": ["\ud800"]},
        {"names": ["a", "b"]},
        {"exact": [0], "exact_blocks": []},
        {"exact": [1], "exact_blocks": [b""]},  # and yet there are tiles
        {"exact": [1], "blocks": []},
        {"exact": [2], "blocks": [], "exact_blocks": [b""]},
        {"exact": [1, 1], "blocks": [], "exact_blocks": [b"", b""]},
        {"exact_blocks": [b""]},
        {"blocks": []},
        {"blocks": [b"", b""]},
    ],
)
def test_what_cannot_be_read_is_not_written(changes):
    with pytest.raises(MscnError):
        small(**changes).to_bytes()


def test_other_files_and_versions_are_named():
    with pytest.raises(MscnError, match=r"cat\.png: not a \.mscn file"):
        Container.from_bytes(b"\x89PNG", "cat.png")
    data = bytearray(small().to_bytes())
    data[4] = 4
    with pytest.raises(MscnError, match=r"version 4, this program reads 1 to 3; update"):
        Container.from_bytes(bytes(data))
    data[4] = 2  # has nothing of version 2
    with pytest.raises(MscnError, match="flags of another version"):
        Container.from_bytes(bytes(data))
    with pytest.raises(MscnError, match=r"cat\.mscn: damaged"):
        Container.from_bytes(small().to_bytes()[:-1], "cat.mscn")


def test_items_are_checked():
    container = Container.from_bytes(small().to_bytes(), "cat.mscn")
    for item in (-1, 1):
        with pytest.raises(MscnError, match=r"cat\.mscn: no item"):
            container.tiles_of(item)


def test_overhead():
    """A single small picture pays about 30 bytes, one of 500 less than a byte and a half."""
    sizes = small().sizes()
    assert sizes["header"] + sizes["side"] <= 33
    count = 500
    archive = small(
        shapes=[(32, 32)] * count, q16=[80] * count, channels=[3] * count,
        blocks=[bytes(6400)] * 8,
    )  # fmt: skip
    sizes = archive.sizes()
    assert sizes["header"] + sizes["side"] < 0.2 * count
    mixed = dataclasses.replace(archive, q16=[16 + k % 100 for k in range(count)])
    sizes = mixed.sizes()
    assert sizes["header"] + sizes["side"] < 1.5 * count


def test_largest_picture_is_allowed():
    side = 2**14
    assert side * side == MAX_PIXELS
    blocks = [b""] * 2  # 65 x 65 tiles
    container = small(shapes=[(side, side)], tile_edge=255, tiles_per_block=4096, blocks=blocks)
    assert Container.from_bytes(container.to_bytes()) == container


def test_the_documentation_has_the_table_of_fields():
    text = (Path(__file__).parents[2] / "docs" / "format.md").read_text(encoding="utf-8")
    table = re.search(r"field_table\(\) -->\n(.*?)<!-- end -->", text, re.DOTALL).group(1)
    assert table == field_table()
