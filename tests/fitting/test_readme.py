"""The README's example of Keras runs, and learns what its comments say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
(EXAMPLE,) = (
    block
    for block in re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    if "MetaLearner" in block
)
#: What takes its time, and what takes less.
SHORTER = {
    "width=48, depth=3": "width=8, depth=2",
    "tiles), [32])": "tiles)[:48, ::4, ::4], [32])",
    "anneal=(0, 250)": "anneal=(0, 1)",
    "epochs=10": "epochs=1",
}


def run(program: str, folder: Path) -> None:
    (folder / "demo").mkdir()
    shutil.copy(ROOT / "demo/kodim.png", folder / "demo")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr


def test_it_is_short():
    assert len(EXAMPLE.splitlines()) <= 30


def test_a_shorter_run(tmp_path):
    program = EXAMPLE
    for line, shorter in SHORTER.items():
        assert program.count(line) == 1
        program = program.replace(line, shorter)
    found = "assert codes.shape == (32, 123) and larger.shape == (32, 4096, 3)"
    run(f"{program}\n{found}", tmp_path)
    assert (tmp_path / "tiles.keras").stat().st_size > 10_000


@pytest.mark.slow
def test_all_of_it(tmp_path):
    found = """
measured = loaded.evaluate(held_out, return_dict=True)
assert measured["psnr"] > 27 and measured["kept"] < 0.12, measured
assert codes.shape == (32, 4995) and (codes.numpy() != 0).mean() < 0.12
small = larger.numpy().reshape(32, 32, 2, 32, 2, 3).mean(axis=(2, 4))
assert -10 * np.log10(np.mean((small - held_out) ** 2)) > 24
"""
    run(f"{EXAMPLE}{found}", tmp_path)
