"""The package for Node.js, installed from its tarball into a folder outside of the repository."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mscn_tf.codec import Codec
from mscn_tf.runtime.bundle import SHIPPED

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "build" / "web"
GOLDEN = ROOT / "tests" / "golden"

pytestmark = pytest.mark.skipif(
    not (WEB / "vendor" / "ort.wasm.gzip").exists(), reason="needs the built page: make web"
)


def run(folder, *command):
    given = {"capture_output": True, "text": True, "timeout": 120}
    return subprocess.run(command, cwd=folder, **given)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the package and nothing else in it; nothing is fetched."""
    package, folder = tmp_path_factory.mktemp("package"), tmp_path_factory.mktemp("installed")
    (folder / "package.json").write_text("{}")
    for where, *command in (
        (package, "node", ROOT / "export" / "node" / "assemble.mjs", WEB, package, "1.2.3"),
        (package, "npm", "pack", "--silent"),
        (folder, "npm", "install", "--offline", "--silent", package / "mscn-node-1.2.3.tgz"),
    ):
        done = run(where, *command)
        assert done.returncode == 0, done.stderr
    assert [path.name for path in (folder / "node_modules").glob("[a-z]*")] == ["mscn-node"]
    return folder


def decode(installed, *arguments):
    return run(installed, Path("node_modules") / ".bin" / "mscn-decode", *arguments)


@pytest.mark.parametrize("stem", ["v1_alpha", "v1filter_picture", "v1interpolation_single"])
def test_golden_files(installed, tmp_path, stem):
    """Alpha is kept; fields become arrays."""
    bundle, field = GOLDEN / f"{stem.split('_')[0]}.mscnb", "interpolation" in stem
    target = tmp_path / ("out.npy" if field else "out.png")
    done = decode(installed, GOLDEN / f"{stem}.mscn", bundle, target)
    assert done.returncode == 0, done.stderr
    if field:
        with np.load(GOLDEN / f"{stem}.npz") as arrays:
            np.testing.assert_array_equal(np.load(target), arrays[arrays.files[0]])
    else:
        expected, found = Image.open(GOLDEN / f"{stem}_0.png"), Image.open(target)
        assert found.mode == expected.mode
        assert np.abs(np.asarray(found).astype(int) - np.asarray(expected)).max() <= 1


@pytest.mark.parametrize(
    ("bundle", "size"), [(GOLDEN / "v1.mscnb", (50, 31)), (SHIPPED / "photo.mscnb", None)]
)
def test_pixels_are_pythons(installed, tmp_path, bundle, size):
    codec = Codec.load(bundle)
    picture = np.asarray(Image.open(ROOT / "demo" / "kodim.png"))[100:163, 200:297]
    data = codec.encode([picture[::-1], picture], quality=7)
    (tmp_path / "in.mscn").write_bytes(data)
    expected = codec.decode(data, item=1, size=size)
    wanted = [] if size is None else ["x".join(map(str, size))]
    done = decode(installed, tmp_path / "in.mscn", bundle, tmp_path / "out.pam", "1", *wanted)
    assert done.returncode == 0, done.stderr
    assert tuple(json.loads(done.stdout)["shape"]) == expected.shape
    head, pixels = (tmp_path / "out.pam").read_bytes().split(b"ENDHDR\n", 1)
    assert b"\nTUPLTYPE RGB\n" in head
    pixels = np.frombuffer(pixels, np.uint8).reshape(expected.shape)
    assert np.abs(pixels.astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    ("stem", "target", "message"),
    [
        ("v1field_single", "out.png", "these are values, not pixels; give OUT.npy"),
        ("v1_picture", "out.ppm", "give OUT.png"),
        ("v1field_single", None, "usage: mscn-decode"),
        ("missing", "out.png", "no such file"),
        ("cut", "out.png", "in.mscn"),
    ],
)
def test_errors_in_one_line(installed, tmp_path, stem, target, message):
    source = GOLDEN / f"{stem}.mscn"
    if stem == "cut":
        source = tmp_path / "in.mscn"
        source.write_bytes((GOLDEN / "v1_picture.mscn").read_bytes()[:-1])
    bundle = GOLDEN / ("v1field.mscnb" if "field" in stem else "v1.mscnb")
    done = decode(installed, source, bundle, *([tmp_path / target] if target else []))
    assert done.returncode == 2
    assert done.stderr.startswith("mscn-decode: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.glob("out*"))
