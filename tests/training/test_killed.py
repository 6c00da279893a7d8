"""Training that is killed at any moment, run out of disk, and started again."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from mscn_tf.runtime.bundle import MANIFEST, Bundle
from mscn_tf.training.loop import read_record
from tests.apps.conftest import MSCN

ROOT = Path(__file__).resolve().parents[2]


def train(tiny, workdir: Path, **options) -> subprocess.Popen:
    config = f"--config={ROOT / 'tests' / 'tiny.py'}:{tiny.folder}"
    return subprocess.Popen(
        [str(MSCN), "train", config, f"--workdir={workdir}"],
        cwd=ROOT,
        # No bytecode: where files may not grow, Python would leave cut ones for others to load.
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def learned(bundle: Path) -> dict[str, bytes]:
    """All but the manifest, which says how long it took."""
    members = dict(Bundle.load(bundle).members)
    assert json.loads(members.pop(MANIFEST))["name"] == "tiny"
    return members


@pytest.mark.slow
def test_killed_fifty_times_it_gives_the_same_codec(tiny, tmp_path):
    random_ = random.Random(0)
    wanted, workdir = learned(tiny.bundle), tmp_path / "run"
    began = time.perf_counter()
    process = train(tiny, workdir)
    _, stderr = process.communicate()
    assert process.returncode == 0, stderr
    length = time.perf_counter() - began
    assert learned(workdir / "tiny.mscnb") == wanted
    shutil.rmtree(workdir)
    killed = 0
    while killed < 50:
        process = train(tiny, workdir)
        time.sleep(random_.uniform(0, 1.2 * length))
        process.kill()
        _, stderr = process.communicate()
        killed += process.returncode == -signal.SIGKILL
        assert process.returncode in (0, -signal.SIGKILL), stderr
        if (workdir / "tiny.mscnb").exists():
            assert learned(workdir / "tiny.mscnb") == wanted
            shutil.rmtree(workdir)
    process = train(tiny, workdir)
    _, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert learned(workdir / "tiny.mscnb") == wanted


def test_a_record_cut_short_is_no_obstacle(tiny, tmp_path):
    """Killed between a checkpoint and the line that says how long it took, or within it."""
    shutil.copy(tiny.workdir / "record.json", tmp_path)
    assert read_record(tmp_path)["cpu_seconds"] == 0
    (tmp_path / "cpu_seconds.csv").write_text("5,3.5\n10,4")
    assert read_record(tmp_path)["cpu_seconds"] == 4
    (tmp_path / "cpu_seconds.csv").write_text("5,3.5\n10,410,5.0\n12,7.0\n")
    assert read_record(tmp_path)["cpu_seconds"] == 10


def test_a_full_disk_is_one_line(tiny, tmp_path):
    room = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (40000, 40000))}
    process = train(tiny, tmp_path / "run", **room)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 2, stderr
    assert stderr.count("\n") == 1, stderr
    assert "check" in stderr
    assert not list(tmp_path.rglob("*.mscnb"))
