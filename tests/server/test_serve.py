from __future__ import annotations

import concurrent.futures
import contextlib
import io
import json
import os
import re
import signal
import socket
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mscn_tf.runtime.file_decoder import FileDecoder
from tests.apps.conftest import Folder
from tests.server.conftest import MAX_BODY, Reply, picture_of, png, serving


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def test_decode(server, synthetic):
    data = synthetic.pack([(40, 56), (9, 30)], channels=[3, 1])
    decode = synthetic.codec.decode
    for query, wanted in {
        "": decode(data),
        "?item=1": decode(data, 1),
        "?scale=2.5": decode(data, scale=2.5),
        "?size=10x20&region=8,4,30,20": decode(data, size=(10, 20), region=(8, 4, 30, 20)),
    }.items():
        reply = server.post(f"/decode{query}", data)
        assert reply.headers["content-type"] == "image/png"
        np.testing.assert_array_equal(reply.array, wanted)
    for kind in ("npy", "webp"):
        np.testing.assert_array_equal(
            server.post(f"/decode?format={kind}", data).array, decode(data)
        )
    jpeg = server.post("/decode?format=jpeg", data)
    assert jpeg.headers["content-type"] == "image/jpeg"
    assert np.abs(jpeg.array - decode(data).astype(float)).mean() < 12


COLOURFUL = picture_of(160, 240)[::10, ::10]


def test_encode(server, pyramid):
    picture = COLOURFUL
    for query, goal in {
        "": {},
        "?quality=3&effort=1&codec=random": {"quality": 3, "effort": 1},
        "?bytes=500": {"size": 500},
        "?psnr=20": {"psnr": 20},
    }.items():
        reply = server.post(f"/encode{query}", png(picture))
        assert reply.status == 200, reply.body
        assert reply.body == pyramid.encode(picture, **goal)


def test_notes_on_what_was_left_out(server):
    profiled = io.BytesIO()
    Image.fromarray(COLOURFUL).save(profiled, "PNG", icc_profile=b"nothing")
    told = server.post("/encode", profiled.getvalue()).headers.get_all("mscn-note")
    assert told == ["its colour profile is damaged: colours are taken as sRGB"]
    assert server.post("/encode", png(COLOURFUL)).headers.get_all("mscn-note") is None


def test_what_would_lose_too_much(server):
    """As `mscn encode`: more quality where any will do, else refused."""
    values = np.random.default_rng(0).normal(128, 4, (24, 24, 3))
    pale = png(values.astype(np.uint8))
    refused = server.post("/encode?quality=3", pale)
    assert refused.status == 422
    line = r"body: it loses \d+% of its own spread \(.* dB PSNR\); ask for more"
    assert re.fullmatch(line, refused.detail)
    (note,) = server.post("/encode", pale).headers.get_all("mscn-note")
    assert note.startswith("the default quality would lose too much of it; took --quality=")


def test_what_a_user_gets_wrong(server, synthetic, pyramid):
    data = synthetic.pack([(8, 8)], channels=[3])
    wrong = {
        "/decode?item=1": "no item 1",
        "/decode?item=x": "item: Input should be a valid integer",
        "/decode?scale=nan": "scale: ",
        "/decode?scale=2&size=8x8": "not both",
        "/decode?size=9": "a size takes 2 numbers",
        "/decode?region=4,4,8,8": "does not lie within",
        "/decode?format=gif": "format: Input should be",
    }
    for path, says in wrong.items():
        reply = server.post(path, data)
        assert reply.status == 422, path
        assert says in reply.detail
    assert server.post("/decode", b"").detail == "the body is empty"
    alpha = pyramid.encode(np.dstack([picture_of(8, 8), np.eye(8, dtype=np.uint8)]))
    assert "jpeg has no transparency" in server.post("/decode?format=jpeg", alpha).detail
    decoded = server.post("/decode", alpha).array
    np.testing.assert_array_equal(decoded[..., 3], np.eye(8, dtype=np.uint8))
    for path, says in {
        "/encode?quality=3&bpp=1": "give one of",
        "/encode?quality=11": "quality: ",
        "/encode?effort=-1": "effort: ",
        "/encode?effort=10": "effort: ",
        "/encode?effort=0&codec=random": "effort=0: must be 1 to 9",
        "/encode?codec=thumb32": "no codec of pictures named thumb32 here; there is random, synth",
        "/encode?bytes=1": "out of reach",
    }.items():
        reply = server.post(path, png(picture_of(8, 8)))
        assert reply.status == 422, path
        assert says in reply.detail
    assert "not a picture" in server.post("/encode", b"nothing").detail
    assert server.get("/decode").status == 405


def test_a_codec_that_can_only_decode(server):
    reply = server.post("/encode?codec=synthetic", png(picture_of(8, 8)))
    assert reply.status == 501
    assert "it can only decode" in reply.detail


def test_other_signals_are_arrays(server, field):
    reply = server.post("/decode?region=0,0,4,4&size=9x9", field)
    wanted = FileDecoder.load("temperature").decode(field, region=(0, 0, 4, 4), size=(9, 9))
    np.testing.assert_array_equal(reply.array, wanted)
    assert "ask for npy" in server.post("/decode?format=png", field).detail
    assert "tiles are of pictures" in server.get("/tiles/field/0/0/0").detail
    assert json.loads(server.get("/files/field").body)["last_zoom"] is None
    said = server.post("/encode?codec=temperature", png(picture_of(8, 8))).detail
    assert "no codec of pictures named temperature" in said


def test_tiles_are_parts_of_the_picture(server, synthetic, stored):
    data = (stored / "wide.mscn").read_bytes()
    for z, size in {0: (150, 50), 1: (300, 100), 2: (600, 200)}.items():
        whole = synthetic.codec.decode(data, size=size)
        places = [(0, 0), ((size[0] - 1) // 256, (size[1] - 1) // 256), (size[0] // 512, 0)]
        for x, y in places:
            tile = server.get(f"/tiles/wide/{z}/{x}/{y}?format=npy").array
            part = whole[256 * y : 256 * y + 256, 256 * x : 256 * x + 256]
            np.testing.assert_array_equal(tile, part, f"{z}/{x}/{y}")
    png_tile = server.get("/tiles/wide/1/1/0")
    assert png_tile.headers["content-type"] == "image/png"
    assert png_tile.array.shape == (256, 256, 4)
    shown = png_tile.array[:100, :44, :3]
    np.testing.assert_array_equal(shown, synthetic.codec.decode(data)[:, 256:])
    opaque = np.zeros((256, 256), np.uint8)
    opaque[:100, :44] = 255  # beyond the picture's edges nothing is seen
    np.testing.assert_array_equal(png_tile.array[..., 3], opaque)
    on_white = server.get("/tiles/wide/1/1/0.jpg").array
    assert on_white.shape == (256, 256, 3)
    assert on_white[112:].min() == 255
    last = server.get("/tiles/wide/9/299/99?format=npy").array
    wanted = synthetic.codec.decode(data, region=(299, 99, 1, 1), size=(256, 256))
    np.testing.assert_array_equal(last, wanted)


def test_tiles_of_a_pyramid_and_a_file_that_changes(server, pyramid, stored):
    file = stored / "pyramid.mscn"
    file.write_bytes(pyramid.encode(picture_of(300, 40), effort=1))
    whole = pyramid.decode(file.read_bytes())
    np.testing.assert_array_equal(server.get("/tiles/pyramid/1/0/1?format=npy").array, whole[256:])
    small = pyramid.decode(file.read_bytes(), size=(20, 150))
    np.testing.assert_array_equal(server.get("/tiles/pyramid/0/0/0?format=npy").array, small)
    file.write_bytes(pyramid.encode(picture_of(16, 16)))
    assert server.get("/tiles/pyramid/0/0/0?format=npy").array.shape == (16, 16, 3)
    file.unlink()
    assert server.get("/tiles/pyramid/0/0/0").status == 404


def test_tiles_that_are_not_there(server):
    for place in ("1/2/0", "1/0/1", "0/1/0", "10/0/0", "64/0/0"):
        reply = server.get(f"/tiles/wide/{place}")
        assert reply.status == 404
        assert "a picture of 300x100 pixels has no tile" in reply.detail
    assert server.get("/tiles/many/0/0/0?item=1&format=npy").array.shape == (8, 8, 3)
    assert server.get("/tiles/many/0/0/0?item=2").status == 404
    assert server.get("/tiles/wide/65/0/0").status == 422
    assert server.get("/tiles/wide/-1/0/0").status == 422


def test_stored_files(server):
    listed = json.loads(server.get("/files").body)
    assert [file["id"] for file in listed["files"]] == ["damaged", "field", "many", "wide"]
    assert listed["next"] is None
    assert len(json.loads(server.get("/files?after=damaged").body)["files"]) == 3
    assert json.loads(server.get("/files/many?item=1").body) == {
        "id": "many", "codec": "synthetic", "modality": "image", "items": 2, "name": "<b>",
        "size": [8, 8], "channels": 3, "original_zoom": 0, "last_zoom": 8, "block": 8,
        "largest": [8, 8],
        "quality": json.loads(server.get("/files/many?item=1").body)["quality"],
    }  # fmt: skip
    assert server.get("/files/many?item=2").status == 404
    assert "damaged" in server.get("/files/damaged").detail


@pytest.mark.parametrize(
    "name",
    ["missing", "..%2Foutside", "..", "%2e%2e%2foutside", "notes.txt", ".hidden", "a%20b", "folder",
     "wide.mscn", "x" * 5000, "%00", "wide%00", "%0a", "/etc/passwd", "%ff", "..%5coutside"],
)  # fmt: skip
def test_ids_lead_to_stored_files_only(server, name):
    for path in (f"/files/{name}", f"/tiles/{name}/0/0/0"):
        reply = server.get(path)
        assert reply.status in (404, 422), path
        assert b"secret" not in reply.body


def test_health_metrics_and_description(server):
    health = json.loads(server.get("/health").body)
    assert health["status"] == "ok"
    assert health["codecs"] == ["random", "synthetic", "temperature"]
    server.get("/tiles/wide/0/0/0")
    figures = server.get("/metrics")
    assert figures.headers["content-type"].startswith("text/plain")
    lines = figures.body.decode()
    assert 'mscn_requests_total{route="/tiles/{id}/{z}/{x}/{y}",status="200"}' in lines
    (line,) = re.findall(r'mscn_request_seconds_sum{route="/health",status="200"} .*', lines)
    assert float(line.split()[1]) > 0
    paths = json.loads(server.get("/openapi.json").body)["paths"]
    assert {"/decode", "/encode", "/files", "/tiles/{id}/{z}/{x}/{y}", "/health"} <= paths.keys()
    assert b"/openapi.json" in server.get("/docs").body


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
def test_nothing_of_tensorflow_is_loaded(server):
    for number in server.processes():
        assert "tensorflow" not in Path(f"/proc/{number}/maps").read_text()


def test_bodies_over_the_limit(server):
    reply = server.post("/decode", bytes(MAX_BODY + 1))
    assert reply.status == 413
    assert f"over the limit of {MAX_BODY} bytes" in reply.detail
    with contextlib.closing(server.connect()) as connection:  # declared, and never sent
        connection.putrequest("POST", "/encode")
        connection.putheader("Content-Length", str(2**60))
        connection.endheaders()
        assert Reply(connection.getresponse()).status == 413
    with contextlib.closing(server.connect()) as connection:  # in pieces, length not declared
        pieces = iter([bytes(2**16)] * (MAX_BODY // 2**16 + 1))
        connection.request("POST", "/decode", pieces, encode_chunked=True)
        assert Reply(connection.getresponse()).status == 413


def test_pixels_over_the_limit(server, synthetic):
    data = synthetic.pack([(8, 8)], channels=[3])
    assert server.post("/decode?size=1024x2048&format=npy", data).array.size == 3 * 2**21
    reply = server.post("/decode?size=1025x2048", data)
    assert reply.status == 413
    assert "over the limit of 2097152" in reply.detail
    blank = server.post("/encode", png(np.zeros((1025, 2048, 3), np.uint8)))
    assert blank.status == 422
    assert "over the limit of 2097152" in blank.detail


def test_time_number_and_a_worker_that_is_killed(synthetic):
    """One worker, room for two requests, three seconds for each."""
    data = synthetic.pack([(8, 8)], channels=[3])
    with (
        serving(f"--codec={synthetic.path}", "--max-requests=2", "--timeout=3") as server,
        concurrent.futures.ThreadPoolExecutor() as clients,
    ):
        worker = server.processes()[1]
        os.kill(worker, signal.SIGSTOP)  # now any request takes too long
        first = clients.submit(server.post, "/decode", data)
        server.wait_until_working(1)
        second = clients.submit(server.post, "/decode", data)
        server.wait_until_working(2)
        start = time.monotonic()
        refused = server.post("/decode", data)
        assert server.get("/health").status == 200
        assert time.monotonic() - start < 2  # neither waits for the two
        assert refused.status == 503
        assert refused.headers["retry-after"] == "1"
        assert "too many requests" in refused.detail
        late = first.result()
        assert late.status == 504
        assert "longer than 3 s" in late.detail
        assert second.result().status == 503  # it has waited for half of its time
        assert worker not in server.processes()
        assert server.post("/decode", data).status == 200

        with socket.create_connection(("127.0.0.1", server.port)) as slow:
            slow.sendall(
                b"POST /decode HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nMSC"
            )
            slow.settimeout(30)
            assert slow.recv(100).startswith(b"HTTP/1.1 408")
        server.wait_until_working(0)

        with socket.socket() as idle:  # asks for 7 MB, and does not read them
            idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**12)
            idle.connect(("127.0.0.1", server.port))
            head = "POST /decode?size=1500x1500&format=npy HTTP/1.1\r\nHost: localhost\r\n"
            idle.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
            server.wait_until_working(1)
            server.wait_until_working(0)
            idle.settimeout(30)
            assert sum(map(len, iter(lambda: idle.recv(2**20), b""))) < 3 * 1500**2
        server.says = "ERROR:    ASGI callable returned without completing response.\n"

        for path in ("/files", "/files/wide", "/tiles/wide/0/0/0"):  # it has no folder
            assert server.get(path).status == 404


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_a_signal_waits_for_requests(pyramid, pyramid_path, number):
    picture = picture_of(120, 120)
    with (
        serving(f"--codec={pyramid_path}") as server,
        concurrent.futures.ThreadPoolExecutor() as clients,
    ):
        worker = server.processes()[1]
        os.kill(worker, signal.SIGSTOP)  # it takes as long as we like
        reply = clients.submit(server.post, "/encode", png(picture))
        server.wait_until_working(1)
        for process in server.processes():  # to all, as a terminal and systemd do
            os.kill(process, number)
        time.sleep(0.2)
        assert not reply.done()
        with pytest.raises(ConnectionRefusedError):
            server.get("/health")
        os.kill(worker, signal.SIGCONT)
        assert reply.result().body == pyramid.encode(picture)
        assert server.process.wait(timeout=30) == 0


def test_what_can_not_be_served(folder, synthetic):
    codec = f"--codec={synthetic.path}"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = folder.refuses("serve", codec, f"--port={port}")
        assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in said
    for flags, says in {
        ("--codec=photos",): "no codec named photos",
        (): "give the codecs to serve",
        (f"{codec},{synthetic.path}",): "two codecs have one name",
        (codec, "--files=nowhere"): "--files=nowhere: No such file or directory",
        (codec, "--timeout=0"): "--timeout=0: must be more than 0",
    }.items():
        assert says in folder.refuses("serve", *flags)
