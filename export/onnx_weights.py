"""Constants of ONNX graphs in as few bytes as a bundle has for them, in place of float32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mscn_tf.runtime.bundle import Bundle

_LARGE = 2**12  # numbers of a constant that is worth it
_TYPES = (np.int8, np.int16)


class _Whole(NamedTuple):
    """A constant in whole numbers.

    Attributes:
      numbers: ``[n, m]``.
      axis: along which there are steps.
      step: float32, broadcastable to ``numbers``, or None where it is 1.
    """

    numbers: np.ndarray
    axis: int
    step: np.ndarray | None


def compact(model: onnx.ModelProto, bundle: Bundle) -> None:
    """Makes a graph compute its large constants from whole numbers and the bundle's steps.

    In whatever order the graph has a weight's rows and columns. Equal constants become one.
    Runtimes compute them once, when they load the graph; values differ by a unit in the last place.
    """
    graph, arrays = model.graph, bundle.arrays("weights")
    steps = [arrays[name].ravel() for name in arrays if name.endswith(".step")]
    _join_equal(graph)
    nodes: list[onnx.NodeProto] = []
    for constant in list(graph.initializer):
        if constant.data_type == TensorProto.FLOAT and len(constant.dims) == 2:
            values = numpy_helper.to_array(constant)
            whole = _whole(values, steps) if values.size >= _LARGE else None
            if whole:
                graph.initializer.remove(constant)
                nodes += _computed(graph, constant.name, whole)
    nodes += graph.node
    del graph.node[:]
    graph.node.extend(nodes)


def _join_equal(graph: onnx.GraphProto) -> None:
    """Leaves one of constants that are alike."""
    first: dict[tuple[object, ...], str] = {}
    names = {}
    for constant in list(graph.initializer):
        content = numpy_helper.to_array(constant).tobytes()
        key = (constant.data_type, tuple(constant.dims), content)
        names[constant.name] = first.setdefault(key, constant.name)
        if names[constant.name] != constant.name:
            graph.initializer.remove(constant)
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]


def _whole(values: np.ndarray, steps: Sequence[np.ndarray]) -> _Whole | None:
    """Whole numbers that times a step a row, or a column, give float32 ``[n, m]``; or None."""
    largest = np.iinfo(_TYPES[-1]).max
    if np.array_equal(values, np.rint(values)) and np.abs(values).max() <= largest:
        return _Whole(values, 0, None)
    for step in steps:
        for axis in (0, 1):
            if len(step) != values.shape[axis]:
                continue
            along = step.reshape(-1, 1) if axis == 0 else step
            numbers = np.rint(values / along)
            told = (numbers * along).astype(np.float32)
            if np.abs(numbers).max() <= largest and np.array_equal(told, values):
                return _Whole(numbers, axis, along.astype(np.float32))
    return None


def _computed(graph: onnx.GraphProto, name: str, whole: _Whole) -> list[onnx.NodeProto]:
    """Nodes that give a constant its values; adds to the graph what they take.

    Along the axis small numbers come last: those from which on 8 bits do become int8.
    """
    numbers, axis, step = whole
    beyond = np.flatnonzero(np.abs(numbers).max(1 - axis) > np.iinfo(_TYPES[0]).max)
    split = int(beyond[-1]) + 1 if len(beyond) else 0
    parts = zip(reversed(_TYPES), np.split(numbers, [split], axis))
    joined = name if step is None else f"{name}/whole"
    nodes, floats = [], []
    for dtype, part in parts:
        if part.size:
            stored, real = (f"{name}/{np.dtype(dtype).name}{end}" for end in ("", "/float"))
            graph.initializer.append(numpy_helper.from_array(part.astype(dtype), stored))
            nodes.append(helper.make_node("Cast", [stored], [real], to=TensorProto.FLOAT))
            floats.append(real)
    nodes.append(helper.make_node("Concat", floats, [joined], axis=axis))
    if step is not None:
        graph.initializer.append(numpy_helper.from_array(step, f"{name}/step"))
        nodes.append(helper.make_node("Mul", [joined, f"{name}/step"], [name]))
    return nodes
