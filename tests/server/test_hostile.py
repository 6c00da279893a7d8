"""What strangers send: refused quickly, in bounded memory, and the server lives."""

from __future__ import annotations

import contextlib
import random
import socket
import time
import zlib

import pytest

from mscn_tf.runtime.container import Container
from mscn_tf.runtime.file_decoder import FileDecoder
from mscn_tf.runtime.input import varint
from tests.runtime.hostile import large_picture
from tests.server.conftest import picture_of, png

SECONDS = 20  # of a test, on a busy machine


@pytest.fixture(autouse=True)
def lives(server):
    """The same processes go on, with little more memory, and answer."""
    before, memory, start = server.processes(), server.resident(), time.monotonic()
    yield
    assert time.monotonic() - start < SECONDS
    assert server.processes() == before
    assert server.resident() < memory + 2**27
    assert server.get("/tiles/wide/0/0/0").status == 200


def test_cut_short_and_flipped(server, synthetic):
    data = synthetic.pack([(16, 16)], channels=[3])
    for end in range(1, len(data), 7):
        assert server.post("/decode", data[:end]).status == 422
    for bit in range(0, 8 * len(data), 37):
        harmed = bytearray(data)
        harmed[bit // 8] ^= 1 << bit % 8
        reply = server.post("/decode", bytes(harmed))
        assert (reply.status, reply.detail[:4]) == (422, "body")


def declaring(bundle: bytes, edge: int, side: int) -> bytes:
    """A file of some 40 bytes, all checksums right, of a picture of side x side in one block."""
    head = b"MSCN\x01\x07" + bundle[:8] + b"\0" + varint(edge) + b"\x03\x01\x01"
    head += varint(side) * 2 + b"\x50\x03\0"
    return head + zlib.crc32(head).to_bytes(4, "little") + bytes(4)


def test_huge_sizes_in_few_bytes(server, synthetic, pyramid_path):
    for bundle in (synthetic.codec.bundle, FileDecoder.load(pyramid_path).bundle):
        for edge in (bundle.manifest.tile_edge, 2**20):
            for side in (2**14, 100_000, 2**20):
                body = declaring(bundle.id, edge, side)
                assert len(body) <= 60
                for query in ("", "?region=9,9,99,99", "?size=1x1", "?scale=0.001"):
                    assert server.post(f"/decode{query}", body).status in (413, 422)


def test_sizes_over_the_limit(server, pyramid_path):
    """A picture of 2^28 pixels is within the format's limits, but not the server's."""
    sample = large_picture(pyramid_path)
    assert len(sample) <= 60
    eighths = 2**28 >> 2 * 3  # what is made where three levels are left out
    for query, samples in {"": 2**28, "?region=9,9,99,99": 2**28, "?size=64x64": eighths}.items():
        reply = server.post(f"/decode{query}", sample)
        assert reply.status == 413
        assert f"{samples} pixels to decode are over the limit of 2097152" in reply.detail


def test_another_codec(server):
    sample = FileDecoder.load("photo")
    body = Container(
        sample.bundle.id[:8], 0, 1024, 3, [(8, 8)], [80], [3], None, 1, [b""]
    ).to_bytes()
    reply = server.post("/decode", body)
    assert reply.status == 422
    assert "made with codec photo; this server has random, synthetic" in reply.detail
    unknown = body.replace(sample.bundle.id[:8], b"stranger")
    assert server.post("/decode", unknown).status == 422


def test_an_archive_of_millions_of_items(server, synthetic):
    """16,777,216 pictures in 28 kB: those of one size are declared once."""
    blocks = 2**24 // 4096
    head = b"MSCN\x01\x07" + synthetic.codec.bundle.id[:8] + b"\0\x08\x03"
    head += varint(2**24) + varint(4096) + b"\x08\x08\x50\x03" + bytes(blocks)
    body = head + zlib.crc32(head).to_bytes(4, "little") + bytes(4 * blocks)
    reply = server.post("/decode", body)
    assert reply.status == 422
    assert "16777216 items, at most 65536 here" in reply.detail


def test_noise(server):
    noise = random.Random(0)
    for size in (1, 100, 10_000):
        body = noise.randbytes(size)
        assert server.post("/decode", body).status == 422
        assert server.post("/decode", b"MSCN" + body).status == 422
        assert server.post("/encode", body).status == 422


def test_hostile_pictures(server):
    def chunk(name: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(name + content).to_bytes(4, "big")
        return len(content).to_bytes(4, "big") + name + content + crc

    def png_of(width: int, height: int, data: bytes) -> bytes:
        head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\0\0\0"
        pixels = chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + pixels

    assert "over the limit" in server.post("/encode", png_of(100_000, 100_000, b"")).detail
    assert "damaged" in server.post("/encode", png_of(1000, 1000, b"")).detail
    assert server.post("/encode", png_of(8, 8, bytes(2**26))).status in (
        200,
        422,
    )  # inflates to 64M


def test_broken_http(server):
    for request in (
        b"\0\1\2\3\r\n\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"POST /decode HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /decode HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /health HTTP/1.1\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
    ):
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.settimeout(30)
            # What has enough may hang up before it has read all, but answers nothing else.
            with contextlib.suppress(ConnectionError):
                client.sendall(request)
            answer = b""
            with contextlib.suppress(ConnectionError):
                answer = client.recv(100)
            refused = [b"HTTP/1.1 400", b"HTTP/1.1 431"]
            assert answer[:12] in ([b"", *refused] if len(request) > 10_000 else refused)


def test_clients_that_leave(server, synthetic):
    data = synthetic.pack([(64, 64)], channels=[3])
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(
                b"POST /decode HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nMSCN"
            )
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            head = "POST /decode?scale=8 HTTP/1.1\r\nHost: localhost\r\n"
            client.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
    server.wait_until_working(0)


def test_pictures_are_still_encoded(server, pyramid):
    picture = picture_of(80, 80)[::10, ::10]
    assert server.post("/encode", png(picture)).body == pyramid.encode(picture)
