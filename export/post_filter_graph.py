"""The filter of decoded pictures as an ONNX graph."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from onnx import TensorProto, helper

from mscn_tf.runtime.post_filter import LAYERS, LEAK, RANGE

_OPSET, _IR_VERSION = 15, 8  # of ONNX 1.10


def post_filter_graph() -> bytes:
    """A serialised model, as `runtime.post_filter.PostFilter` wants it; weights are inputs.

    ONNX Runtime computes ``hidden``, what the last layer sees, only where it is asked for.
    """

    def real(name: str, shape: Sequence[str | int]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    inputs = [real("pixels", [1, "ends", "rows", "columns"])]
    limits = [
        helper.make_tensor(name, TensorProto.FLOAT, [], [float(value)])
        for name, value in zip(("low", "high"), RANGE)
    ]
    nodes, hidden = [], "pixels"
    for number in range(LAYERS):
        first, last = number == 0, number == LAYERS - 1
        ends = ["last" if last else "width", "ends" if first else "width"]
        inputs += [real(f"kernel_{number}", [*ends, 3, 3]), real(f"bias_{number}", ends[:1])]
        names = [f"{kind}_{number}" for kind in ("sums", "leaky", "whole")]
        arguments = [hidden, f"kernel_{number}", f"bias_{number}"]
        nodes.append(helper.make_node("Conv", arguments, names[:1], kernel_shape=[3, 3]))
        if last:
            nodes.append(helper.make_node("Floor", names[:1], ["correction"]))
        else:
            hidden = "hidden" if number == LAYERS - 2 else f"hidden_{number}"
            nodes.append(helper.make_node("LeakyRelu", names[:1], names[1:2], alpha=LEAK))
            nodes.append(helper.make_node("Floor", names[1:2], names[2:]))
            nodes.append(helper.make_node("Clip", [names[2], "low", "high"], [hidden]))
    outputs = [
        real("correction", [1, "last", "rows_within", "columns_within"]),
        real("hidden", [1, "width", "rows_around", "columns_around"]),
    ]
    graph = helper.make_graph(nodes, "post_filter", inputs, outputs, limits)
    opsets = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
    onnx.checker.check_model(model)
    return model.SerializeToString()
