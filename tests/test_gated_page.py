"""The commands of docs/gated.md, one after the other, with a shorter training."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
SHORT = """
set -em  # a group of its own for what runs behind: the function's shell, and the server in it
trap 'kill -- -$(jobs -p)' EXIT
mscn() {
    if [ "$1" = train ]; then
        set -- "$@" --config.meta_steps=200 --config.steps=240 \\
            --config.signals=200 --config.coded=100 --config.validation_tiles=4
    fi
    command mscn "$@"
}
"""


@pytest.mark.slow  # TensorFlow is imported by four of them, for a function each that others test
def test_every_command_works(tmp_path):
    page = (ROOT / "docs" / "gated.md").read_text()
    commands = re.search(r"```\n(mscn train --config=gated_demo.*?)```", page, re.DOTALL)[1]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        commands = commands.replace("8765", str(free.getsockname()[1]))
    (tmp_path / "demo").symlink_to(ROOT / "demo")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", SHORT + commands],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "demo.mscn: good" in done.stdout
    decoded, served = (
        np.asarray(Image.open(tmp_path / name)) for name in ("demo.png", "served.png")
    )
    np.testing.assert_array_equal(decoded, served)
    assert decoded.shape == np.asarray(Image.open(ROOT / "demo" / "kodim.png")).shape
    names = {"demo.svg", "saved", "graphs", "demo.tflite", "copy.mscnb"}
    assert names <= {path.name for path in tmp_path.iterdir()}
    bundle = tmp_path / "runs" / "gated" / "gated-demo.mscnb"
    assert (tmp_path / "copy.mscnb").read_bytes() == bundle.read_bytes()
