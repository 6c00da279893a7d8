"""Codecs that the commands train here, from pictures to a bundle, decode everywhere.

In environments with the runtime alone, of other Pythons than this one, and in the page's modules.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import tiny
from tests.apps.conftest import MSCN
from tests.installed import ROOT, build_wheel, environment

pytestmark = pytest.mark.slow

NODE = ROOT / "build" / "node"
DECODE = """
import sys
import numpy as np
from mscn_tf.runtime import FileDecoder
for name in sys.argv[1:]:
    data = open(f"{name}.mscn", "rb").read()
    found = FileDecoder.load(f"{name}.mscnb").decode(data)
    np.testing.assert_array_equal(found, np.load(f"{name}.npy"))
assert "tensorflow" not in sys.modules
"""
KINDS = ("tiny", "tiny_pyramid")


def mscn(folder: Path, *arguments: str) -> None:
    done = subprocess.run([MSCN, *arguments], cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A folder with the bundle of each kind of codec, a picture's file, and its pixels here."""
    folder = tmp_path_factory.mktemp("trained")
    tiny.write_pictures(folder / "data")
    Image.fromarray(tiny.picture(50, 77, 9)).save(folder / "in.png")
    for kind in KINDS:
        config = f"--config={ROOT / 'tests' / kind}.py:data"
        mscn(folder, "train", config, f"--workdir={kind}", "--config.steps=3")
        (folder / kind / "tiny.mscnb").rename(folder / f"{kind}.mscnb")
        codec = f"--codec={kind}.mscnb"
        mscn(folder, "encode", codec, "--quality=7.5", "in.png", f"{kind}.mscn")
        mscn(folder, "decode", codec, f"{kind}.mscn", f"{kind}.png")
        np.save(folder / f"{kind}.npy", np.asarray(Image.open(folder / f"{kind}.png")))
    return folder


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.mark.parametrize("python", ["3.9", "3.11", "3.13"])
def test_other_pythons(trained, wheel, tmp_path, python):
    programs = environment(tmp_path / "env", python, str(wheel))
    done = subprocess.run(
        [programs / "python", "-c", DECODE, *KINDS], cwd=trained, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    golden = [programs / "python", ROOT / "tests" / "golden" / "decode.py"]
    done = subprocess.run(golden, cwd=trained, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"signals decoded as they were, {python}" in done.stdout


@pytest.mark.skipif(not (NODE / "decode.mjs").exists(), reason="needs `make node`")
@pytest.mark.parametrize("kind", KINDS)
def test_the_pages_modules(trained, tmp_path, kind):
    program = ["node", NODE / "decode.mjs"]
    files = [trained / f"{kind}.mscn", trained / f"{kind}.mscnb", tmp_path / "out.png"]
    done = subprocess.run([*program, *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pixels = np.asarray(Image.open(tmp_path / "out.png"))
    assert pixels.shape == (50, 77, 3)
    assert np.abs(pixels.astype(int) - np.load(trained / f"{kind}.npy")).max() <= 1
