"""A kind of codec that is made here alone: every command works with it.

Run as a program, this file is `mscn` that knows the kind.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mscn_tf.codec.parts import Parts
from mscn_tf.codec.tiling import to_tiles
from mscn_tf.export.bundle import write_bundle
from mscn_tf.runtime import scheme
from mscn_tf.runtime.container import Container, grid
from mscn_tf.runtime.sampling import resized
from mscn_tf.runtime.scheme import Scheme, Survivors
from mscn_tf.runtime.view import View

EDGE = 16
QUALITY = 3
HERE = Path(__file__).resolve()
WARMED = "TOY_WARMED"  # a file that says that a worker was warmed up


def step(q16: int) -> int:
    """Of the quantiser: 10 at quality 1, 1 at quality 10."""
    return 11 - q16 // 16


class Toy(Scheme):
    """Pictures in tiles of quantised bytes, each deflated on its own."""

    name = "toy"
    encoder = f"{__name__}:ToyEncoder"

    def blocks(self, container: Container, symbols: Sequence[np.ndarray]) -> list[bytes]:
        assert len(symbols) == container.tiles
        return [zlib.compress(tile.tobytes()) for tile in symbols]

    def reader(self, container: Container) -> ToyReader:
        return ToyReader(container)

    def survivors(self, container: Container, item: int) -> Survivors:
        symbols = np.array(self.reader(container).symbols(item))
        places = np.count_nonzero(symbols, axis=(1, 2, 3))
        shape = grid(container.shapes[item], EDGE)
        return Survivors(places.reshape(shape), "by toy", int(places.sum()), symbols.size)

    def warm_up(self) -> None:
        if WARMED in os.environ:
            Path(os.environ[WARMED]).touch()


class ToyReader:
    def __init__(self, container: Container):
        self._container = container

    def symbols(self, item: int) -> list[np.ndarray]:
        blocks = [self._container.blocks[number] for number in self._container.tiles_of(item)]
        return [
            np.frombuffer(zlib.decompress(block), np.uint8).reshape(EDGE, EDGE, 3)
            for block in blocks
        ]

    def render(self, views: Sequence[View]) -> list[np.ndarray]:
        return [resized(self._whole(v.item), v.start, v.extent, v.shape) for v in views]

    def _whole(self, item: int) -> np.ndarray:
        height, width = self._container.shapes[item]
        rows, columns = grid((height, width), EDGE)
        tiles = np.array(self.symbols(item)).reshape(rows, columns, EDGE, EDGE, 3)
        symbols = tiles.swapaxes(1, 2).reshape(rows * EDGE, columns * EDGE, 3)
        size = step(self._container.q16[item])
        return symbols[:height, :width] * np.uint8(size) + np.uint8(size // 2)


class ToyEncoder:
    def __init__(self, kind: Toy):
        assert kind.bundle.name == "toys"

    def encoding(self, parts: Parts, metadata: Any, bar: Any, effort: int) -> ToyEncoding:
        return ToyEncoding(parts)


class ToyEncoding:
    def __init__(self, parts: Parts):
        self._parts = parts

    def _symbols(self, q16: int) -> list[np.ndarray]:
        return [tile // step(q16) for plane in self._parts.coded for tile in to_tiles(plane, EDGE)]

    def file(self, q16: int, bit_price: float = 1.0) -> bytes:
        return self._parts.pack(self._symbols(q16), q16)

    def estimated_bits(self, q16: int) -> float:
        return 8.0 * sum(len(zlib.compress(tile.tobytes())) for tile in self._symbols(q16))

    def estimated_psnr(self, q16: int) -> float:
        return -20 * np.log10(step(q16))


def mscn(folder: Path, *arguments: str) -> str:
    """What a command that must work says."""
    done = _run(folder, arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def _run(folder: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(HERE), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """It holds the codec toys.mscnb and a picture of 47x31 pixels, a file of which is in.mscn."""
    tmp_path = tmp_path_factory.mktemp("toys")
    manifest = {"name": "toys", "codec": "toy", "modality": "image", "channels": 3}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scheme, "_registry", scheme.registered())
        scheme.register(Toy)
        write_bundle(tmp_path / "toys.mscnb", {**manifest, "tile_edge": EDGE}, {})
    noise = np.random.default_rng(0).integers(0, 240, (31, 47, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "in.png")
    mscn(tmp_path, "encode", "--codec=toys.mscnb", f"--quality={QUALITY}", "in.png", "in.mscn")
    return tmp_path


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(int)


def test_encode_and_decode(folder):
    mscn(folder, "decode", "--codec=toys.mscnb", "in.mscn", "out.png")
    difference = pixels(folder / "out.png") - pixels(folder / "in.png")
    assert np.abs(difference).max() == step(16 * QUALITY) // 2
    mscn(folder, "decode", "--codec=toys.mscnb", "--region=3,2,20,9", "in.mscn", "part.png")
    np.testing.assert_array_equal(
        pixels(folder / "part.png"), pixels(folder / "out.png")[2:11, 3:23]
    )


def test_a_size_is_searched_for_and_a_bound_kept(folder):
    most = (folder / "in.mscn").stat().st_size - 1
    mscn(folder, "encode", "--codec=toys.mscnb", f"--bytes={most}", "in.png", "small.mscn")
    assert 0.8 * most < (folder / "small.mscn").stat().st_size <= most
    mscn(folder, "encode", "--codec=toys.mscnb", "--max-error=3", "in.png", "bounded.mscn")
    mscn(folder, "decode", "--codec=toys.mscnb", "bounded.mscn", "bounded.png")
    errors = pixels(folder / "bounded.png").astype(int) - pixels(folder / "in.png")
    assert 0 < np.abs(errors).max() <= 3
    assert "within 3" in mscn(folder, "info", "bounded.mscn")
    mscn(folder, "encode", "--codec=toys.mscnb", "--lossless", "in.png", "exact.mscn")
    assert "exact" in mscn(folder, "info", "exact.mscn")


def test_info_and_its_plot(folder):
    assert "6 tiles in 6 blocks" in mscn(folder, "info", "in.mscn")
    mscn(folder, "info", "--codec=toys.mscnb", "--plot=plot.svg", "in.mscn")
    assert (folder / "plot.svg").stat().st_size > 5000


def test_verify(folder):
    told = mscn(folder, "verify", "toys.mscnb", "in.mscn")
    assert "toys.mscnb: good, codec toys" in told
    assert "in.mscn: good, 1 items in 6 blocks" in told


def test_evaluate(folder):
    (folder / "pictures").mkdir()
    shutil.copy(folder / "in.png", folder / "pictures")
    arguments = ("--codec=toys.mscnb", "--baselines=none", "--qualities=2,8")
    mscn(folder, "evaluate", *arguments, "--data=pictures", "--out=report")
    rows = (folder / "report" / "signals.csv").read_text().splitlines()
    assert len(rows) == 3
    assert all(row.count("toys") for row in rows[1:])


def test_export(folder):
    mscn(folder, "export", "--codec=toys.mscnb", "--format=bundle", "copy.mscnb")
    assert (folder / "copy.mscnb").read_bytes() == (folder / "toys.mscnb").read_bytes()
    refused = _run(folder, ["export", "--codec=toys.mscnb", "--format=onnx", "out"])
    assert refused.returncode == 2
    assert "toys has no graph: it has no network in floats" in refused.stderr


@pytest.fixture
def port(folder) -> Iterator[int]:
    """That of a server of the codec, whose worker is ready."""
    command = [sys.executable, str(HERE), "serve", "--codec=toys.mscnb", "--workers=1", "--port=0"]
    environment = {**os.environ, WARMED: str(folder / "warmed")}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            yield int(server.stdout.readline().rpartition(":")[2].partition("/")[0])
        finally:
            server.terminate()


def test_serve(folder, port):
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as sent:
        sent.request("POST", "/decode", (folder / "in.mscn").read_bytes())
        reply = sent.getresponse()
        decoded = np.asarray(Image.open(io.BytesIO(reply.read())))
    assert reply.status == 200
    assert np.abs(decoded - pixels(folder / "in.png")).max() == step(16 * QUALITY) // 2
    assert (folder / "warmed").exists()


if __name__ in ("__main__", "__mp_main__"):  # also of a server's workers
    scheme.register(Toy)
if __name__ == "__main__":
    from mscn_tf import server
    from mscn_tf.apps.main import main

    server.__file__ = __file__  # what workers run first
    main()
