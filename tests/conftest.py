from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from tests.installed import PIP, build_wheel

# No deadlines: machines are busy. On CI the same cases every time, so that red means a change.
settings.register_profile("mscn", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("mscn")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background; else the commands that tests interrupt would ignore it too.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """The package's wheel."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory) -> dict[str, str]:
    """The environment of programs that see the installed wheel and no source."""
    place = tmp_path_factory.mktemp("installed")
    install = [sys.executable, *PIP, "install", "--no-deps", "--target", str(place)]
    subprocess.run([*install, str(wheel)], check=True)
    return {**os.environ, "PYTHONPATH": str(place), "PATH": f"{place / 'bin'}:{os.environ['PATH']}"}


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A trained codec and its bundle (`tests.tiny.Tiny`)."""
    from tests.tiny import make  # TensorFlow, which most tests do without

    return make(tmp_path_factory.mktemp("tiny"))
