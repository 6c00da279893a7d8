"""The source distribution holds what the repository does: tests, docs and data besides code."""

from __future__ import annotations

import subprocess
import sys
import tarfile

from tests.installed import copy_source


def test_the_sdist_is_the_repository(tmp_path):
    source = tmp_path / "source"
    names = copy_source(source)
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
