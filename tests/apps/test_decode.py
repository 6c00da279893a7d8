"""`mscn decode` and `mscn info` on files of the made-up codec."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

NAMES = ["b.jpg", "../../etc/passwd", "b.png"]


@pytest.fixture
def single(folder, synthetic):
    """one.mscn, 20x13 RGB; codec.mscnb beside it. Returns the flag that names the codec."""
    data = synthetic.pack([(13, 20)], channels=[3])
    (folder.path / "one.mscn").write_bytes(data)
    return f"--codec={synthetic.path}"


@pytest.fixture
def archive(folder, synthetic):
    """many.mscn, three pictures."""
    data = synthetic.pack([(8, 12), (16, 8), (9, 9)], channels=[3, 1, 3], names=NAMES)
    (folder.path / "many.mscn").write_bytes(data)
    return f"--codec={synthetic.path}"


def read(path):
    with Image.open(path) as picture:
        pixels = np.asarray(picture)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def test_picture(folder, synthetic, single):
    said = folder.mscn("decode", "one.mscn", "out.png", single).stdout
    assert said == "out.png: 20x13 RGB\n"
    data = (folder.path / "one.mscn").read_bytes()
    np.testing.assert_array_equal(read(folder.path / "out.png"), synthetic.codec.decode(data))


def test_region_and_size(folder, synthetic, single):
    folder.mscn("decode", single, "--region=3,2,10,6", "--size=30x12", "one.mscn", "out.png")
    data = (folder.path / "one.mscn").read_bytes()
    expected = synthetic.codec.decode(data, region=(3, 2, 10, 6), size=(30, 12))
    np.testing.assert_array_equal(read(folder.path / "out.png"), expected)


def test_scale(folder, single):
    folder.mscn("decode", single, "--scale=2.5", "one.mscn", "out.webp")
    assert read(folder.path / "out.webp").shape == (32, 50, 3)


def test_archive_to_folder(folder, synthetic, archive):
    folder.mscn("decode", "many.mscn", "out", archive)
    out = folder.path / "out"
    files = sorted(str(path.relative_to(out)) for path in out.rglob("*.png"))
    assert files == ["b-2.png", "b.png", "etc/passwd.png"]
    data = (folder.path / "many.mscn").read_bytes()
    for item, name in enumerate(["b-2.png", "etc/passwd.png", "b.png"]):
        expected = synthetic.codec.decode(data, item)
        np.testing.assert_array_equal(read(out / name), expected)


def test_one_of_an_archive(folder, synthetic, archive):
    folder.mscn("decode", "many.mscn", "out.png", "--item=1", archive)
    data = (folder.path / "many.mscn").read_bytes()
    np.testing.assert_array_equal(read(folder.path / "out.png"), synthetic.codec.decode(data, 1))


def test_archive_to_stack(folder, synthetic):
    data = synthetic.pack([(8, 8)] * 3, channels=[3] * 3)
    (folder.path / "same.mscn").write_bytes(data)
    folder.mscn("decode", "same.mscn", "out.npy", f"--codec={synthetic.path}")
    expected = np.stack(list(synthetic.codec.decode_all(data)))
    np.testing.assert_array_equal(np.load(folder.path / "out.npy"), expected)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["many.mscn", "out.png"], "--item=I"),
        (["many.mscn", "out.npy"], "differ in size"),
        (["many.mscn", "out", "--region=0,0,4,4"], "--item=I"),
        (["many.mscn", "out.png", "--item=3"], "0 to 2"),
        (["many.mscn", "out.png", "--item=-1"], "0 to 2"),
        (["many.mscn", "out.png", "--item=0", "--region=0,0,13,4"], "does not lie within"),
        (["many.mscn", "out.png", "--item=0", "--region=-1,0,4,4"], "does not lie within"),
        (["many.mscn", "out.png", "--item=0", "--region=0,0,0,4"], "does not lie within"),
        (["many.mscn", "out.png", "--item=0", "--region=1,2,3"], "X,Y,WIDTH,HEIGHT"),
        (["many.mscn", "out.png", "--item=0", "--size=10"], "WIDTHxHEIGHT"),
        (["many.mscn", "out.png", "--item=0", "--size=0x4"], "0x4"),
        (["many.mscn", "out.png", "--item=0", "--scale=0"], "scale"),
        (["many.mscn", "out.png", "--item=0", "--scale=nan"], "scale"),
        (["many.mscn", "out.png", "--item=0", "--scale=inf"], "scale"),
        (["many.mscn", "out.png", "--item=0", "--scale=1e5"], "lower scale"),
        (["many.mscn", "out.png", "--item=0", "--scale=2", "--size=4x4"], "one of"),
        (["many.mscn", "out.png", "--item=one"], "item"),
        (["many.mscn", "out.doc", "--item=0"], ".png"),
        (["many.mscn", "missing/out.png", "--item=0"], "missing"),
        (["many.mscn", "missing/out"], "missing"),
        (["many.mscn", "/proc/out.png", "--item=0"], "cannot write"),
        (["many.mscn", "many.mscn/out"], "cannot write"),
        (["missing.mscn", "out.png"], "cannot read"),
        (["many.mscn", "out", "more"], "IN.mscn and OUT"),
        (["many.mscn", "out", "--codec=nosuch"], "no codec named nosuch"),
    ],
)
def test_refuses(folder, archive, arguments, says):
    codec = [] if any(a.startswith("--codec") for a in arguments) else [archive]
    assert says in folder.refuses("decode", *arguments, *codec)


def test_file_of_another_bundle(folder, synthetic, single):
    line = folder.refuses("decode", "one.mscn", "out.png")
    assert synthetic.codec.bundle.id[:8].hex() in line
    assert "--codec" in line


def test_truncated(folder, single):
    data = (folder.path / "one.mscn").read_bytes()
    for length in (0, 3, 10, 40, len(data) // 2, len(data) - 1):
        (folder.path / "cut.mscn").write_bytes(data[:length])
        assert "cut.mscn" in folder.refuses("decode", "cut.mscn", "out.png", single)


def test_bit_flipped(folder, single):
    data = bytearray((folder.path / "one.mscn").read_bytes())
    for at in (0, 4, 8, 20, len(data) // 2, len(data) - 1):
        data[at] ^= 16
        (folder.path / "bad.mscn").write_bytes(data)
        assert "bad.mscn" in folder.refuses("decode", "bad.mscn", "out.png", single)
        assert at in (8,) or "bad.mscn" in folder.refuses("info", "bad.mscn")
        data[at] ^= 16


def test_damaged_archive_writes_no_picture(folder, archive):
    data = bytearray((folder.path / "many.mscn").read_bytes())
    data[-5] ^= 1
    (folder.path / "bad.mscn").write_bytes(data)
    assert "bad.mscn" in folder.refuses("decode", "bad.mscn", "out", archive)


def test_info(folder, single):
    size = (folder.path / "one.mscn").stat().st_size
    text = folder.mscn("info", "one.mscn").stdout
    assert f"{size:,} = " in text
    assert "header" in text
    assert "payload" in text


def test_info_as_json(folder, archive):
    info = json.loads(folder.mscn("info", "--json", "many.mscn").stdout)
    assert [item["name"] for item in info["items"]] == NAMES
    assert [tuple(item["size"]) for item in info["items"]] == [(12, 8), (8, 16), (9, 9)]
    size = info["bytes"]
    assert size["total"] == (folder.path / "many.mscn").stat().st_size
    assert size["total"] == size["header"] + size["side"] + size["payload"]


def test_info_refuses_other_files(folder, png):
    assert "not a .mscn file" in folder.refuses("info", png)
