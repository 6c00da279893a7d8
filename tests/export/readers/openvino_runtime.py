"""OpenVINO runs an ONNX graph in float32: python openvino_runtime.py MODEL INPUTS.npz VALUES.npy"""

from __future__ import annotations

import sys

import numpy as np
import openvino


def main(model: str, given: str, found: str) -> None:
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(model, "CPU", options)
    with np.load(given) as arrays:
        result = compiled(dict(arrays))["values"]
    print("OpenVINO", openvino.__version__)
    np.save(found, result)


if __name__ == "__main__":
    main(*sys.argv[1:])
