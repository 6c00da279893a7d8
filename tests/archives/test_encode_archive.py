"""`mscn encode-archive`, run as a user does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mscn_tf.archives import index
from mscn_tf.codec import Codec

pytest.importorskip("apache_beam", reason="needs the extra beam")
MSCN = Path(sys.executable).with_name("mscn")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A stack of 90 pictures, one picture, and a damaged one."""
    folder = tmp_path_factory.mktemp("inputs")
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (91, 4, 4, 3), np.uint8)
    pictures = coarse.repeat(8, 1).repeat(8, 2)
    np.save(folder / "a.npy", pictures[:90])
    Image.fromarray(pictures[90]).save(folder / "b.png")
    (folder / "c.png").write_bytes((folder / "b.png").read_bytes()[:60])
    return folder


def command(inputs: Path, out: Path, *flags: str) -> list[str]:
    return [str(MSCN), "encode-archive", "--shard-items=16", *flags, f"{inputs}/*", str(out)]


def encode(inputs: Path, out: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(inputs, out, *flags), capture_output=True, text=True, timeout=300)


def content(out: Path) -> dict[str, bytes]:
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def whole(inputs, tmp_path_factory):
    """The archive, by one worker."""
    out = tmp_path_factory.mktemp("whole") / "out"
    done = encode(inputs, out, "--workers=1")
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("\n") == 1
    return out


def test_damaged_items_are_set_aside(whole):
    assert (whole / index.FAILED).read_text().startswith("c.png\t")
    assert len((whole / index.FAILED).read_text().splitlines()) == 1


def test_items_are_found_by_name(whole):
    path, item = index.find(whole, "a.npy/37")
    assert (Path(path).name, item) == ("000002.mscn", 5)
    assert Codec.load("thumb32").decode(Path(path).read_bytes(), item).shape == (32, 32, 3)
    assert index.find(whole, "b.png")[0].endswith("000005.mscn")


def test_two_workers_write_the_same_bytes(inputs, whole, tmp_path):
    assert encode(inputs, tmp_path / "out", "--workers=2").returncode == 1
    assert content(tmp_path / "out") == content(whole)


def test_a_killed_worker_loses_and_doubles_nothing(inputs, whole, tmp_path):
    out = tmp_path / "out"
    process = subprocess.Popen(
        command(inputs, out, "--workers=2"), stderr=subprocess.PIPE, text=True
    )
    while not list(out.glob("*.mscn")):
        assert process.poll() is None
        time.sleep(0.01)
    children = Path(f"/proc/{process.pid}/task").glob("*/children")
    workers = [int(pid) for file in children for pid in file.read_text().split()]
    os.kill(workers[0], signal.SIGKILL)
    assert process.wait(timeout=60) == 2
    line = process.stderr.read()
    assert "a worker died" in line
    assert line.count("\n") == 1
    process.stderr.close()
    assert encode(inputs, out, "--workers=2").returncode == 1
    assert content(out) == content(whole)


def test_other_settings_are_refused(inputs, whole):
    before = content(whole)
    done = encode(inputs, whole, "--quality=7")
    assert done.returncode == 2
    assert "other settings" in done.stderr
    assert done.stderr.count("\n") == 1
    assert content(whole) == before


def test_no_inputs(tmp_path):
    done = encode(tmp_path, tmp_path / "out")
    assert done.returncode == 2
    assert "no such files" in done.stderr
    assert done.stderr.count("\n") == 1


def test_effort_0(inputs, whole, tmp_path):
    assert encode(inputs, tmp_path / "out", "--workers=1", "--effort=0").returncode == 1
    assert index.find(tmp_path / "out", "b.png")[0].endswith("000005.mscn")
    assert content(tmp_path / "out") != content(whole)
    refused = encode(inputs, tmp_path / "photo", "--codec=photo", "--effort=0")
    assert refused.returncode == 2
    assert refused.stderr.endswith("--effort=0: of codec photo must be 1 to 9\n")
    assert not (tmp_path / "photo").exists()
