"""No line of TensorFlow's own on stderr, and all of it where its import fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mscn_tf.apps import cli
from mscn_tf.runtime.errors import MscnError

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "v1.mscnb"


@pytest.mark.parametrize("form", ["saved_model", "tflite"])
def test_exports_say_what_they_wrote_and_no_more(tmp_path, form):
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    command = [Path(sys.executable).with_name("mscn"), "export", f"--codec={GOLDEN}"]
    done = subprocess.run(
        [*command, f"--format={form}", tmp_path / "out"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1


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
