"""Reading and writing whole files, with errors a user can act on."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Union

from mscn_tf.runtime.errors import MscnError

PathLike = Union[str, "os.PathLike[str]"]


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def read_bytes(path: PathLike) -> bytes:
    """Contents of the file `path`.

    Raises:
      MscnError: the file is missing, a folder, or not readable.
    """
    try:
        with open(path, "rb") as file:
            return file.read()
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        raise MscnError(f"cannot read {path}: {_reason(error)}; check the path") from error


@contextlib.contextmanager
def atomic_write(path: PathLike) -> Iterator[BinaryIO]:
    """Binary file that appears at `path` complete or not at all.

    The bytes go to a temporary name in the same folder, which replaces `path` when the block ends
    and is removed when it raises. A file that is replaced leaves its rights to the new one. Devices
    and pipes (`/dev/stdout`) are written directly.

    Raises:
      MscnError: the folder is missing or not writable, `path` is a folder, or the disk is full.
    """
    if "\0" in os.fspath(path):
        raise MscnError(f"cannot write {path!r}: a NUL character in the path; check it")
    if os.path.isdir(path):
        raise MscnError(f"cannot write {path}: it is a folder; give a file name")
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            with open(path, "wb") as file:
                yield file
            return
        target = os.path.realpath(path)  # write through a symbolic link, not over it
        temporary = os.path.join(os.path.dirname(target), f".mscn-{secrets.token_hex(8)}.tmp")
        try:
            with open(temporary, "xb") as file:
                yield file
            replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise MscnError(f"cannot write {path}: {_reason(error)}; check folder and space") from error


def replace(source: PathLike, target: PathLike) -> None:
    """Moves a file to a name in the same file system, with the rights of the one it replaces."""
    with contextlib.suppress(FileNotFoundError):
        os.chmod(source, stat.S_IMODE(os.stat(target).st_mode))
    os.replace(source, target)


@contextlib.contextmanager
def staged_folder(path: PathLike, force: bool = False) -> Iterator[str]:
    """A new folder whose files are moved to the folder `path` when the block ends: all or none.

    Args:
      path: a folder, which is made if need be.
      force: whether files that are there already may be replaced.

    Raises:
      MscnError: such a file is there, or the folder can't be made or written.
    """
    target = Path(path)
    try:
        parent = target if target.is_dir() else Path(os.path.realpath(target)).parent
        temporary = Path(tempfile.mkdtemp(prefix=".mscn-", dir=parent))
        try:
            yield str(temporary)
            files = sorted(p.relative_to(temporary) for p in temporary.rglob("*") if p.is_file())
            taken = [str(file) for file in files if os.path.lexists(target / file)]
            if taken and not force:
                more = f" and {len(taken) - 1} others" if len(taken) > 1 else ""
                raise MscnError(
                    f"{target} has a file {taken[0]}{more} already; give another folder, or "
                    "--force to replace"
                )
            target.mkdir(exist_ok=True)
            for file in files:
                (target / file).parent.mkdir(parents=True, exist_ok=True)
                replace(temporary / file, target / file)
        except MscnError as error:  # of who wrote there, and never heard of `path`
            raise MscnError(str(error).replace(str(temporary), str(target))) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        if isinstance(error, MscnError):
            raise
        raise MscnError(f"cannot write {path}: {_reason(error)}; check folder and space") from error
