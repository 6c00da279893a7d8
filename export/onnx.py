"""Decoders as ONNX graphs."""

from __future__ import annotations

import logging

import tensorflow as tf
import tf2onnx

from mscn_tf.networks.basis import BasisNetwork
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

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # tf2onnx tells of every pass, partly on the root logger
    try:
        model, _ = tf2onnx.convert.from_function(decode, input_signature=signature, opset=OPSET)
    finally:
        logging.disable(before)
    return model.SerializeToString()
