"""One step of the optimizers, on one device or on many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable

import ml_collections
import numpy as np
import tensorflow as tf

from mscn_tf.networks import products
from mscn_tf.runtime.errors import MscnError
from mscn_tf.training.distribution import shard

Losses = tuple[tf.Tensor, dict[str, tf.Tensor]]


class OuterStep:
    """Lowers the mean of a batch's losses, under the strategy in whose scope it is made.

    Losses are divided by the size of the global batch, gradients summed over all replicas and
    then clipped, so that a step is the same on one device and on many.

    Args:
      losses: maps a batch, or a slice of it, to what is minimised, ``[B]``, one for each signal,
        and to metrics of the same shape, by name.
      groups: which variables which optimizer changes.
      clip: largest global norm of the gradient.
      finish: changes variables after each step.
      xla: compile losses and gradients with XLA.
      precision: of products between layers (`mscn_tf.networks.products`).

    Raises:
      MscnError: there is no such precision.
    """

    def __init__(
        self,
        losses: Callable[..., Losses],
        groups: Sequence[tuple[Sequence[tf.Variable], tf.keras.optimizers.Optimizer]],
        clip: float,
        finish: Callable[[], None],
        xla: bool = False,
        precision: str = "float32",
    ):
        if precision not in products.PRECISIONS:
            raise MscnError(
                f"config.precision={precision}: must be one of {', '.join(products.PRECISIONS)}"
            )
        self._strategy = tf.distribute.get_strategy()
        self._losses, self._groups, self._clip, self._finish = losses, groups, clip, finish
        self._precision = precision
        self._variables = [v for group, _ in groups for v in group]
        compiled = tf.function(self._sums, jit_compile=True, autograph=False)
        self._local = compiled if xla else self._sums
        self._step = tf.function(self._of_shards, autograph=False)

    def __call__(self, batch: Sequence[np.ndarray]) -> dict[str, tf.Tensor]:
        """Takes a step on a global batch, arrays ``[B, ...]``.

        Returns:
          The metrics' means over the batch, and ``gradient_norm``, before clipping.
        """
        return self._step(*shard(self._strategy, batch))

    def _of_shards(self, *shards: tf.Tensor) -> dict[str, tf.Tensor]:
        metrics = self._strategy.run(self._of_replica, shards)
        self._finish()
        return {
            name: self._strategy.experimental_local_results(value)[0]
            for name, value in metrics.items()
        }

    def _of_replica(self, *batch: tf.Tensor) -> dict[str, tf.Tensor]:
        context = tf.distribute.get_replica_context()
        count = batch[0].shape[0] * context.num_replicas_in_sync
        gradients, metrics = context.all_reduce(tf.distribute.ReduceOp.SUM, self._local(*batch))
        gradients = [gradient / count for gradient in gradients]
        gradients, norm = tf.clip_by_global_norm(gradients, self._clip)
        # Optimizers sum over replicas once more (Keras 3 whatever it is told): shares add up.
        replicas = float(context.num_replicas_in_sync)
        for variables, optimizer in self._groups:
            mine, gradients = gradients[: len(variables)], gradients[len(variables) :]
            shares = [gradient / replicas for gradient in mine]
            optimizer.apply_gradients(zip(shares, variables))
        return {"gradient_norm": norm, **{name: m / count for name, m in metrics.items()}}

    def _sums(self, *batch: tf.Tensor) -> tuple[list[tf.Tensor], dict[str, tf.Tensor]]:
        with products.precision(self._precision), tf.GradientTape() as tape:
            losses, metrics = self._losses(*batch)
            total = tf.reduce_sum(losses)
        gradients = tape.gradient(total, self._variables, unconnected_gradients="zero")
        # Dense, those of gathers too: sparse ones repeat rows, which a norm would count apart.
        return list(map(tf.convert_to_tensor, gradients)), {
            name: tf.reduce_sum(m) for name, m in metrics.items()
        }


def warmed_up_adam(config: ml_collections.ConfigDict, rate: float) -> tf.keras.optimizers.Adam:
    """An optimizer whose rate rises to ``rate`` and then falls by a cosine over the run.

    Args:
      config: with ``steps``, ``optimizer.warmup``, of them, and ``optimizer.beta_2``.
      rate: the largest.
    """
    warmup = config.optimizer.warmup
    schedule = tf.keras.optimizers.schedules.CosineDecay(
        rate / 100,
        max(config.steps - warmup, 1),  # Keras 3 takes no fewer
        alpha=0.01,
        warmup_target=rate,
        warmup_steps=warmup,
    )
    return tf.keras.optimizers.Adam(schedule, beta_2=config.optimizer.beta_2)
