"""The library's network as an ONNX graph, in float32 and as the runtime decodes: in float64."""

from __future__ import annotations

import os
from typing import Callable

import numpy as np
import onnxruntime
import tensorflow as tf
import tf2onnx

from benchmarks.frameworks.cases import Case
from benchmarks.frameworks.with_tensorflow import network_of
from mscn_tf.export.onnx import OPSET
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.decoder import DECODER, Decoder

VERSION = onnxruntime.__version__


def set_threads(count: int) -> None:
    """ONNX Runtime takes as many as this process may use cores."""
    assert count == len(os.sched_getaffinity(0))


def graph(case: Case, arrays: dict[str, np.ndarray], dtype: str) -> bytes:
    """Inputs ``code`` [B, M], ``rows`` [h] and ``cols`` [w]; output ``values`` [B, h w, C]."""
    network = network_of(case, arrays, dtype)
    shapes = {"code": [None, case.code_size], "rows": [None], "cols": [None]}
    signature = [tf.TensorSpec(shape, dtype, name) for name, shape in shapes.items()]

    @tf.function(input_signature=signature, autograph=False)
    def decode(code: tf.Tensor, rows: tf.Tensor, cols: tf.Tensor) -> dict[str, tf.Tensor]:
        points = tf.reshape(tf.stack(tf.meshgrid(rows, cols, indexing="ij"), -1), [-1, 2])
        return {"values": network(points, code)}

    model, _ = tf2onnx.convert.from_function(decode, input_signature=signature, opset=OPSET)
    return model.SerializeToString()


def build(case: Case, arrays: dict[str, np.ndarray]) -> dict[str, Callable[[int], dict]]:
    """``decode`` and ``runtime``, each from the number of a batch to named results."""
    session = onnxruntime.InferenceSession(
        graph(case, arrays, "float32"), providers=["CPUExecutionProvider"]
    )
    members = {DECODER: graph(case, arrays, "float64")}
    decoder = Decoder(Bundle(bytes(32), {"name": case.name}, members))
    codes, axis = case.codes(), np.unique(arrays["coordinates"][:, 0])

    def decode(number: int) -> dict[str, np.ndarray]:
        feed = {"code": codes[number], "rows": axis, "cols": axis}
        return {"values": session.run(["values"], feed)[0]}

    def runtime(number: int) -> dict[str, np.ndarray]:
        return {"values": decoder(codes[number], (axis, axis), np.empty(0))}

    return {"decode": decode, "runtime": runtime}
