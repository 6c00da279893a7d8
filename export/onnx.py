"""Codecs' functions as ONNX graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx
import tensorflow as tf
import tf2onnx

from mscn_tf.export.functions import Functions
from mscn_tf.export.quiet import quiet
from mscn_tf.networks.basis import BasisNetwork
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.grids import axis_names

OPSET = 15


def decoder_graph(network: BasisNetwork) -> bytes:
    """The network as an ONNX graph in float64, its weights among the inputs.

    In double precision, values differ between machines by so little that 8-bit pixels agree; and
    with the weights outside, a bundle holds them once, in whatever precision it likes.

    Returns:
      A serialised model of opset ``OPSET``: inputs ``code`` [B, M], coordinates along each axis
      (``slices`` [B, d], ``rows`` [B, h], ``cols`` [B, w]; the last ones where there are fewer),
      ``quality`` [B] and one input for each weight by its name; output ``values`` [B, .., C].
    """
    axes = axis_names(len(network.tile_shape))
    shapes = {
        "code": [None, network.code_size],
        **{axis: [None, None] for axis in axes},
        "quality": [None],
        **{name: weight.shape for name, weight in network.named_weights().items()},
    }
    signature = [tf.TensorSpec(shape, tf.float64, name) for name, shape in shapes.items()]

    @tf.function(input_signature=signature, autograph=False)
    def decode(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        given = dict(zip(shapes, tensors))
        grid = [given[axis] for axis in axes]
        return {"values": network.synthesise(given, given["code"], grid, given["quality"])}

    return _converted(decode, signature).SerializeToString()


def function_graph(functions: Functions, bundle: Bundle, name: str) -> bytes:
    """One of a tile codec's functions as an ONNX graph in float32, weights and all.

    The gradient steps of ``encode`` are unrolled. Inputs and output are those of
    `mscn_tf.export.functions`; the metadata names the bundle: ``name``, ``id``,
    ``bundle_version``; and the ``function``.

    Returns:
      A serialised model of opset ``OPSET``.
    """
    function = functions.functions[name]
    model = _converted(function, function.input_signature)
    known = {"name": bundle.name, "id": bundle.id.hex(), "function": name}
    known["bundle_version"] = str(bundle.manifest["version"])
    onnx.helper.set_model_props(model, known)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _converted(function: Any, signature: Sequence[tf.TensorSpec]) -> onnx.ModelProto:
    with quiet():
        return tf2onnx.convert.from_function(function, input_signature=signature, opset=OPSET)[0]
