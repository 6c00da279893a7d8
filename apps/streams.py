"""Where commands read from and write to: files, pipes, folders; what is there stays there."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Optional

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import atomic_write, read_bytes, staged_folder
from mscn_tf.runtime.header import MAGIC
from mscn_tf.signals import other_files

STANDARD = "-"  # as a path: standard input or output


@contextlib.contextmanager
def input_path(source: str) -> Iterator[str]:
    """A path that can be read more than once and whose ending tells the format.

    That is `source` itself, or, of standard input and pipes, a copy that goes when the block ends.

    Raises:
      MscnError: nothing came.
    """
    if source != STANDARD and (not os.path.exists(source) or _is_stored(source)):
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="mscn-") as folder:
        copy = os.path.join(folder, "input")
        with contextlib.ExitStack() as stack:
            given = _standard_input()
            if source != STANDARD:
                given = stack.enter_context(open(source, "rb"))
            shutil.copyfileobj(given, stack.enter_context(open(copy, "wb")))
        if os.path.getsize(copy) == 0:
            raise MscnError(f"{name_of(source)}: nothing came; check what writes into the pipe")
        named = copy + _ending(copy)
        os.rename(copy, named)
        yield named


def write(target: str, data: bytes) -> None:
    """Writes a file at once, or to standard output.

    Raises:
      MscnError: it can't be written.
    """
    if target == STANDARD:
        _standard_output().write(data)
        _standard_output().flush()
        return
    with atomic_write(target) as file:
        file.write(data)


def read(source: str) -> bytes:
    """Contents of a file, or of standard input.

    Raises:
      MscnError: it can't be read.
    """
    return _standard_input().read() if source == STANDARD else read_bytes(source)


def _standard_input() -> BinaryIO:
    if sys.stdin is None:
        raise MscnError("standard input is closed; name a file")
    return sys.stdin.buffer


def _standard_output() -> BinaryIO:
    if sys.stdout is None:
        raise MscnError("standard output is closed; name a file")
    return sys.stdout.buffer


def name_of(source: str) -> str:
    """What messages call an input."""
    return "standard input" if source == STANDARD else source


def _is_stored(path: str) -> bool:
    return os.path.isfile(path) or os.path.isdir(path)


def _ending(path: str) -> str:
    with open(path, "rb") as file:
        return other_files.ending(file.read(other_files.HEAD))


def check_free(target: str, force: bool, inputs: tuple[str, ...] = ()) -> None:
    """Finds out before the work whether an output would destroy something.

    Raises:
      MscnError: it is an input, or, unless forced, a file is there that isn't a `.mscn` file where
        one is written.
    """
    if not os.path.exists(target) or not _is_stored(target):
        return
    for path in inputs:
        if os.path.exists(path) and os.path.samefile(path, target):
            raise MscnError(f"{target} is the input itself; give OUT another name")
    if os.path.isfile(target) and not force:
        raise MscnError(f"{target} is there already; give another name, or --force to replace it")


def is_mscn(path: str) -> bool:
    """Whether a file is there that begins as `.mscn` files do."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC


@contextlib.contextmanager
def output_path(target: str, ending: str, folder: bool, force: bool) -> Iterator[str]:
    """Where to write what shall be at `target`.

    Args:
      target: a file, a folder, or "-": standard output.
      ending: of the file that goes to standard output.
      folder: whether `target` is one; its files appear together when the block ends.
      force: whether files in the folder may be replaced.

    Raises:
      MscnError: the folder has such files, or can't be written.
    """
    if target == STANDARD:
        with tempfile.TemporaryDirectory(prefix="mscn-") as temporary:
            path = os.path.join(temporary, "output" + ending)
            yield path
            with open(path, "rb") as file:
                shutil.copyfileobj(file, _standard_output())
            _standard_output().flush()
    elif folder:
        with staged_folder(target, force) as path:
            yield path
    else:
        yield target


def beside(source: str, ending: str) -> Optional[str]:
    """The name that an output gets unasked: that of the input with another ending."""
    if source == STANDARD:
        return None
    path = Path(os.path.normpath(source))
    while not os.path.isdir(source) and path.suffix and len(path.suffixes) < 3:
        path = path.with_suffix("")
    return str(path) + ending
