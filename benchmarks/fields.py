"""Bytes of held-out temperature fields at equal error, beside SZ3, ZFP and JPEG 2000.

usage: python benchmarks/fields.py [--codec=NAME|FILE] [--data=FOLDER]

Takes the last 30 % of the times of each source, which no training has seen, on 46x90 points, and
codes them as one archive. SZ3 and ZFP (filters of HDF5) get absolute error bounds, once field by
field and once as one three-dimensional array, and only the stored chunk is counted; JPEG 2000 gets
16-bit grey values of each field scaled to its range. Sizes between their settings are interpolated.
"""

from __future__ import annotations

import argparse
import io
from typing import Any

import h5py
import hdf5plugin
import numpy as np
from PIL import Image

from mscn_tf.codec import Codec
from mscn_tf.signals import fields

PATTERNS = "[cgh]*.npz", "echam*.npz"
BOUNDS = np.geomspace(0.1, 300, 24)  # kelvins
RATES = (4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 400)
QUALITIES = range(1, 11)


def filtered(stack: np.ndarray, chunk: tuple[int, ...], options: Any) -> tuple[float, np.ndarray]:
    """Bytes of the chunks, and the values read back."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.create_dataset("t", data=stack, chunks=chunk, **options)
    with h5py.File(buffer, "r") as file:  # anew, or it gives back what it was given
        return file["t"].id.get_storage_size(), file["t"][:]


def jpeg2000(stack: np.ndarray, rate: float) -> tuple[float, np.ndarray]:
    """The same of a codestream a field."""
    size, decoded = 0, np.empty_like(stack)
    for field, out in zip(stack, decoded):
        low, span = field.min(), np.ptp(field)
        grey = np.rint((field - low) / span * 65535).astype(np.uint16)
        buffer = io.BytesIO()
        Image.fromarray(grey).save(
            buffer, "JPEG2000", quality_mode="rates", quality_layers=[rate], irreversible=True,
            no_jp2=True,
        )  # fmt: skip
        size += len(buffer.getvalue()) + 8  # the range
        out[:] = np.asarray(Image.open(buffer)).astype(np.float64) / 65535 * span + low
    return size, decoded


def rmse(stack: np.ndarray, decoded: np.ndarray) -> float:
    return float(np.sqrt(np.mean((stack.astype(np.float64) - decoded) ** 2)))


def baselines(stack: np.ndarray) -> dict[str, list[tuple[float, float]]]:
    """For each codec (RMSE, bytes) at its settings."""
    single, whole = (1, *stack.shape[1:]), stack.shape
    filters = {
        "SZ3": lambda e: hdf5plugin.SZ3(absolute=e),
        "ZFP": lambda e: hdf5plugin.Zfp(accuracy=e),
    }
    found = {}
    for name, options in filters.items():
        for words, chunk in (("each field", single), ("one array", whole)):
            points = [filtered(stack, chunk, options(float(bound))) for bound in BOUNDS]
            found[f"{name}, {words}"] = [(rmse(stack, d), size) for size, d in points]
    points = [jpeg2000(stack, rate) for rate in RATES]
    found["JPEG 2000"] = [(rmse(stack, d), size) for size, d in points]
    return found


def at_rmse(points: list[tuple[float, float]], wanted: float) -> float:
    """Bytes at an RMSE, log over log; NaN beyond the settings."""
    error, size = np.log(np.array(sorted(points))).T
    keep = np.concatenate([[True], np.diff(error) > 1e-9])
    found = np.interp(np.log(wanted), error[keep], size[keep], np.nan, np.nan)
    return float(np.exp(found))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--codec", default="temperature")
    parser.add_argument("--data", default="../shared/data/climate")
    given = parser.parse_args()
    pattern = ",".join(f"{given.data}/{one}" for one in PATTERNS)
    stack = np.stack(fields.training_signals(pattern, part=(0.7, 1.0)))
    codec, count = Codec.load(given.codec), len(stack)
    others = baselines(stack[..., 0])
    print(f"{count} held-out fields of {stack.shape[2]}x{stack.shape[1]}; bytes a field")
    print("quality bytes    bpp   RMSE  by area   PSNR | " + " | ".join(others))
    for quality in QUALITIES:
        data = codec.encode(stack, quality)
        decoded = np.stack(list(codec.decode_all(data)))
        each = [fields.measure(*pair, None) for pair in zip(stack, decoded)]
        mean = {name: np.mean([row[name] for row in each]) for name in each[0]}
        size, error = len(data) / count, rmse(stack, decoded)
        ratios = []
        for points in others.values():
            theirs = at_rmse(points, error) / count
            ratios.append(f"{theirs:8.1f} = {theirs / size:5.1f} x")
        print(
            f"{quality:7} {size:5.1f} {8 * size / stack[0].size:6.4f} {error:6.3f} "
            f"{mean['RMSE by area']:7.3f} {mean['dB PSNR']:7.2f} | " + " | ".join(ratios),
            flush=True,
        )
    for bound in (0.5, 2.0):
        ours = len(codec.encode(stack, max_error=bound)) / count
        words = []
        for name, make in (("SZ3", hdf5plugin.SZ3), ("ZFP", hdf5plugin.Zfp)):
            key = "absolute" if name == "SZ3" else "accuracy"
            size, _ = filtered(stack[..., 0], stack.shape[:3], make(**{key: bound}))
            words.append(f"{name} (one array) {size / count:.1f}")
        print(f"no value off by more than {bound:g}: {ours:.1f}, {', '.join(words)}")


if __name__ == "__main__":
    main()
