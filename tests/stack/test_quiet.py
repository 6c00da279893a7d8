"""No line of TensorFlow's own on stderr, and all of it where its import fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mscn_tf.apps import cli
from mscn_tf.runtime.errors import MscnError
from tests import modulated
from tests.tiny import write_pictures

TESTS = Path(__file__).resolve().parents[1]
GOLDEN = TESTS / "golden" / "v1.mscnb"
TINY, GATES = (f"--config={TESTS / name}.py:data" for name in ("tiny", "modulated"))
SHORT = ("--config.steps=2", "--config.start_tiles=600", "--config.freeze_tiles=64")


def mscn(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs a command with what TensorFlow says by default."""
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [Path(sys.executable).with_name("mscn"), *map(str, arguments)],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(TESTS.parent)},
        capture_output=True,
        text=True,
    )


def lines_of_others(stderr: str) -> list[str]:
    """What is not of a training's own log."""
    return [line for line in stderr.splitlines() if " loop.py:" not in line]


@pytest.mark.parametrize("form", ["saved_model", "tflite"])
def test_exports_say_what_they_wrote_and_no_more(tmp_path, form):
    done = mscn(tmp_path, "export", f"--codec={GOLDEN}", f"--format={form}", "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("train", TINY, "--config.nosuch=1", "--workdir=run"), "nosuch"),
        (("train", TINY, "--workdir=run", "--strategy=tpu"), "TPU"),
        (("experiment", GATES, "--workdir=run"), "data/*.png"),
        (("export", f"--codec={GOLDEN}", "--format=saved_model", "."), "is there already"),
        (("encode", "--modality=scene", "data", "out.mscn"), "transforms.json"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_errors_are_one_line(tmp_path, command, says):
    (tmp_path / "data").mkdir()
    done = mscn(tmp_path, *command)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert says in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ("train", TINY, *SHORT, "--strategy=mirrored"),
        ("experiment", GATES, "--config.steps=2"),
    ],
    ids=["mirrored", "experiment"],
)
def test_trainings_are_silent(tmp_path, command):
    write_pictures(tmp_path / "data")
    modulated.write_pictures(tmp_path / "data")
    done = mscn(tmp_path, *command, "--workdir=run")
    assert (done.returncode, lines_of_others(done.stderr)) == (0, [])
    assert done.stdout


def loud(error: Exception | None) -> None:
    with cli.importing_tensorflow():
        os.write(2, b"of C++\n")
        if error:
            raise error


@pytest.mark.parametrize("error", [None, MscnError("told"), ModuleNotFoundError("x", name="x")])
def test_held_back(capfd, monkeypatch, error):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    if error:
        with pytest.raises(MscnError):
            loud(error)
    else:
        loud(error)
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


@pytest.mark.parametrize(("level", "error"), [("3", ImportError("broken")), ("0", None)])
def test_shown(capfd, monkeypatch, level, error):
    """What a failed import says, and everything to who asks for it."""
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", level)
    if error:
        with pytest.raises(ImportError):
            loud(error)
    else:
        loud(error)
    assert "of C++\n" in capfd.readouterr().err
