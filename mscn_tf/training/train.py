"""Trains what a configuration describes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import ml_collections
import tensorflow as tf

from mscn_tf.fitting.basis_codec import tile_shape
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.licences import Licence
from mscn_tf.runtime.values import Values
from mscn_tf.signals.datasets import TileSampler, load_pictures
from mscn_tf.signals.modalities import module_of
from mscn_tf.signals.sampler import SignalSampler
from mscn_tf.training.basis import START_STEP, BasisTrainer
from mscn_tf.training.distribution import lost_workers_in_one_line
from mscn_tf.training.loop import Trainer, run
from mscn_tf.training.pyramid import PyramidTrainer


def signal_trainer(config: ml_collections.ConfigDict) -> BasisTrainer:
    """A trainer of tiles of signals of any modality, with both sets loaded."""
    module, data = module_of(config.modality), config.data
    values = Values(**config["values"])
    options = data.get("options", {})
    # Where both sets are parts of the same files.
    other_options = {**options, **data.get("validation_options", {})}

    def sampler(pattern: str, flips: bool, options: dict[str, Any]) -> SignalSampler:
        signals = [values.normalise(s) for s in module.training_signals(pattern, **options)]
        return SignalSampler(signals, tile_shape(config.model), config.seed, flips)

    held_out = sampler(data.validation, False, other_options)
    held_out = held_out.draw(config.validation_tiles, START_STEP)
    return BasisTrainer(config, sampler(data.train, data.flips, options), held_out)


def picture_trainer(config: ml_collections.ConfigDict) -> BasisTrainer:
    """A trainer of tiles of pictures, with both sets loaded."""
    edge, data = config.model.network.edge, config.data
    squares = tuple(data.get("squares", ()))
    sampler = TileSampler(
        load_pictures(data.train, edge, data.sheets, squares),
        edge,
        config.seed,
        data.flips,
        tuple(data.scales),
    )
    held_out = TileSampler(
        load_pictures(data.validation, edge, data.sheets, squares[:1]),
        edge,
        config.seed,
        flips=False,
    )
    return BasisTrainer(config, sampler, held_out.draw(config.validation_tiles, START_STEP))


def basis_trainer(config: ml_collections.ConfigDict) -> BasisTrainer:
    """A trainer of tiles, of what the config names."""
    pictures = config.get("modality", "image") == "image"
    return picture_trainer(config) if pictures else signal_trainer(config)


TRAINERS = {"basis": basis_trainer, "pyramid": PyramidTrainer}


def train(
    config: ml_collections.ConfigDict,
    workdir: str | os.PathLike[str],
    strategy: tf.distribute.Strategy | None = None,
) -> Trainer:
    """Trains until ``config.steps``, going on from the newest checkpoint in ``workdir``.

    Args:
      config: see ``mscn_tf/configs``; ``batch`` counts the signals of all replicas together.
      workdir: of the run; made if need be.
      strategy: what devices take part, as ``distribution.make_strategy`` gives it; None: one.

    Raises:
      MscnError: the training set is missing, the licence is incomplete, the checkpoint is of
        another model, there is no such kind of codec, the batch can't be shared out evenly, or
        another worker is gone.
      KeyboardInterrupt: after Ctrl-C or SIGTERM, when a checkpoint is on disk.
    """
    if config.codec not in TRAINERS:
        raise MscnError(f"config.codec={config.codec}: must be one of {', '.join(TRAINERS)}")
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
        trainer = TRAINERS[config.codec](config)
        run(trainer, workdir)
    return trainer
