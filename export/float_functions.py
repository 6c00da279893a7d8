"""A codec's functions in TensorFlow, as the writers of SavedModel, ONNX and TFLite take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import tensorflow as tf

from mscn_tf.runtime.errors import MscnError

Function = Any  # tf.types.experimental.GenericFunction, which has no types of its own


class FloatFunctions:
    """Functions by name, in float32.

    Attributes:
      functions: by name; their ``input_signature`` names their arguments.
      axes: names of the axes of signals, outermost first.
      holder: of the weights that they use, as writers and converters want it.
      large: those of its weights that take nearly all room.
      of_files: a function that takes files, by name, which only SavedModels can have.
      example_file: that it decodes.
    """

    functions: Mapping[str, Function]
    axes: Sequence[str]
    holder: Any
    large: Sequence[tf.Variable] = ()
    of_files: Mapping[str, Function] = MappingProxyType({})
    example_file: bytes = b""

    def __call__(self, function: str, **arguments: Any) -> np.ndarray:
        """Runs one of the functions on arguments by name; returns its one output."""
        called = {**self.functions, **self.of_files}[function]
        ordered = [tf.constant(arguments[s.name], s.dtype) for s in called.input_signature]
        (output,) = called(*ordered).values()
        return output.numpy()


def check_size(size: Sequence[int] | None, axes: int, of_what: str, form: str) -> None:
    """A fixed size has a number for each axis.

    Raises:
      MscnError: it has not.
    """
    if size is not None and len(size) != axes:
        raise MscnError(f"a size of {len(size)} axes; of a {of_what} give {form}")


def traced(function: object, *signature: tf.TensorSpec) -> Function:
    """A function as a graph of these arguments."""
    return tf.function(function, input_signature=signature, autograph=False)


def example(functions: FloatFunctions, name: str) -> dict[str, np.ndarray]:
    """Arguments for one of the functions: zeros of the smallest shapes that make sense."""
    if name in functions.of_files:
        return {"files": np.array([functions.example_file])}
    arguments = {}
    for spec in functions.functions[name].input_signature:
        shape = [side or 1 for side in spec.shape]
        value = 1 if spec.name == "region" or not shape else 5 if spec.name == "quality" else 0
        arguments[spec.name] = np.full(shape, value, spec.dtype.as_numpy_dtype)
    return arguments
