"""The sets of an experiment, as arrays of values at the same coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ml_collections
import numpy as np

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.grids import centres, global_grid
from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.values import Values
from mscn_tf.signals.datasets import load_pictures
from mscn_tf.signals.modalities import module_of

VALIDATION = 32  # signals at most


@dataclass(frozen=True)
class SignalSet:
    """Signals to learn from and signals to measure on.

    Attributes:
      train: float32 ``[S, N, C]`` in [0, 1].
      validation: float32 ``[V, N, C]``, V at most 32, which choose between weights.
      test: float32 ``[T, N, C]``; none of them is in another set.
      coordinates: float32 ``[N, d]``.
      shape: of a signal, without channels; N is its product.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    coordinates: np.ndarray
    shape: tuple[int, ...]


def load(config: ml_collections.ConfigDict) -> SignalSet:
    """Reads what ``config.data`` names.

    Raises:
      MscnError: files are missing or damaged, or there are fewer signals than asked for.
    """
    data = config.data
    if Modality.named(config.modality).pixels:
        sheets = data.get("sheets", False)
        squares = () if sheets else (data.edge,)
        found = load_pictures(data.train, data.edge, sheets, squares)
        pictures = (np.concatenate(found) if sheets else np.stack(found)) / np.float32(255)
        train, held_out = np.split(pictures, [-data.held_out])
        spare, test = held_out[: -data.test], held_out[-data.test :]
    else:
        module, values = module_of(config.modality), Values(**config["values"])
        options = dict(data.get("options", {}))
        for_others = {**options, **data.get("validation_options", {})}
        train, others = (
            np.stack([values.normalise(s) for s in module.training_signals(pattern, **chosen)])
            for pattern, chosen in ((data.train, options), (data.validation, for_others))
        )
        tested = np.zeros(len(others), bool)
        tested[:: max(1, len(others) // data.test)][: data.test] = True
        spare, test = others[~tested], others[tested]
    if len(train) < config.batch or not len(test):
        raise MscnError(f"config.data names {len(train)} signals for training, {len(test)} to test")
    if not len(spare):
        raise MscnError(f"config.data.test={data.test}: none are left to choose weights by")
    # From all over them: classes and years follow one another.
    validation = spare[:: max(1, len(spare) // VALIDATION)][:VALIDATION]
    shape = train.shape[1:-1]
    if Modality.named(config.modality).sphere:
        coordinates = _unit_vectors(shape)
    else:
        axes = np.meshgrid(*[centres(side) for side in shape], indexing="ij")
        coordinates = np.stack(axes, -1)
    coordinates = coordinates.reshape(-1, coordinates.shape[-1])
    flat = (len(coordinates), train.shape[-1])
    return SignalSet(
        train.reshape(-1, *flat).astype(np.float32),
        validation.reshape(-1, *flat).astype(np.float32),
        test.reshape(-1, *flat).astype(np.float32),
        coordinates.astype(np.float32),
        shape,
    )


def _unit_vectors(shape: Sequence[int]) -> np.ndarray:
    """``[H, W, 3]`` of a global grid."""
    latitude, longitude = np.meshgrid(*global_grid(shape), indexing="ij")
    round_it = np.cos(latitude) * np.stack([np.cos(longitude), np.sin(longitude)])
    return np.stack([*round_it, np.sin(latitude)], -1)
