"""Commands that are killed, interrupted, or run out of something."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mscn_tf.codec import Codec
from tests import pyramids
from tests.apps.conftest import MSCN
from tests.apps.faults import WORKS

ROOT = Path(__file__).resolve().parents[2]


def start(work: str, folder: Path, *once: str) -> subprocess.Popen:
    """The work, begun."""
    command = [sys.executable, "-m", "tests.apps.faults", work, str(folder), *once]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background hands down an ignored SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stderr.readline() == "ready\n", process.stderr.read()
    return process


def finals(folder: Path) -> dict[str, bytes]:
    """Contents by name, without what has a temporary name."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(p.startswith(".mscn-") for p in path.relative_to(folder).parts)
    }


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    pyramids.write_codec(folder / "codec.mscnb")
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (40, 30 + n, 3), np.uint8) for n in range(4)]
    (folder / "in").mkdir()
    for name, picture in zip("abcd", pictures):
        Image.fromarray(picture).save(folder / "in" / f"{name}.png")
    data = Codec.load(folder / "codec.mscnb").encode(pictures, quality=5, names=list("abcd"))
    (folder / "in.mscn").write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def wanted(inputs, tmp_path_factory):
    """What each work leaves when nobody disturbs it."""
    found = {}
    for work in WORKS:
        folder = copied(inputs, tmp_path_factory.mktemp(work))
        process = start(work, folder, "once")
        assert process.wait(timeout=120) == 0
        process.stderr.close()
        found[work] = finals(folder)
        assert any(name.startswith(WORKS[work][0]) for name in found[work])
    return found


def copied(inputs: Path, folder: Path) -> Path:
    subprocess.run(["cp", "-r", f"{inputs}/.", str(folder)], check=True)
    return folder


MANY = pytest.param(50, marks=pytest.mark.slow)


@pytest.mark.parametrize("times", [2, MANY])
@pytest.mark.parametrize("work", WORKS)
def test_killed_it_leaves_whole_files_only(inputs, wanted, tmp_path, work, times):
    rng = random.Random(f"{work} {times}")
    copied(inputs, tmp_path)
    whole = wanted[work]
    for _ in range(times):
        process = start(work, tmp_path)
        time.sleep(rng.uniform(0, 0.5))
        process.kill()
        assert process.wait(timeout=60) == -signal.SIGKILL
        process.stderr.close()
        left = finals(tmp_path)
        assert left.items() <= whole.items()
        if rng.random() < 0.5:  # the next one starts from nothing
            for name in left.keys() - finals(inputs).keys():
                (tmp_path / name).unlink()
    process = start(work, tmp_path, "once")
    assert process.wait(timeout=60) == 0
    process.stderr.close()
    assert finals(tmp_path) == whole


@pytest.mark.parametrize("times", [1, MANY])
@pytest.mark.parametrize(
    ("number", "code", "says"),
    [
        (signal.SIGINT, 130, "mscn: interrupted\n"),
        (signal.SIGTERM, 143, "mscn: terminated\n"),
    ],
)
def test_stopped_it_leaves_no_temporary_files(inputs, wanted, tmp_path, number, code, says, times):
    rng = random.Random(f"{number} {times}")
    copied(inputs, tmp_path)
    for turn in range(times):
        work = list(WORKS)[turn % len(WORKS)] if times > 1 else "decode"
        process = start(work, tmp_path)
        time.sleep(rng.uniform(0, 0.5))
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
        assert (process.returncode, stderr) == (code, says)
        whole = {name: data for each in wanted.values() for name, data in each.items()}
        left = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
        assert left <= whole.keys()
        assert finals(tmp_path).items() <= whole.items()


def limited(folder: Path, limit: int, value: int, *arguments: str) -> subprocess.CompletedProcess:
    """`mscn` with less of a resource than it needs."""
    return subprocess.run(
        [str(MSCN), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        # No bytecode: where files may not grow, Python would leave cut ones for others to load.
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(limit, (value, value)),
    )


@pytest.mark.parametrize("work", ["encode", "archive", "decode"])
@pytest.mark.parametrize("room", [0, 100])
def test_a_full_disk_is_one_line(inputs, tmp_path, work, room):
    copied(inputs, tmp_path)
    before = finals(tmp_path)
    done = limited(tmp_path, resource.RLIMIT_FSIZE, room, *WORKS[work][1])
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert "cannot write" in done.stderr
    left = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert left == before.keys()


def test_no_room_for_what_is_printed(inputs):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [str(MSCN), "info", "in.mscn"],
            cwd=inputs,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "No space left" in done.stderr


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root writes anywhere")
def test_a_read_only_folder_is_one_line(inputs, tmp_path):
    copied(inputs, tmp_path)
    tmp_path.chmod(0o555)
    done = subprocess.run(
        [str(MSCN), *WORKS["encode"][1]], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "cannot write out.mscn: Permission denied" in done.stderr


def test_too_little_memory_is_one_line(tmp_path):
    """A picture of 2^28 pixels in a file of 30 kB, and an address space of 3 GiB."""
    from tests.runtime.hostile import large_picture

    pyramids.write_codec(tmp_path / "codec.mscnb", 2**14)
    (tmp_path / "large.mscn").write_bytes(large_picture(tmp_path / "codec.mscnb"))
    done = limited(
        tmp_path, resource.RLIMIT_AS, 3 * 2**30,
        "decode", "--codec=codec.mscnb", "large.mscn", "out.png",
    )  # fmt: skip
    assert done.returncode == 2, done.stderr[-300:]
    assert done.stderr.count("\n") == 1
    assert "not enough memory" in done.stderr
    assert not list(tmp_path.glob("*.png"))
