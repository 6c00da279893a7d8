"""The library's functions as XLA programs, which JAX compiles where there is no TensorFlow."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Callable
from unittest import mock

import numpy as np
import tensorflow as tf

from benchmarks.frameworks.cases import BATCHES, Case, noise, noise_name
from benchmarks.frameworks.with_tensorflow import functions
from mscn_tf.configs import thumb32
from mscn_tf.networks import products
from mscn_tf.training.tiles import TileTrainer

# TensorFlow's, which `mscn_tf.networks.sine` takes where there is a GPU, and the polynomials there.
SINES = ("sine", "polynomials")
PRECISIONS = ("float32", "tf32", "bfloat16")


@contextlib.contextmanager
def _seen(gpus: list[str]) -> Iterator[None]:
    """The library traces as for a machine with these GPUs."""
    with mock.patch.object(tf.config, "list_physical_devices", return_value=gpus):
        yield


def write(folder: Path, case: Case, arrays: dict[str, np.ndarray], tasks: Sequence[str]) -> None:
    """Writes each task's programs and, as ``CASE_TASK.npz``, its results for the first batch.

    A program, ``CASE_TASK_SINE_PRECISION.npz`` (`SINES`, `PRECISIONS`), has ``hlo``, a serialized
    HloModuleProto; ``arguments``, names of the arrays that it takes: of ``arrays``, ``codes``, or
    else in the same file; and ``results``, names of what it returns. It takes one batch of pictures
    or codes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = {**arrays, "codes": case.codes()}
    for task in tasks:
        function = functions(case, arrays)[task]
        batches = "codes" if task == "decode" else "pictures"
        _write(folder, f"{case.name}_{task}", function.python_function, batches, known, SINES)


def write_thumb32(folder: Path, tiles: int) -> None:
    """The same of the loss of a training step of `thumb32`, and of its gradients' norms."""
    folder.mkdir(parents=True, exist_ok=True)
    trainer = TileTrainer(thumb32.get_config(), sampler=None, validation=None)
    network, known = trainer.codec.network, {}
    for number, weight in enumerate([network.basis, network.feature_basis]):
        known[noise_name(number, weight.shape)] = value = noise(noise_name(number, weight.shape))
        weight.assign(value)
    network.out_kernel.assign(tf.fill(network.out_kernel.shape, 0.1))  # which starts at zero
    batches = noise_name(2, [BATCHES, tiles, *network.tile_shape, network.channels])
    known[batches] = noise(batches)
    qualities = tf.linspace(1.0, 10.0, tiles)

    def train(batch: tf.Tensor) -> dict[str, tf.Tensor]:
        # No noise is drawn; its seed would be an argument of a type that JAX doesn't take.
        seedless = mock.patch.object(trainer, "_seed", return_value=tf.zeros([2], tf.int32))
        with seedless, tf.GradientTape() as tape:
            total = tf.reduce_mean(trainer.losses(0.5 + batch, qualities)[0])
        gradients = tape.gradient(total, network.trainable_variables)
        return {"loss": total, "norms": tf.stack([tf.norm(gradient) for gradient in gradients])}

    _write(folder, "thumb32_train", train, batches, known, SINES[:1])


def _write(
    folder: Path,
    name: str,
    function: Callable[[tf.Tensor], dict[str, tf.Tensor]],
    batches: str,
    known: dict[str, np.ndarray],
    sines: Sequence[str],
) -> None:
    """Programs of a function of batches, one of the known arrays, and its results."""
    batch = tf.constant(known[batches][0])
    results = {key: tensor.numpy() for key, tensor in tf.function(function)(batch).items()}
    np.savez_compressed(folder / f"{name}.npz", **results)
    for sine, precision in itertools.product(sines, PRECISIONS):
        compiled = tf.function(function, jit_compile=True)
        rounded = products.precision("bfloat16" if precision == "bfloat16" else "float32")
        with _seen(["GPU:0"] if sine == "sine" else []), rounded:
            traced = compiled.get_concrete_function(batch)
        names, others = [batches], {}
        for value in map(_value, traced.captured_inputs):
            names.append(_name(value, known) or f"captured_{len(names)}")
            if names[-1] not in known:
                others[names[-1]] = value
        np.savez_compressed(
            folder / f"{name}_{sine}_{precision}.npz",
            hlo=np.frombuffer(_lowered(compiled, batch, precision != "float32"), np.uint8),
            arguments=names,
            results=sorted(results),  # as `tf.nest` flattens them
            **others,
        )


def _value(captured: tf.Tensor) -> np.ndarray:
    """The value of a constant, or of the variable whose handle it is."""
    if captured.dtype != tf.resource:
        return captured.numpy()
    (kind,) = captured._handle_data.shape_and_type
    return tf.raw_ops.ReadVariableOp(resource=captured, dtype=kind.dtype).numpy()


def _name(value: np.ndarray, known: dict[str, np.ndarray]) -> str | None:
    """The name of the known array that equals it."""
    return next((name for name, array in known.items() if np.array_equal(array, value)), None)


def _lowered(
    function: tf.types.experimental.GenericFunction, batch: tf.Tensor, tf32: bool
) -> bytes:
    """A program with products in the precision that TensorFlow takes with TF32 or without."""
    allowed = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(tf32)
    try:
        return function.experimental_get_compiler_ir(batch)(stage="hlo_serialized")
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(allowed)
