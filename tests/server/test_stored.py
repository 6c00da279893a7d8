"""Stored files: what is kept of them, here and elsewhere, and in which forms they come."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Callable

import numpy as np
import pytest
import xarray
from cachetools import LRUCache, cached

from mscn_tf.codec import Codec
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.file_decoder import FileDecoder
from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.view import view
from mscn_tf.server import formats, rendering, work, zoom
from tests.server.conftest import Server, picture_of, png, serving


@pytest.fixture
def put(stored) -> Iterator[Callable[[str, bytes], None]]:
    """Stores a file until the test's end."""
    names = []

    def store(name: str, data: bytes) -> None:
        names.append(name)
        (stored / f"{name}.mscn").write_bytes(data)

    yield store
    for name in names:
        (stored / f"{name}.mscn").unlink(missing_ok=True)


def found(server: Server) -> dict[str, float]:
    """How many answers were kept, and how many made."""
    lines = server.get("/metrics").body.decode().splitlines()
    counts = dict(line.rsplit(" ", 1) for line in lines if line.startswith("mscn_cache_total"))
    return {result: float(counts.get(f'mscn_cache_total{{result="{result}"}}', 0))
            for result in ("hit", "miss")}  # fmt: skip


def test_tiles_of_a_block_are_made_together(server, pyramid, put):
    """A block of the pyramid is 1024 pixels long, so one work makes 16 tiles, and they are kept."""
    data = pyramid.encode(picture_of(512, 768), quality=1, effort=1)
    put("large", data)
    whole = pyramid.decode(data)
    before = found(server)
    for y in range(2):
        for x in range(3):
            for ending in ("png", "webp"):
                seen = server.get(f"/tiles/large/2/{x}/{y}.{ending}").array
                part = whole[256 * y : 256 * y + 256, 256 * x : 256 * x + 256]
                np.testing.assert_array_equal(seen, part)
    after = found(server)
    assert after["miss"] - before["miss"] == 1 + 2  # what it holds, and once a format
    tile = server.get("/iiif/large/256,0,256,256/256,256/0/default.png")
    np.testing.assert_array_equal(tile.array, whole[:256, 256:512])
    assert found(server)["miss"] == after["miss"]  # it is one of them
    assert server.get("/tiles/large/2/0/0.jpg").headers["content-type"] == "image/jpeg"
    assert server.get("/tiles/large/2/0/0.gif").status == 422


def test_tiles_at_edges_are_filled_up_but_for_iiif(server, pyramid, put):
    """Maps stretch what is smaller than a tile; viewers of IIIF expect what they asked for."""
    pixels = picture_of(300, 260)
    for name, picture in {"grey": pixels[..., :1], "rgb": pixels}.items():
        data = pyramid.encode(picture, quality=1, effort=1)
        put(name, data)
        corner = pyramid.decode(data)[256:, 256:]
        filled = server.get(f"/tiles/{name}/1/1/1.webp").array
        assert filled.shape == (256, 256, 4)  # Pillow makes RGBA of grey WebP
        assert filled[:44, :4, 3].min() == 255
        assert filled[44:, :, 3].max() == filled[:, 4:, 3].max() == 0
        own = server.get(f"/iiif/{name}/256,256,4,44/4,44/0/default.png").array
        np.testing.assert_array_equal(own, corner)
        png = server.get(f"/tiles/{name}/1/1/1.png").array
        np.testing.assert_array_equal(png[:44, :4, :-1], corner)
        assert server.get(f"/tiles/{name}/1/0/0.png").array.shape == (256, 256, corner.shape[-1])


def test_sizes_that_are_no_multiple_take_coarse_levels_alone(pyramid, server, put):
    """Of 301x203 pixels zoom 0 is 151x102: 150x101 of them are those of half the size."""
    data = pyramid.encode(picture_of(203, 301), quality=2, effort=1)
    put("odd", data)
    seen = server.get("/tiles/odd/0/0/0?format=npy").array
    assert seen.shape == (102, 151, 3)
    wanted = pyramid.decode(data, size=(150, 101), region=(0, 0, 300, 202))
    np.testing.assert_array_equal(seen[:101, :150], wanted)
    np.testing.assert_array_equal(seen[:, 150], seen[:, 149])
    thumbnail = server.get("/signals/odd?fit=100").array
    np.testing.assert_array_equal(thumbnail, pyramid.decode(data, size=(100, 67)))


def test_large_pictures_have_overviews():
    """Of 24 megapixels, zoom 0 and all others are within the default limit."""
    codec, shape = Codec.load("photo"), (4000, 6000)
    data = Container(codec.bundle.id[:8], 0, 1024, 3, [shape], [80], [3], None, 1, [b""] * 24)
    container = Container.from_bytes(data.to_bytes(), "large", lazy=True)
    for z in range(zoom.original(shape) + zoom.BEYOND + 1):
        region, size = zoom.part(shape, z, 0, 0)
        wanted = view(container, 0, size=size, region=region)
        assert rendering.cost(codec, container, zoom.overview(wanted, shape)) <= 2**24
    assert rendering.largest(codec, container, 0, 2**24) == (3000, 2000)
    assert rendering.largest(codec, container, 0, 10) is None


def test_others_may_keep_answers(server, pyramid, put):
    put("kept", pyramid.encode(picture_of(40, 40), quality=2, effort=1))
    paths = ("/tiles/kept/0/0/0.png", "/signals/kept", "/files/kept", "/iiif/kept/info.json")
    tags = {}
    for path in paths:
        reply = server.get(path)
        assert reply.headers["cache-control"] == "public, max-age=60"
        tag, changed = reply.headers["etag"], reply.headers["last-modified"]
        tags[path] = tag
        for headers in (
            {"If-None-Match": tag},
            {"If-None-Match": f'"other", W/{tag}'},
            {"If-None-Match": "*"},
            {"If-Modified-Since": changed},
        ):
            again = server.get(path, **headers)
            assert (again.status, again.body) == (304, b""), headers
            assert again.headers["etag"] == tag
        for headers in (
            {"If-None-Match": '"other"', "If-Modified-Since": changed},
            {"If-Modified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"},
            {"If-Modified-Since": "never"},
        ):
            assert server.get(path, **headers).status == 200, headers
    put("kept", pyramid.encode(picture_of(48, 48), quality=2, effort=1))
    for path in paths:
        assert server.get(path, **{"If-None-Match": tags[path]}).status == 200
    assert server.get("/tiles/kept/0/0/0?format=npy").array.shape == (48, 48, 3)
    assert "etag" not in server.get("/tiles/kept/0/1/0.png").headers  # 404


def test_head_is_get_without_the_body(server):
    for path in ("/tiles/wide/1/0/0.png", "/health", "/", "/files", "/nothing"):
        got, head = server.get(path), server.ask("HEAD", path)
        assert (head.status, head.body) == (got.status, b"")
        assert head.headers["content-length"] == got.headers["content-length"]
    assert server.ask("HEAD", "/decode").status == 405


def test_what_is_accepted(server, synthetic, stored):
    data = (stored / "wide.mscn").read_bytes()
    for accept, kind in {
        "": "image/png",
        "*/*": "image/png",
        "image/webp": "image/webp",
        "image/webp;q=0.5, image/jpeg;q=0.7": "image/jpeg",
        "image/*;q=0.5, application/octet-stream": "application/octet-stream",
        "text/html,image/avif,image/webp,*/*;q=0.8": "image/webp",
    }.items():
        for reply in (
            server.get("/signals/wide?fit=60", Accept=accept),
            server.post("/decode?size=60x20", data, Accept=accept),
        ):
            assert reply.headers["content-type"] == kind, accept
            assert reply.array.shape == (20, 60, 3)
    for reply in (
        server.get("/signals/wide", Accept="text/html"),
        server.post("/decode", data, Accept="image/png;q=0"),
    ):
        assert reply.status == 406
        assert "image/png" in reply.detail
    tile = server.get("/tiles/wide/0/0/0", Accept="image/webp, image/png;q=0.9")
    assert (tile.headers["content-type"], tile.headers["vary"]) == ("image/webp", "Accept")
    assert server.get("/tiles/wide/0/0/0").headers["content-type"] == "image/png"
    assert server.get("/tiles/wide/0/0/0?format=npy", Accept="text/html").status == 200
    assert server.get("/tiles/wide/0/0/0", Accept="text/html").status == 406
    reply = server.get("/signals/wide?region=10,20,30,40&scale=2&format=npy", Accept="text/html")
    wanted = synthetic.codec.decode(data, region=(10, 20, 30, 40), scale=2)
    np.testing.assert_array_equal(reply.array, wanted)
    assert reply.headers["vary"] == "Accept"


def test_fields_as_netcdf(server, field, tmp_path):
    for reply in (
        server.get("/signals/field", Accept="application/x-netcdf"),
        server.get("/signals/field?format=nc"),
        server.post("/decode?format=nc", field),
    ):
        assert reply.headers["content-type"] == "application/x-netcdf"
        (tmp_path / "field.nc").write_bytes(reply.body)
        with xarray.open_dataset(tmp_path / "field.nc") as dataset:
            (values,) = dataset.data_vars.values()
            wanted = FileDecoder.load("temperature").decode(field)[..., 0]
            np.testing.assert_allclose(values.values, wanted, rtol=1e-6)
            np.testing.assert_allclose(dataset["longitude"], np.arange(16))
    assert server.get("/signals/field").array.shape == (8, 16, 1)
    refused = server.get("/signals/wide?format=nc")
    assert "can't be sent as nc; ask for png" in refused.detail
    offered = {name: formats.kinds(Modality.named(name)) for name in ("sound", "volume", "mesh")}
    assert offered == {"sound": ("npy", "wav"), "volume": ("npy", "nii"), "mesh": ("npy",)}


def test_what_is_not_there(server):
    for path, status in {
        "/signals/nothing": 404,
        "/signals/many?item=2": 404,
        "/signals/wide?fit=0": 422,
        "/signals/wide?fit=9&scale=2": 422,
        "/signals/wide?region=0,0,1": 422,
        "/signals/wide?width=9": 400,
        "/tiles/wide/1/0/0?zoom=1": 400,
        "/files?befor=x": 400,
        "/health?x": 400,
    }.items():
        assert server.get(path).status == status, path
    assert server.post("/encode?qality=9", png(picture_of(8, 8))).detail == (
        "qality: no such parameter; there is codec, quality, bpp, bytes, psnr, effort"
    )


def test_forms(server, synthetic, pyramid):
    data, picture = synthetic.pack([(8, 8)], channels=[3]), picture_of(160, 240)[::10, ::10]

    def form(*parts: bytes, end: bytes = b"--\r\n") -> bytes:
        head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
        return b"".join(head + part + b"\r\n" for part in parts) + b"--b" + end

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    decoded = server.post("/decode?format=npy", form(data), **headers).array
    np.testing.assert_array_equal(decoded, synthetic.codec.decode(data))
    encoded = server.post("/encode?quality=3", form(png(picture)), **headers)
    assert encoded.body == pyramid.encode(picture, quality=3)
    for body, status, says in (
        (form(data, data), 415, "one part"),
        (form(data, end=b""), 415, "cut short"),
        (b"--b\r\nx", 415, ""),
        (b"nothing of it", 415, "damaged"),
        (form(b""), 422, "the body is empty"),
        (form(), 422, ""),
    ):
        reply = server.post("/decode", body, **headers)
        assert reply.status in (status, 415), body
        assert says in reply.detail
    assert (
        server.post("/decode", form(data), **{"Content-Type": "multipart/form-data"}).status == 415
    )


def test_the_start_page(server):
    said = json.loads(server.get("/").body)
    assert said["codecs"] == ["random", "synthetic", "temperature"]
    assert said["links"]["iiif"] == "/iiif/{id}/info.json"
    page = server.get("/", Accept="text/html")
    assert page.headers["content-type"].startswith("text/html")
    assert b'<a href="/view/?id=wide">' in page.body
    absent = server.get("/view/")
    assert (absent.status, "make viewer" in absent.detail) == (404, True)


def test_origins_a_viewer_an_access_log_and_no_cache(synthetic, stored, tmp_path):
    (tmp_path / "index.html").write_text("<p>a viewer")
    flags = (f"--files={stored}", f"--viewer={tmp_path}", "--access-log", "--cache=0")
    origin = {"Origin": "https://a.example"}
    with serving(f"--codec={synthetic.path}", *flags, "--cors=https://a.example") as server:
        assert server.get("/view/?id=wide").body == b"<p>a viewer"
        assert server.get("/view/..%2f..%2fetc%2fpasswd").status == 404
        for _ in range(2):
            tile = server.get("/tiles/wide/0/0/0.png?item=0", **origin)
            assert tile.headers["access-control-allow-origin"] == "https://a.example"
        assert found(server) == {"hit": 0, "miss": 4}
        other = server.get("/health", Origin="https://b.example")
        assert "access-control-allow-origin" not in other.headers
        asked = {**origin, "Access-Control-Request-Method": "POST"}
        assert server.ask("OPTIONS", "/encode", None, asked).status == 400
        asked["Access-Control-Request-Method"] = "GET"
        assert server.ask("OPTIONS", "/files", None, asked).status == 200
        server.get("/files/%22%0a")
        server.process.terminate()
        lines = server.process.stdout.read().splitlines()
    start = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ 127\.0\.0\.1 "
    assert len([line for line in lines if "GET /tiles/wide/0/0/0.png?item=0" in line]) == 2
    for line in lines:
        assert re.fullmatch(start + r'"[A-Z]+ /[ -~]*" \d{3} \d+ \d+\.\d{3}', line), line


def test_origins_by_default(server):
    """On this machine alone: none."""
    reply = server.get("/files", Origin="https://a.example")
    assert "access-control-allow-origin" not in reply.headers


def test_blocks_are_kept_in_bounded_memory(pyramid):
    """Of the levels that a small size leaves out nothing is kept."""
    data = pyramid.encode(picture_of(300, 300), quality=3, effort=1)
    plain = pyramid.decode(data)
    kept: LRUCache[Any, Any] = LRUCache(2**22, getsizeof=work.memory_of)
    try:
        pyramid.scheme.keep_blocks(cached(kept))
        for _ in range(2):
            np.testing.assert_array_equal(pyramid.decode(data), plain)
            assert len(kept) == 1
        whole = kept.currsize
        assert 0.9 < whole / (300 * 300 * 3 * 5) < 1.1  # int32 and uint8
        pyramid.decode(data, size=(75, 75))
        assert kept.currsize - whole < whole / 10
    finally:
        pyramid.scheme.keep_blocks(lambda decode: decode)
