"""Sessions run in as many threads as are asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

# What a codec's graph adds to the threads of a process.
SCRIPT = """
import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"
from mscn_tf.runtime.file_decoder import FileDecoder

scheme = FileDecoder.load({codec!r}, threads={threads}).scheme
before = len(os.listdir("/proc/self/task"))
scheme.warm_up()
print(len(os.listdir("/proc/self/task")) - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize(
    ("codec", "threads", "more"),
    [("thumb32", 1, 0), ("thumb32", 3, 2), ("photo", 1, 0), ("photo", 3, 0)],
)
def test_a_graph_takes_no_more_cores_than_are_asked_for(codec, threads, more):
    """That of `photo` takes one: of its strips several are mended at a time."""
    script = SCRIPT.format(codec=codec, threads=threads)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (f"{more}\n", "")
