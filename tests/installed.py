"""The package as others get it: its wheel, and environments of other Pythons that have it alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PIP = ("-m", "pip", "--disable-pip-version-check", "-q")


def copy_source(folder: Path) -> set[str]:
    """Copies what belongs to the repository; returns its names."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("what belongs to the package is known where git is")
    names = {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return names


def build_wheel(folder: Path) -> Path:
    """The package's wheel, made in a folder."""
    source = folder / "source"
    copy_source(source)
    build = [sys.executable, *PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*build, str(source)], check=True, capture_output=True)
    shutil.rmtree(source)
    (wheel,) = folder.glob("*.whl")
    return wheel


def environment(folder: Path, python: str, *installed: str) -> Path:
    """A new environment, in which pip was given these arguments one after the other.

    Args:
      folder: where to.
      python: the program, or the version of one that `make setup` would find.
      installed: arguments of `pip install`, separated by spaces.

    Returns:
      The folder of its programs.
    """
    found = subprocess.run([ROOT / ".ci" / "find-python", python], capture_output=True, text=True)
    if found.returncode:
        pytest.skip(f"there is no Python {python}")
    subprocess.run([found.stdout.strip(), "-m", "venv", folder], check=True)
    for arguments in installed:
        command = [folder / "bin" / "python", *PIP, "install", *arguments.split()]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return folder / "bin"
