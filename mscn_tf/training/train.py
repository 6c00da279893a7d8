"""Trains what a configuration describes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import ml_collections
import tensorflow as tf

from mscn_tf.runtime import scheme
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.licences import Licence
from mscn_tf.training.distribution import lost_workers_in_one_line
from mscn_tf.training.loop import Trainer, run


def trainer_of(kind: str) -> Callable[[ml_collections.ConfigDict], Trainer]:
    """What makes the trainer of a kind of codec from its configuration.

    Raises:
      MscnError: there is no such kind, or nothing trains it.
    """
    trained = {name: one.trainer for name, one in scheme.registered().items() if one.trainer}
    if kind not in trained:
        names = sorted({scheme.get(name).name for name in trained})
        raise MscnError(f"config.codec={kind}: must be one of {', '.join(names)}")
    return scheme.imported(trained[kind])


def train(
    config: ml_collections.ConfigDict,
    workdir: str | os.PathLike[str],
    strategy: tf.distribute.Strategy | None = None,
) -> Trainer:
    """Trains until ``config.steps``, going on from the newest whole checkpoint in ``workdir``.

    Args:
      config: see ``mscn_tf/configs``; ``batch`` counts the signals of all replicas together.
      workdir: of the run; made if need be.
      strategy: what devices take part, as ``distribution.make_strategy`` gives it; None: one.

    Raises:
      MscnError: the training set is missing, the licence is incomplete, the checkpoint is of
        another model, or damaged like all others, there is no such kind of codec, the batch can't
        be shared out evenly, or another worker is gone.
      KeyboardInterrupt: after Ctrl-C or SIGTERM, when a checkpoint is on disk.
    """
    maker = trainer_of(config.codec)
    strategy = strategy or tf.distribute.get_strategy()
    replicas = strategy.num_replicas_in_sync
    if config.batch % replicas:
        raise MscnError(
            f"config.batch={config.batch} can't be shared out among {replicas} replicas; "
            f"make it a multiple of {replicas}"
        )
    if config.get("licence"):
        Licence.of(config.licence.to_dict())  # here, not when the bundle is written
    Path(workdir).mkdir(parents=True, exist_ok=True)
    with strategy.scope(), lost_workers_in_one_line(strategy):
        trainer = maker(config)
        run(trainer, workdir)
    return trainer
