"""Runs `mscn` the way a shell does, in an empty folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

# The made-up codec of the runtime's tests: commands that need no training work with it.
from tests.runtime.conftest import bundle_members, prior_arrays, synthetic  # noqa: F401

MSCN = Path(sys.executable).with_name("mscn")


class Folder:
    """A folder to run `mscn` in, and what lies there."""

    def __init__(self, path: Path):
        self.path = path

    def mscn(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs a command that must work and say nothing on stderr."""
        done = self._run(arguments)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done

    def notes(self, *arguments: str) -> str:
        """What a command that must work says on stderr."""
        done = self._run(arguments)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def refuses(self, *arguments: str) -> str:
        """Runs a command that must exit with 2, write nothing and give one line: returned."""
        before = self.content()
        done = self._run(arguments)
        assert done.returncode == 2, (done.stdout, done.stderr)
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1, done.stderr
        assert done.stderr.startswith("mscn")
        assert self.content() == before
        return done.stderr

    def plot(self, *arguments: str) -> np.ndarray:
        """What `mscn info --plot` draws: uint8 [H, W, 3]."""
        self.mscn("info", "--plot=plot.png", *arguments)
        with Image.open(self.path / "plot.png") as drawn:
            return np.asarray(drawn.convert("RGB"))

    def content(self) -> dict[str, bytes]:
        """Every file below the folder."""
        return {
            str(path.relative_to(self.path)): path.read_bytes() if path.is_file() else b""
            for path in sorted(self.path.rglob("*"))
        }

    def _run(self, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(MSCN), *arguments], cwd=self.path, capture_output=True, text=True, timeout=120
        )


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


@pytest.fixture
def picture():
    """uint8 [32, 32, 3]: smooth colours with a little noise."""
    y, x = np.mgrid[:32, :32] / 31
    clean = np.stack([x, y, (x + y) / 2], axis=-1) * 200 + 20
    noise = np.random.default_rng(0).normal(0, 4, clean.shape)
    return np.clip(clean + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def png(folder, picture):
    """in.png in the folder."""
    Image.fromarray(picture).save(folder.path / "in.png")
    return "in.png"
