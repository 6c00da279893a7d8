"""The TensorFlow steps of benchmarks/frameworks beside the same mathematics in NumPy."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks.frameworks.cases import CASES, Case
from benchmarks.frameworks.with_tensorflow import build

PIXELS = 5


def tiny(case: Case) -> tuple[Case, dict[str, np.ndarray]]:
    """The case with few units, and a few points of its pictures."""
    small = dataclasses.replace(case, width=4, layers=3, pictures=2, latent=min(case.latent, 3))
    arrays = small.arrays()
    arrays["coordinates"] = arrays["coordinates"][:PIXELS]
    arrays["pictures"] = arrays["pictures"][:, :, :PIXELS]
    return small, arrays


def values(case: Case, arrays: dict[str, np.ndarray], code: np.ndarray) -> np.ndarray:
    """[N, C] of one code [M], in float64."""
    kernels = [arrays[f"kernel_{i}"].astype(float) for i in range(case.layers)]
    biases = [arrays[f"bias_{i}"].astype(float) for i in range(case.layers)]
    if case.modulation == "weight":
        at = 0
        for kernel, bias in zip(kernels, biases):
            kernel += code[at : at + kernel.size].reshape(kernel.shape)
            at += kernel.size
            bias += code[at : at + bias.size]
            at += bias.size
    else:
        shifts = code @ arrays["map"] if case.modulation == "latent" else code
        for i, bias in enumerate(biases[:-1]):
            bias += shifts[i * case.width : (i + 1) * case.width]
    x = arrays["coordinates"].astype(float)
    for kernel, bias in zip(kernels[:-1], biases):
        x = np.sin(case.w0 * (x @ kernel + bias))
    return x @ kernels[-1] + biases[-1] + 0.5


def loss(case: Case, arrays: dict[str, np.ndarray], code: np.ndarray, picture: np.ndarray) -> float:
    return float(np.mean(np.square(values(case, arrays, code) - picture)))


def slope(function, at: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """Gradient by central differences."""
    found = np.zeros(at.size)
    for i, unit in enumerate(step * np.eye(at.size)):
        found[i] = (function(at + unit) - function(at - unit)) / (2 * step)
    return found


def fit(case: Case, arrays: dict[str, np.ndarray], picture: np.ndarray) -> np.ndarray:
    """The inner loop of one picture."""
    code = np.zeros(case.code_size)
    for _ in range(case.steps):
        code -= arrays["step_sizes"] * slope(lambda c: loss(case, arrays, c, picture), code)
    return code


@pytest.mark.parametrize("name", CASES)
def test_tensorflow_steps(name):
    case, arrays = tiny(CASES[name])
    steps = build(case, arrays)
    codes = [fit(case, arrays, picture) for picture in arrays["pictures"][0]]
    scale = np.abs(codes).max()
    np.testing.assert_allclose(steps["encode"](0)["code"], codes, rtol=0, atol=1e-4 * scale)

    given = case.codes()[1]
    wanted = [values(case, arrays, code) for code in given]
    np.testing.assert_allclose(steps["decode"](1)["values"], wanted, rtol=0, atol=1e-4)

    def outer(bias: np.ndarray) -> float:
        moved = {**arrays, "bias_1": bias}
        fitted = [fit(case, moved, picture) for picture in arrays["pictures"][0]]
        pairs = zip(fitted, arrays["pictures"][0])
        return float(np.mean([loss(case, moved, code, picture) for code, picture in pairs]))

    trained = steps["train"](0)
    bias = arrays["bias_1"].astype(float)
    assert trained["loss"] == pytest.approx(outer(bias), rel=1e-4)
    gradient = slope(outer, bias, 1e-4)
    error = np.abs(trained["bias_1"] - gradient).max()
    assert error < 2e-3 * np.abs(gradient).max()
    assert all(np.isfinite(array).all() for array in trained.values())
    assert trained.keys() - {"loss"} == arrays.keys() - {"coordinates", "pictures"} - (
        set() if case.own_steps else {"step_sizes"}
    )
