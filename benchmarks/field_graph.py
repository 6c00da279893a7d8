"""usage: python benchmarks/field_graph.py ONNX_FOLDER

Compares the graph that `mscn export --codec=field --format=onnx ONNX_FOLDER` writes with the
runtime, in turns: processor time of one core to decode fields of two sizes, waves with some noise.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import onnxruntime
from absl import app

from mscn_tf.codec import Codec

SIZES = (46, 90), (181, 360)
BOUND = 0.003
TURNS = 5


def main(argv: list[str]) -> None:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(Path(argv[1], "decode.onnx"), options)
    codec, random = Codec.load("field"), np.random.default_rng(0)
    for size in SIZES:
        y, x = np.indices(size)
        waves = np.sin(x / 17) + 2 * np.cos(y / 9) + random.normal(0, 0.05, size)
        data = codec.encode(waves.astype(np.float32)[..., None], max_error=BOUND)
        inputs = codec.graph_inputs(data)
        ratios = []
        for _ in range(1 + TURNS):
            began = time.process_time()
            expected = codec.decode(data)
            between = time.process_time()
            (values,) = session.run(["values"], inputs)
            ratios.append((time.process_time() - between) / (between - began))
            np.testing.assert_array_equal(codec.from_graph(values, data), expected)
        print(f"{size[0]}x{size[1]}: graph over runtime {np.median(ratios[1:]):.1f}")


if __name__ == "__main__":
    app.run(main)
