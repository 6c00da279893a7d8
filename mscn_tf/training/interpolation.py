"""The outer loop of interpolation codecs: learns how fields go on between their samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ml_collections
import numpy as np
import tensorflow as tf

from mscn_tf.entropy import laplace
from mscn_tf.entropy.interpolation_context import InterpolationContext, freeze_networks
from mscn_tf.runtime.grid_passes import NEIGHBOURS, PASSES
from mscn_tf.runtime.interpolation import Interpolation, steps_to
from mscn_tf.runtime.neighbourhoods import FRACTION, Visit
from mscn_tf.signals.field_sets import Grid, load_grids
from mscn_tf.stack.keras_versions import trainable_variables_of
from mscn_tf.training.loop import Row, Trainer
from mscn_tf.training.outer_step import Losses, OuterStep

_NO_SYMBOLS = np.zeros(0, np.int64)


class InterpolationTrainer(Trainer):
    """Learns the networks of `runtime.interpolation`.

    What a network sees are values that were decoded with it, so its examples are made by coding
    fields, at bounds drawn at random, with the networks as they were at the last multiple of
    ``config.refresh`` steps.

    Args:
      config: see ``mscn_tf/configs/field.py``.
    """

    def __init__(self, config: ml_collections.ConfigDict):
        super().__init__(config)
        self.grids = load_grids(config.data.train)
        self.held_out = load_grids(config.data.validation)
        self.context, self._coded_with = (
            InterpolationContext(**config.model, seed=config.seed) for _ in range(2)
        )
        self.context.build()
        self._coded_with.build()
        schedule = tf.keras.optimizers.schedules.CosineDecay(config.optimizer.rate, config.steps)
        self.optimizer = tf.keras.optimizers.Adam(schedule)
        variables = trainable_variables_of([self.context])
        self.optimizer.build(variables)
        self._examples: list[tuple[np.ndarray, ...]] = []
        self._made_at = -1
        self._outer_step = OuterStep(
            self._losses,
            [(variables, self.optimizer)],
            config.optimizer.clip,
            lambda: self.step.assign_add(1),
            config.xla,
        )

    def checkpointed(self) -> dict[str, Any]:
        return {
            "context": self.context,
            "optimizer": self.optimizer,
            "coded_with": self._coded_with,
        }

    def update(self, step: int) -> dict[str, tf.Tensor]:
        since = step - step % self.config.refresh
        if step == since:
            self._coded_with.set_weights(self.context.get_weights())
        if self._made_at != since:
            self._examples, self._made_at = self._make_examples(since), since
        random = np.random.default_rng([self.config.seed, 1, step])
        parts = []
        for arrays in self._examples:
            chosen = random.integers(len(arrays[0]), size=self.config.batch)
            parts.append([array[chosen] for array in arrays])
        return self._outer_step([np.stack(arrays, axis=1) for arrays in zip(*parts)])

    def _losses(self, *examples: tf.Tensor) -> Losses:
        arrays = [tf.transpose(part, [1, 0, *range(2, part.shape.rank)]) for part in examples]
        bits = tf.reduce_mean(self.context.bits(*arrays), axis=0)
        return bits, {"bits": bits}

    def _make_examples(self, step: int) -> list[tuple[np.ndarray, ...]]:
        """For each pass what `InterpolationContext.bits` takes of its places."""
        coder = Interpolation(_arrays(self._coded_with))
        random = np.random.default_rng([self.config.seed, 0, step])
        low, high = np.log(self.config.relative_bounds)
        by_pass: list[list[tuple[np.ndarray, ...]]] = [[] for _ in PASSES]
        for grid in self.grids:
            bound = np.exp(random.uniform(low, high)) * np.ptp(grid.values)
            for number, examples in enumerate(_examples(coder, grid, bound)):
                by_pass[number] += examples
        return [tuple(map(np.concatenate, zip(*examples))) for examples in by_pass]

    def freeze(self) -> dict[str, np.ndarray]:
        """The arrays of `runtime.interpolation.Interpolation`."""
        coder = Interpolation(_arrays(self.context))
        symbols: list[np.ndarray] = []
        index: list[np.ndarray] = []
        lowest, highest = self.config.relative_bounds
        for grid in self.grids:
            for relative in np.geomspace(lowest, highest, 3):
                values = grid.in_steps(relative * np.ptp(grid.values))
                _code_along(coder, values, grid.periodic, symbols, index)
        return _arrays(self.context, np.concatenate(symbols), np.concatenate(index))

    def evaluate(self) -> list[Row]:
        coder, rows = Interpolation(_arrays(self.context)), []
        for relative in self.config.evaluate_bounds:
            bits = [
                8 * len(coder.encode(values, periodic=grid.periodic)[0]) / values.size
                for grid in self.held_out
                for values in [grid.in_steps(relative * np.ptp(grid.values))]
            ]
            rows.append((f"bound {relative:g}", {"bits a value": float(np.mean(bits))}))
        return rows


def _arrays(
    context: InterpolationContext,
    symbols: np.ndarray = _NO_SYMBOLS,
    index: np.ndarray = _NO_SYMBOLS,
) -> dict[str, np.ndarray]:
    """Those of `runtime.interpolation.Interpolation`, tables counted on symbols ``[n]``."""
    tables = laplace.measured_tables(context.mixture, symbols, index)
    return {**freeze_networks(context), **tables}


def _code_along(
    coder: Interpolation,
    values: np.ndarray,
    periodic: bool,
    symbols: list[np.ndarray],
    index: list[np.ndarray],
) -> None:
    """Adds to lists the steps of a field [H, W], and the table of each."""

    def code(visit: Visit, predicted: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        symbols.append(steps_to(values, visit, predicted))
        index.append(numbers)
        return symbols[-1]

    coder.walk(values.shape, code, periodic)


def _examples(
    coder: Interpolation, grid: Grid, bound: float
) -> Sequence[list[tuple[np.ndarray, ...]]]:
    """What the networks see of a field, for each pass a list of arrays for each level."""
    by_pass: list[list[tuple[np.ndarray, ...]]] = [[] for _ in PASSES]
    values = grid.in_steps(bound)

    def code(visit: Visit, predicted: np.ndarray, _: np.ndarray) -> np.ndarray:
        wanted = values[visit.rows, visit.columns].ravel()
        for places in visit.places():
            part, wanted = wanted[: len(places.spread)], wanted[len(places.spread) :]
            differences = np.zeros((len(part), NEIGHBOURS), np.float32)
            differences[:, : len(places.differences)] = (places.differences / places.spread).T
            spreads = (places.spread * 2.0**-FRACTION).astype(np.float32)
            error = ((part - places.prediction) / places.spread).astype(np.float32)
            by_pass[visit.number].append((places.inputs.T, differences, spreads, error))
        return steps_to(values, visit, predicted)

    coder.walk(values.shape, code, grid.periodic)
    return by_pass
