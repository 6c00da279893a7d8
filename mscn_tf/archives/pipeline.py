"""The archive as an Apache Beam pipeline: a shard is an element, encoded wherever it lands."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.environments import SubprocessSDKEnvironment

from mscn_tf.archives.plan import Shard
from mscn_tf.archives.shard import encode_shard
from mscn_tf.archives.worker import ALIVE
from mscn_tf.codec import Codec
from mscn_tf.runtime.errors import MscnError


class EncodeShard(beam.DoFn):
    """Encodes shards; what is written does not depend on who does it, or how often.

    Args:
      codec: name of a codec, or path of its bundle.
      out: the archive's folder, which all workers see.
      goal: keyword arguments of `Codec.encode`.
    """

    def __init__(self, codec: str, out: str, goal: dict[str, Any]):
        self._name, self._out, self._goal = codec, out, goal

    def setup(self) -> None:
        """Loads the codec, once a worker."""
        self._codec = Codec.load(self._name, threads=1)

    def process(self, shard: Shard) -> Iterator[int]:
        """Yields the number of items written."""
        yield encode_shard(self._codec, shard, self._out, self._goal)["items"]


def run(
    shards: Sequence[Shard],
    codec: str,
    out: str,
    goal: dict[str, Any],
    workers: int,
    beam_flags: Sequence[str],
) -> None:
    """Encodes all shards.

    Args:
      shards: of the plan.
      codec, out, goal: as of `EncodeShard`.
      workers: processes of the local runner.
      beam_flags: where they name a runner, it takes the local one's place.

    Raises:
      MscnError: a local worker died.
    """
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)  # what fails is raised as well
    local = not any(flag.startswith("--runner") for flag in beam_flags)
    options = [*beam_flags, f"--direct_num_workers={workers}"] if local else list(beam_flags)
    command = f"exec {sys.executable} -m {__package__}.worker"
    runner = None
    if local:
        runner = FnApiRunner(SubprocessSDKEnvironment.from_command_string(command))
    with _ending_workers() if local else contextlib.nullcontext():
        pipeline = beam.Pipeline(runner, PipelineOptions(options))
        encoded = pipeline | beam.Create(shards) | beam.Reshuffle()
        encoded | beam.ParDo(EncodeShard(codec, out, goal))
        pipeline.run().wait_until_finish()


@contextlib.contextmanager
def _ending_workers() -> Iterator[None]:
    """Ends local workers when the run is stopped, and the run when one of them dies.

    Beam's local runner would wait for ever for the dead, and on Ctrl-C for the living.
    """
    alive = tempfile.NamedTemporaryFile(prefix="mscn-")  # noqa: SIM115
    os.environ[ALIVE] = alive.name
    died, main = threading.Event(), threading.get_ident()

    def stop() -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(alive.name)

    def failed(args: threading.ExceptHookArgs) -> None:
        if os.path.exists(alive.name):
            died.set()
            stop()
            # `_thread.interrupt_main` would not wake a thread that waits for a lock.
            signal.pthread_kill(main, signal.SIGINT)

    def stopping(previous: Any) -> Any:
        def handle(number: int, frame: Any) -> None:
            if died.is_set():
                raise KeyboardInterrupt
            if callable(previous):  # else it is ignored, as in the background of a shell
                stop()
                previous(number, frame)

        return handle

    hook, threading.excepthook = threading.excepthook, failed
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in handlers.items():
        signal.signal(number, stopping(handler))
    try:
        yield
    except BaseException as error:
        if died.is_set():
            raise MscnError("a worker died; run the same command again to go on") from error
        raise
    finally:
        threading.excepthook = hook
        for number, handler in handlers.items():
            signal.signal(number, handler)
        stop()
        with contextlib.suppress(FileNotFoundError):
            alive.close()
