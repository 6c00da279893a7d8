"""Reads, writes and measures signals of any modality, through the module that knows its files."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any, Callable, Optional, cast

import numpy as np

from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError, install, naming
from mscn_tf.runtime.files import PathLike
from mscn_tf.runtime.lazy import imported
from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.values import Values
from mscn_tf.signals import hooks
from mscn_tf.signals.picture_files import SUFFIXES
from mscn_tf.signals.protocol import Files, Metadata
from mscn_tf.signals.signal import Selection, Signals


class LibraryMissingError(MscnError):
    """A library that a modality needs is not installed."""


def module_of(modality: str) -> Files:
    """The module of a modality.

    Raises:
      LibraryMissingError: one that it needs.
      MscnError: there is no such modality.
    """
    try:
        return cast(Files, importlib.import_module(Modality.named(modality).files))
    except ModuleNotFoundError as error:
        raise LibraryMissingError(
            f"signals of modality {modality} need {error.name}: {install('signals')}"
        ) from error


def _hook(modality: str, name: str, *known: Any) -> Callable[..., Any]:
    """A function of the modality's module, or, where it has none, that of `hooks`.

    Args:
      modality: whose.
      name: of the function.
      known: what the one of `hooks` is told of the modality, before all else.
    """
    own = getattr(module_of(modality), name, None)
    return own or partial(getattr(hooks, name), *known)


def read(path: PathLike, modality: str, **options: Any) -> Signals:
    """The signals of a file or folder.

    Args:
      path: the file or folder.
      modality: what it holds.
      options: keywords of the modality's reader.

    Raises:
      MscnError: it can't be read, or holds something else.
    """
    fit = Modality.named(modality).fit
    reader = imported(fit) if fit else module_of(modality).read
    return cast(Signals, reader(path, **options))


def write(
    path: PathLike,
    modality: str,
    arrays: Iterable[np.ndarray],
    names: Optional[Sequence[str]],
    metadata: Metadata,
    selection: Selection,
) -> str:
    """Writes decoded signals to a file or folder; says in a few words what was written.

    Args:
      path: a file, whose ending names the format, or a folder.
      modality: of the signals.
      arrays: each ``[.., C]``; pictures are written one after the other, as they come.
      names: of the signals, or None.
      metadata: of the file that they were decoded from.
      selection: which part of it was decoded.

    Raises:
      MscnError: the format is none for such signals, metadata are damaged, or nothing can be
        written.
    """
    return module_of(modality).write(path, arrays, names, metadata, selection)


def check_metadata(container: Container) -> None:
    """Finds out, before anything is made of them, whether `write` can use a file's metadata.

    Those of pictures change no pixel: `write` leaves out what is damaged, and says so.

    Raises:
      MscnError: they are damaged, or declare more than the format allows.
      LibraryMissingError: one that is needed.
    """
    if container.metadata is None:
        return
    check = _hook(Modality.numbered(container.modality).name, "check_metadata")
    with naming(container.source):
        try:
            check(container.metadata, container)
        except MscnError:
            raise
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise MscnError("its metadata are damaged; get a fresh copy") from error


def misfit(modality: str, signals: Signals, values: Values) -> Optional[str]:
    """Why a codec, made for such values, does not suit the signals; None where it does."""
    return cast("Optional[str]", _hook(modality, "misfit")(signals, values))


def unfit(modality: str, signals: Signals, most: float) -> Optional[str]:
    """Why signals, before coding, are worth nothing, having lost more than that share; or None."""
    return cast("Optional[str]", _hook(modality, "unfit")(signals, most))


def share_lost(
    modality: str, original: Any, decoded: np.ndarray, metadata: Metadata = None
) -> float:
    """Error of one decoded signal over the original's own spread: 1 is no better than its mean.

    Args:
      modality: theirs.
      original: ``[.., C]``, or one of `Signals.originals`.
      decoded: ``[.., C]``.
      metadata: of this signal, as `metadata_of` gives it.
    """
    return float(_hook(modality, "share_lost")(original, decoded, metadata))


def largest_error(
    modality: str, original: Any, decoded: np.ndarray, metadata: Metadata = None
) -> float:
    """Largest error of any value of one signal, in the units of its file; as `share_lost`."""
    return float(_hook(modality, "largest_error")(original, decoded, metadata))


def array_bound(modality: str, bound: float, metadata: Metadata = None) -> float:
    """The bound of the arrays' values that keeps one in the units of the file.

    Raises:
      MscnError: it is too fine for the file's values.
    """
    return float(_hook(modality, "array_bound")(bound, metadata))


def array_bounds(modality: str, bounds: Sequence[float], signals: Signals) -> list[float]:
    """Of each signal's array the bound that keeps one in the units of the file.

    Raises:
      MscnError: one is too fine for the file's values.
    """
    known = partial(array_bound, modality), partial(metadata_of, modality)
    return cast("list[float]", _hook(modality, "array_bounds", *known)(bounds, signals))


def spans(modality: str, signals: Signals) -> list[float]:
    """Of each signal the range of its values, in the units of the file: of which bounds are shares.

    Raises:
      MscnError: a library that is needed is not installed.
    """
    known = partial(file_bound, modality), partial(metadata_of, modality)
    return cast("list[float]", _hook(modality, "spans", *known)(signals))


def file_bound(modality: str, bound: float, metadata: Metadata = None) -> float:
    """The bound, in the units of the file, that one of the arrays' values keeps.

    Raises:
      MscnError: the metadata are damaged, or a library that is needed is not installed.
    """
    return float(_hook(modality, "file_bound")(bound, metadata))


def metadata_of(modality: str, metadata: Metadata, item: int) -> Metadata:
    """What the metadata of several signals say of one, as if it had been alone in its file."""
    if metadata is None:
        return None
    hook = _hook(modality, "metadata_of", Modality.named(modality))
    return cast(Metadata, hook(metadata, item))


def measure(
    modality: str, original: Any, decoded: np.ndarray, metadata: Metadata = None
) -> dict[str, float]:
    """Figures of quality of one signal by their names, units first: ``{"dB PSNR": 31.2}``."""
    return module_of(modality).measure(original, decoded, metadata)


def drawn_original(path: PathLike, container: Container, item: int) -> Any:
    """What is drawn beside an item of a file, of what the file was made from.

    Raises:
      MscnError: it can't be read, or is something else.
    """
    modality = Modality.numbered(container.modality)
    name = modality.name
    original = _hook(name, "drawn_original")(path, container, item)
    if original is not None:
        return original
    tiles = modality.tile_options(container.tile_edge, container.tile_overlap)
    arrays = read(path, name, **tiles).arrays
    if len(arrays) != container.items:
        raise MscnError(f"{path} holds {len(arrays)} signals, {container.source} {container.items}")
    if arrays[item].shape != (*container.shapes[item], container.channels[item]):
        raise MscnError(
            f"{path} is not what {container.source} was made from: its size or colours differ"
        )
    return arrays[item]


def default_codec(modality: str, signals: Signals, bounded: bool) -> str:
    """Name of the shipped codec that encodes signals unasked.

    Args:
      modality: theirs.
      signals: as their reader gave them.
      bounded: whether a bound on their errors is wanted.

    Raises:
      MscnError: none comes with mscn.
    """
    codec = _hook(modality, "codec_for")(signals, bounded) or Modality.named(modality).unasked(
        bounded
    )
    if codec is None:
        raise MscnError(f"no codec of {modality} signals comes with mscn; give --codec=FILE")
    return str(codec)


def is_signal(path: PathLike) -> bool:
    """Whether a file's name ends like those that hold signals."""
    endings = [ending for modality in Modality.all() for ending in modality.endings]
    return str(path).lower().endswith((".npy", *endings, *SUFFIXES))


def guess(path: PathLike) -> str:
    """The modality that a file's or folder's name or content tells; else that of pictures."""
    path, names = Path(path), [Path(path).name]
    if path.is_dir():
        names += sorted(file.name for file in path.iterdir())
    for modality in Modality.all():
        if modality.npy and path.suffix.lower() == ".npy" and _is_array(path, modality):
            return modality.name
        if any(fnmatchcase(name, modality.pattern) for name in names if modality.pattern):
            return modality.name
    for modality in Modality.all():
        if any(name.lower().endswith(modality.endings) for name in names if modality.endings):
            return modality.name
    return next(modality.name for modality in Modality.all() if modality.pixels)


def _is_array(path: Path, modality: Modality) -> bool:
    """Whether a file holds an array of the modality's own type and axes."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return False
    return bool(array.dtype == modality.npy and array.ndim == modality.axes)
