"""The same in JAX: a picture's inner loop, `vmap` over pictures, `jit` of all, as functa has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.frameworks.cases import Case

VERSION = jax.__version__


def set_threads(count: int) -> None:
    """JAX takes as many as this process may use cores."""
    del count


class Step(NamedTuple):
    """A jitted function and what it takes.

    Attributes:
      function: of the weights and a batch; returns named arrays.
      weights: by name.
      batches: one after the other.
    """

    function: Any
    weights: dict[str, jax.Array]
    batches: Sequence[jax.Array]


def steps(case: Case, arrays: dict[str, np.ndarray]) -> dict[str, Step]:
    """``train``, ``encode`` and ``decode``."""
    weights = {name: jnp.asarray(array) for name, array in arrays.items()}
    batches, points = weights.pop("pictures"), weights.pop("coordinates")
    fixed = {} if case.own_steps else {"step_sizes": weights.pop("step_sizes")}

    def values(weights: dict, code: jax.Array) -> jax.Array:
        """[N, C] of one code [M]."""
        kernels = [weights[f"kernel_{i}"] for i in range(case.layers)]
        biases = [weights[f"bias_{i}"] for i in range(case.layers)]
        if case.modulation == "weight":
            at = 0
            for i, (m, n) in enumerate(zip(case.sizes, case.sizes[1:])):
                kernels[i] = kernels[i] + code[at : at + m * n].reshape(m, n)
                biases[i] = biases[i] + code[at + m * n : at + (m + 1) * n]
                at += (m + 1) * n
        else:
            shifts = code @ weights["map"] if case.modulation == "latent" else code
            for i in range(case.layers - 1):
                biases[i] = biases[i] + shifts[i * case.width : (i + 1) * case.width]
        x = points
        for i, (kernel, bias) in enumerate(zip(kernels, biases)):
            x = x @ kernel + bias
            if i < case.layers - 1:
                x = jnp.sin(case.w0 * x)
        return x + 0.5

    def loss(code: jax.Array, weights: dict, picture: jax.Array) -> jax.Array:
        return jnp.mean(jnp.square(values(weights, code) - picture))

    def fit(weights: dict, picture: jax.Array) -> jax.Array:
        step_sizes = {**fixed, **weights}["step_sizes"]
        code = jnp.zeros([case.code_size])
        for _ in range(case.steps):
            code = code - step_sizes * jax.grad(loss)(code, weights, picture)
        return code

    def outer(weights: dict, pictures: jax.Array) -> jax.Array:
        each = jax.vmap(lambda picture: loss(fit(weights, picture), weights, picture))
        return jnp.mean(each(pictures))

    @jax.jit
    def train(weights: dict, pictures: jax.Array) -> dict[str, jax.Array]:
        total, gradients = jax.value_and_grad(outer)(weights, pictures)
        return {"loss": total, **gradients}

    @jax.jit
    def encode(weights: dict, pictures: jax.Array) -> dict[str, jax.Array]:
        return {"code": jax.vmap(fit, (None, 0))(weights, pictures)}

    @jax.jit
    def decode(weights: dict, codes: jax.Array) -> dict[str, jax.Array]:
        return {"values": jax.vmap(values, (None, 0))(weights, codes)}

    return {
        "train": Step(train, weights, batches),
        "encode": Step(encode, weights, batches),
        "decode": Step(decode, weights, [jnp.asarray(batch) for batch in case.codes()]),
    }


def on_host(results: dict[str, jax.Array]) -> dict[str, np.ndarray]:
    """Copies from the device."""
    return {name: np.asarray(array) for name, array in results.items()}


def build(case: Case, arrays: dict[str, np.ndarray]) -> dict[str, Callable[[int], dict]]:
    """``train``, ``encode`` and ``decode``, each from the number of a batch to named results."""

    def run(step: Step) -> Callable[[int], dict]:
        return lambda number: on_host(step.function(step.weights, step.batches[number]))

    return {name: run(step) for name, step in steps(case, arrays).items()}
