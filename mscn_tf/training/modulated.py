"""The outer loop of modulated networks: theta0, phi0, step sizes, and the price of a non-zero."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_collections
import numpy as np
import tensorflow as tf

from mscn_tf.fitting.meta_learner import MetaLearner
from mscn_tf.fitting.outer_loop import PRICE_FOLLOWS
from mscn_tf.fitting.price import PriceRule
from mscn_tf.runtime.errors import MscnError
from mscn_tf.sparsity.pruning import largest, parameters
from mscn_tf.stack.keras_versions import constrain, trainable_variables_of, variables_of
from mscn_tf.training.best import Best
from mscn_tf.training.checkpoints import newest_whole
from mscn_tf.training.ema import ExponentialMovingAverage
from mscn_tf.training.loop import Row, Trainer, checkpoint_parts
from mscn_tf.training.outer_step import Losses, OuterStep

_TOLERANCE = 1.05  # of the wanted density


class ModulatedTrainer(Trainer):
    """State and step of one training run.

    The loss of a signal is its error after the inner loop plus the price of the expected density of
    its gates, which are deterministic unless ``model.sampled``. The wanted density falls from 1 to
    ``density`` between two shares of the run (``anneal``), and the price follows it (`PriceRule`).
    ``price_follows`` says which density: of the "stored" values, or the "expected" one of sampled
    gates.

    Outer rates fall with the square root of the steps from ``optimizer.constant`` steps on, so that
    a longer run begins as a shorter one does, and to a twentieth by a cosine over the run. What
    `freeze` gives are averaged weights, those of the evaluation with the highest PSNR among the
    ones that had reached the wanted density.

    With ``sparsity="mask"`` the mask is set before the steps that ``pruning.rounds`` names, by
    ``pruning.score``: "magnitude" of theta0, "random", or "update", the mean size of the updates
    that training signals get.

    Args:
      config: see ``mscn_tf/configs/experiments``.
      signals: training signals ``[S, N, C]`` in [0, 1].
      coordinates: ``[N, d]``.
      held_out: signals ``[S', N, C]`` that choose between evaluations, neither to learn from nor
        to measure on.
      begin: workdir of a run that this one goes on from, at the step that it reached.
    """

    def __init__(
        self,
        config: ml_collections.ConfigDict,
        signals: np.ndarray,
        coordinates: np.ndarray,
        held_out: np.ndarray,
        begin: Path | None = None,
    ):
        super().__init__(config)
        if config.price_follows not in PRICE_FOLLOWS:
            known = ", ".join(PRICE_FOLLOWS)
            raise MscnError(f"config.price_follows={config.price_follows}: must be one of {known}")
        self.signals, self.coordinates, self.held_out = signals, coordinates, held_out
        self.begin = begin
        self.fit = MetaLearner(**self.options(), first_price=config.first_price, seed=config.seed)
        first, last = (share * config.optimizer.schedule_steps for share in config.anneal)
        self.rule = PriceRule(config.first_price, config.density, first, last, config.price_rate)
        learned = trainable_variables_of([self.fit])
        gates = [v for v in learned if "log_alpha" in v.name]
        sizes = [v for v in learned if "log_size" in v.name]
        apart = {id(v) for v in gates + sizes}
        network = [v for v in learned if id(v) not in apart]
        rates = config.optimizer
        groups = [
            (group, tf.keras.optimizers.Adam(_Falling(rate, rates.constant, rates.schedule_steps)))
            for group, rate in (
                (network, rates.rate),
                (sizes, rates.step_size_rate),
                (gates, rates.gate_rate),
            )
            if group
        ]
        for variables, optimizer in groups:
            optimizer.build(variables)
        self.optimizers = [optimizer for _, optimizer in groups]
        self._take_step = OuterStep(
            self._losses, groups, rates.clip, self._finish, config.xla, config.precision
        )
        self.average = ExponentialMovingAverage(learned, rates.average)
        self.best = Best(variables_of(self.fit))

    def options(self) -> dict[str, Any]:
        """What the `MetaLearner` is made of."""
        return dict(self.config.model)

    def checkpointed(self) -> dict[str, Any]:
        parts = ("fit", "optimizers", "average", "best")
        return {name: getattr(self, name) for name in parts}

    def start(self) -> None:
        """Takes over network, step sizes and optimizers of the run that this one goes on from."""
        if self.begin is None:
            return
        path = newest_whole(self.begin / "checkpoints")
        if path is None:
            raise MscnError(f"{self.begin}: there is no checkpoint to go on from")
        known = tf.train.Checkpoint(**checkpoint_parts(self))
        known.restore(path).expect_partial()
        if self.config.pruning.rounds:
            self.best.forget()

    def update(self, step: int) -> dict[str, tf.Tensor]:
        for at, density in self.config.pruning.rounds:
            if step == at:
                self._prune(density)
        random = np.random.default_rng([self.config.seed, step])
        chosen = random.choice(len(self.signals), self.config.batch, replace=False)
        signals, coordinates = self.subset(self.signals[chosen], random)
        seeds = np.tile(np.array([self.config.seed, 2 * step], np.int32), (len(signals), 1))
        numbers = np.arange(len(signals), dtype=np.int32)
        metrics = self._take_step([signals, coordinates, seeds, numbers])
        follows = {"stored": "kept", "expected": "density"}[self.config.price_follows]
        moved = self.rule.moved(self.fit.price, metrics[follows], step + 1)
        self.fit.price.assign(moved)
        return metrics

    def subset(
        self, signals: np.ndarray, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Signals at as many points as a step takes, and a copy of those for each signal."""
        coordinates = self.coordinates
        if 0 < self.config.points < len(coordinates):
            points = np.sort(random.choice(len(coordinates), self.config.points, replace=False))
            signals, coordinates = signals[:, points], coordinates[points]
        # One copy a signal, for replicas to take their slices.
        return signals, np.broadcast_to(coordinates, (len(signals), *coordinates.shape))

    def _losses(
        self, signals: tf.Tensor, coordinates: tf.Tensor, seeds: tf.Tensor, numbers: tf.Tensor
    ) -> Losses:
        noise = {}
        if self.config.model.sampled:
            noise = self.fit.noise(signals.shape[0], seeds[0], numbers[0])
        coordinates = coordinates[0]  # all signals have the same
        adapted = self.fit.adapt(signals, coordinates, noise)
        errors = self.fit.errors(adapted, signals, coordinates)
        density = self.fit.density(adapted)
        kept = self.fit.kept(adapted) / self.fit.gated_size
        metrics = {"error": errors, "density": density, "kept": kept}
        return errors + self.fit.price * density, metrics

    def _finish(self) -> None:
        self.step.assign_add(1)
        constrain([self.fit])
        self.average.update()

    def _prune(self, density: float) -> None:
        """Closes the mask down to a share of all elements."""
        mask = self.fit.modulation.mask
        if self.config.pruning.score == "random":
            scores = np.random.default_rng([self.config.seed, 7]).random(mask.shape[0])
        elif self.config.pruning.score == "magnitude":
            scores = np.abs(parameters(self.fit.network))
        else:
            updates = [
                self.fit.adapt(tf.constant(batch), tf.constant(self.coordinates))["code"]
                for batch in np.array_split(self.signals[:64], 4)
            ]
            scores = np.abs(np.concatenate(updates)).mean(axis=0)
        mask.assign(largest(scores, mask.numpy(), density))

    def evaluate(self) -> list[Row]:
        signals, coordinates = tf.constant(self.held_out), tf.constant(self.coordinates)
        with self.average.swapped_in():
            adapted = self.fit.adapt(signals, coordinates)
            errors = self.fit.errors(adapted, signals, coordinates).numpy()
            kept = float(np.mean(self.fit.kept(adapted))) / self.fit.gated_size
            psnr = float(np.mean(-10 * np.log10(errors)))
            if self._settled() and kept <= _TOLERANCE * self.config.density:
                self.best.offer(psnr)
        row = {"psnr": psnr, "kept": kept, "price": float(self.fit.price.numpy())}
        return [("held out", row)]

    def _settled(self) -> bool:
        """Whether the step that was taken aimed at the density that the last one aims at."""
        last = int(self.step.numpy()) - 1
        pruned = all(at <= last for at, _ in self.config.pruning.rounds)
        return pruned and self.rule.settled(last + 1)

    def freeze(self) -> Any:
        """The `MetaLearner` that experiments measure."""
        self.take_best()
        return self.fit

    def take_best(self) -> None:
        """Sets the weights to the averages that were best."""
        if not self.best.restore():
            self.average.restore()


class _Falling(tf.keras.optimizers.schedules.LearningRateSchedule):
    """A rate that is constant, then falls as 1 / sqrt(step), and all the while by a cosine."""

    def __init__(self, rate: float, constant: int, steps: int):
        self.rate, self.constant = rate, constant
        self.cosine = tf.keras.optimizers.schedules.CosineDecay(rate, steps, alpha=0.05)

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        steps = tf.maximum(tf.cast(step, tf.float32), self.constant)
        return self.cosine(step) * tf.sqrt(self.constant / steps)
