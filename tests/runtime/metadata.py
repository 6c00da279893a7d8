"""Files of every modality that hold metadata, and odd metadata for them."""

from __future__ import annotations

import copy
import dataclasses
import math
import random
from pathlib import Path
from typing import Any

import netCDF4
import nibabel as nib
import numpy as np

from mscn_tf.runtime.container import Container
from mscn_tf.runtime.file_decoder import FileDecoder
from mscn_tf.runtime.modality import Modality
from mscn_tf.signals import modalities
from mscn_tf.signals.signal import Selection

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
ENDINGS = {"field": ".nc", "sound": ".wav", "volume": ".nii", "silhouette": ".png", "scene": ".png"}
LARGEST = 2**16  # pixels of a picture that is made to be looked at
ODD = [None, True, -1, 0, 1, 3, 10_000, 2**28, 2**31, 2**70, 10**310, -(10**310), 1e-300, 1e308]
ODD += [math.nan, math.inf, "", "x", "\ud800", "float128", "<f16", "U1000000000", "eJwDAAAAAAE="]
ODD += [
    [],
    [[]],
    [1],
    [1, 2],
    [[0.0] * 3] * 2,
    [10_000, 10_000],
    {},
    {"a": 1},
    "0+9" * 9,
    "5+1 0+9",
]


@dataclasses.dataclass
class Subject:
    """A file, what it decodes to, and where that is written."""

    container: Container
    arrays: list[np.ndarray]
    folder: Path

    @property
    def modality(self) -> str:
        return Modality.numbered(self.container.modality).name

    def changed(self, rng: random.Random) -> Container:
        """The same with other metadata."""
        told = copy.deepcopy(self.container.metadata)
        for _ in range(rng.choice((1, 1, 2, 5))):
            changed = _changed(rng, told)
            told = changed if isinstance(changed, dict) else {}
        return dataclasses.replace(self.container, metadata=told, source="fuzz")

    def write(self, container: Container, item: int | None = None) -> None:
        """As `mscn decode` does, but for large pictures."""
        modalities.check_metadata(container)
        told = container.metadata
        sides = told.get("picture_size", [1]) if self.modality == "scene" else None
        if self.modality == "silhouette" and "size" in told:
            sides = max(told["size"], key=math.prod)
        if sides and math.prod(sides) > LARGEST:
            return
        arrays = self.arrays if item is None else self.arrays[item : item + 1]
        view = Selection(container.shapes, item)
        ending = ENDINGS.get(self.modality, "")
        many = len(arrays) > 1 and self.modality in ("sound", "silhouette")
        path = self.folder / ("many" if many or not ending else f"one{ending}")
        modalities.write(path, self.modality, arrays, None, told, view)


def subjects(folder: Path) -> list[Subject]:
    """One of each modality that keeps metadata; of fields and volumes, of real files' besides."""
    found = []
    for modality in ("field", "sound", "volume", "voxels", "silhouette", "mesh", "scene"):
        name = "single" if modality == "scene" else "archive"
        codec = FileDecoder.load(GOLDEN / f"v1{modality}.mscnb")
        container = Container.from_bytes((GOLDEN / f"v1{modality}_{name}.mscn").read_bytes())
        if container.metadata is None:
            container.metadata = {"bound": 1.5, "focal": 20.0, "picture_size": [16, 12]}
        arrays = list(codec.decode_all(container))
        if modality == "mesh":  # of which each has a surface
            arrays = [array - np.median(array) for array in arrays]
        if modality == "sound":
            container.metadata = {**container.metadata, "mean": 0.5, "runs": "0+2=0.5 3+1"}
        if modality == "volume":  # one file holds them all
            container.shapes, arrays = container.shapes[:1] * 2, arrays[:1] * 2
        found.append(Subject(container, arrays, folder))
        if modality in ("field", "volume"):
            rich = copy.copy(container)
            if modality == "field":
                rich.metadata = _of_netcdf(folder / "in.nc", container.shapes[0])
            else:
                rich.metadata = _of_nifti(folder / "in.nii")
            found.append(Subject(rich, arrays, folder))
    for subject in found:
        subject.write(subject.container)  # whole, they work
    return found


def _of_netcdf(path: Path, shape: tuple[int, ...]) -> dict[str, Any]:
    """Metadata of two fields, with holes, on a grid of latitudes and longitudes."""
    height, width = shape
    with netCDF4.Dataset(path, "w") as dataset:
        for name, size in (("time", 2), ("lat", height), ("lon", width)):
            dataset.createDimension(name, size)
        axes = np.linspace(-85, 85, height), np.arange(width) * 360 / width
        for name, unit, values in zip(("lat", "lon"), ("degrees_north", "degrees_east"), axes):
            dataset.createVariable(name, "f8", (name,)).units = unit
            dataset[name][:] = values
        dataset.createVariable("time", "f8", ("time",)).units = "days since 2000-1-1"
        dataset["time"][:] = 0, 1
        field = dataset.createVariable("t", "i2", ("time", "lat", "lon"), zlib=True, fill_value=-9)
        field.units, field.scale_factor, field.valid = "K", 0.01, [1, 2]
        field.set_auto_scale(False)
        field[:] = np.arange(2 * height * width).reshape(2, height, width) + 27_000
        field[:, :2, :3] = np.ma.masked
    return modalities.read(path, "field").metadata


def _of_nifti(path: Path) -> dict[str, Any]:
    """Metadata of two volumes with holes, and a header with an extension."""
    values = np.arange(432, dtype=np.float32).reshape(6, 6, 6, 2)
    values[0, 0, :3] = np.nan
    image = nib.Nifti1Image(values, np.diag([2.0, 2, 3, 1]))
    image.header.extensions.append(nib.nifti1.Nifti1Extension(6, b"a comment"))
    nib.save(image, path)
    return modalities.read(path, "volume").metadata


def _changed(rng: random.Random, told: Any) -> Any:
    """JSON of which one part, at any depth, is another."""
    if not isinstance(told, (dict, list)) or not told or rng.random() < 0.1:
        if isinstance(told, str) and told and rng.random() < 0.5:
            at = rng.randrange(len(told))
            return told[:at] + rng.choice(("", "A", "9", "/", "é", "AAAA")) + told[at + 1 :]
        if isinstance(told, (int, float)) and rng.random() < 0.3:
            return told * rng.choice((-1, 2, 1000))
        return copy.deepcopy(rng.choice(ODD))
    key = rng.choice(list(told) if isinstance(told, dict) else range(len(told)))
    if rng.random() < 0.15:
        del told[key]
    elif rng.random() < 0.1 and isinstance(told, list):
        told.insert(key, copy.deepcopy(told[key]))
    else:
        told[key] = _changed(rng, told[key])
    return told
