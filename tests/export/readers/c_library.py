"""TensorFlow's C library reads a SavedModel; TensorFlow's Python isn't imported.

    python c_library.py LIBRARY MODEL TENSORS.json INPUTS.npz VALUES.npy

TENSORS names the graph's tensors, `operation:index`, of the inputs and, as "values", of the output.
"""

from __future__ import annotations

import ctypes
import json
import sys

import numpy as np

_TYPES = {np.dtype(np.float32): 1, np.dtype(np.int32): 3}  # TF_DataType


class Output(ctypes.Structure):
    """TF_Output."""

    _fields_ = [("operation", ctypes.c_void_p), ("index", ctypes.c_int)]


def main(library: str, model: str, tensors: str, given: str, found: str) -> None:
    tf = ctypes.CDLL(library)
    makers = ("TF_NewStatus", "TF_NewGraph", "TF_NewSessionOptions")
    others = ("TF_AllocateTensor", "TF_TensorData", "TF_GraphOperationByName")
    for name in (*makers, *others, "TF_LoadSessionFromSavedModel"):
        getattr(tf, name).restype = ctypes.c_void_p
    tf.TF_Message.restype = ctypes.c_char_p
    tf.TF_Dim.restype = ctypes.c_int64
    status, graph, options = (ctypes.c_void_p(getattr(tf, name)()) for name in makers)

    def check() -> None:
        if tf.TF_GetCode(status):
            raise SystemExit(tf.TF_Message(status).decode())

    tags = (ctypes.c_char_p * 1)(b"serve")
    session = ctypes.c_void_p(
        tf.TF_LoadSessionFromSavedModel(options, None, model.encode(), tags, 1, graph, None, status)
    )
    check()

    def output(tensor: str) -> Output:
        name, index = tensor.rsplit(":", 1)
        operation = tf.TF_GraphOperationByName(graph, name.encode())
        assert operation, tensor
        return Output(operation, int(index))

    with open(tensors) as file:
        names = json.load(file)
    with np.load(given) as arrays:
        values = {name: np.ascontiguousarray(arrays[name]) for name in arrays.files}
    inputs = (Output * len(values))(*[output(names[name]) for name in values])
    held = (ctypes.c_void_p * len(values))()
    for i, array in enumerate(values.values()):
        shape = (ctypes.c_int64 * array.ndim)(*array.shape)
        size = ctypes.c_size_t(array.nbytes)
        held[i] = tf.TF_AllocateTensor(_TYPES[array.dtype], shape, array.ndim, size)
        data = tf.TF_TensorData(ctypes.c_void_p(held[i]))
        ctypes.memmove(data, array.ctypes.data, array.nbytes)
    outputs, results = (Output * 1)(output(names["values"])), (ctypes.c_void_p * 1)()
    tf.TF_SessionRun(
        session, None, inputs, held, len(values), outputs, results, 1, None, 0, None, status
    )
    check()
    result = ctypes.c_void_p(results[0])
    shape = [tf.TF_Dim(result, i) for i in range(tf.TF_NumDims(result))]
    decoded = np.empty(shape, np.float32)
    ctypes.memmove(decoded.ctypes.data, tf.TF_TensorData(result), decoded.nbytes)
    assert "tensorflow" not in sys.modules
    np.save(found, decoded)


if __name__ == "__main__":
    main(*sys.argv[1:])
