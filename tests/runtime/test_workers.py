"""Processes that share a signal's work: the same results, and nothing left where they fail."""

from __future__ import annotations

import operator
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from mscn_tf.codec import Codec
from mscn_tf.runtime import exact, exact_grids, workers
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.workers import Workers
from tests.pyramids import write_codec
from tests.tiny import picture

# Not guarded by `if __name__ == "__main__"`, and busy for long.
SCRIPT = """
import time
from functools import partial
from mscn_tf.runtime.workers import Workers, allow_processes

allow_processes()
with Workers(2, picklable=True) as shared:
    for part in shared.in_order({work}, range(6)):
        print(part, flush=True)
"""


@pytest.fixture
def processes(monkeypatch):
    """Has work done in processes, and ends them."""
    monkeypatch.setattr(workers, "_processes_allowed", True)
    yield
    if (made := workers._processes(1)) is not None:
        made.kill()
    workers._processes.cache_clear()


def started(folder: Path, work: str) -> subprocess.Popen[str]:
    """The script, at this work."""
    (folder / "script.py").write_text(SCRIPT.format(work=work))
    pipe, command = subprocess.PIPE, [sys.executable, str(folder / "script.py")]
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def test_parts_come_in_order_from_this_process_and_another(processes):
    with Workers(2, picklable=True) as shared:
        assert list(shared.in_order(operator.neg, iter(range(20)))) == list(range(0, -20, -1))
        found = list(shared.in_order(partial(worker, 7), range(9), most=3))
        assert [part for *_, part in found] == list(range(7, 16))
        pids = {pid for pid, *_ in found}
        assert len(pids) == 2
        assert os.getpid() in pids
        for parts, most in ((range(3), 1), ([5], 2)):  # nothing to share
            found = list(shared.in_order(partial(worker, 0), parts, most))
            assert {pid for pid, *_ in found} == {os.getpid()}


def worker(more: int, part: int) -> tuple[int, int, int]:
    """Process, thread and part, a moment later."""
    time.sleep(0.02)
    return os.getpid(), threading.get_ident(), more + part


def test_threads_where_there_can_be_no_processes(processes, monkeypatch):
    def refused(*_: object) -> None:
        raise OSError("no semaphores")

    monkeypatch.setattr(workers, "ProcessPoolExecutor", refused)
    workers._processes.cache_clear()
    with Workers(3, picklable=True) as shared:
        found = list(shared.in_order(partial(worker, 0), range(9)))
    assert [part for *_, part in found] == list(range(9))
    assert {pid for pid, *_ in found} == {os.getpid()}
    threads = {thread for _, thread, _ in found}
    assert len(threads) == 3
    assert threading.get_ident() in threads


@pytest.mark.parametrize("most", [2, 3])
def test_no_more_parts_are_worked_on_than_memory_has_room_for(most):
    lock, busy, together = threading.Lock(), [0], []

    def work(part: int) -> int:
        with lock:
            busy[0] += 1
            together.append(busy[0])
        time.sleep(0.01)
        with lock:
            busy[0] -= 1
        return part

    with Workers(4) as shared:
        assert list(shared.in_order(work, range(20), most)) == list(range(20))
    assert max(together) == most


def test_an_error_waits_for_its_turn():
    def work(part: int) -> float:
        if part < 2:  # of which others begin at least one
            time.sleep(0.1)
        return 1 / (3 - part)

    with Workers(2) as shared:
        made = shared.in_order(work, range(9))
        assert [next(made) for _ in range(3)] == [1 / 3, 1 / 2, 1]
        with pytest.raises(ZeroDivisionError):
            next(made)


def test_a_pyramid_in_processes(processes, tmp_path):
    bundle = Codec.load(write_codec(tmp_path / "random.mscnb", 16, *[True] * 6)).bundle
    alone, shared = Codec(bundle), Codec(bundle, threads=2)
    original = picture(50, 40, 2)
    for tune in ("psnr", "ssim"):
        data = alone.encode(original, quality=6, tune=tune)
        assert shared.encode(original, quality=6, tune=tune) == data
    for view in ({}, {"scale": 0.4}, {"region": (3, 17, 30, 20), "size": (9, 70)}):
        np.testing.assert_array_equal(shared.decode(data, **view), alone.decode(data, **view))
    assert shared.pack(shared.decode_symbols(data), [(50, 40)], [96], [3]) == data
    damaged = bytearray(data)
    damaged[-100] ^= 1
    with pytest.raises(MscnError, match="checksum of block"):
        shared.decode(bytes(damaged))
    np.testing.assert_array_equal(shared.decode(data), alone.decode(data))


def test_a_picture_without_loss_in_processes(processes, monkeypatch):
    monkeypatch.setattr(exact_grids, "EDGE", 40)
    monkeypatch.setattr(exact_grids, "_SAMPLE", 30)
    plane = picture(90, 101, 4)
    payload = exact.encode(plane, 2)
    assert payload[0] == exact.GRIDS
    assert payload == exact.encode(plane)
    np.testing.assert_array_equal(exact.decode(payload, plane.shape, "uint8", 2), plane)


def test_what_fails_in_a_process_fails_in_a_line(processes):
    with Workers(2, picklable=True) as shared, pytest.raises(ZeroDivisionError):
        list(shared.in_order(partial(operator.truediv, 1), [1, 0, 2]))
    ended = "a process that shares the work has ended"
    with pytest.raises(MscnError, match=ended), Workers(2, picklable=True) as shared:
        list(shared.in_order(partial(end_but, os.getpid()), range(6)))
    with Workers(2, picklable=True) as shared:  # others have taken their place
        found = list(shared.in_order(partial(worker, 0), range(9)))
    assert len({pid for pid, *_ in found}) == 2


def end_but(pid: int, _: int) -> None:
    """Ends any process but one."""
    time.sleep(0.02)
    if os.getpid() != pid:
        os._exit(3)


def test_a_script_without_a_guard(tmp_path):
    done = started(tmp_path, "partial(pow, 2)")
    assert done.communicate(timeout=60) == ("1\n2\n4\n8\n16\n32\n", "")
    assert done.returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_their_program(tmp_path, number):
    script = started(tmp_path, "time.sleep")  # of 0, 1, 2 .. seconds
    assert script.stdout is not None
    assert script.stdout.readline() == "None\n"
    children = [child for child in Path("/proc").glob("[0-9]*") if is_alive(child, script.pid)]
    assert len(children) >= 2
    if number == signal.SIGINT:  # as Ctrl-C in a terminal
        os.killpg(script.pid, number)
    else:
        script.send_signal(number)
    _, said = script.communicate(timeout=60)
    assert script.returncode == -number
    assert said.count("Traceback") == (number == signal.SIGINT)  # the script's own
    until = time.monotonic() + 10
    while any(map(is_alive, children)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(map(is_alive, children))


def is_alive(process: Path, parent: int | None = None) -> bool:
    """Whether a folder of /proc is of a process that runs, of that parent if one is given."""
    try:
        status = (process / "status").read_text()
    except OSError:
        return False
    return "State:\tZ" not in status and (parent is None or f"\nPPid:\t{parent}\n" in status)
