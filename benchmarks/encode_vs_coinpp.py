"""CPU time of encoding one 32x32 picture: `thumb32` beside COIN++'s inner loop in PyTorch.

Ours is everything from pixels to the bytes of a .mscn file on a codec that is loaded and warm.
COIN++ (Dupont et al. 2022, "COIN++: Neural Compression Across Modalities", section 3) is only its
three gradient steps on the latent, without quantising or coding it, so the ratio favours it.
Beside a single picture in a file of its own, ours is measured a picture in an archive of 64.
All run in this process on one thread, in turns, on the same pictures. Prints JSON.

    python benchmarks/encode_vs_coinpp.py [--quality=Q] [--repeats=N]
"""

from __future__ import annotations

import os

# One thread each; must be said before the libraries load.
os.environ.update(
    OMP_NUM_THREADS="1",
    OPENBLAS_NUM_THREADS="1",
    TF_NUM_INTRAOP_THREADS="1",
    TF_NUM_INTEROP_THREADS="1",
)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import json
import math
import platform
import time
from pathlib import Path
from typing import Any, Callable

import numpy as np
import torch
from absl import app, flags

from mscn_tf.signals import images

QUALITY = flags.DEFINE_float("quality", 5.0, "of our file, 1 to 10")
REPEATS = flags.DEFINE_integer("repeats", 200, "timed encodings of each")

WARM_UP = 20
ARCHIVE = 64  # pictures in the archive whose cost a picture is measured too
PICTURE = Path(__file__).resolve().parent.parent / "demo" / "kodim.png"


class CoinPlusPlus(torch.nn.Module):
    """A SIREN whose layers are shifted by a linear map of the latent.

    Args:
      width: units of a layer.
      layers: counted with the linear last one.
      latent: numbers that stand for one picture.
      w0: frequency factor of the sines.
    """

    def __init__(self, width: int = 64, layers: int = 5, latent: int = 64, w0: float = 50.0):
        super().__init__()
        self.w0, self.latent = w0, latent
        sizes = [2] + [width] * (layers - 1)
        self.hidden = torch.nn.ModuleList(
            torch.nn.Linear(fan_in, fan_out) for fan_in, fan_out in zip(sizes, sizes[1:])
        )
        self.last = torch.nn.Linear(width, 3)
        self.shifts = torch.nn.Linear(latent, width * (layers - 1))
        for index, layer in enumerate(self.hidden):  # Sitzmann et al. 2020, section 3.2
            fan_in = layer.in_features
            bound = 1 / fan_in if index == 0 else math.sqrt(6 / fan_in) / w0
            torch.nn.init.uniform_(layer.weight, -bound, bound)
        self.requires_grad_(False)

    def forward(self, coordinates: torch.Tensor, latent: torch.Tensor) -> torch.Tensor:
        """Coordinates [N, 2] and latent [L] to values [N, 3]."""
        shifts = self.shifts(latent).split(self.last.in_features)
        x = coordinates
        for layer, shift in zip(self.hidden, shifts):
            x = torch.sin(self.w0 * (layer(x) + shift))
        return self.last(x) + 0.5

    def fit(
        self, coordinates: torch.Tensor, values: torch.Tensor, steps: int = 3, rate: float = 1e-2
    ) -> torch.Tensor:
        """Latent [L] after gradient steps from zero on the mean squared error."""
        latent = torch.zeros(self.latent, requires_grad=True)
        for _ in range(steps):
            loss = torch.nn.functional.mse_loss(self(coordinates, latent), values)
            (gradient,) = torch.autograd.grad(loss, latent)
            latent = (latent - rate * gradient).detach().requires_grad_()
        return latent.detach()


def tiles_of(path: Path) -> np.ndarray:
    """uint8 [N, 32, 32, 3]: a picture cut into tiles."""
    picture = images.read_picture(path)
    rows, columns = picture.shape[0] // 32, picture.shape[1] // 32
    grid = picture[: rows * 32, : columns * 32].reshape(rows, 32, columns, 32, 3)
    return grid.swapaxes(1, 2).reshape(-1, 32, 32, 3)


def coinpp_encoder() -> Callable[[np.ndarray], Any]:
    """Pixels to latent."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = CoinPlusPlus()
    axis = (torch.arange(32) + 0.5) / 16 - 1
    coordinates = torch.cartesian_prod(axis, axis)

    def encode(picture: np.ndarray) -> torch.Tensor:
        return network.fit(coordinates, torch.from_numpy(picture).reshape(-1, 3) / 255.0)

    return encode


def mscn_encoder(quality: float, copies: int = 1) -> Callable[[np.ndarray], Any]:
    """Pixels to the bytes of a file, which holds the picture so many times."""
    from mscn_tf.codec import Codec

    codec = Codec.load("thumb32")
    return lambda picture: codec.encode([picture] * copies, quality=quality)


def measure(
    encoders: dict[str, Callable[[np.ndarray], Any]], tiles: np.ndarray, repeats: int
) -> dict[str, dict[str, float]]:
    """Median milliseconds of CPU and of the clock for each, run in turns after a warm-up."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in encoders}
    for run in range(-WARM_UP, repeats):
        tile = np.ascontiguousarray(tiles[run % len(tiles)])
        for name, encode in encoders.items():
            cpu, clock = time.process_time(), time.perf_counter()
            encode(tile)
            times = (time.process_time() - cpu, time.perf_counter() - clock)
            if run >= 0:
                taken[name].append(times)
    return {
        name: dict(zip(("cpu_ms", "clock_ms"), (1000 * np.median(times, axis=0)).round(3).tolist()))
        for name, times in taken.items()
    }


def main(argv: list[str]) -> None:
    """Measures and prints."""
    encoders = {
        "mscn": mscn_encoder(QUALITY.value),
        "mscn_archive": mscn_encoder(QUALITY.value, ARCHIVE),
        "coinpp": coinpp_encoder(),
    }
    results = measure(encoders, tiles_of(PICTURE), REPEATS.value)
    archive = results["mscn_archive"]
    archive.update({name: round(value / ARCHIVE, 3) for name, value in archive.items()})
    coinpp = results["coinpp"]["cpu_ms"]
    report = {
        "name": "encoding one 32x32 picture, one thread, median",
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "torch": torch.__version__,
        "results": results,
        "mscn_over_coinpp": round(results["mscn"]["cpu_ms"] / coinpp, 3),
        "mscn_archive_over_coinpp": round(archive["cpu_ms"] / coinpp, 3),
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    app.run(main)
