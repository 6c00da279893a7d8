"""The modalities: which module reads and writes a file.

Each module of this package that stands here has

- ``read(path) -> Signals``;
- ``write(path, arrays, names, metadata) -> str``: writes decoded signals in the format that the
  path's ending names, and says in a few words what was written;
- ``measure(original, decoded, metadata) -> dict``: figures of quality of one signal by their
  names, units first: ``{"dB PSNR": 40.1}``;
- ``training_signals(pattern, **options) -> list``: arrays ``[.., C]`` of the files that a glob
  pattern names, in the modality's own units.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, Optional

import numpy as np

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike
from mscn_tf.signals import images
from mscn_tf.signals.signal import Signals

# Its module, and the endings of files that are of this modality and no other.
MODULES = {
    "field": ("fields", (".nc", ".nc4", ".cdf")),
    "sound": ("sound", (".wav",)),
    "volume": ("volumes", (".nii", ".nii.gz")),
    "voxels": ("voxels", (".binvox",)),
    "silhouette": ("silhouettes", ()),
    "mesh": ("meshes", (".obj", ".off", ".ply", ".stl")),
    "scene": ("scenes", ()),
}

# Of the shipped ones.
DEFAULT_CODECS = {
    "field": "temperature",
    "sound": "speech",
    "volume": "volume",
    "voxels": "voxels32",
    "silhouette": "silhouette64",
    "mesh": "mesh",
    "scene": "scene",
}

# What metadata say of each signal, in lists (or, of sounds, in one value where all have the same);
# and what they say of all signals together.
_OF_EACH = {
    "sound": ("rate", "subtype"),
    "volume": ("low", "high"),
    "voxels": ("translate", "scale"),
    "silhouette": ("size",),
    "mesh": ("corner", "cell"),
}
_OF_ALL = {"sound": ("file",), "field": ("variables",)}


def module_of(modality: str) -> ModuleType:
    """The module of a modality other than pictures.

    Raises:
      MscnError: there is no such modality, or a library that it needs is not installed.
    """
    if modality not in MODULES:
        raise MscnError(f"no modality {modality}; there are image, {', '.join(MODULES)}")
    try:
        return importlib.import_module(f"mscn_tf.signals.{MODULES[modality][0]}")
    except ModuleNotFoundError as error:
        raise MscnError(
            f"signals of modality {modality} need {error.name}: pip install 'mscn-tf[signals]'"
        ) from error


def read(path: PathLike, modality: str) -> Signals:
    """The signals of a file or folder.

    Raises:
      MscnError: it can't be read, or holds something else.
    """
    if modality == "image":
        pictures, names = images.read(path)
        return Signals(pictures, names)
    return module_of(modality).read(path)


def metadata_of(
    modality: str, metadata: Optional[dict[str, Any]], item: int
) -> Optional[dict[str, Any]]:
    """What the metadata of several signals say of one, as if it had been alone in its file."""
    if metadata is None:
        return None
    kept = {name: v for name, v in metadata.items() if name not in _OF_ALL.get(modality, ())}
    for name in _OF_EACH.get(modality, ()):
        if isinstance(kept.get(name), list):
            value = kept[name][item]
            kept[name] = value if modality == "sound" else [value]
    return kept


def mean_measures(
    modality: str, signals: Signals, decoded: Iterable[np.ndarray], peak: float
) -> str:
    """Quality of decoded signals in words, means over them: "31.20 dB PSNR, ..."."""
    rows = []
    for original, array in zip(signals.arrays, decoded):
        if modality == "image":
            rows.append({"dB PSNR": images.psnr(original, array, peak)})
        else:
            rows.append(module_of(modality).measure(original, array, signals.metadata))
    means = {name: np.mean([row[name] for row in rows]) for name in rows[0]}
    return ", ".join(f"{mean:.2f} {name}" for name, mean in means.items())


def guess(path: PathLike) -> str:
    """The modality that a file's name tells, or a folder's content; else ``image``."""
    path = Path(path)
    if path.is_dir():
        if any(path.glob("transforms*.json")):
            return "scene"
        endings = sorted({"".join(file.suffixes).lower() for file in path.iterdir()})
    else:
        endings = ["".join(path.suffixes).lower()]
    for modality, (_, suffixes) in MODULES.items():
        if any(ending.endswith(suffixes) for ending in endings if suffixes):
            return modality
    return "image"
