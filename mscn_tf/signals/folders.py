"""Folders of files: what is read of them, and safe names of what is written."""

from __future__ import annotations

import re
import stat
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Callable, TypeVar

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike

T = TypeVar("T")
_MOST_BAD = 10  # files that can't be read, of which a line tells the reason
_NAMED = 5  # in a line at most
_DEEPEST = 8  # folders within folders
_LONGEST = 224  # bytes of a name; file systems allow 255, and a number and an ending follow
_FORBIDDEN = frozenset('/\\:*?"<>|')
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)  # of Windows
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def listed(path: PathLike, suffixes: Collection[str]) -> tuple[list[Path], str]:
    """The files of a folder with one of the endings, by name, and what to say of the rest.

    Args:
      path: the folder.
      suffixes: the endings, in lower case.

    Returns:
      The files, and "left out" with the names of others and why, or nothing where all are taken.
      Hidden files are not named.

    Raises:
      MscnError: the folder can't be read, or the name of a file can't be kept: it is not UTF-8, or
        has control characters.
    """
    try:
        entries = sorted(Path(path).iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        raise MscnError(f"cannot read {path}: {error.strerror}; check the path") from error
    files, left_out = [], []
    for entry in entries:
        if entry.name.startswith("."):
            continue
        reason = _unfit(entry, suffixes)
        if reason is None:
            files.append(entry)
        else:
            left_out.append(f"{ascii_name(entry.name)} ({reason})")
    unkept = [ascii_name(file.name) for file in files if _CONTROL.search(file.name)]
    if unkept:
        raise MscnError(
            f"{path}: names that are not UTF-8, or have control characters: {some(unkept)}; "
            "rename the files"
        )
    return files, f"left out {some(left_out)}" if left_out else ""


def read_all(files: Sequence[Path], read: Callable[[Path], T], nouns: str) -> list[T]:
    """What each file holds.

    Args:
      files: of a folder, or one alone.
      read: reads one of them.
      nouns: what they are called.

    Raises:
      MscnError: some can't be read; the first ten are named with their reasons, the rest counted.
    """
    contents, bad = [], []
    for file in files:
        try:
            contents.append(read(file))
        except MscnError as error:
            bad.append(str(error))
    if len(bad) == 1:
        raise MscnError(bad[0])
    if bad:
        more = f" | and {len(bad) - _MOST_BAD} more" if len(bad) > _MOST_BAD else ""
        told = " | ".join(bad[:_MOST_BAD])
        raise MscnError(f"{len(bad)} of {len(files)} {nouns} can't be encoded: {told}{more}")
    return contents


def notes_once(names: Sequence[str], notes: Sequence[Sequence[str]]) -> list[str]:
    """Each note once, with those that it is about.

    Args:
      names: of files.
      notes: of each of them.
    """
    about: dict[str, list[str]] = {}
    for name, told in zip(names, notes):
        for note in told:
            about.setdefault(note, []).append(name)
    return [f"{some(concerned, 3)}: {note}" for note, concerned in about.items()]


def _unfit(entry: Path, suffixes: Collection[str]) -> str | None:
    try:
        mode = entry.stat().st_mode
    except OSError:
        return "a dangling link" if entry.is_symlink() else "can't be read"
    if stat.S_ISDIR(mode):
        return "a folder"
    if not stat.S_ISREG(mode):
        return "no regular file"
    return None if entry.suffix.lower() in suffixes else "another ending"


def ascii_name(name: str) -> str:
    """A name as it can be shown: escaped where it has what no terminal shows."""
    return ascii(name) if _CONTROL.search(name) else name


def some(names: Sequence[str], most: int = _NAMED) -> str:
    """Names in a line: the first few and how many more."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def file_names(
    names: Iterable[str], suffix: str = ".png", endings: Collection[str] = ()
) -> list[str]:
    """Safe, different names of files like the given ones, which may come from a stranger.

    A name that ends in `suffix` is given to its owner; of the others each gets the nearest one
    that is free. "sub/a.jpg" stays in its folder; none leads out of the folder they're put in, and
    none of the folders is called like a file.

    Args:
      names: of signals.
      suffix: what all files end in.
      endings: others that are taken off.
    """
    stems, owners = [], []
    for index, name in enumerate(names):
        *folders, last = name.split("/")
        owner = last.lower().endswith(suffix)
        if owner:
            last = last[: -len(suffix)]
        elif Path(last).suffix.lower() in endings:
            last = Path(last).stem
        kept = [folder for folder in map(_safe, folders) if folder]
        # No file is called so, and no folder like a file.
        kept = [f"{f}_" if f.lower().endswith(suffix) else f for f in kept[-_DEEPEST:]]
        stems.append("/".join([*kept, _safe(last) or f"{index:06d}"]))
        owners.append(owner)
    files: dict[int, str] = {}
    taken: set[str] = set()
    counts: dict[str, int] = {}
    for index in sorted(range(len(stems)), key=lambda index: not owners[index]):
        file = stem = stems[index]
        while file.lower() in taken:
            counts[stem.lower()] = counts.get(stem.lower(), 1) + 1
            file = f"{stem}-{counts[stem.lower()]}"
        taken.add(file.lower())
        files[index] = file + suffix
    return [files[index] for index in range(len(stems))]


def _safe(part: str) -> str:
    """One part of a path, empty where nothing is left."""
    part = "".join("_" if c in _FORBIDDEN or not c.isprintable() else c for c in part)
    part = part.strip(" .").encode()[:_LONGEST].decode(errors="ignore").rstrip(" .")
    return f"_{part}" if _DEVICES.match(part) else part


def make_folders(path: PathLike, files: Iterable[str]) -> None:
    """Makes a folder and those within it that files lie in.

    Raises:
      MscnError: they can't be made, or one that is there leads elsewhere.
    """
    root = Path(path)
    try:
        root.mkdir(exist_ok=True)
        for folder in sorted({(root / file).parent for file in files}):
            folder.mkdir(parents=True, exist_ok=True)
            inside = folder.resolve().relative_to(root.resolve())
            if inside != folder.relative_to(root):
                raise MscnError(f"{folder}: a link to elsewhere; give another folder")
    except OSError as error:
        raise MscnError(f"cannot write {path}: {error.strerror}; check folder and space") from error
    except ValueError as error:  # not relative to it
        raise MscnError(f"{folder}: a link to elsewhere; give another folder") from error
