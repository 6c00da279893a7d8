"""The outer loop of modulated networks: theta0, phi0, step sizes, and the price of a non-zero."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_collections
import numpy as np
import tensorflow as tf

from mscn_tf.fitting.modulated import ModulatedFit
from mscn_tf.runtime.errors import MscnError
from mscn_tf.sparsity.pruning import largest, parameters
from mscn_tf.training.loop import Row, Trainer


class ModulatedTrainer(Trainer):
    """State and step of one training run.

    The loss is the error after the inner loop, with sampled gates, plus the price of their density.
    The wanted density falls from 1 to ``density`` between two shares of the run (``anneal``); the
    price follows it: it rises by ``price_rate`` times the log of what the density is over what is
    wanted. (A price that rises by the difference overshoots when densities are small.)

    With ``sparsity="mask"`` the mask is set at the steps that ``pruning.rounds`` says, by
    ``pruning.score``: "magnitude" of theta0, "random", or "update", the mean size of the updates
    that training signals get.

    Args:
      config: see ``mscn_tf/configs/experiments``.
      signals: training signals ``[S, N, C]`` in [0, 1].
      coordinates: ``[N, d]``.
      held_out: signals to watch ``[S', N, C]``.
      start: workdir of a run that this one goes on from, its checkpoint's step included.
    """

    def __init__(
        self,
        config: ml_collections.ConfigDict,
        signals: np.ndarray,
        coordinates: np.ndarray,
        held_out: np.ndarray,
        start: Path | None = None,
    ):
        super().__init__(config)
        self.signals, self.held_out, self.begin = signals, held_out, start
        self.coordinates = tf.constant(coordinates, tf.float32)
        self.fit = ModulatedFit(config.model, config.seed)
        self.fit.price.assign(config.first_price)
        gates = [v for v in self.fit.trainable_variables if "log_alpha" in v.name]
        sizes = [v for v in self.fit.trainable_variables if "log_size" in v.name]
        apart = {id(v) for v in gates + sizes}
        network = [v for v in self.fit.trainable_variables if id(v) not in apart]
        rates = config.optimizer
        self.groups = [
            (variables, self._optimizer(rate, falls))
            for variables, rate, falls in (
                (network, rates.rate, True),
                (sizes, rates.step_size_rate, True),
                (gates, rates.gate_rate, False),
            )
            if variables
        ]
        for variables, optimizer in self.groups:
            optimizer.build(variables)
        self._network = network
        self.density = tf.Variable(1.0, trainable=False, name="density")
        self._compiled = tf.function(self._update, jit_compile=config.xla)

    def _optimizer(self, rate: float, falls: bool) -> tf.keras.optimizers.Optimizer:
        if falls:
            rate = tf.keras.optimizers.schedules.CosineDecay(
                rate, self.config.optimizer.schedule_steps, alpha=0.05
            )
        return tf.keras.optimizers.Adam(rate)

    def checkpointed(self) -> dict[str, Any]:
        return {"fit": self.fit, "optimizers": [optimizer for _, optimizer in self.groups]}

    def start(self) -> None:
        """Takes over network, step sizes and optimizers of the run that this one goes on from."""
        if self.begin is None:
            return
        path = tf.train.latest_checkpoint(str(self.begin / "checkpoints"))
        if path is None:
            raise MscnError(f"{self.begin}: there is no checkpoint to start from")
        known = tf.train.Checkpoint(step=self.step, **self.checkpointed())
        known.restore(path).expect_partial()

    def update(self, step: int) -> dict[str, tf.Tensor]:
        for at, density in self.config.pruning.rounds:
            if step == at:
                self._prune(density)
        first, last = self.config.anneal
        done = min(1.0, max(0.0, (step + 1) / self.config.optimizer.schedule_steps - first))
        self.density.assign(self.config.density ** min(1.0, done / max(last - first, 1e-9)))
        random = np.random.default_rng([self.config.seed, step])
        chosen = random.choice(len(self.signals), self.config.batch, replace=False)
        signals, coordinates = self.signals[chosen], self.coordinates
        if 0 < self.config.points < len(coordinates):
            points = np.sort(random.choice(len(coordinates), self.config.points, replace=False))
            signals, coordinates = signals[:, points], tf.gather(coordinates, points)
        seed = tf.constant([self.config.seed, 2 * step], tf.int32)
        return self._compiled(tf.constant(signals), coordinates, seed)

    def _update(
        self, signals: tf.Tensor, coordinates: tf.Tensor, seed: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        fit, price = self.fit, self.fit.price
        noise = fit.noise(signals.shape[0], seed)
        with tf.GradientTape() as tape:
            adapted = fit.fit(signals, coordinates, noise)
            error = tf.reduce_mean(fit.errors(adapted, signals, coordinates))
            density = tf.reduce_mean(fit.density(adapted))
            loss = error + price * density
        variables = [group for group, _ in self.groups]
        gradients = tape.gradient(loss, variables, unconnected_gradients="zero")
        # Of the network alone: a few gates at a high price would scale all of it down.
        gradients[0], norm = tf.clip_by_global_norm(gradients[0], self.config.optimizer.clip)
        for (group, optimizer), found in zip(self.groups, gradients):
            optimizer.apply_gradients(zip(found, group))
        if self.config.sparsity_priced:
            excess = tf.clip_by_value(tf.math.log(density / self.density), -2.0, 2.0)
            price.assign(price * tf.exp(self.config.price_rate * excess))
        self.step.assign_add(1)
        return {"error": error, "density": density, "price": price + 0.0, "gradient_norm": norm}

    def _prune(self, density: float) -> None:
        """Closes the mask down to a share of all elements."""
        mask = self.fit.modulation.mask
        if self.config.pruning.score == "random":
            scores = np.random.default_rng([self.config.seed, 7]).random(len(mask))
        elif self.config.pruning.score == "magnitude":
            scores = np.abs(parameters(self.fit.network))
        else:
            batches = tf.split(tf.constant(self.signals[:64]), 4)
            codes = [self.fit.fit(batch, self.coordinates)["code"] for batch in batches]
            scores = np.abs(np.concatenate(codes)).mean(axis=0)
        mask.assign(largest(scores, mask.numpy(), density))

    def evaluate(self) -> list[Row]:
        signals = tf.constant(self.held_out)
        adapted = self.fit.fit(signals, self.coordinates)
        errors = self.fit.errors(adapted, signals, self.coordinates).numpy()
        kept = self.fit.kept(adapted).numpy() / self.fit.gated_size
        row = {"psnr": float(np.mean(-10 * np.log10(errors))), "kept": float(kept.mean())}
        return [("held out", row)]

    def freeze(self) -> ModulatedFit:
        """What experiments measure; there is no bundle of these networks."""
        return self.fit
