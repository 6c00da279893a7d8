"""What one generation of TensorFlow and Keras writes, the other reads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: Of `make setup` and `make test-new`, or another with a stack of its own.
PYTHONS = [ROOT / ".venv/bin/python", ROOT / "build/newest/bin/python"]
OTHER = os.environ.get("MSCN_OTHER_PYTHON")


def other_python() -> str:
    """An environment with another version of Keras than this one."""
    for python in [Path(OTHER)] if OTHER else PYTHONS:
        ready = OTHER or (python.parents[1] / "ready").exists()
        if ready and python.parents[1].resolve() != Path(sys.prefix).resolve():
            return str(python)
    pytest.skip("there is one environment only: `make test-new` makes the other")


def exchange(python: str, task: str, folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [python, "-W", "ignore", "-m", "tests.stack.exchange", task, folder],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("written_here", [True, False], ids=["this writes", "other writes"])
def test_models_and_codecs(tmp_path, written_here):
    pythons = [sys.executable, other_python()]
    writer, reader = pythons if written_here else pythons[::-1]
    exchange(writer, "write", tmp_path)
    exchange(reader, "read", tmp_path)
