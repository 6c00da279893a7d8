"""Which checkpoint of a run is the newest that can be read."""

from __future__ import annotations

import re
from pathlib import Path

import tensorflow as tf
from absl import logging

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import atomic_write

_STATE = "checkpoint"  # TensorFlow's list of the checkpoints in a folder; there after the first


def newest_whole(folder: Path) -> str | None:
    """The newest checkpoint in a folder of which each byte that counts is as it was written.

    Newer ones that are damaged are named in a warning. TensorFlow's list is not asked: it may be
    damaged itself.

    Args:
      folder: of checkpoints ``ckpt-N.*``; need not be there.

    Returns:
      its path, without an ending; None where no checkpoint was ever finished.

    Raises:
      MscnError: there were checkpoints, and none of them is whole.
    """
    damaged: list[str] = []
    for path in _checkpoints(folder):
        if _is_whole(path):
            if damaged:
                logging.warning("%s: damaged; going on from %s", ", ".join(damaged), path.name)
            return str(path)
        damaged.append(str(path))
    if (folder / _STATE).exists():
        what = f"{', '.join(damaged)} damaged" if damaged else "its checkpoints are gone"
        raise MscnError(
            f"{folder}: {what}, and no other is there; put back a copy, or give a new --workdir"
        )
    return None  # what lies here is of a first checkpoint that was killed while it was written


def set_newest(path: str) -> None:
    """Has TensorFlow take a checkpoint as the newest of its folder, and forget the damaged ones."""
    newest = Path(path)
    older = [other for other in _checkpoints(newest.parent) if _number(other) <= _number(newest)]
    lines = [f'model_checkpoint_path: "{newest.name}"']
    for other in reversed(older):  # those of time 0 would be kept for ever
        lines += [f'all_model_checkpoint_paths: "{other.name}"']
        lines += ["all_model_checkpoint_timestamps: 1"]
    with atomic_write(newest.parent / _STATE) as file:
        file.write("".join(f"{line}\n" for line in lines).encode())


def _checkpoints(folder: Path) -> list[Path]:
    """Without endings, the newest first: of any of their files."""
    files = (path for path in folder.glob("ckpt-*") if re.fullmatch(r"ckpt-\d+\..+", path.name))
    names = {folder / path.name.partition(".")[0] for path in files}
    return sorted(names, key=_number, reverse=True)


def _number(path: Path) -> int:
    return int(path.name.split("-")[1])


def _is_whole(path: Path) -> bool:
    """Whether all arrays of a checkpoint can be read; TensorFlow compares their checksums."""
    try:
        reader = tf.train.load_checkpoint(str(path))
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except (tf.errors.OpError, IndexError, ValueError):  # an IndexError where a file is cut short
        return False
    return True
