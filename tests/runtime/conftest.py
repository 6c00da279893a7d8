"""A small made-up codec: separable cosines, linear, 8x8 tiles, 48 coefficients."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import pytest
from onnx import helper

from mscn_tf.export.bundle import write_bundle
from mscn_tf.runtime.file_decoder import FileDecoder

EDGE, CHANNELS, M, COSINES, TABLES = 8, 3, 48, 4, 12


def make_prior() -> dict[str, np.ndarray]:
    """Arrays of a prior with five bands, contexts and narrow tables (so that escapes occur).

    The integers come from integer arithmetic alone, so that golden files stay valid.
    """
    i, table, level = np.arange(M), np.arange(TABLES), np.arange(10)
    band = np.repeat(np.arange(5), [4, 6, 10, 12, 16])
    context = (7919 * i[:, None] + 104729 * i) % 1800 - 300
    tables = []
    for support in table:
        sizes = np.abs(np.arange(-support, support + 1))
        weights = [30000 * int(support) ** int(n) // (support + 1) ** int(n) for n in sizes]
        weights = np.array([*weights, 30])
        counts = 1 + weights * (2**16 - len(weights)) // weights.sum()
        counts[support] += 2**16 - counts.sum()
        tables.append(counts)
    log_step = np.log(np.geomspace(0.2, 0.02, 10)[:, None] * np.linspace(1, 1.5, M))
    return {
        "band": band.astype(np.uint8),
        "base": (2**14 * 9 - 2700 * i + 6000 * level[:, None] - 27000).astype(np.int32),
        "context": (context * (band[:, None] > band)).astype(np.int16),
        "magnitude": np.array([0, 1, 2, 2, 3], np.int32),
        "support": table.astype(np.int32),
        "frequencies": np.concatenate(tables).astype(np.uint32),
        "centroid": (table[:, None] * 3 + [0, 5]) % 7 / 40,
        "log_step": log_step,
    }


def make_symbols(prior: dict[str, np.ndarray], tiles: int, seed: int = 0) -> np.ndarray:
    """int32 [tiles, M], large first coefficients, mostly zeros at the end."""
    rng = np.random.default_rng(seed)
    scale = np.geomspace(6, 0.2, len(prior["band"]))
    return np.rint(rng.laplace(0, scale, (tiles, len(scale)))).astype(np.int32)


def make_decoder() -> bytes:
    """ONNX model: 0.5 + sum over k, l of cos_k(row) cos_l(column) (code @ A)[k, l]."""
    double = onnx.TensorProto.DOUBLE

    def constant(name: str, values: np.ndarray) -> onnx.TensorProto:
        return onnx.numpy_helper.from_array(np.asarray(values), name)

    constants = [
        constant("frequency", np.pi * np.arange(COSINES) / 2),
        constant("quarter", np.array(np.pi / 2)),  # ONNX Runtime has no Cos in double
        constant("half", np.array(0.5)),
        constant("one", np.array(1.0)),
        constant("last", np.array([-1], np.int64)),
        constant("first", np.array([1], np.int64)),
        constant("matrix", np.array([-1, COSINES, COSINES * CHANNELS], np.int64)),
        constant("cells", np.array([0, 0, COSINES, CHANNELS], np.int64)),
    ]
    nodes = []
    for axis in ("rows", "cols"):
        nodes += [
            helper.make_node("Add", [axis, "one"], [axis + "1"]),
            helper.make_node("Unsqueeze", [axis + "1", "last"], [axis + "2"]),
            helper.make_node("Mul", [axis + "2", "frequency"], [axis + "3"]),
            helper.make_node("Add", [axis + "3", "quarter"], [axis + "4"]),
            helper.make_node("Sin", [axis + "4"], [axis + "5"]),
        ]
    nodes += [
        helper.make_node("MatMul", ["code", "A"], ["flat"]),
        helper.make_node("Reshape", ["flat", "matrix"], ["mixed"]),
        helper.make_node("MatMul", ["rows5", "mixed"], ["lines"]),
        helper.make_node("Reshape", ["lines", "cells"], ["lines4"]),
        helper.make_node("Unsqueeze", ["cols5", "first"], ["cols6"]),
        helper.make_node("MatMul", ["cols6", "lines4"], ["centred"]),
        helper.make_node("Add", ["centred", "half"], ["values"]),
    ]
    inputs = {
        "code": ["B", M],
        "rows": ["B", "h"],
        "cols": ["B", "w"],
        "A": [M, COSINES * COSINES * CHANNELS],
    }
    graph = helper.make_graph(
        nodes,
        "decoder",
        [helper.make_tensor_value_info(name, double, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info("values", double, ["B", "h", "w", CHANNELS])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def evaluate(weights: np.ndarray, code: np.ndarray, row: np.ndarray, col: np.ndarray):
    """The decoder's formula in NumPy at points (row, col), each [n], of one tile: [n, CHANNELS]."""
    k = np.arange(COSINES)
    vertical = np.cos(np.pi * k * (row[:, None] + 1) / 2)
    horizontal = np.cos(np.pi * k * (col[:, None] + 1) / 2)
    mixed = (code @ weights).reshape(COSINES, COSINES, CHANNELS)
    return 0.5 + np.einsum("nk,nl,klc->nc", vertical, horizontal, mixed)


@dataclasses.dataclass
class Synthetic:
    """The codec, its path, and what its decoder computes."""

    codec: FileDecoder
    path: str
    weights: np.ndarray

    def pack(self, shapes, seed=0, tiles_per_block=5, q16=None, channels=None, names=None):
        """A file of random pictures of these shapes; qualities and channels differ."""
        count = len(shapes)
        tiles = sum(-(-h // EDGE) * -(-w // EDGE) for h, w in shapes)
        rng = np.random.default_rng(seed)
        q16 = rng.integers(16, 161, count).tolist() if q16 is None else q16
        channels = rng.choice([1, 3], count).tolist() if channels is None else channels
        symbols = make_symbols(make_prior(), tiles, seed)
        return self.codec.pack(symbols, shapes, q16, channels, names, tiles_per_block)

    def picture(self, data, item, rows, cols):
        """Values clipped to [0, 1] at source pixels (rows x cols), straight from the formula."""
        container = self.codec._open(data, "test")
        _height, width = container.shapes[item]
        q16 = np.full(len(container.tiles_of(item)), container.q16[item])
        codes = self.codec.scheme.prior.dequantise(self.codec.decode_symbols(data, item), q16)
        out = np.empty((len(rows), len(cols), CHANNELS))
        for i, v in enumerate(rows):
            for j, u in enumerate(cols):
                r, c = int(v // EDGE), int(u // EDGE)
                local = [np.array([2 * (x % EDGE) / EDGE - 1]) for x in (v, u)]
                code = codes[r * -(-width // EDGE) + c]
                out[i, j] = evaluate(self.weights, code, *local)[0]
        return np.clip(out, 0, 1)


@pytest.fixture(scope="session")
def prior_arrays():
    return make_prior()


@pytest.fixture(scope="session")
def symbols_of(prior_arrays):
    return lambda tiles, seed=0: make_symbols(prior_arrays, tiles, seed)


@pytest.fixture(scope="session")
def bundle_members(prior_arrays):
    """Manifest and members, as `write_bundle` takes them."""
    manifest = {
        "name": "synthetic",
        "modality": "image",
        "tile_edge": EDGE,
        "channels": CHANNELS,
        "code_size": M,
        "qualities": list(range(1, 11)),
    }
    members = {"prior/" + name: array for name, array in prior_arrays.items()}
    members["decoder.onnx"] = make_decoder()
    columns = COSINES * COSINES * CHANNELS
    weights = np.arange(M * columns).reshape(M, columns) * 7919 % 4001 - 2000
    members["weights/A"] = weights.astype(np.int16)
    members["weights/A.step"] = 2e-4 + np.arange(columns) * 2e-6
    return manifest, members


@pytest.fixture(scope="session")
def synthetic(bundle_members, tmp_path_factory) -> Synthetic:
    path = tmp_path_factory.mktemp("codec") / "synthetic.mscnb"
    write_bundle(path, *bundle_members)
    members = bundle_members[1]
    weights = members["weights/A"] * members["weights/A.step"]
    return Synthetic(FileDecoder.load(path), str(path), weights)
