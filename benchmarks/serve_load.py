"""usage: python benchmarks/serve_load.py [--seconds=120] [--clients=50] [--workers=N]

Starts `mscn serve`, and compares tiles of 768x512 pixels that have to be made with those that were
kept. Then lets many clients ask at once: tiles, decoding and encoding of small pictures, and what
strangers send. Clients that are refused wait as long as Retry-After says. Prints what was answered,
how fast, and the memory of the server and its workers. Exits with 1 if kept tiles aren't 50 times
as fast, if an answer was none that is documented, or if the server stops.
"""

from __future__ import annotations

import collections
import contextlib
import http.client
import io
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from pathlib import Path
from typing import Callable, Optional
from urllib.parse import urlsplit

import numpy as np
from absl import app, flags
from PIL import Image

from mscn_tf.codec import Codec
from mscn_tf.runtime.input import varint

SECONDS = flags.DEFINE_float("seconds", 120, "how long")
CLIENTS = flags.DEFINE_integer("clients", 50, "at the same time")
WORKERS = flags.DEFINE_integer("workers", os.cpu_count() or 1, "of the server")

PICTURE = Path(__file__).resolve().parent.parent / "demo" / "kodim.png"
WARM_UP = 10.0  # seconds of the run before memory is first looked at
COPIES = 5  # of the picture whose tiles are made
ROUNDS = 10  # in which they are asked for again
FASTER = 50  # times, that a kept tile must be at least
DOCUMENTED = {200, 400, 404, 408, 413, 422, 503, 504}

# Method, path, body; None: the client leaves before it has sent all.
Request = tuple[str, str, Optional[bytes]]
Maker = Callable[[random.Random], Request]


def requests(folder: Path) -> dict[str, tuple[int, Maker]]:
    """Kinds of requests: how often, in percent, and how they are made."""
    codec = Codec.load("photo")
    picture = np.asarray(Image.open(PICTURE).convert("RGB").resize((384, 256)))
    stored = codec.encode(picture, quality=5)
    (folder / "picture.mscn").write_bytes(stored)
    whole = codec.encode(np.asarray(Image.open(PICTURE).convert("RGB")), quality=5)
    for copy in range(COPIES):
        (folder / f"copy{copy}.mscn").write_bytes(whole)
    small = codec.encode(picture[:96, :96], quality=5)
    file = io.BytesIO()
    Image.fromarray(picture[:64, :64]).save(file, "PNG")
    png = file.getvalue()

    def tile(r: random.Random) -> Request:
        z = r.randrange(4)
        return "GET", f"/tiles/picture/{z}/{r.randrange(2**z)}/{r.randrange(2**z)}", None

    def cut(r: random.Random) -> Request:
        return "POST", "/decode", small[: r.randrange(1, len(small))]

    def flipped(r: random.Random) -> Request:
        harmed = bytearray(small)
        harmed[r.randrange(len(harmed))] ^= 1 << r.randrange(8)
        return "POST", "/decode", bytes(harmed)

    def huge(r: random.Random) -> Request:
        side = r.choice([2**14, 100_000])
        head = b"MSCN\x01\x07" + codec.bundle.id[:8] + b"\0" + varint(1024) + b"\x03\x01\x80\x20"
        head += varint(side) * 2 + b"\x50\x03\0"
        return "POST", "/decode", head + zlib.crc32(head).to_bytes(4, "little") + bytes(4)

    def noise(r: random.Random) -> Request:
        return "POST", r.choice(["/decode", "/encode"]), r.randbytes(r.randrange(1, 10_000))

    def path(r: random.Random) -> Request:
        name = r.choice(["..%2fpicture", "%00", "missing", "x" * 3000, "%2e%2e"])
        return "GET", f"/tiles/{name}/0/0/0", None

    return {
        "tile": (40, tile),
        "decode": (12, lambda _: ("POST", "/decode", small)),
        "encode": (8, lambda _: ("POST", "/encode?effort=1", png)),
        "health": (5, lambda _: ("GET", "/health", None)),
        "cut short": (7, cut),
        "bit flipped": (7, flipped),
        "huge": (7, huge),
        "noise": (7, noise),
        "path": (4, path),
        "too large": (2, lambda _: ("POST", "/decode", bytes(2**24 + 1))),
        "leaves": (1, lambda _: ("LEAVE", "/decode", small)),
    }


def faster(process: subprocess.Popen, port: int) -> float:
    """By what kept tiles are faster than made ones, in the processor's time: others take none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=90)

    def seconds(paths: list[str]) -> np.ndarray:
        """Of the processor, and of the clock, for one of them."""
        before = np.array([busy(process), time.perf_counter()])
        for path in paths:
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            assert response.status == 200, path
        return (np.array([busy(process), time.perf_counter()]) - before) / len(paths)

    tiles = [f"{copy}/2/{x}/{y}" for copy in range(COPIES) for x in range(3) for y in range(2)]
    with contextlib.closing(connection):
        made = seconds([f"/tiles/copy{copy}/2/0/0.png" for copy in range(COPIES)])
        kept = seconds([f"/tiles/copy{tile}.png" for tile in ROUNDS * tiles])
    for name, one, other in zip(("processor", "clock"), made, kept):
        print(
            f"tiles, by the {name}: made {one:.3f} s, kept {other:.5f} s, {one / other:.0f} times"
        )
    return float(made[0] / kept[0])


def busy(process: subprocess.Popen) -> float:
    """Seconds of the processor that the server and its workers have taken."""
    fields = [Path(f"/proc/{n}/stat").read_text().rsplit(")", 1)[1].split() for n in ids(process)]
    return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")


def ids(process: subprocess.Popen) -> list[int]:
    """Of the server and its workers."""
    server = process.pid
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    return [server, *map(int, children)]


class Load:
    """What the clients have seen: seconds by kind and status."""

    def __init__(self, port: int, kinds: dict[str, tuple[int, Maker]]):
        self._port, self._kinds, self._lock = port, kinds, threading.Lock()
        self.end = 0.0
        self.seen: dict[tuple[str, int | str], list[float]] = collections.defaultdict(list)

    def wait(self) -> None:
        """Until the server is ready; then time runs."""
        self._ask("GET", "/health", None)
        self.end = time.monotonic() + SECONDS.value

    def client(self, number: int) -> None:
        """Sends requests until the end."""
        r = random.Random(number)
        shares = [share for share, _ in self._kinds.values()]
        while time.monotonic() < self.end:
            (kind,) = r.choices(list(self._kinds), shares)
            start = time.monotonic()
            status, wait = self._ask(*self._kinds[kind][1](r))
            with self._lock:
                self.seen[kind, status].append(time.monotonic() - start)
            time.sleep(wait)

    def _ask(self, method: str, path: str, body: bytes | None) -> tuple[int | str, float]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=90)
        with contextlib.closing(connection):
            try:
                if method == "LEAVE":
                    connection.putrequest("POST", path)
                    connection.putheader("Content-Length", str(len(body)))
                    connection.endheaders(body[:-1])
                    return "left", 0
                connection.request(method, path, body)
                response = connection.getresponse()
                response.read()
                return response.status, float(response.headers.get("retry-after", 0))
            except OSError as error:
                return type(error).__name__, 0.1


def resident(process: subprocess.Popen) -> list[float]:
    """MiB of the server and of each of its workers."""
    pages = [int(Path(f"/proc/{n}/statm").read_text().split()[1]) for n in ids(process)]
    return [n * os.sysconf("SC_PAGESIZE") / 2**20 for n in pages]


def main(argv: list[str]) -> None:
    """Runs the load and prints the figures."""
    del argv
    with tempfile.TemporaryDirectory() as folder:
        kinds = requests(Path(folder))
        command = ["serve", "--codec=photo", f"--files={folder}", "--port=0"]
        mscn = str(Path(sys.executable).with_name("mscn"))
        process = subprocess.Popen(
            [mscn, *command, f"--workers={WORKERS.value}"], stdout=subprocess.PIPE, text=True
        )
        port = urlsplit(process.stdout.readline().strip()).port
        load = Load(port, kinds)
        load.wait()
        ratio = faster(process, port)
        load.wait()
        clients = [threading.Thread(target=load.client, args=(n,)) for n in range(CLIENTS.value)]
        for client in clients:
            client.start()
        time.sleep(min(WARM_UP, SECONDS.value / 2))
        memory = [resident(process)]
        while any(client.is_alive() for client in clients):
            time.sleep(1)
            if process.poll() is not None:
                break
            memory.append(resident(process))
        for client in clients:
            client.join()
        process.terminate()
        code = process.wait(timeout=60)
    _report(load, memory)
    bad = {status for _, status in load.seen} - DOCUMENTED - {"left"}
    if bad or code or ratio < FASTER:
        print(f"undocumented answers: {bad or 'none'}; the server's exit code: {code}")
        sys.exit(1)


def _report(load: Load, memory: list[list[float]]) -> None:
    total = sum(map(len, load.seen.values()))
    print(f"{total} requests in {SECONDS.value:g} s from {CLIENTS.value} clients")
    counts = collections.Counter()
    for (_, status), times in load.seen.items():
        counts[status] += len(times)
    print("status: " + ", ".join(f"{s}: {n}" for s, n in sorted(counts.items(), key=str)))
    print(f"{'request':12} {'answer':>8} {'number':>8} {'p50 s':>8} {'p99 s':>8} {'max s':>8}")
    for (kind, status), times in sorted(load.seen.items(), key=str):
        p50, p99 = np.percentile(times, [50, 99])
        print(f"{kind:12} {status:>8} {len(times):8} {p50:8.3f} {p99:8.3f} {max(times):8.3f}")
    for name, wanted in {
        "done": lambda kind, status: status == 200 and kind != "health",
        "health": lambda kind, status: kind == "health",
        "refused as wrong": lambda kind, status: status in (400, 404, 413, 422),
        "refused for overload": lambda kind, status: status == 503,
    }.items():
        chosen = [t for key, times in load.seen.items() if wanted(*key) for t in times]
        p50, p99 = np.percentile(chosen, [50, 99]) if chosen else (np.nan, np.nan)
        print(f"{name}: {len(chosen)}, p50 {p50:.3f} s, p99 {p99:.3f} s")
    sums = [sum(each) for each in memory]
    parts = [" + ".join(f"{mib:.0f}" for mib in each) for each in (memory[0], memory[-1])]
    print(f"memory, server and workers: {sums[0]:.0f} MiB ({parts[0]}) at the start, "
          f"{sums[-1]:.0f} MiB ({parts[1]}) at the end, {max(sums):.0f} MiB at most")  # fmt: skip


if __name__ == "__main__":
    app.run(main)
