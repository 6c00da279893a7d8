from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.installed import ROOT, environment

# Real fields, where there are some beside the repository.
FIELDS = ROOT.parent / "shared" / "data" / "fields"
# What programs begin with: TensorFlow can't be imported.
_START = "import sys; sys.modules['tensorflow'] = None\nimport numpy as np\n"
_OTHERS = "scikit-image imageio"
Run = Callable[..., str]


@pytest.fixture(scope="session", params=["present", pytest.param("3.13", marks=pytest.mark.slow)])
def python(request, wheel, tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """A Python and its environment: the present one and the wheel, or a new one with extras."""
    if request.param == "present":
        return Path(sys.executable), request.getfixturevalue("installed")
    pinned = f"-c {ROOT / 'constraints.txt'} {wheel}[zarr,xarray] {_OTHERS}"
    programs = environment(tmp_path_factory.mktemp("plugins") / "env", request.param, pinned)
    return programs / "python", {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}


@pytest.fixture
def run(python, tmp_path) -> Run:
    """Runs a program in a process of its own, in an empty folder; what it prints."""
    path, env = python

    def go(program: str) -> str:
        told = [str(path), "-W", "error", "-c", _START + program]
        done = subprocess.run(told, cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert not done.stderr, done.stderr
        return done.stdout.strip()

    return go


@pytest.fixture
def zarr_3(python) -> None:
    """Skips where there is no Zarr of format 3."""
    path, env = python
    test = "import zarr, sys; sys.exit(zarr.__version__ < '3')"
    if subprocess.run([path, "-c", test], env=env, capture_output=True).returncode:
        pytest.skip("Zarr 3 isn't installed, which needs Python 3.11")
