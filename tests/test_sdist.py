"""The source distribution holds what the repository does: tests, docs and data besides code."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_the_sdist_is_the_repository(tmp_path):
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("what belongs to the package is known where git is")
    source = tmp_path / "source"
    names = {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}
    for name in names:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    (source / "demo" / "decoded.png").write_bytes(b"of a demo that ran")
    program = f"from setuptools.build_meta import build_sdist; build_sdist({str(tmp_path)!r})"
    build = subprocess.run(
        [sys.executable, "-c", program], cwd=source, capture_output=True, text=True
    )
    assert build.returncode == 0, build.stderr
    (archive,) = tmp_path.glob("mscn*.tar.gz")
    with tarfile.open(archive) as file:
        held = {name.partition("/")[2] for name in file.getnames() if file.getmember(name).isfile()}
    made = {name for name in held if ".egg-info/" in name or name == "PKG-INFO"}
    assert held - made == {name for name in names if not name.startswith(".")}
    assert {"tests/test_sdist.py", "mscn_tf/bundles/photo.mscnb", "setup.cfg"} <= held
