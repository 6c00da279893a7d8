"""Training on several devices or machines, by the strategies of ``tf.distribute``.

All workers draw the same global batch, from the seed and the step's number, and every replica takes
its slice of it. So the losses are those of one device, however many there are, and a run may go on
with another number of them.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any, Callable

import numpy as np
import tensorflow as tf

from mscn_tf.runtime.errors import MscnError

_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
    tf.errors.UnknownError,
)


def _mirrored() -> tf.distribute.Strategy:
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def _multi_worker() -> tf.distribute.Strategy:
    _check_cluster(os.environ.get("TF_CONFIG"))
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (*_LOST, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise MscnError(
            f"TF_CONFIG: this worker cannot join its cluster: {reason}; check addresses and ports"
        ) from error


def _tpu() -> tf.distribute.Strategy:
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver()
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise MscnError(f"no TPU: {reason}; set TPU_NAME, `local` on a TPU VM") from error
    return tf.distribute.TPUStrategy(resolver)


STRATEGIES: dict[str, Callable[[], tf.distribute.Strategy]] = {
    "none": tf.distribute.get_strategy,  # one device: the first GPU, or else the CPU
    "mirrored": _mirrored,  # all GPUs of this machine, or else its logical CPUs
    "multi_worker": _multi_worker,  # machines that TF_CONFIG names
    "tpu": _tpu,  # the cores of the TPU that TPU_NAME names
}


def make_strategy(name: str) -> tf.distribute.Strategy:
    """The strategy that training is to run under, once a process and before anything else.

    Raises:
      MscnError: there is no such strategy, TF_CONFIG is missing or wrong, or there is no TPU.
    """
    if name not in STRATEGIES:
        raise MscnError(f"--strategy={name}: must be one of {', '.join(STRATEGIES)}")
    tf.get_logger().setLevel("ERROR")  # each worker would tell of every collective that it traces
    return STRATEGIES[name]()


def _check_cluster(text: str | None) -> None:
    """Finds what TensorFlow would say of a wrong TF_CONFIG in a traceback, or not at all."""
    example = '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", '
    example += '"index": 0}}'
    if not text:
        raise MscnError(f"--strategy=multi_worker: set TF_CONFIG in each worker, as in {example}")
    try:
        config = json.loads(text)
        cluster, task = config["cluster"], config["task"]
        jobs = {job: len(addresses) for job, addresses in cluster.items()}
        kind, index = task["type"], int(task["index"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MscnError(f"TF_CONFIG: not understood ({error!r}); write it as {example}") from error
    if not set(jobs) <= {"chief", "worker"}:
        raise MscnError(f"TF_CONFIG: its jobs may be chief and worker, not {', '.join(jobs)}")
    if not 0 <= index < jobs.get(kind, 0):
        raise MscnError(f"TF_CONFIG: its cluster has no {kind} number {index}")


def workers(strategy: tf.distribute.Strategy) -> int:
    """How many processes train together."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 1
    jobs = strategy.cluster_resolver.cluster_spec().as_dict()
    return sum(map(len, jobs.values()))


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process is the one that reports and writes files."""
    if workers(strategy) == 1:
        return True
    resolver = strategy.cluster_resolver
    first = "chief" if "chief" in resolver.cluster_spec().jobs else "worker"
    return (resolver.task_type, resolver.task_id) == (first, 0)


def shard(strategy: tf.distribute.Strategy, batch: Sequence[np.ndarray]) -> Sequence[Any]:
    """Each replica's slice of a global batch, as arguments of ``strategy.run``."""

    def own(context: tf.distribute.experimental.ValueContext) -> tuple[tf.Tensor, ...]:
        count, at = context.num_replicas_in_sync, context.replica_id_in_sync_group
        size = len(batch[0]) // count
        return tuple(tf.constant(part[at * size : (at + 1) * size]) for part in batch)

    return strategy.experimental_distribute_values_from_function(own)


def share_from_chief(strategy: tf.distribute.Strategy, variables: Sequence[tf.Variable]) -> None:
    """Gives all workers the chief's values."""
    if workers(strategy) == 1:
        return

    def sent() -> list[tf.Tensor]:
        context = tf.distribute.get_replica_context()
        first = tf.equal(context.replica_id_in_sync_group, 0)
        values = [tf.where(first, v, tf.zeros_like(v)) for v in variables]
        # One by one: together they would have to share a dtype.
        return [context.all_reduce(tf.distribute.ReduceOp.SUM, value) for value in values]

    received = tf.function(lambda: strategy.run(sent), autograph=False)()
    for variable, value in zip(variables, received):
        variable.assign(strategy.experimental_local_results(value)[0])


class AnyWorker:
    """Tells all workers, at the same step, of what one of them was told alone.

    Called with this worker's truth value, by all of them; returns whether any of them is true.
    """

    def __init__(self, strategy: tf.distribute.Strategy):
        def total(value: tf.Tensor) -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            # The copy lies on the replica's device, which the reduction asks for.
            return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(value))

        self._strategy = strategy
        self._alone = workers(strategy) == 1
        self._total = tf.function(lambda value: strategy.run(total, (value,)), autograph=False)

    def __call__(self, value: bool) -> bool:
        if self._alone:
            return value
        total = self._total(tf.constant(float(value)))
        return bool(self._strategy.experimental_local_results(total)[0] > 0)


@contextlib.contextmanager
def lost_workers_in_one_line(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Raises ``MscnError`` in place of what TensorFlow raises where another worker is gone."""
    try:
        yield
    except _LOST as error:
        if workers(strategy) == 1:
            raise
        raise MscnError(
            f"another worker is gone ({type(error).__name__}); start all workers again with the "
            "same command: training goes on from the newest checkpoint"
        ) from error
