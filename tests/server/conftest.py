"""`mscn serve` as its own process, and a client."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from mscn_tf.codec import Codec
from tests import pyramids
from tests.apps.conftest import MSCN
from tests.runtime.conftest import bundle_members, prior_arrays, synthetic  # noqa: F401

MAX_PIXELS, MAX_BODY = 2**21, 2**20


class Reply:
    """Status, headers and body of an answer."""

    def __init__(self, response: http.client.HTTPResponse):
        self.status, self.headers = response.status, response.headers
        self.body = response.read()

    @property
    def array(self) -> np.ndarray:
        """Of an answer in npy, or of a picture [H, W, C]."""
        assert self.status == 200, self.body
        if self.headers["content-type"].startswith("image/"):
            found = np.asarray(Image.open(io.BytesIO(self.body)))
            return found[..., None] if found.ndim == 2 else found
        return np.load(io.BytesIO(self.body))

    @property
    def detail(self) -> str:
        """The one line of an error."""
        assert self.headers["content-type"] == "application/json"
        ((key, line),) = json.loads(self.body).items()
        assert key == "detail"
        assert "\n" not in line
        return line


class Server:
    """A running server.

    Attributes:
      process: the command.
      says: what it must have written on standard error at its end.
    """

    def __init__(self, process: subprocess.Popen[str]):
        self.process, self.says = process, ""
        self.port = urlsplit(process.stdout.readline().strip()).port
        assert self.get("/health").status == 200

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, None, headers)

    def post(self, path: str, body: Any, **headers: str) -> Reply:
        return self.ask("POST", path, body, headers)

    def ask(self, method: str, path: str, body: Any = None, headers: Any = None) -> Reply:
        with contextlib.closing(self.connect()) as connection:
            connection.request(method, path, body, headers or {})
            return Reply(connection.getresponse())

    def wait_until_working(self, requests: int) -> None:
        """Until so many requests are in progress."""
        for _ in range(500):
            lines = self.get("/metrics").body.decode().splitlines()
            if f"mscn_requests_in_progress {requests:.1f}" in lines:
                return
            time.sleep(0.01)
        raise AssertionError(f"there never were {requests} requests in progress")

    def processes(self) -> list[int]:
        """Its own id, and its workers'."""
        own = self.process.pid
        children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
        return [own, *map(int, children)]

    def resident(self) -> int:
        """Bytes of memory that it and its workers take."""
        pages = [int(Path(f"/proc/{n}/statm").read_text().split()[1]) for n in self.processes()]
        return 4096 * sum(pages)


@contextlib.contextmanager
def serving(*flags: str, open_files: int | None = None, mscn: Path = MSCN) -> Iterator[Server]:
    """A server that takes any free port, and may open so many files; it must end well."""
    limit = () if open_files is None else ("prlimit", f"--nofile={open_files}")
    process = subprocess.Popen(
        [*limit, str(mscn), "serve", "--port=0", "--workers=1", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        server = Server(process)
        yield server
    finally:
        process.terminate()
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (0, server.says)


@pytest.fixture(scope="session")
def pyramid_path(tmp_path_factory) -> Path:
    """A pyramid codec with random weights: it encodes, too."""
    return pyramids.write_codec(tmp_path_factory.mktemp("pyramid") / "random.mscnb", 2**14)


@pytest.fixture(scope="session")
def pyramid(pyramid_path) -> Codec:
    """The same, loaded."""
    return Codec.load(pyramid_path)


def picture_of(height: int, width: int) -> np.ndarray:
    """uint8 [height, width, 3]: smooth colours with a little noise."""
    y, x = np.mgrid[:height, :width] / 40
    waves = np.stack([np.sin(x + y), np.cos(x * y / 4), np.sin(x)], axis=-1)
    noise = np.random.default_rng(0).normal(0, 5, waves.shape)
    return np.clip(waves * 90 + 128 + noise, 0, 255).astype(np.uint8)


def png(picture: np.ndarray) -> bytes:
    """The file of a picture."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="session")
def field() -> bytes:
    """A file of `temperature`: a field of 16x8 values."""
    places = {"latitude": np.linspace(-80, 80, 8).tolist(), "longitude": list(range(16))}
    symbols = np.zeros((1, 400), np.int32)
    return Codec.load("temperature").pack(symbols, [(8, 16)], [80], [1], metadata=places)


@pytest.fixture(scope="session")
def stored(synthetic, field, tmp_path_factory) -> Path:  # noqa: F811
    """A folder of stored files: `wide`, a picture of 300x100, an archive, a field, others."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "wide.mscn").write_bytes(synthetic.pack([(100, 300)], channels=[3]))
    (folder / "many.mscn").write_bytes(
        synthetic.pack([(16, 24), (8, 8)], channels=[1, 3], names=["first", "<b>"])
    )
    (folder / "field.mscn").write_bytes(field)
    (folder / "damaged.mscn").write_bytes(b"MSCN" + bytes(20))
    (folder / ".hidden.mscn").write_bytes(b"")
    (folder / "a b.mscn").write_bytes(b"")
    (folder / "notes.txt").write_text("none of the server's business")
    (folder / "folder.mscn").mkdir()
    (folder.parent / "outside.mscn").write_bytes(b"secret")
    return folder


@pytest.fixture(scope="session")
def server(synthetic, pyramid_path, stored) -> Iterator[Server]:  # noqa: F811
    """A server of three codecs with room for small requests."""
    codecs = f"--codec={pyramid_path},{synthetic.path},temperature"
    limits = (f"--max-pixels={MAX_PIXELS}", f"--max-body={MAX_BODY}", "--timeout=60")
    with serving(codecs, f"--files={stored}", *limits) as running:
        yield running
