"""The tiles that a configuration names, to learn from and held out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Union

import ml_collections

from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.values import Values
from mscn_tf.signals.datasets import TileSampler, load_pictures
from mscn_tf.signals.modalities import module_of
from mscn_tf.signals.sampler import SignalSampler

START_STEP = 1 << 40  # random draws before the first step must not repeat those of any step

Sampler = Union[TileSampler, SignalSampler]


def samplers(config: ml_collections.ConfigDict, shape: Sequence[int]) -> tuple[Sampler, Sampler]:
    """Those of both sets.

    Args:
      config: ``modality``, by default pictures, ``values``, ``seed`` and ``data``.
      shape: of a tile, without channels.

    Raises:
      MscnError: nothing is found, or it is damaged, or too small.
    """
    pictures = Modality.named(config.get("modality", "image")).pixels
    return (_of_pictures if pictures else _of_signals)(config, shape)


def _of_signals(config: ml_collections.ConfigDict, shape: Sequence[int]) -> tuple[Sampler, Sampler]:
    module, data = module_of(config.modality), config.data
    values = Values(**config["values"])
    options = data.get("options", {})
    # Where both sets are parts of the same files.
    other_options = {**options, **data.get("validation_options", {})}

    def sampler(pattern: str, flips: Any, options: dict[str, Any]) -> SignalSampler:
        signals = [values.normalise(s) for s in module.training_signals(pattern, **options)]
        return SignalSampler(signals, shape, config.seed, flips)

    others = sampler(data.validation, False, other_options)
    return sampler(data.train, data.flips, options), others


def _of_pictures(
    config: ml_collections.ConfigDict, shape: Sequence[int]
) -> tuple[Sampler, Sampler]:
    edge, data = shape[0], config.data
    squares = tuple(data.get("squares", ()))
    sampler = TileSampler(
        load_pictures(data.train, edge, data.sheets, squares),
        edge,
        config.seed,
        data.flips,
        tuple(data.scales),
    )
    held_out = load_pictures(data.validation, edge, data.sheets, squares[:1])
    return sampler, TileSampler(held_out, edge, config.seed, flips=False)
