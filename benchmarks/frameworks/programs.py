"""What benchmarks/frameworks/lowering.py wrote, for JAX; needs no TensorFlow."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import export
from jaxlib import _jax

from benchmarks.frameworks.cases import noise
from benchmarks.frameworks.with_jax import Step


def load(path: Path, known: dict[str, np.ndarray], results: dict[str, np.ndarray]) -> Step:
    """A program as a jitted function of its weights and a batch.

    Args:
      path: of the program.
      known: arrays that the writer had, by name; that of noise it finds itself.
      results: as many as the program returns, for their names, shapes and types.
    """
    with np.load(path) as file:
        saved = dict(file)
    found = {**known, **saved}
    batches, *weights = (found[n] if n in found else noise(n) for n in saved["arguments"].tolist())
    shapes = [results[name] for name in saved["results"]]

    def placeholder(*arguments: jax.Array) -> list[jax.Array]:
        return [jnp.zeros(array.shape, array.dtype) for array in shapes]

    # JAX calls exported functions, however they came about: so one of the same signature lends its
    # form. All arguments must be kept, since the program takes them.
    exported = export.export(jax.jit(placeholder, keep_unused=True))(batches[0], *weights)
    module = _jax.mlir.hlo_to_stablehlo(saved["hlo"].tobytes())
    exported = dataclasses.replace(exported, mlir_module_serialized=module)

    @jax.jit
    def call(weights: dict[str, jax.Array], batch: jax.Array) -> dict[str, jax.Array]:
        returned = exported.call(batch, *weights.values())
        return dict(zip(saved["results"].tolist(), returned))

    # A dictionary loses its order under `jit`, unless the names are in order.
    named = {f"{i:03}": jnp.asarray(array) for i, array in enumerate(weights)}
    return Step(call, named, [jnp.asarray(batch) for batch in batches])
