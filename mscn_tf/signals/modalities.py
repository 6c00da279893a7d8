"""The modalities: which module reads and writes a file.

Each module of this package that stands here has

- ``read(path, **options) -> Signals``;
- ``write(path, arrays, names, metadata, view) -> str``: writes decoded signals in the
  format that the path's ending names, and says in a few words what was written;
- ``measure(original, decoded, metadata) -> dict``: figures of quality of one signal by their
  names, units first: ``{"dB PSNR": 40.1}``;
- ``training_signals(pattern, **options) -> list``: arrays ``[.., C]`` of the files that a glob
  pattern names, in the modality's own units.

and may have, where what holds for arrays of numbers doesn't hold for it,

- ``misfit(signals, values) -> Optional[str]``: why a codec of these values does not suit them;
- ``share_lost(original, decoded, metadata) -> float``: error of one signal over its own spread;
- ``largest_error(original, decoded, metadata) -> float``: in the units of the file;
- ``array_bound(bound, metadata) -> float``: of the arrays' values for one in the file's units;
- ``file_bound(bound, metadata) -> float``: the other way round, of any file's metadata;
- ``metadata_of(metadata, item) -> dict``: of one signal, as if it had been alone in its file;
- ``check_metadata(metadata, container)``: raises any error of Python where `write` could make
  nothing of them, or of more than the container declares.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, Optional

import numpy as np

from mscn_tf.runtime.container import MODALITIES, Container
from mscn_tf.runtime.errors import MscnError, install, naming
from mscn_tf.runtime.files import PathLike
from mscn_tf.runtime.values import Values
from mscn_tf.signals.picture_files import SUFFIXES
from mscn_tf.signals.signal import Signals

# What nibabel reads; and what volumes come in besides, of which the reader says what to do.
VOLUMES = (
    *(".nii", ".nii.gz", ".hdr", ".img", ".mgh", ".mgz", ".mnc", ".head", ".brik", ".brik.gz"),
    *(".par", ".rec", ".dcm", ".ima", ".nrrd", ".nhdr", ".mha", ".mhd"),
)

# Its module, and the endings of files that are of this modality and no other.
MODULES = {
    "image": ("images", ()),
    "field": ("fields", (".nc", ".nc4", ".cdf", ".grib", ".grib2", ".grb", ".grb2", ".zarr")),
    "sound": (
        "sound",
        (".wav", ".wave", ".w64", ".rf64", ".flac", ".ogg", ".oga", ".opus", ".aif", ".aiff")
        + (".aifc", ".au", ".snd", ".caf", ".mp3"),
    ),
    "volume": ("volumes", VOLUMES),
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

# What a decoded signal is written as where no name says it.
ENDINGS = {
    "image": ".png",
    "field": ".nc",
    "sound": ".wav",
    "volume": ".nii",
    "voxels": ".binvox",
    "silhouette": ".png",
    "mesh": ".ply",
    "scene": ".gif",
}

# What metadata say of each signal, in lists (or, of sounds, in one value where all have the same);
# and what they say of all signals together.
_OF_EACH = {
    "image": ("pictures",),
    "sound": ("rate", "subtype", "mean", "runs"),
    "volume": ("low", "high", "holes"),
    "voxels": ("translate", "scale"),
    "silhouette": ("size",),
    "mesh": ("corner", "cell"),
}
_OF_ALL = {"sound": ("file",)}


class LibraryMissingError(MscnError):
    """A library that a modality needs is not installed."""


def module_of(modality: str) -> ModuleType:
    """The module of a modality.

    Raises:
      LibraryMissingError: one that it needs.
      MscnError: there is no such modality.
    """
    if modality not in MODULES:
        raise MscnError(f"no modality {modality}; there are {', '.join(MODULES)}")
    try:
        return importlib.import_module(f"mscn_tf.signals.{MODULES[modality][0]}")
    except ModuleNotFoundError as error:
        raise LibraryMissingError(
            f"signals of modality {modality} need {error.name}: {install('signals')}"
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
    return module_of(modality).read(path, **options)


def write(
    path: PathLike,
    modality: str,
    arrays: Iterable[np.ndarray],
    names: Optional[Sequence[str]],
    metadata: Optional[dict[str, Any]],
    view: dict[str, Any],
) -> str:
    """Writes decoded signals to a file or folder; says in a few words what was written.

    Args:
      path: a file, whose ending names the format, or a folder.
      modality: of the signals.
      arrays: each ``[.., C]``; pictures are written one after the other, as they come.
      names: of the signals, or None.
      metadata: of the file that they were decoded from.
      view: `item`, the only one that was decoded, or None; `shapes` of all originals; the `scale`,
        `size`, `region` and `poses` that were asked for.

    Raises:
      MscnError: the format is none for such signals, metadata are damaged, or nothing can be
        written.
    """
    if modality != "image":
        arrays = list(arrays)
    return module_of(modality).write(path, arrays, names, metadata, view)


def check_metadata(container: Container) -> None:
    """Finds out, before anything is made of them, whether `write` can use a file's metadata.

    Those of pictures change no pixel: `write` leaves out what is damaged, and says so.

    Raises:
      MscnError: they are damaged, or declare more than the format allows.
      LibraryMissingError: one that is needed.
    """
    if container.metadata is None:
        return
    check = _own(MODALITIES[container.modality], "check_metadata", lambda metadata, container: None)
    with naming(container.source):
        try:
            check(container.metadata, container)
        except MscnError:
            raise
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise MscnError("its metadata are damaged; get a fresh copy") from error


def _own(modality: str, name: str, otherwise: Callable[..., Any]) -> Callable[..., Any]:
    return getattr(module_of(modality), name, otherwise)


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


def file_bound(modality: str, bound: float, metadata: Optional[dict[str, Any]] = None) -> float:
    """The bound, in the units of the file, that one of the arrays' values keeps.

    Raises:
      MscnError: the metadata are damaged, or a library that is needed is not installed.
    """
    return _own(modality, "file_bound", lambda bound, metadata: bound)(bound, metadata)


def metadata_of(
    modality: str, metadata: Optional[dict[str, Any]], item: int
) -> Optional[dict[str, Any]]:
    """What the metadata of several signals say of one, as if it had been alone in its file."""
    if metadata is None:
        return None
    return _own(modality, "metadata_of", partial(_of_each, modality))(metadata, item)


def _of_each(modality: str, metadata: dict[str, Any], item: int) -> dict[str, Any]:
    kept = {name: v for name, v in metadata.items() if name not in _OF_ALL.get(modality, ())}
    for name in _OF_EACH.get(modality, ()):
        if isinstance(kept.get(name), list):
            value = kept[name][item]
            kept[name] = value if modality == "sound" else [value]
    return kept


def measure(
    modality: str,
    original: np.ndarray,
    decoded: np.ndarray,
    metadata: Optional[dict[str, Any]] = None,
) -> dict[str, float]:
    """Figures of quality of one signal by their names, units first: ``{"dB PSNR": 31.2}``."""
    return module_of(modality).measure(original, decoded, metadata)


def is_signal(path: PathLike) -> bool:
    """Whether a file's name ends like those that hold signals."""
    name = str(path).lower()
    own = [suffix for _, suffixes in MODULES.values() for suffix in suffixes]
    return name.endswith((".npy", *own, *SUFFIXES))


def guess(path: PathLike) -> str:
    """The modality that a file's name tells, or a folder's content; else ``image``."""
    path = Path(path)
    if path.suffix.lower() == ".npy" and _is_grid(path):
        return "voxels"
    if path.is_dir():
        if any(path.glob("transforms*.json")):
            return "scene"
        endings = sorted({"".join(file.suffixes).lower() for file in path.iterdir()})
        endings.insert(0, path.suffix.lower())  # of formats that are folders
    else:
        if path.name.startswith("transforms") and path.suffix == ".json":
            return "scene"
        endings = ["".join(path.suffixes).lower()]
    for modality, (_, suffixes) in MODULES.items():
        if any(ending.endswith(suffixes) for ending in endings if suffixes):
            return modality
    return "image"


def _is_grid(path: Path) -> bool:
    """Whether an array is one of truth values along three axes."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return False
    return array.dtype == bool and array.ndim == 3
