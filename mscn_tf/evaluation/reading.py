"""Signals to be measured: what can be read of a file or folder, and what can't and why."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

from mscn_tf.evaluation.assessment import Assessment
from mscn_tf.evaluation.signal import Signal
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike
from mscn_tf.signals import modalities

_WITH_ALPHA = (2, 4)  # channels
_LEFT_OUT = ": left out "  # in notes of readers


def read(
    path: PathLike, kind: Assessment, options: Mapping[str, Any]
) -> tuple[list[Signal], Optional[dict[str, Any]], list[str]]:
    """The signals of a file or folder, and their metadata together.

    Files of a folder that can't be read, and transparent pictures in it, are left out.

    Args:
      path: the file or folder.
      kind: of what it holds.
      options: keywords of the modality's reader.

    Returns:
      Signals, metadata, and in words what of a folder was left out and why.

    Raises:
      MscnError: nothing can be read.
    """
    try:
        return _opaque(path, path, kind, options)
    except MscnError as error:
        if not Path(path).is_dir():
            raise
        bad = _unreadable(Path(path), kind.name)
        if not bad:
            raise
        with tempfile.TemporaryDirectory() as links:
            for file in Path(path).iterdir():
                if file.name not in bad:
                    (Path(links) / file.name).symlink_to(file.resolve())
            try:
                signals, metadata, left_out = _opaque(links, path, kind, options)
            except MscnError:
                raise error from None  # which names the folder, and all that is wrong
        return signals, metadata, [*bad.values(), *left_out]


def _unreadable(folder: Path, modality: str) -> dict[str, str]:
    """What is wrong with files of a folder, by their names."""
    bad = {}
    for file in sorted(folder.iterdir()):
        if file.is_file() and not file.name.startswith(".") and modalities.is_signal(file):
            try:
                modalities.read(file, modality)
            except MscnError as error:
                bad[file.name] = str(error)
    return bad


def _opaque(
    source: PathLike, path: PathLike, kind: Assessment, options: Mapping[str, Any]
) -> tuple[list[Signal], Optional[dict[str, Any]], list[str]]:
    """As `read`, of a folder of links to what can be read of ``path``, or of that itself."""
    signals = modalities.read(source, kind.name, **options)
    left_out = [note.partition(_LEFT_OUT)[2] for note in signals.notes if _LEFT_OUT in note]
    if not kind.modality.pixels:
        return kind.signals(source, signals), signals.metadata, left_out
    clear = [picture.shape[2] in _WITH_ALPHA for picture in signals.arrays]
    if any(clear):
        if all(clear) or signals.names is None:
            raise MscnError(f"{path}: transparent pixels; flatten them onto a background")
        names = [name for name, one in zip(signals.names, clear) if one]
        left_out += [f"{name} (transparent pixels)" for name in names]
        signals = replace(
            signals,
            arrays=_without(signals.arrays, clear),
            names=_without(signals.names, clear),
        )
    return kind.signals(source, signals), signals.metadata, left_out


def _without(values: Sequence[Any], dropped: Sequence[bool]) -> list[Any]:
    return [value for value, out in zip(values, dropped) if not out]
