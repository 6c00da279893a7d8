"""No command destroys a file that it wasn't asked to, as real shells call them."""

from __future__ import annotations

import os
import subprocess

import numpy as np
import pytest
from PIL import Image

from tests.apps.conftest import MSCN


@pytest.fixture
def two(folder, picture):
    """A folder of two pictures, a.png and b.png."""
    (folder.path / "two").mkdir()
    for name, pixels in (("a.png", picture), ("b.png", picture[::-1])):
        Image.fromarray(pixels).save(folder.path / "two" / name)
    return folder


def shell(folder, line: str) -> subprocess.CompletedProcess[bytes]:
    """What a line in a real shell does."""
    path = f"{MSCN.parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-c", line],
        cwd=folder.path,
        capture_output=True,
        env={**os.environ, "PATH": path},
        timeout=120,
    )


@pytest.mark.parametrize(
    "line",
    [
        "mscn encode two/*.png",
        "mscn encode two/a.png two/a.png",
        "mscn encode two/a.png ./two/../two/b.png",
        "mscn encode two/a.png two/new.jpg",
        "mscn encode two/a.png notes.txt",
        "cd two && mscn encode *",
        "mscn encode two/*.png two/*.png",
    ],
)
def test_encode_destroys_no_original(two, line):
    (two.path / "notes.txt").write_text("Mine.")
    before = two.content()
    done = shell(two, line)
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.count(b"\n") == 1
    assert two.content() == before


def test_encode_replaces_its_own_files_alone(two):
    two.mscn("encode", "two/a.png", "out.mscn")
    two.mscn("encode", "two/b.png", "out.mscn")  # one of ours, named
    (two.path / "out.mscn").write_text("Not one of ours.")
    assert "--force" in two.refuses("encode", "two/a.png", "out.mscn")
    two.mscn("encode", "--force", "two/a.png", "out.mscn")
    assert (two.path / "out.mscn").read_bytes().startswith(b"MSCN")


def test_force_does_not_reach_the_input(two):
    assert "input itself" in two.refuses("encode", "--force", "two/a.png", "two/a.png")


def test_default_name(two):
    two.mscn("encode", "two/a.png")
    assert (two.path / "two" / "a.mscn").is_file()
    # Another picture would get the same name.
    Image.open(two.path / "two" / "a.png").save(two.path / "two" / "a.bmp")
    assert "a.mscn is there already" in two.refuses("encode", "two/a.bmp")
    (two.path / "two" / "a.mscn").unlink()
    two.mscn("encode", "two/")
    assert (two.path / "two.mscn").is_file()


def test_decode_destroys_no_original(two):
    two.mscn("encode", "two/a.png", "a.mscn")
    assert "already" in two.refuses("decode", "a.mscn", "two/a.png")
    assert "input itself" in two.refuses("decode", "a.mscn", "a.mscn")
    two.mscn("encode", "two", "both.mscn")
    line = two.refuses("decode", "both.mscn", "two")
    assert "a.png" in line
    assert ".mscn-" not in line
    two.mscn("decode", "--force", "both.mscn", "two")


def test_decode_to_a_default_name(two):
    two.mscn("encode", "two/a.png", "a.mscn")
    two.mscn("decode", "a.mscn")
    assert (two.path / "a.png").is_file()
    two.mscn("encode", "two", "both.mscn")
    two.mscn("decode", "both.mscn")
    assert sorted(p.name for p in (two.path / "both").iterdir()) == ["a.png", "b.png"]


def test_plot_destroys_no_original(two):
    two.mscn("encode", "two/a.png", "a.mscn")
    for arguments in (["--plot=two/a.png"], ["--plot=two/a.png", "--original=two/a.png"]):
        assert two.refuses("info", *arguments, "a.mscn")


def test_pipes(two):
    done = shell(two, "cat two/a.png | mscn encode - - | mscn decode - - > back.png")
    assert done.returncode == 0, done.stderr
    assert done.stdout == b""
    two.mscn("encode", "two/a.png", "a.mscn")
    two.mscn("decode", "a.mscn", "direct.png")
    direct, piped = (two.path / name for name in ("direct.png", "back.png"))
    assert direct.read_bytes() == piped.read_bytes()
    assert not (two.path / "-").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_named_pipe(two):
    os.mkfifo(two.path / "pipe")
    done = shell(two, "cat two/a.png > pipe & mscn encode pipe out.mscn")
    assert done.returncode == 0, done.stderr
    assert (two.path / "out.mscn").is_file()


def test_arrays_through_a_pipe(two):
    np.save(two.path / "in.npy", np.zeros((2, 32, 32), np.uint8))
    assert shell(two, "mscn encode - out.mscn < in.npy").returncode == 0


def test_empty_pipe(two):
    done = shell(two, "mscn encode - out.mscn < /dev/null")
    assert done.returncode == 2
    assert b"standard input" in done.stderr
    assert done.stderr.count(b"\n") == 1
    assert not (two.path / "out.mscn").exists()


def test_quiet(two):
    assert two.mscn("encode", "-q", "two/a.png", "a.mscn").stdout == ""
    assert two.mscn("decode", "--quiet", "a.mscn", "a.png").stdout == ""
