"""The inner loop: fit the adapted parameters of each signal in a few MetaSGD steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Callable

import tensorflow as tf

Adapted = dict[str, tf.Tensor]


def inner_loop(
    loss: Callable[[Adapted], tf.Tensor],
    initial: Mapping[str, tf.Tensor],
    step_sizes: Mapping[str, tf.Tensor],
    steps: int,
    first_order: bool = False,
) -> Adapted:
    """Runs ``steps`` steps of MetaSGD (Li et al. 2017), each signal of the batch on its own.

    ``v <- v - alpha_v * d loss / d v`` for every adapted tensor ``v``: the update delta (or its
    code) and, where there are gates, their parameters phi (Schwarz & Teh 2022, eq. 8). The loss is
    summed over the batch, so that a signal's gradient doesn't depend on the batch it sits in.

    Args:
      loss: maps the adapted tensors to the loss of each signal, ``[B]``.
      initial: starting point of each adapted tensor, ``[B, ...]``.
      step_sizes: for each of them the step sizes, ``[S, ...]`` broadcastable to one step each
        (``S = 1``: the same in every step). Past the last row the last row serves, so that
        encoding may take more steps than training did.
      steps: number of steps, at least 0.
      first_order: treat the gradients as constants (first-order MAML) instead of
        differentiating through them.

    Returns:
      The adapted tensors, differentiable in ``initial``, ``step_sizes`` and all that ``loss``
      uses, when called under an outer ``GradientTape``.
    """
    adapted = dict(initial)
    for step in range(steps):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(adapted)
            total = tf.reduce_sum(loss(adapted))
        gradients = tape.gradient(total, adapted)
        for name, gradient in gradients.items():
            if first_order:
                gradient = tf.stop_gradient(gradient)
            rows = step_sizes[name]
            size = rows[min(step, rows.shape[0] - 1)]
            adapted[name] = adapted[name] - size * gradient
    return adapted
