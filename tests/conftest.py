from __future__ import annotations

import os
import signal

import pytest
from hypothesis import settings

# No deadlines: machines are busy. On CI the same cases every time, so that red means a change.
settings.register_profile("mscn", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("mscn")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background; else the commands that tests interrupt would ignore it too.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A trained codec and its bundle (`tests.tiny.Tiny`)."""
    from tests.tiny import make  # TensorFlow, which most tests do without

    return make(tmp_path_factory.mktemp("tiny"))
