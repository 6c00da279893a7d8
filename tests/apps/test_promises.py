"""What `mscn encode` says is true of any signal: its exit code, its figures and its bound."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Optional

import netCDF4
import nibabel as nib
import numpy as np
import pytest
import soundfile
from PIL import Image

from tests.apps.conftest import MSCN


class Kind(NamedTuple):
    """How signals of a modality are written and read without the package."""

    ending: str
    shape: tuple[int, ...]
    write: Callable[[Path, np.ndarray], None]
    read: Callable[[Path], np.ndarray]
    bound: Optional[float]  # of the values' spread, where codecs of the modality keep one
    flags: tuple[str, ...] = ()


def write_field(path: Path, values: np.ndarray) -> None:
    with netCDF4.Dataset(path, "w") as dataset:
        for name, side, first, last in (("lat", 18, -85, 85), ("lon", 36, 0, 350)):
            dataset.createDimension(name, side)
            axis = dataset.createVariable(name, "f8", (name,))
            axis.units = {"lat": "degrees_north", "lon": "degrees_east"}[name]
            axis[:] = np.linspace(first, last, side)
        field = dataset.createVariable("tas", "f4", ("lat", "lon"))
        field.units = "degC"
        field[:] = 80 * values - 50


def read_field(path: Path) -> np.ndarray:
    with netCDF4.Dataset(path) as dataset:
        return np.ma.filled(dataset["tas"][:], np.nan)


def write_volume(path: Path, values: np.ndarray) -> None:
    image = nib.Nifti1Image(np.rint(3000 * values - 1000).astype(np.int16), np.eye(4))
    image.header.set_slope_inter(0.5, 10.0)
    nib.save(image, path)


def write_silhouette(path: Path, values: np.ndarray) -> None:
    Image.fromarray(np.where(values > 0.5, 255, 0).astype(np.uint8)).save(path)


KINDS = {
    "image": Kind(
        ".png",
        (40, 50),
        lambda path, values: Image.fromarray(np.rint(255 * values).astype(np.uint8)).save(path),
        lambda path: np.asarray(Image.open(path), float),
        None,
    ),
    "field": Kind(".nc", (18, 36), write_field, read_field, 0.05),
    "sound": Kind(
        ".wav",
        (3000,),
        lambda path, values: soundfile.write(path, 2 * values - 1, 8000),
        lambda path: soundfile.read(path)[0],
        0.05,
    ),
    "volume": Kind(
        ".nii", (10, 12, 14), write_volume, lambda path: nib.load(path).get_fdata(), 0.05
    ),
    "voxels": Kind(
        ".npy", (12, 10, 14), lambda path, values: np.save(path, values > 0.5), np.load, 0.0
    ),
    "silhouette": Kind(
        ".png",
        (60, 50),
        write_silhouette,
        lambda path: np.asarray(Image.open(path).convert("L"), float) > 127,
        None,
        ("--modality=silhouette",),
    ),
}


def signal(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Values in [0, 1]: waves, noise, both, or one value; within a part of the range or all."""
    places = np.meshgrid(*(np.linspace(0, 1, side) for side in shape), indexing="ij")
    waves = sum(np.sin(random.uniform(2, 12) * x + random.uniform(0, 6)) for x in places)
    share = random.choice([0.0, 0.1, 1.0])
    values = (1 - share) * waves / len(shape) + share * random.normal(0, 0.5, shape)
    values = random.choice([0.0, 0.02, 0.5, 1.0], p=[0.1, 0.2, 0.4, 0.3]) * values
    return np.clip(0.5 + 0.5 * values, 0, 1)


@pytest.mark.parametrize(
    "seed", [*range(2), *(pytest.param(n, marks=pytest.mark.slow) for n in range(2, 40))]
)
@pytest.mark.parametrize("modality", KINDS)
def test_promises(tmp_path, modality, seed):
    kind, random = KINDS[modality], np.random.default_rng([seed, len(modality)])
    source, file, back = (
        tmp_path / name for name in (f"in{kind.ending}", "x.mscn", f"out{kind.ending}")
    )
    kind.write(source, signal(random, kind.shape))
    original = kind.read(source).astype(float)
    goals = [[], ["--lossless"], [f"--quality={random.uniform(1, 10):.1f}"]]
    bound = None
    if kind.bound is not None and original.std() > 0:
        bound = kind.bound * original.std()
        goals.append([f"--max-error={bound!r}"])
    goal = goals[random.integers(len(goals))]
    done = subprocess.run(
        [str(MSCN), "encode", *kind.flags, *goal, str(source), str(file)],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        assert done.returncode == 2, done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        assert not file.exists()
        return
    decode = [str(MSCN), "decode", str(file), str(back)]
    assert subprocess.run(decode, capture_output=True).returncode == 0
    decoded = kind.read(back).astype(float)
    assert decoded.shape == original.shape
    error = np.sqrt(np.mean(np.square(decoded - original)))
    if "exact" in done.stdout:
        np.testing.assert_array_equal(decoded, original)
    if goal == ["--lossless"]:
        assert error == 0
    if goal and goal[0].startswith("--max-error"):
        assert np.abs(decoded - original).max() <= bound * (1 + 1e-6) + 1e-7
    # Flat pictures count as having a spread of four levels.
    assert error <= 0.51 * max(original.std(), 4.0 if modality == "image" else 0.0)
    printed = re.search(r"([\d.]+) dB PSNR", done.stdout)
    if printed and modality == "image":
        assert float(printed[1]) == pytest.approx(20 * np.log10(255 / error), abs=0.01)
    printed = re.search(r"([\d.]+) degC RMSE,", done.stdout)
    if printed:
        assert float(printed[1]) == pytest.approx(error, abs=0.01)
