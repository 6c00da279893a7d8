"""The inner loop: fit the adapted parameters of each signal in a few MetaSGD steps."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Callable

import tensorflow as tf

Adapted = dict[str, tf.Tensor]


def inner_loop(
    loss: Callable[..., tf.Tensor],
    initial: Mapping[str, tf.Tensor],
    step_sizes: Mapping[str, tf.Tensor],
    steps: int,
    first_order: bool = False,
    recompute: bool = False,
    draw: Callable[[int], Any] | None = None,
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
      recompute: keep only what is adapted of each step, and compute the rest again when the outer
        gradient asks for it (``tf.recompute_grad``, gradient checkpointing): memory then hardly
        grows with ``steps``, at the price of a second forward pass. ``loss`` must then use nothing
        that gradients are wanted for but variables: other tensors count as constants.
      draw: what each step sees of the signals, by the step's number, such as the points that
        ``sample_points`` chooses: the second argument of ``loss``.

    Returns:
      The adapted tensors, differentiable in ``initial``, ``step_sizes`` and all that ``loss``
      uses, when called under an outer ``GradientTape``.

    Raises:
      ValueError: ``recompute`` outside of a ``tf.function``.
    """
    if recompute and tf.executing_eagerly():
        raise ValueError("recompute needs a graph: call inner_loop within a tf.function")
    adapted = dict(initial)
    names = list(adapted)

    def update(seen: tuple[Any, ...], *values: tf.Tensor) -> list[tf.Tensor]:
        """One step, from what is drawn, the adapted tensors and their step sizes."""
        current, sizes = dict(zip(names, values)), values[len(names) :]
        if recompute:  # which lets no tape record
            gradients = tf.gradients(tf.reduce_sum(loss(current, *seen)), list(current.values()))
        else:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(current)
                total = tf.reduce_sum(loss(current, *seen))
            gradients = tape.gradient(total, list(current.values()))
        if first_order:
            gradients = [tf.stop_gradient(gradient) for gradient in gradients]
        return [v - size * g for v, size, g in zip(current.values(), sizes, gradients)]

    for step in range(steps):
        rows = (step_sizes[name] for name in names)
        sizes = [tf.convert_to_tensor(row[min(step, row.shape[0] - 1)]) for row in rows]
        take_step = functools.partial(update, (draw(step),) if draw else ())
        if recompute:
            take_step = tf.recompute_grad(take_step)
        adapted = dict(zip(names, take_step(*adapted.values(), *sizes)))
    return adapted


def sample_points(seed: tf.Tensor, step: int, points: int, count: int) -> tf.Tensor:
    """int32 ``[count]``: different points out of ``points``, others in each inner step.

    The mean of a loss over them has the mean over all as its expectation.

    Args:
      seed: ``[2]`` int32, of a stateless generator; another one in each outer step.
      step: number of the inner step.
      points: how many there are.
      count: how many are wanted, at most ``points``.
    """
    seed = tf.random.experimental.stateless_fold_in(seed, step)
    return tf.random.experimental.stateless_shuffle(tf.range(points), seed)[:count]
