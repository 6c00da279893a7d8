"""Clients that take their time, say nothing, leave early, or are too many."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import random
import shutil
import signal
import socket
import time

import pytest

from mscn_tf.runtime.errors import MscnError
from mscn_tf.server import work
from mscn_tf.server.settings import Settings
from tests.apps.conftest import Folder
from tests.server.conftest import Server, serving

HEAD = b"POST /decode HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"


def dial(server: Server) -> socket.socket:
    """A connection."""
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


@pytest.fixture(scope="module")
def hasty(synthetic, tmp_path_factory):
    """A server of one worker with room for two requests of two seconds, and a folder with links."""
    folder = tmp_path_factory.mktemp("links")
    (folder / "file.mscn").write_bytes(synthetic.pack([(8, 8)], channels=[3]))
    outside = folder.parent / "outside_links.mscn"
    outside.write_bytes((folder / "file.mscn").read_bytes())
    (folder / "link.mscn").symlink_to(outside)
    limits = ("--timeout=2", "--max-requests=2", f"--max-body={2**20}")
    with serving(f"--codec={synthetic.path}", f"--files={folder}", *limits) as server:
        server.get("/tiles/file/0/0/0")  # the worker is there
        yield server


@pytest.fixture
def small(synthetic) -> bytes:
    """A file."""
    return synthetic.pack([(8, 8)], channels=[3])


def test_a_head_that_comes_slowly_and_none(hasty):
    with dial(hasty) as slow, dial(hasty) as silent:
        start = time.monotonic()
        slow.sendall(b"GET /health HTTP/1.1\r\nX: ")
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < start + 10:
                slow.sendall(b"x")
                time.sleep(0.2)
        assert time.monotonic() - start < 5
        assert silent.recv(100) == b""
    with dial(hasty) as slow:
        slow.sendall(b"GET /hea")
        assert slow.recv(100).startswith(b"HTTP/1.1 408 ")


def test_a_connection_is_kept_for_a_while(hasty):
    with dial(hasty) as kept:
        for _ in range(4):  # longer than a request may take
            time.sleep(0.6)
            kept.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = b""
            while not answer.endswith(b"}"):
                answer += kept.recv(2000)
            assert answer.startswith(b"HTTP/1.1 200 ")
        start = time.monotonic()
        assert kept.recv(100) == b""
        assert time.monotonic() - start < 5


def test_bodies_that_do_not_come_fill_no_places(hasty, small):
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(dial(hasty)) for _ in range(6)]
        for client in silent:
            client.sendall(HEAD % 99 + b"MSCN")
        assert hasty.post("/decode", small).status == 200
        for client in silent:
            assert client.recv(100).startswith(b"HTTP/1.1 408 ")


def test_bodies_that_do_not_come_take_bounded_memory(hasty):
    """Two bodies' bytes fit; with a third the oldest has to go."""
    with dial(hasty) as first, dial(hasty) as second, dial(hasty) as third:
        for client in (first, second, third):
            client.sendall(HEAD % 2**20 + bytes(2**20 - 1))
            time.sleep(0.1)
        assert first.recv(100).startswith(b"HTTP/1.1 503 ")
        assert second.recv(100).startswith(b"HTTP/1.1 408 ")


def test_what_takes_too_long_without_a_body(hasty):
    worker = hasty.processes()[1]
    os.kill(worker, signal.SIGSTOP)
    reply = hasty.get("/tiles/file/1/0/0")
    assert (reply.status, reply.detail) == (504, "took longer than 2 s; ask for less")
    assert hasty.get("/tiles/file/1/0/0").status == 200  # a new worker has started
    assert worker not in hasty.processes()


def test_who_leaves_kills_no_worker(synthetic, small):
    with serving(f"--codec={synthetic.path}", "--max-requests=9", "--timeout=60") as server:
        worker = server.processes()[1]
        os.kill(worker, signal.SIGSTOP)
        for _ in range(5):
            with dial(server) as client:
                client.sendall(HEAD % len(small) + small)
                time.sleep(0.1)
        server.wait_until_working(1)  # the others had not begun, and are gone
        os.kill(worker, signal.SIGCONT)
        assert server.post("/decode", small).status == 200
        assert server.processes()[1:] == [worker]
        assert 'route="/decode",status="499"' in server.get("/metrics").body.decode()


def test_lengths_hosts_and_kinds(hasty, small):
    both = HEAD[:-2] % len(small) + b"Transfer-Encoding: chunked\r\n\r\n"
    with dial(hasty) as client:
        client.sendall(both + b"0\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(2000), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"give content-length or transfer-encoding" in answer
    for host, status in {"localhost": 200, "127.0.0.1:80": 200, "evil.example": 400}.items():
        with contextlib.closing(hasty.connect()) as connection:
            connection.request("GET", "/health", headers={"Host": host})
            assert connection.getresponse().status == status
    for path in ("/health", "/tiles/file/0/0/0", "/nothing"):
        assert hasty.get(path).headers["x-content-type-options"] == "nosniff"


def test_links_are_followed_if_asked_for(hasty, synthetic, tmp_path):
    assert hasty.get("/tiles/link/0/0/0").status == 404
    assert b"link" not in hasty.get("/files").body
    (tmp_path / "elsewhere.mscn").write_bytes(synthetic.pack([(8, 8)], channels=[3]))
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "link.mscn").symlink_to(tmp_path / "elsewhere.mscn")
    flags = (f"--codec={synthetic.path}", f"--files={folder}", "--follow-links")
    with serving(*flags, "--allowed-hosts=*.example,127.0.0.1") as server:
        assert server.get("/tiles/link/0/0/0").status == 200
        assert b"link" in server.get("/files").body
        for host, status in {"any.example": 200, "localhost": 400}.items():
            with contextlib.closing(server.connect()) as connection:
                connection.request("GET", "/health", headers={"Host": host})
                assert connection.getresponse().status == status


def test_errors_name_no_folder():
    codecs, nothing = ("photo", "/secret/own.mscnb"), ()
    settings = Settings(
        codecs, "/far/files/", False, nothing, nothing, None, False, 1, 1, 1, 1, 1, 1, 1, 1.0
    )
    error = MscnError("cannot read /far/files/a.mscn, and /secret/own.mscnb; check the path")
    said = work._without_folders(settings, error)
    assert said == "cannot read a.mscn, and own.mscnb; check the path"


def test_flags_that_cannot_be(synthetic, tmp_path):
    for flags, says in {
        ("--max-connections=1000000",): "raise ulimit -n",
        ("--max-connections=4", "--max-requests=4"): "4 connections are too few for 4 requests",
        ("--cache=-1",): "--cache=-1: must be 0 or more",
        ("--viewer=nowhere",): "--viewer=nowhere: no page there; make it with `make viewer`",
        ("--cors=example.org",): "--cors=example.org: give origins, https://example.org, or * for",
        ("--allowed-hosts=a*b",): "--allowed-hosts=a*b: give names, *.NAME, or * for all",
        ("--allowed-hosts=,x",): "--allowed-hosts=: give names",
    }.items():
        codec = f"--codec={synthetic.path}"
        assert says in Folder(tmp_path).refuses("serve", codec, "--port=0", *flags)


class Crowd:
    """Hostile clients. Each comes again, in some 2 s, when the server has closed its connection."""

    def __init__(self, server: Server, body: bytes):
        self._port, self._body = server.port, body
        self.connections = 0

    def run(self, seconds: float) -> None:
        """500 clients at once, for a time."""
        kinds = [(self._slow, 230), (self._silent, 100), (self._bodiless, 150), (self._gone, 20)]
        asyncio.run(self._all([kind for kind, number in kinds for _ in range(number)], seconds))

    async def _all(self, kinds, seconds: float) -> None:
        clients = [asyncio.create_task(self._again(kind)) for kind in kinds]
        _, running = await asyncio.wait(clients, timeout=seconds)
        assert len(running) == len(clients)  # none has failed
        for client in clients:
            client.cancel()
        await asyncio.wait(clients)

    async def _again(self, kind) -> None:
        while True:
            await asyncio.sleep(random.uniform(0, 4))
            with contextlib.suppress(ConnectionError):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                self.connections += 1
                try:
                    await kind(reader, writer)
                finally:
                    writer.close()

    async def _slow(self, reader, writer) -> None:
        writer.write(b"GET /health HTTP/1.1\r\nX: ")
        while True:
            writer.write(b"x")
            await writer.drain()  # fails when the server has closed
            await asyncio.sleep(1)

    async def _silent(self, reader, writer) -> None:
        await reader.read()

    async def _bodiless(self, reader, writer) -> None:
        writer.write(HEAD % 99 + b"MSCN")
        await reader.read()

    async def _gone(self, reader, writer) -> None:
        writer.write(HEAD % len(self._body) + self._body)
        await writer.drain()


def rate(server: Server, body: bytes, seconds: float) -> tuple[float, float]:
    """Good requests a second, of two clients; and the longest that `/health` took meanwhile."""
    end = time.monotonic() + seconds

    def good() -> int:
        done = 0
        while time.monotonic() < end:
            with contextlib.suppress(ConnectionError):
                done += server.post("/decode?size=256x256", body).status == 200
        return done

    with concurrent.futures.ThreadPoolExecutor() as clients:
        counts, longest = [clients.submit(good) for _ in range(2)], 0.0
        while time.monotonic() < end:
            start = time.monotonic()
            assert server.get("/health").status == 200
            longest = max(longest, time.monotonic() - start)
            time.sleep(0.1)
        return sum(count.result() for count in counts) / seconds, longest


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="needs prlimit")
@pytest.mark.parametrize("seconds", [3, pytest.param(30, marks=pytest.mark.slow)])
def test_500_connections_at_200_open_files(synthetic, small, seconds):
    """What is logged is compared at the server's end: nothing."""
    flags = (f"--codec={synthetic.path}", "--timeout=4")
    with serving(*flags, open_files=200) as server:
        server.post("/decode", small)
        workers = server.processes()
        before, _ = rate(server, small, seconds / 2)
        crowd = Crowd(server, small)
        with concurrent.futures.ThreadPoolExecutor() as thread:
            hostile = thread.submit(crowd.run, seconds + 3)
            time.sleep(2)
            attacked, longest = rate(server, small, seconds)
            hostile.result()
        assert crowd.connections > 500
        after, _ = rate(server, small, seconds / 2)
        print(f"good requests a second: {before:.1f}, attacked {attacked:.1f}, then {after:.1f}")
        print(f"{crowd.connections} hostile connections; /health took {longest:.2f} s at most")
        # The crowd's own work takes from the server what others have left of the machine.
        crowded = os.getloadavg()[0] > 2 * (os.cpu_count() or 1)
        assert longest < (4 if crowded else 1)
        assert attacked > (0.2 if crowded else 0.5) * (before + after) / 2
        assert server.processes() == workers
