"""The decoder for Node.js, where `make node` has fetched what it needs."""

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
SCRIPT = ROOT / "export" / "node" / "decode.mjs"
READY = (ROOT / "build" / "node" / "node_modules").exists()
GOLDEN = ROOT / "tests" / "golden" / "v1.mscnb"

pytestmark = pytest.mark.skipif(not READY, reason="needs onnxruntime-node: make node")


def decode(*arguments):
    return subprocess.run(["node", SCRIPT, *arguments], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("bundle", "size"), [(GOLDEN, None), (GOLDEN, (50, 31)), (SHIPPED / "photo.mscnb", None)]
)
def test_pixels_are_pythons(tmp_path, bundle, size):
    codec = Codec.load(bundle)
    picture = np.asarray(Image.open(ROOT / "demo" / "kodim.png"))[100:163, 200:297]
    data = codec.encode([picture[::-1], picture], quality=7)
    (tmp_path / "in.mscn").write_bytes(data)
    expected = codec.decode(data, item=1, size=size)
    wanted = [] if size is None else ["x".join(map(str, size))]
    done = decode(tmp_path / "in.mscn", bundle, tmp_path / "out.ppm", "1", *wanted)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["height"], told["width"]) == expected.shape[:2]
    pixels = np.asarray(Image.open(tmp_path / "out.ppm"))
    assert np.abs(pixels.astype(int) - expected).max() <= 1


def test_errors_in_one_line(tmp_path):
    (tmp_path / "in.mscn").write_bytes(b"MSCN")
    done = decode(tmp_path / "in.mscn", GOLDEN, tmp_path / "out.ppm")
    assert done.returncode == 2
    assert done.stderr.startswith("decode.mjs: ")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out.ppm").exists()
