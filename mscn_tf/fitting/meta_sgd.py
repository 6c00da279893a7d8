"""MetaSGD: the inner loop, which fits the adapted parameters of each signal in a few steps."""

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
    recompute: bool = False,
    first_gradients: Mapping[str, tf.Tensor] | None = None,
    limits: Mapping[str, float] | None = None,
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
      first_gradients: those of the first step, by name, for who has them at less cost, as
        `shared_start.gradients_at_zero` does.
      limits: the largest absolute value that a step may bring an adapted tensor to, by name.

    Returns:
      The adapted tensors, differentiable in ``initial``, ``step_sizes`` and all that ``loss``
      uses, when called under an outer ``GradientTape``.

    Raises:
      ValueError: ``recompute`` outside of a ``tf.function``; or step sizes, or first gradients, of
        other names or shapes than what is adapted.
    """
    if recompute and tf.executing_eagerly():
        raise ValueError("recompute needs a graph: call inner_loop within a tf.function")
    _check(initial, step_sizes, first_gradients)
    adapted = dict(initial)
    names = list(adapted)

    def gradients(*values: tf.Tensor) -> list[tf.Tensor]:
        current = dict(zip(names, values))
        if recompute:  # which lets no tape record
            return tf.gradients(tf.reduce_sum(loss(current)), list(values))
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(current)
            total = tf.reduce_sum(loss(current))
        return tape.gradient(total, list(values))

    of_step = tf.recompute_grad(gradients) if recompute else gradients
    for step in range(steps):
        if step == 0 and first_gradients is not None:
            slopes = [first_gradients[name] for name in names]
        else:
            slopes = of_step(*adapted.values())
        for name, gradient in zip(names, slopes):
            rows = step_sizes[name]
            size = rows[min(step, rows.shape[0] - 1)]
            adapted[name] -= size * (tf.stop_gradient(gradient) if first_order else gradient)
            if limits and name in limits:
                adapted[name] = tf.clip_by_value(adapted[name], -limits[name], limits[name])
    return adapted


def _check(
    initial: Mapping[str, tf.Tensor],
    step_sizes: Mapping[str, tf.Tensor],
    first_gradients: Mapping[str, tf.Tensor] | None,
) -> None:
    for what, given in (("step sizes", step_sizes), ("first gradients", first_gradients)):
        if given is not None and set(given) != set(initial):
            known, named = (", ".join(map(repr, sorted(names))) for names in (initial, given))
            raise ValueError(f"{what} must be of {known}, not of {named}")
    for name, value in initial.items():
        shape = tf.TensorShape(step_sizes[name].shape)
        try:
            tf.broadcast_static_shape(shape[1:], value.shape).assert_is_compatible_with(value.shape)
        except ValueError:
            raise ValueError(
                f"step sizes of {name!r} must be [S, ...], each row broadcastable to "
                f"{value.shape}, not {shape}"
            ) from None
