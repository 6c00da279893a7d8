"""The modalities: which module reads and writes a file.

Each module of this package that stands here has

- ``read(path) -> Signals``;
- ``write(path, arrays, names, metadata) -> str``: writes decoded signals in the format that the
  path's ending names, and says in a few words what was written;
- ``measure(original, decoded, metadata) -> dict``: figures of quality of one signal by their
  names, units first: ``{"dB PSNR": 40.1}``;
- ``training_signals(pattern, **options) -> list``: arrays ``[.., C]`` of the files that a glob
  pattern names, in the modality's own units.

and may have, where what holds for arrays of numbers doesn't hold for it,

- ``misfit(signals, values) -> Optional[str]``: why a codec of these values does not suit them;
- ``share_lost(original, decoded, metadata) -> float``: error of one signal over its own spread;
- ``largest_error(original, decoded, metadata) -> float``: in the units of the file;
- ``array_bound(bound, metadata) -> float``: of the arrays' values for one in the file's units.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, Optional

import numpy as np

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike
from mscn_tf.runtime.values import Values
from mscn_tf.signals import images
from mscn_tf.signals.signal import Signals

# Its module, and the endings of files that are of this modality and no other.
MODULES = {
    "field": ("fields", (".nc", ".nc4", ".cdf")),
    "sound": ("sound", (".wav",)),
    "volume": ("volumes", (".nii", ".nii.gz")),
    "voxels": ("voxels", (".binvox",)),
    "silhouette": ("silhouettes", ()),
    "mesh": ("meshes", (".3mf", ".dae", ".glb", ".gltf", ".obj", ".off", ".ply", ".stl")),
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


def read(path: PathLike, modality: str, **options: Any) -> Signals:
    """The signals of a file or folder.

    Args:
      path: the file or folder.
      modality: what it holds.
      options: of the modality's reader.

    Raises:
      MscnError: it can't be read, or holds something else.
    """
    if modality == "image":
        pictures, names = images.read(path)
        return Signals(pictures, names)
    return module_of(modality).read(path, **options)


def _own(modality: str, name: str, otherwise: Callable[..., Any]) -> Callable[..., Any]:
    return otherwise if modality == "image" else getattr(module_of(modality), name, otherwise)


def misfit(modality: str, signals: Signals, values: Values) -> Optional[str]:
    """Why a codec, made for such values, does not suit the signals; None where it does."""
    return _own(modality, "misfit", _beyond)(signals, values)


def _beyond(signals: Signals, values: Values) -> Optional[str]:
    if values.dtype == "bool":
        return None
    low = min(float(array.min()) for array in signals.arrays)
    high = max(float(array.max()) for array in signals.arrays)
    room = values.high - values.low
    if values.low - room <= low and high <= values.high + room:
        return None
    return f"values from {low:g} to {high:g}, where {values.low:g} to {values.high:g} are known"


def share_lost(
    modality: str,
    original: np.ndarray,
    decoded: np.ndarray,
    metadata: Optional[dict[str, Any]] = None,
) -> float:
    """Error of one decoded signal over the original's own spread: 1 is no better than its mean.

    Args:
      modality: theirs.
      original: ``[.., C]``.
      decoded: likewise.
      metadata: of this signal, as `metadata_of` gives it.
    """
    return _own(modality, "share_lost", _deviation)(original, decoded, metadata)


def _deviation(
    original: np.ndarray, decoded: np.ndarray, metadata: Optional[dict[str, Any]]
) -> float:
    """RMSE over the standard deviation about each channel's mean."""
    axes = tuple(range(original.ndim - 1))
    error = np.mean(np.square(original.astype(np.float64) - decoded))
    spread = np.mean(np.var(original, axis=axes, dtype=np.float64))
    if error == 0:
        return 0.0
    return float(np.sqrt(error / spread)) if spread > 0 else float("inf")


def largest_error(
    modality: str,
    original: np.ndarray,
    decoded: np.ndarray,
    metadata: Optional[dict[str, Any]] = None,
) -> float:
    """Largest error of any value of one signal, in the units of its file; as `share_lost`."""
    return _own(modality, "largest_error", _farthest)(original, decoded, metadata)


def _farthest(
    original: np.ndarray, decoded: np.ndarray, metadata: Optional[dict[str, Any]]
) -> float:
    return float(np.abs(original.astype(np.float64) - decoded).max())


def array_bound(modality: str, bound: float, metadata: Optional[dict[str, Any]] = None) -> float:
    """The bound of the arrays' values that keeps one in the units of the file."""
    return _own(modality, "array_bound", lambda bound, metadata: bound)(bound, metadata)


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
