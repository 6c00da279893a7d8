"""Files of strangers, hostile names and awkward places to write to, through the commands."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from pathlib import Path

import pytest

from mscn_tf.runtime.container import Container
from mscn_tf.runtime.input import varint
from tests.apps.conftest import MSCN
from tests.runtime.fuzz import crc

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
NAMES = ["\u202egnp.exe", "a\u2028b", "c\x9b31md"]
SHOWN = ["\\u202egnp.exe", "a\\u2028b", "c\\x9b31md"]


def golden(folder, modality: str, **metadata) -> str:
    """A golden archive with other metadata, and the flag that names its codec."""
    container = Container.from_bytes((GOLDEN / f"v1{modality}_archive.mscn").read_bytes())
    container.metadata = {**(container.metadata or {}), **metadata}
    (folder.path / "odd.mscn").write_bytes(container.to_bytes())
    return f"--codec={GOLDEN / f'v1{modality}.mscnb'}"


@pytest.mark.parametrize(
    ("modality", "out", "metadata"),
    [
        ("scene", "a.gif", {"picture_size": [10_000, 10_000]}),
        ("scene", "a.gif", {"bound": 10**310}),
        ("scene", "a.gif", {"picture_size": [10**310, 10**310]}),
        ("silhouette", "out", {"size": [[30_000, 30_000]] * 2}),
        ("silhouette", "out", {"size": 1}),
        ("volume", "a.npy", {"dtype": "float128"}),
        ("volume", "a.npy", {"low": [10**310] * 2}),
        ("voxels", "out", {"translate": 1}),
        ("voxels", "out", {"scale": [10**310] * 2}),
        ("mesh", "a.ply", {"corner": 10**310}),
        ("mesh", "a.ply", {"cell": [True]}),
        ("sound", "out", {"rate": 10**310}),
        ("sound", "out", {"runs": "3+2 0+1"}),
        ("field", "a.nc", {"latitude": [10**310] * 11}),
        ("field", "a.nc", {"axes": 1, "fields": [{"name": "t", "count": 2}], "netcdf": {}}),
        ("field", "a.nc", {"fields": [{"name": "t", "count": 10**310}]}),
    ],
)
def test_odd_metadata_are_refused_before_anything_is_decoded(folder, modality, out, metadata):
    codec = golden(folder, modality, **metadata)
    for view in ((), ("--item=0", "--scale=0.5")):
        assert "odd.mscn: " in folder.refuses("decode", "odd.mscn", out, codec, *view)
    done = folder._run(("verify", "odd.mscn"))
    assert done.returncode == 2
    assert done.stdout.startswith("odd.mscn: ")
    assert done.stdout.count("\n") == 1


def test_names_are_shown_escaped(folder, synthetic):
    data = synthetic.pack([(8, 8)] * 3, tiles_per_block=1, names=NAMES)
    (folder.path / "odd.mscn").write_bytes(data)
    said = folder.mscn("info", "odd.mscn").stdout
    assert [line.split()[-1] for line in said.splitlines()[-3:]] == SHOWN
    said = folder.mscn("info", "--json", "odd.mscn").stdout
    assert said.isascii()
    assert [item["name"] for item in json.loads(said)["items"]] == NAMES
    (folder.path / "odd.mscn").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    said = folder._run(("verify", "odd.mscn")).stdout
    assert said == f"odd.mscn: item 2 ({SHOWN[2]}) is damaged\n"
    assert "\\u202e" in folder.refuses("info", "\u202e.mscn")


def test_output_that_cannot_be_encoded(folder, synthetic):
    (folder.path / "odd.mscn").write_bytes(synthetic.pack([(8, 8)], names=["ü"]))
    told = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [str(MSCN), "info", "odd.mscn"]
    done = subprocess.run(command, cwd=folder.path, env=told, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\\xfc\n")


def test_info_lists_no_more_than_is_asked_for(folder):
    head = b"MSCN\x01\x07" + bytes(8) + bytes([0, 8, 3]) + varint(2**18) + varint(4096)
    head += b"\x01\x01\x50\x03" + bytes(64)
    data = head + crc(head) + crc(b"") * 64
    (folder.path / "many.mscn").write_bytes(data)
    said = folder.mscn("info", "many.mscn").stdout
    assert said.endswith("... and 262124 more; --limit=N shows more\n")
    assert "262144 items, 262144 tiles in 64 blocks" in said
    told = json.loads(folder.mscn("info", "--json", "--limit=3", "many.mscn").stdout)
    assert (len(told["items"]), told["count"], told["tiles"]) == (3, 2**18, 2**18)


def test_info_of_exact_items_and_of_bounds(folder):
    (folder.path / "v1_exact.mscn").write_bytes((GOLDEN / "v1_exact.mscn").read_bytes())
    rows = folder.mscn("info", "v1_exact.mscn").stdout.splitlines()[-4:]
    told = json.loads(folder.mscn("info", "--json", "v1_exact.mscn").stdout)["items"]
    for row, item in zip(rows, told):
        assert ("exact" in row) == (item["tiles"] == 0)
    assert 0 < sum("exact" in row for row in rows) < 4
    container = Container.from_bytes((GOLDEN / "v1volume_bounded.mscn").read_bytes())
    low, high = [-3.0] * container.items, [1e4] * container.items
    for told, bound in (({"low": low, "high": high, "dtype": "<f4"}, "error"), ({}, "share")):
        container.metadata = told
        (folder.path / "volume.mscn").write_bytes(container.to_bytes())
        (line,) = (
            line
            for line in folder.mscn("info", "volume.mscn").stdout.splitlines()
            if line.startswith("  bound ")
        )
        shown = float(line.split()[1].rstrip(":"))
        if bound == "error":
            assert shown == pytest.approx(container.error_bound * 10_003, rel=0.01)
        else:
            assert shown == pytest.approx(container.error_bound, rel=1e-3)


def test_info_says_where_items_follow_from_others(folder):
    for name, follows in (("parents", True), ("packed", False)):
        data = (GOLDEN / f"v1interpolation_{name}.mscn").read_bytes()
        (folder.path / "fields.mscn").write_bytes(data)
        shown = folder.mscn("info", "fields.mscn").stdout
        assert ("items follow from others: up to 8 are decoded for one" in shown) is follows
        told = json.loads(folder.mscn("info", "--json", "fields.mscn").stdout)
        assert told["parents"] is follows


def test_info_shows_no_base_64(folder):
    golden(folder, "voxels", header="QUJD" * 1000)
    told = json.loads(folder.mscn("info", "--json", "odd.mscn").stdout)
    assert told["metadata"]["header"] == "(4000 characters)"
    assert told["metadata"]["scale"] == [1.0, 2.5]


@pytest.fixture
def one(folder, synthetic):
    """one.mscn in the folder; the arguments that decode it but for OUT."""
    (folder.path / "one.mscn").write_bytes(synthetic.pack([(8, 8)]))
    return "decode", f"--codec={synthetic.path}", "one.mscn"


def test_a_file_that_is_replaced_leaves_its_rights(folder, one):
    out = folder.path / "a.png"
    before = os.umask(0o027)
    try:
        folder.mscn(*one, "a.png")
        assert out.stat().st_mode & 0o777 == 0o640
        out.chmod(0o600)
        folder.mscn(*one, "a.png", "--force")
        assert out.stat().st_mode & 0o777 == 0o600
        folder.mscn(*one, "out")
        (kept,) = (folder.path / "out").iterdir()
        kept.chmod(0o604)
        folder.mscn(*one, "out", "--force")
        assert kept.stat().st_mode & 0o777 == 0o604
    finally:
        os.umask(before)


def test_places_that_cannot_be_written(folder, one):
    assert "empty" in folder.refuses(*one, "")
    (folder.path / "link.png").symlink_to("one.mscn")
    assert "input itself" in folder.refuses(*one, "link.png", "--force")
    (folder.path / "nowhere.png").symlink_to("none/a.png")
    assert "cannot write nowhere.png" in folder.refuses(*one, "nowhere.png")
    (folder.path / "loop.png").symlink_to("loop.png")
    assert "loop.png" in folder.refuses(*one, "loop.png")
    done = folder._run((*one, "/dev/full"))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_a_dangling_link_gets_its_file(folder, one):
    (folder.path / "link.png").symlink_to("a.png")
    folder.mscn(*one, "link.png")
    assert (folder.path / "a.png").is_file()


def test_a_pipe_gets_the_picture(folder, one):
    os.mkfifo(folder.path / "pipe.png")
    got = []
    reader = threading.Thread(target=lambda: got.append((folder.path / "pipe.png").read_bytes()))
    reader.start()
    folder.mscn(*one, "pipe.png")
    reader.join(20)
    assert got[0].startswith(b"\x89PNG")


@pytest.mark.parametrize("out", ["-", "a.png"])
def test_a_closed_standard_output(folder, one, out):
    line = f'"{MSCN}" {" ".join(one)} {out} >&-'
    done = subprocess.run(["sh", "-c", line], cwd=folder.path, capture_output=True, text=True)
    if out == "-":
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert "standard output is closed" in done.stderr
    else:
        assert (done.returncode, done.stderr) == (0, "")
        assert (folder.path / "a.png").is_file()


def test_what_only_prints_refuses_a_closed_standard_output(folder):
    line = f'"{MSCN}" codecs >&-'
    done = subprocess.run(["sh", "-c", line], cwd=folder.path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "mscn: standard output is closed, and nothing else is asked for\n"
