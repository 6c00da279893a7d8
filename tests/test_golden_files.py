"""Files of every format version and modality decode to the same signals, forever, everywhere."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.golden import decode

ROOT = Path(__file__).resolve().parents[1]


def test_decode_to_the_same_signals():
    assert decode.check() >= 76


def newest_other_python() -> str | None:
    """The newest Python on the PATH, if newer than this one."""
    for minor in range(20, sys.version_info.minor, -1):
        program = shutil.which(f"python3.{minor}")
        check = [program, "-c", "import venv, ensurepip"]
        if program and subprocess.run(check, stderr=subprocess.DEVNULL).returncode == 0:
            return program
    return None


@pytest.mark.slow
def test_decode_on_the_newest_python_without_tensorflow(tmp_path):
    """A fresh environment with what `pip install .` brings, and nothing else."""
    python = newest_other_python()
    if python is None:
        pytest.skip("no newer Python on this machine")
    subprocess.run([python, "-m", "venv", tmp_path / "venv"], check=True)
    fresh = tmp_path / "venv" / "bin" / "python"
    source = tmp_path / "source"  # an install builds in place
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "build", "*.egg-info"))
    subprocess.run([fresh, "-m", "pip", "install", "-q", source], check=True)
    script = source / "tests" / "golden" / "decode.py"
    done = subprocess.run(
        [fresh, script], cwd=tmp_path, check=True, stdout=subprocess.PIPE, encoding="utf-8"
    )
    assert "signals decoded as they were" in done.stdout
