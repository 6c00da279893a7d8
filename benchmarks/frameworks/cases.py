"""What is timed: networks and inner loops of published methods, and the numbers they start from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

POINTS = 32 * 32
CHANNELS = 3
BATCHES = 2  # of pictures, used in turns, so that no framework can remember a result


@dataclass(frozen=True)
class Case:
    """A SIREN, what a code does to it, and an inner loop.

    Attributes:
      name: of the case.
      modulation: "latent": a linear map of the code is added to the hidden units' biases;
        "shift": the code is; "weight": the code is added to all weights and biases.
      width: units of a hidden layer.
      layers: counted with the linear last one.
      latent: size of the code of "latent".
      w0: frequency of the sines.
      pictures: in a batch, 32x32 each.
      steps: of the inner loop, second order in training.
      step_size: of the inner loop.
      own_steps: MetaSGD: every element of the code has a step size, which is trained too.
    """

    name: str
    modulation: str
    width: int
    layers: int
    latent: int = 0
    w0: float = 30.0
    pictures: int = 16
    steps: int = 3
    step_size: float = 1e-2
    own_steps: bool = False

    @property
    def sizes(self) -> list[int]:
        """Of the layers: inputs, hidden units, outputs."""
        return [2, *[self.width] * (self.layers - 1), CHANNELS]

    def codes(self, seed: int = 1) -> np.ndarray:
        """float32 [BATCHES, B, M]: codes to decode."""
        shape = [BATCHES, self.pictures, self.code_size]
        deviation = 1e-3 if self.modulation == "weight" else 0.1
        return np.random.default_rng(seed).normal(0, deviation, shape).astype(np.float32)

    @property
    def code_size(self) -> int:
        """Numbers that stand for one picture."""
        if self.modulation == "latent":
            return self.latent
        if self.modulation == "shift":
            return self.width * (self.layers - 1)
        return sum((m + 1) * n for m, n in zip(self.sizes, self.sizes[1:]))

    def arrays(self, seed: int = 0) -> dict[str, np.ndarray]:
        """Weights, coordinates and pictures, float32.

        Returns:
          ``kernel_i`` [in, out] and ``bias_i`` [out] of each layer, drawn as Sitzmann et al. 2020
          say (section 3.2); ``map`` [latent, hidden units] of a latent modulation; ``step_sizes``
          [code or 1]; ``coordinates`` [N, 2]; ``pictures`` [BATCHES, B, N, C].
        """
        rng = np.random.default_rng(seed)
        arrays = {}
        for i, (m, n) in enumerate(zip(self.sizes, self.sizes[1:])):
            bound = 1 / m if i == 0 else math.sqrt(6 / m) / self.w0
            arrays[f"kernel_{i}"] = rng.uniform(-bound, bound, [m, n])
            arrays[f"bias_{i}"] = rng.uniform(-bound, bound, [n])
        if self.modulation == "latent":
            bound = 1 / math.sqrt(self.latent)
            shape = [self.latent, self.width * (self.layers - 1)]
            arrays["map"] = rng.uniform(-bound, bound, shape)
        arrays["step_sizes"] = np.full([self.code_size if self.own_steps else 1], self.step_size)
        axis = (np.arange(32) + 0.5) / 16 - 1
        arrays["coordinates"] = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
        arrays["pictures"] = rng.random([BATCHES, self.pictures, POINTS, CHANNELS])
        return {name: array.astype(np.float32) for name, array in arrays.items()}


def noise_name(number: int, shape: Sequence[int]) -> str:
    """That of an array of `noise`."""
    return f"noise_{number}_{'x'.join(map(str, shape))}"


def noise(name: str) -> np.ndarray:
    """float32, uniform within 0.1 of zero; the same on every machine."""
    _, number, shape = name.split("_")
    shape = [int(size) for size in shape.split("x")]
    return np.random.default_rng(int(number)).random(shape, np.float32) / 5 - np.float32(0.1)


# COIN++: Dupont et al. 2022. functa: Dupont et al. 2022, with 15 layers as there but 128 units
# instead of 512. Meta-SparseINR: Lee et al. 2021, all weights, two SGD steps, three pictures.
CASES = {
    case.name: case
    for case in (
        Case("coinpp_64x5", "latent", 64, 5, latent=64, w0=50.0),
        Case("coinpp_512x10", "latent", 512, 10, latent=128, w0=50.0, pictures=2),
        Case("functa_128x15", "shift", 128, 15, own_steps=True, pictures=8),
        Case("sparse_inr_256x5", "weight", 256, 5, steps=2, pictures=3),
    )
}

# COIN++'s network in other widths, decoded by benchmarks/throughput.py.
WIDTHS = {
    width: Case(f"siren_{width}x5", "latent", width, 5, latent=64, pictures=64)
    for width in (16, 32, 64, 128, 256)
}
