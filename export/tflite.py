"""Decoders of tile codecs for TensorFlow Lite."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from mscn_tf.export.float_functions import FloatFunctions
from mscn_tf.export.quiet import quiet
from mscn_tf.runtime.errors import MscnError

_HALVES = 4  # in 8-bit models the leading quarter of a code's rows, the largest, are halves


def tflite_decoder(functions: FloatFunctions, precision: str = "float32") -> bytes:
    """The function ``decode`` as a TFLite model, in built-in operations, as its only signature.

    Args:
      functions: of the codec.
      precision: of the two large matrices; arithmetic is in float32. "float16": halves. "int8":
        8 bits, with a scale for each element of a code, and halves for the leading quarter of it.
        (The converter's own quantisation would round frequencies and scale indices too, and its
        8-bit arithmetic would round codes.)

    Raises:
      MscnError: the codec has no such matrices.
    """
    if precision != "float32" and not functions.large:
        raise MscnError("the network is small as it is; give --precision=float32")
    decode = functions.functions["decode"].get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([decode], functions.holder)
    with quiet():
        data = converter.convert()
    if precision == "float32":
        return data
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    for weight in functions.large:
        _compact(model, weight.numpy().T, precision)
    builder = flatbuffers.Builder(len(data))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _compact(model: Any, weight: np.ndarray, precision: str) -> None:
    """Makes a model compute a constant ``[n, M]`` from one that takes less room."""
    graph, content = model.subgraphs[0], np.ascontiguousarray(weight)
    (number,) = (
        i
        for i, tensor in enumerate(graph.tensors)
        if tuple(tensor.shape) == weight.shape
        and np.array_equal(model.buffers[tensor.buffer].data, content.view(np.uint8).ravel())
    )
    whole = graph.tensors[number]
    halves = weight.shape[1] if precision == "float16" else -(-weight.shape[1] // _HALVES)
    parts = [_constant(model, whole, content[:, :halves].astype(np.float16))]
    if halves < weight.shape[1]:
        rest = content[:, halves:]
        scale = np.maximum(np.abs(rest).max(0), 1e-30) / 127
        parts.append(_constant(model, whole, np.round(rest / scale).astype(np.int8), scale))
    # The buffer may serve another constant of the same values.
    if sum(tensor.buffer == whole.buffer for tensor in graph.tensors) == 1:
        model.buffers[whole.buffer].data = None
    model.buffers.append(schema.BufferT())
    whole.buffer = len(model.buffers) - 1
    # A constant that is expanded is expanded once, at the first run.
    operators = [_operator(model, schema.BuiltinOperator.DEQUANTIZE, 5, [p], p + 1) for p in parts]
    if len(parts) == 1:
        operators[0].outputs = [number]
    else:
        concatenation = schema.BuiltinOperator.CONCATENATION
        joined = _operator(model, concatenation, 1, [p + 1 for p in parts], number)
        joined.builtinOptionsType = schema.BuiltinOptions.ConcatenationOptions
        joined.builtinOptions = schema.ConcatenationOptionsT()
        joined.builtinOptions.axis = 1
        operators.append(joined)
    graph.operators = operators + graph.operators


def _constant(model: Any, like: Any, values: np.ndarray, scale: np.ndarray | None = None) -> int:
    """Adds a constant and, after it, room for what it stands for; returns its number."""
    graph = model.subgraphs[0]
    buffer = schema.BufferT()
    buffer.data = np.ascontiguousarray(values).view(np.uint8).ravel()
    model.buffers.extend([buffer, schema.BufferT()])
    types = {"float16": schema.TensorType.FLOAT16, "int8": schema.TensorType.INT8}
    for kind, back in ((types[values.dtype.name], 2), (schema.TensorType.FLOAT32, 1)):
        tensor = schema.TensorT()
        tensor.shape, tensor.type = list(values.shape), kind
        tensor.buffer = len(model.buffers) - back
        tensor.name = like.name + f"/{values.dtype.name}/{back}".encode()
        if scale is not None and back == 2:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = scale.astype(np.float32)
            tensor.quantization.zeroPoint = np.zeros(len(scale), np.int64)
            tensor.quantization.quantizedDimension = 1
        graph.tensors.append(tensor)
    return len(graph.tensors) - 2


def _operator(model: Any, code: int, version: int, inputs: list[int], output: int) -> Any:
    kind = schema.OperatorCodeT()
    kind.builtinCode = kind.deprecatedBuiltinCode = code
    kind.version = version
    model.operatorCodes.append(kind)
    operator = schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs, operator.outputs = inputs, [output]
    return operator
