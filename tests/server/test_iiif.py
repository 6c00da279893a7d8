"""What parameters mean, by the rules of the IIIF Image API 3.0, and the endpoints."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mscn_tf.server import iiif
from mscn_tf.server.answers import RefusedError
from mscn_tf.server.iiif import Sides
from tests.server.conftest import picture_of

SIDES = Sides((200, 300), (300, 200), 10**6)  # a picture of 300x200
LARGE = Sides((4000, 6000), (3000, 2000), 2**24)


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("full", (0, 0, 300, 200)),
        ("square", (50, 0, 200, 200)),
        ("10,20,30,40", (10, 20, 30, 40)),
        ("290,0,300,200", (290, 0, 10, 200)),  # cut off at the edge
        ("pct:10,10,50.5,50", (30, 20, 152, 100)),
        ("pct:.5,0,100,100", (2, 0, 298, 200)),
    ],
)
def test_regions(text, box):
    assert iiif.region_of(text, (200, 300)) == box


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("max", (300, 200)),
        ("150,", (150, 100)),
        (",50", (75, 50)),
        ("30,30", (30, 30)),
        ("pct:50", (150, 100)),
        ("pct:0.1", (1, 1)),
        ("!100,100", (100, 66)),
        ("!900,100", (150, 100)),
        ("!900,900", (300, 200)),  # not enlarged
        ("^600,", (600, 400)),
        ("^,400", (600, 400)),
        ("^pct:200", (600, 400)),
        ("^600,30", (600, 30)),
        ("^!600,600", (600, 400)),
        ("^max", (1224, 816)),
    ],
)
def test_sizes(text, size):
    assert iiif.size_of(text, (0, 0, 300, 200), SIDES) == size


@pytest.mark.parametrize(
    ("text", "size"), [("max", (3000, 2000)), ("^max", (3000, 2000)), ("!9000,500", (750, 500))]
)
def test_sizes_within_limits(text, size):
    assert iiif.size_of(text, (0, 0, 6000, 4000), LARGE) == size


@pytest.mark.parametrize(
    ("region", "size", "rotation", "quality", "format"),
    [
        ("300,0,1,1", "max", "0", "default", "jpg"),  # outside
        ("0,0,0,10", "max", "0", "default", "jpg"),
        ("0,0,10", "max", "0", "default", "jpg"),
        ("-1,0,10,10", "max", "0", "default", "jpg"),
        ("pct:100,0,10,10", "max", "0", "default", "jpg"),
        ("pct:x,0,10,10", "max", "0", "default", "jpg"),
        ("full", "301,", "0", "default", "jpg"),  # larger, and no ^
        ("full", "300,201", "0", "default", "jpg"),
        ("full", "pct:101", "0", "default", "jpg"),
        ("full", "0,", "0", "default", "jpg"),
        ("full", "pct:0", "0", "default", "jpg"),
        ("full", "^9000,9000", "0", "default", "jpg"),  # over maxArea
        ("full", "full", "0", "default", "jpg"),  # of version 2
        ("full", "", "0", "default", "jpg"),
        ("full", "max", "45", "default", "jpg"),
        ("full", "max", "!0", "default", "jpg"),
        ("full", "max", "360", "default", "jpg"),
        ("full", "max", "0", "native", "jpg"),
        ("full", "max", "0", "default", "tif"),
    ],
)
def test_what_is_refused(region, size, rotation, quality, format):
    with pytest.raises(RefusedError) as refused:
        iiif.wanted(0, region, size, rotation, quality, format, SIDES)
    assert refused.value.status == 400


def test_limits_are_told_and_kept():
    said = iiif.info("http://x/iiif/large", LARGE, False)
    assert (said["maxWidth"], said["maxHeight"]) == (3000, 2000)
    for size in said["sizes"]:
        text = f"{size['width']},{size['height']}"
        assert iiif.size_of(text, (0, 0, 6000, 4000), LARGE) == (size["width"], size["height"])
    with pytest.raises(RefusedError):
        iiif.size_of("3001,", (0, 0, 6000, 4000), LARGE)


def test_information(server):
    reply = server.get("/iiif/wide/info.json")
    said = json.loads(reply.body)
    required = {
        "@context": "http://iiif.io/api/image/3/context.json",
        "id": f"http://127.0.0.1:{server.port}/iiif/wide",
        "type": "ImageService3",
        "protocol": "http://iiif.io/api/image",
        "profile": "level2",
        "width": 300,
        "height": 100,
    }
    assert required.items() <= said.items()
    assert said["tiles"] == [{"width": 256, "scaleFactors": [1, 2]}]
    assert said["sizes"] == [{"width": 150, "height": 50}, {"width": 300, "height": 100}]
    assert reply.headers["content-type"] == "application/json"
    linked = server.get("/iiif/wide/info.json", Accept="application/ld+json").headers
    assert linked["content-type"].startswith("application/ld+json;profile=")
    led = server.get("/iiif/wide")
    assert (led.status, led.headers["location"]) == (303, f"{said['id']}/info.json")
    assert json.loads(server.get("/iiif/many:1/info.json").body)["width"] == 8


def test_pictures(server, synthetic, stored):
    whole = synthetic.codec.decode((stored / "wide.mscn").read_bytes())
    for parameters, wanted in {
        "full/max/0": whole,
        "square/max/0": whole[:, 100:200],
        "0,0,256,100/256,100/0": whole[:, :256],  # a tile
        "256,0,44,100/max/0": whole[:, 256:],
        "10,20,30,40/max/90": np.rot90(whole[20:60, 10:40], -1),
        "10,20,30,40/max/180": whole[20:60, 10:40][::-1, ::-1],
    }.items():
        reply = server.get(f"/iiif/wide/{parameters}/default.png")
        np.testing.assert_array_equal(reply.array, wanted, parameters)
    small = server.get("/iiif/wide/full/,50/270/gray.jpg")
    assert small.headers["content-type"] == "image/jpeg"
    assert small.array.shape == (150, 50, 1)
    assert {*np.unique(server.get("/iiif/wide/full/max/0/bitonal.png").array)} == {0, 255}
    assert '/iiif/wide/full/150,50/270/gray.jpg>;rel="canonical"' in small.headers["link"]
    assert 'level2.json>;rel="profile"' in small.headers["link"]


def test_every_tile_and_size_that_is_offered_can_be_had(server, pyramid, stored):
    """By the implementation notes of the specification: regions at edges are cut off."""
    width, height = 601, 433
    file = stored / "offered.mscn"
    file.write_bytes(pyramid.encode(picture_of(height, width), quality=1, effort=1))
    base = "/iiif/offered"
    said = json.loads(server.get(f"{base}/info.json").body)
    assert (said["width"], said["height"]) == (width, height)
    for size in said["sizes"]:
        sides = size["width"], size["height"]
        tile = server.get(f"{base}/full/{sides[0]},{sides[1]}/0/default.jpg").array
        assert tile.shape[1::-1] == sides
    (offered,) = said["tiles"]
    edge, height_too = offered["width"], offered.get("height", offered["width"])
    for factor in offered["scaleFactors"]:
        for top in range(0, height, height_too * factor):
            for left in range(0, width, edge * factor):
                own = min(edge * factor, width - left), min(height_too * factor, height - top)
                sides = tuple(-(-side // factor) for side in own)
                place = f"{left},{top},{own[0]},{own[1]}/{sides[0]},{sides[1]}"
                tile = server.get(f"{base}/{place}/0/default.jpg").array
                assert tile.shape[1::-1] == sides, place
    file.unlink()


def test_what_a_level_2_server_must_do(server):
    """The lists of the compliance document, but for what other tests here check."""
    base = "/iiif/wide"
    part = "10,20,40,30"
    for parameters, sides in {
        "pct:10,10,50,50/max/0": (150, 50),  # regionByPct
        "square/max/0": (100, 100),  # regionSquare
        f"{part}/20,/0": (20, 15),  # sizeByW
        f"{part}/,15/0": (20, 15),  # sizeByH
        f"{part}/pct:50/0": (20, 15),  # sizeByPct
        f"{part}/!20,20/0": (20, 15),  # sizeByConfinedWh
        f"{part}/40,10/0": (40, 10),  # sizeByWh
        f"{part}/20,/90": (15, 20),  # rotationBy90s
        "290,90,100,100/max/0": (10, 10),  # cut off at the edges
    }.items():
        for quality, ending in {"default": "jpg", "color": "png", "gray": "jpg"}.items():
            reply = server.get(f"{base}/{parameters}/{quality}.{ending}")
            assert reply.array.shape[1::-1] == sides, parameters
            assert reply.headers["content-type"] == f"image/{ending.replace('jpg', 'jpeg')}"
    for wrong in ("full/max/0/default", "full/max/0/default.jpg/x", "full/max/default.jpg"):
        assert server.get(f"{base}/{wrong}").status in (400, 404), wrong
    assert server.get("/iiif/wi%64e/info.json").status == 200  # identifiers may be escaped
    assert server.get("/iiif/a%2Fb/info.json").status == 404


def test_pictures_that_are_not_there(server):
    for path, status in {
        "/iiif/nothing/info.json": 404,
        "/iiif/wide:1/info.json": 404,
        "/iiif/wide:x/info.json": 404,
        "/iiif/wide:/info.json": 404,
        "/iiif/[wide]/full/max/0/default.jpg": 404,
        "/iiif/field/info.json": 422,
        "/iiif/wide/full/max/0/default.gif": 400,
        "/iiif/wide/full/9999,/0/default.jpg": 400,
        "/iiif/wide/full/max/0/default.jpg?item=1": 400,
    }.items():
        reply = server.get(path)
        assert reply.status == status, path
        assert reply.detail


def test_transparent_pictures_lie_on_white_in_jpeg(server, pyramid, stored):
    picture = np.dstack([picture_of(40, 40), np.zeros((40, 40), np.uint8)])
    picture[:20, :, 3] = 255
    (stored / "alpha.mscn").write_bytes(pyramid.encode(picture, quality=9))
    assert json.loads(server.get("/iiif/alpha/info.json").body)["preferredFormats"][0] == "png"
    seen = server.get("/iiif/alpha/full/max/0/default.jpg").array
    assert seen[30:].min() > 245
    assert np.abs(seen[:15] - picture[:15, :, :3].astype(float)).mean() < 12
    assert server.get("/iiif/alpha/full/max/0/default.png").array.shape == (40, 40, 4)
    (stored / "alpha.mscn").unlink()
