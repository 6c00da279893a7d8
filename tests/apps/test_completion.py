from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.apps.test_main import COMMANDS


@pytest.fixture
def complete(folder):
    """What bash offers after some words."""

    def offered(*words: str) -> list[str]:
        script = folder.mscn("completion", "bash").stdout
        typed = " ".join(f'"{word}"' for word in words)
        asked = f"COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; _mscn; echo ${{COMPREPLY[@]}}"
        done = subprocess.run(
            ["bash", "-c", script + asked], capture_output=True, text=True, timeout=60
        )
        assert done.stderr == ""
        return done.stdout.split()

    return offered


def test_bash_completes_commands_and_flags(complete):
    assert set(COMMANDS) <= set(complete("mscn", ""))
    assert complete("mscn", "dec") == ["decode"]
    assert complete("mscn", "encode", "--max") == ["--max-error"]
    assert complete("mscn", "info", "--js") == ["--json"]
    assert complete("mscn", "encode", "pict") == []  # files are bash's own


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_is_one(folder, shell):
    script = folder.mscn("completion", shell).stdout
    assert "max-error" in script
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed; its script was only written")
    checked = subprocess.run([shell, "-n"], input=script, text=True, capture_output=True)
    assert checked.returncode == 0, checked.stderr


def test_refuses_other_shells(folder):
    assert "bash, zsh, fish" in folder.refuses("completion", "tcsh")
