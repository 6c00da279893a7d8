"""The outer loop of modulated networks: theta0, phi0, step sizes, and the price of a non-zero."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import ml_collections
import numpy as np
import tensorflow as tf

from mscn_tf.fitting.modulated import ModulatedFit
from mscn_tf.runtime.errors import MscnError
from mscn_tf.sparsity.pruning import largest, parameters
from mscn_tf.training.checkpoints import newest_whole
from mscn_tf.training.loop import Row, Trainer, checkpoint_parts
from mscn_tf.training.outer_step import Losses, OuterStep


class ModulatedTrainer(Trainer):
    """State and step of one training run.

    The loss of a signal is its error after the inner loop, with sampled gates, plus the price of
    their density. The wanted density falls from 1 to ``density`` between two shares of the run
    (``anneal``), and the price follows it: its logarithm rises by ``price_rate`` times the log of
    what the density is over what is wanted. (A price that rises by the difference, as
    `SparsityConstraint`'s, overshoots where the wanted density is a hundredth.)

    With ``sparsity="mask"`` the mask is set before the steps that ``pruning.rounds`` names, by
    ``pruning.score``: "magnitude" of theta0, "random", or "update", the mean size of the updates
    that training signals get.

    Args:
      config: see ``mscn_tf/configs/experiments``.
      signals: training signals ``[S, N, C]`` in [0, 1].
      coordinates: ``[N, d]``.
      held_out: signals to watch ``[S', N, C]``.
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
        self.signals, self.coordinates, self.held_out = signals, coordinates, held_out
        self.begin = begin
        self.fit = ModulatedFit(config.model, config.seed)
        self.fit.price.assign(config.first_price)
        gates = [v for v in self.fit.trainable_variables if "log_alpha" in v.name]
        sizes = [v for v in self.fit.trainable_variables if "log_size" in v.name]
        apart = {id(v) for v in gates + sizes}
        network = [v for v in self.fit.trainable_variables if id(v) not in apart]
        rates = config.optimizer
        fall = tf.keras.optimizers.schedules.CosineDecay
        groups = [
            (network, fall(rates.rate, rates.schedule_steps, alpha=0.05)),
            (sizes, fall(rates.step_size_rate, rates.schedule_steps, alpha=0.05)),
            (gates, rates.gate_rate),
        ]
        groups = [(group, tf.keras.optimizers.Adam(rate)) for group, rate in groups if group]
        for variables, optimizer in groups:
            optimizer.build(variables)
        self.optimizers = [optimizer for _, optimizer in groups]
        self._take_step = OuterStep(
            self._losses, groups, rates.clip, self._count, config.xla, config.precision
        )

    def checkpointed(self) -> dict[str, Any]:
        return {"fit": self.fit, "optimizers": self.optimizers}

    def start(self) -> None:
        """Takes over network, step sizes and optimizers of the run that this one goes on from."""
        if self.begin is None:
            return
        path = newest_whole(self.begin / "checkpoints")
        if path is None:
            raise MscnError(f"{self.begin}: there is no checkpoint to go on from")
        known = tf.train.Checkpoint(**checkpoint_parts(self))
        known.restore(path).expect_partial()

    def update(self, step: int) -> dict[str, tf.Tensor]:
        for at, density in self.config.pruning.rounds:
            if step == at:
                self._prune(density)
        random = np.random.default_rng([self.config.seed, step])
        chosen = random.choice(len(self.signals), self.config.batch, replace=False)
        signals, coordinates = self.signals[chosen], self.coordinates
        if 0 < self.config.points < len(coordinates):
            points = np.sort(random.choice(len(coordinates), self.config.points, replace=False))
            signals, coordinates = signals[:, points], coordinates[points]
        # One copy a signal, for replicas to take their slices.
        coordinates = np.broadcast_to(coordinates, (len(signals), *coordinates.shape))
        seeds = np.tile(np.array([self.config.seed, 2 * step], np.int32), (len(signals), 1))
        metrics = self._take_step([signals, coordinates, seeds])
        self._follow(step, float(metrics["density"]))
        return metrics

    def wanted_density(self, step: int) -> float:
        """The density that a step's price aims at."""
        first, last = self.config.anneal
        done = (step + 1) / self.config.optimizer.schedule_steps
        return self.config.density ** min(1.0, max(0.0, (done - first) / (last - first)))

    def _follow(self, step: int, density: float) -> None:
        """Moves the price by how far the density is from what is wanted."""
        excess = math.log(density / self.wanted_density(step))
        change = self.config.price_rate * max(-2.0, min(2.0, excess))
        self.fit.price.assign(self.fit.price * math.exp(change))

    def _losses(self, signals: tf.Tensor, coordinates: tf.Tensor, seeds: tf.Tensor) -> Losses:
        noise = self.fit.noise(signals.shape[0], seeds[0])
        coordinates = coordinates[0]  # all signals have the same
        adapted = self.fit.fit(signals, coordinates, noise)
        errors = self.fit.errors(adapted, signals, coordinates)
        density = self.fit.density(adapted)
        return errors + self.fit.price * density, {"error": errors, "density": density}

    def _count(self) -> None:
        self.step.assign_add(1)

    def _prune(self, density: float) -> None:
        """Closes the mask down to a share of all elements."""
        mask = self.fit.modulation.mask
        if self.config.pruning.score == "random":
            scores = np.random.default_rng([self.config.seed, 7]).random(mask.shape[0])
        elif self.config.pruning.score == "magnitude":
            scores = np.abs(parameters(self.fit.network))
        else:
            updates = [
                self.fit.fit(tf.constant(batch), tf.constant(self.coordinates))["code"]
                for batch in np.array_split(self.signals[:64], 4)
            ]
            scores = np.abs(np.concatenate(updates)).mean(axis=0)
        mask.assign(largest(scores, mask.numpy(), density))

    def evaluate(self) -> list[Row]:
        signals, coordinates = tf.constant(self.held_out), tf.constant(self.coordinates)
        adapted = self.fit.fit(signals, coordinates)
        errors = self.fit.errors(adapted, signals, coordinates).numpy()
        kept = float(np.mean(self.fit.kept(adapted))) / self.fit.gated_size
        psnr = float(np.mean(-10 * np.log10(errors)))
        row = {"psnr": psnr, "kept": kept, "price": float(self.fit.price)}
        return [("held out", row)]

    def freeze(self) -> ModulatedFit:
        """What experiments measure; there is no bundle of these networks."""
        return self.fit
