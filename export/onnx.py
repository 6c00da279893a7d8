"""Codecs' functions as ONNX graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx
import tensorflow as tf
import tf2onnx

from mscn_tf.export.float_functions import FloatFunctions
from mscn_tf.export.functions import GridNetwork
from mscn_tf.export.onnx_weights import compact
from mscn_tf.export.quiet import quiet
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.grids import axis_names
from mscn_tf.runtime.manifest import VERSION
from mscn_tf.runtime.tiles import SIDES

OPSET = 15


def decoder_graph(network: GridNetwork) -> bytes:
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

    model = _converted(decode, signature)
    make_canonical(model.graph)
    return model.SerializeToString()


def make_canonical(graph: onnx.GraphProto) -> None:
    """Orders and names all inside a graph by how it hangs together, so that equal graphs are equal.

    tf2onnx numbers and orders what it makes differently on each call. Nodes stand after those that
    they depend on, as the outputs ask for them. Inputs and outputs keep their names; shapes in
    between, which can be inferred, are dropped. For graphs without subgraphs.
    """
    makers = {name: node for node in graph.node for name in node.output}
    constants = {constant.name: constant for constant in graph.initializer}
    fixed = {value.name for value in (*graph.input, *graph.output)}
    ordered: list[onnx.NodeProto] = []
    names: dict[str, str] = {"": ""}  # "": an input that is left out
    waiting = [(value.name, False) for value in reversed(graph.output)]
    while waiting:
        name, ready = waiting.pop()
        node = makers.get(name)
        if name in names and not ready:
            continue
        if node is None or ready:
            made = [name] if node is None else list(node.output)
            for one in made:
                names.setdefault(one, one if one in fixed else f"t{len(names)}")
            if node is not None:
                ordered.append(node)
            continue
        waiting.append((name, True))
        waiting += [(one, False) for one in reversed(node.input)]
    nodes = []
    for number, node in enumerate(ordered):
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.name = f"n{number}"
        copy.input[:] = [names[name] for name in node.input]
        copy.output[:] = [names.get(name, "") for name in node.output]
        nodes.append(copy)
    kept = []
    for old, new in names.items():
        if old in constants:
            copy = onnx.TensorProto()
            copy.CopyFrom(constants[old])
            copy.name = new
            kept.append(copy)
    for field, values in ((graph.node, nodes), (graph.initializer, kept), (graph.value_info, ())):
        del field[:]
        field.extend(values)
    graph.doc_string = ""
    sizes: dict[str, str] = {}
    for value in (*graph.input, *graph.output):
        for size in value.type.tensor_type.shape.dim:
            if size.dim_param:
                size.dim_param = sizes.setdefault(size.dim_param, f"d{len(sizes)}")


def function_graph(functions: FloatFunctions, bundle: Bundle, name: str) -> bytes:
    """One of a codec's functions as an ONNX graph in float32, weights and all.

    The gradient steps of ``encode`` are unrolled. Inputs and output are those of
    `mscn_tf.export.functions` or `mscn_tf.export.pyramid_functions`; the metadata names the bundle:
    ``name``, ``id``, ``bundle_version``; and the ``function``.

    Returns:
      A serialised model of opset ``OPSET``; axes of any size have names.
    """
    function = functions.functions[name]
    model = _converted(function, function.input_signature)
    _tidy_loops(model.graph)
    compact(model, bundle)
    axes = list(functions.axes)
    shown = [SIDES[axis] for axis in axes] if name == "decode_grid" else axes
    cut = [f"tiles_{axis}" for axis in axes] if name == "decode_grid" else []
    named = {"symbols": cut, **{axis: [axis] for axis in axes}}
    grids = ("coefficients", "steps", "parent", "values", "picture", "signal")
    named.update({"shares": ["levels"], **dict.fromkeys(grids, shown)})
    for value in (*model.graph.input, *model.graph.output):
        sizes = value.type.tensor_type.shape.dim
        for size, axis in zip(sizes, ["batch", *named.get(value.name, [])]):
            if size.dim_param:
                size.dim_param = axis
    known = {"name": bundle.name, "id": bundle.id.hex(), "function": name}
    known["bundle_version"] = str(VERSION)
    onnx.helper.set_model_props(model, known)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _tidy_loops(graph: onnx.GraphProto) -> None:
    """Has bodies of loops read by OpenVINO, and makes them smaller."""
    loops = (node for node in graph.node if node.op_type == "Loop")
    for body in (attribute.g for loop in loops for attribute in loop.attribute):
        _share_constants(body)
        inputs = {value.name for value in body.input}
        for value in body.output:
            if value.name in inputs:  # which OpenVINO takes for a new one
                copy = onnx.helper.make_node("Identity", [value.name], [f"{value.name}_kept"])
                body.node.append(copy)
                value.name = copy.output[0]


def _share_constants(graph: onnx.GraphProto) -> None:
    """Keeps one of equal constants; nodes need no names."""
    kept: dict[bytes, str] = {}
    names, constants = {}, []
    for constant in graph.initializer:
        copy = onnx.TensorProto()
        copy.CopyFrom(constant)
        copy.ClearField("name")
        content = copy.SerializeToString()
        if content not in kept:
            copy.name = constant.name
            constants.append(copy)
        names[constant.name] = kept.setdefault(content, constant.name)
    del graph.initializer[:]
    graph.initializer.extend(constants)
    for node in graph.node:
        node.ClearField("name")
        node.input[:] = [names.get(name, name) for name in node.input]


def _converted(function: Any, signature: Sequence[tf.TensorSpec]) -> onnx.ModelProto:
    with quiet():
        return tf2onnx.convert.from_function(function, input_signature=signature, opset=OPSET)[0]
