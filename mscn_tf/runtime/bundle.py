"""The codec bundle: decoder, entropy model and weights in one file, found by name or by id."""

from __future__ import annotations

import hashlib
import io
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mscn_tf.runtime import manifest as manifests
from mscn_tf.runtime import scheme as schemes
from mscn_tf.runtime.errors import MscnError, naming
from mscn_tf.runtime.files import PathLike, read_bytes
from mscn_tf.runtime.licences import Licence, shipped_licences
from mscn_tf.runtime.manifest import Manifest
from mscn_tf.runtime.scheme import Scheme

SUFFIX = ".mscnb"
MANIFEST = "manifest.json"
COMMENT = b"mscn-bundle "  # then the id in hexadecimal: tells bundles apart without hashing
MAX_BYTES = 2**29  # of all members, inflated
SHIPPED = Path(__file__).resolve().parent.parent / "bundles"


def content_id(members: Mapping[str, bytes]) -> bytes:
    """32 bytes: SHA-256 over name, a zero byte and SHA-256 of each member, in order of names."""
    total = hashlib.sha256()
    for name in sorted(members):
        total.update(name.encode() + b"\0" + hashlib.sha256(members[name]).digest())
    return total.digest()


def _members(archive: zipfile.ZipFile, name: str) -> dict[str, bytes]:
    """Contents of a zip file by name; links and folders in it are contents like others.

    Raises:
      MscnError: more than `MAX_BYTES`, a manifest of more than its own limit, two of one name, a
        name that can't be printed, or not deflated.
    """
    entries = archive.infolist()
    if sum(entry.file_size for entry in entries) > MAX_BYTES:
        raise MscnError(f"{name}: over {MAX_BYTES} bytes inflated; not a codec bundle")
    members: dict[str, bytes] = {}
    for entry in entries:
        if not entry.filename.isprintable():  # on a terminal it might hide what is said of it
            raise MscnError(f"{name}: odd names of members; not a codec bundle")
        if entry.filename == MANIFEST and entry.file_size > manifests.MAX_BYTES:
            raise MscnError(f"{name}: its manifest is too large; not a codec bundle")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise MscnError(f"{name}: {entry.filename} is not deflated; not a codec bundle")
        if entry.filename in members:
            raise MscnError(f"{name}: two members {entry.filename}; not a codec bundle")
        # ZipFile.read would inflate all before it cuts off what is more than declared.
        with archive.open(entry) as member:
            members[entry.filename] = member.read(entry.file_size)
    return members


def _array(content: bytes) -> np.ndarray:
    """The array of an `.npy` file; its size is checked before anything is allocated."""
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version]
    shape, fortran, dtype = read_header(file)
    if dtype.kind not in "biuf" or math.prod(shape) * dtype.itemsize != len(content) - file.tell():
        raise ValueError(f"{dtype} of shape {shape} in {len(content)} bytes")
    values = np.frombuffer(content, dtype, offset=file.tell())
    return values.reshape(shape, order="F" if fortran else "C")


@dataclass(frozen=True)
class Bundle:
    """A codec without its code.

    Attributes:
      id: 32 bytes, `content_id` of the members; a `.mscn` file names the first 8.
      manifest: what it says of itself.
      members: contents by name: `manifest.json`, `prior/*.npy`, `weights/*.npy`, and what else
        its kind has.
      shipped: the name under which it comes with the package, of those that were read by it.
    """

    id: bytes
    manifest: Manifest
    members: Mapping[str, bytes]
    shipped: str | None = None

    @property
    def name(self) -> str:
        """The name in the manifest; or, where another has taken its place, the one it ships as."""
        return self.shipped or self.manifest.name

    @property
    def licence(self) -> Licence | None:
        """The manifest's; older ones have none, so the package keeps that of those it ships."""
        return self.manifest.licence or shipped_licences().get(self.shipped or "")

    @property
    def scheme(self) -> type[Scheme]:
        """Its kind.

        Raises:
          MscnError: this program knows no such kind.
        """
        with naming(f"bundle {self.name}"):
            return schemes.get(self.manifest.codec)

    @classmethod
    def names(cls) -> list[str]:
        """Names of the bundles that come with the package."""
        return sorted(path.stem for path in SHIPPED.glob("*" + SUFFIX))

    @classmethod
    def load(cls, name_or_path: PathLike) -> Bundle:
        """Bundle that comes with the package under this name, or else the file at this path.

        Raises:
          MscnError: there is neither, or the file is not a whole bundle.
        """
        text = os.fspath(name_or_path)
        if text in cls.names():
            path = SHIPPED / (text + SUFFIX)
            return replace(cls.from_bytes(read_bytes(path), str(path)), shipped=text)
        if text.endswith(SUFFIX) or os.path.dirname(text) or os.path.exists(text):
            path = Path(text)
        else:
            known = ", ".join(cls.names()) or "none"
            raise MscnError(
                f"no codec named {text}; known: {known}; or give the path of a {SUFFIX} file"
            )
        return cls.from_bytes(read_bytes(path), str(path))

    @classmethod
    def find(cls, start: bytes) -> Bundle | None:
        """The bundle that comes with the package and whose id begins with these bytes, or None."""
        for name in cls.names():
            try:
                with zipfile.ZipFile(SHIPPED / (name + SUFFIX)) as archive:
                    comment = archive.comment
            except (OSError, zipfile.BadZipFile):
                continue
            if comment.startswith(COMMENT + start.hex().encode()):
                return cls.load(name)
        return None

    @classmethod
    def from_bytes(cls, data: bytes, name: str = "bundle") -> Bundle:
        """Reads a bundle file and checks it against the id that it carries.

        Raises:
          MscnError: not a bundle, of another version, or damaged.
        """
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                comment = archive.comment
                members = _members(archive, name)
            manifest = Manifest.from_bytes(members[MANIFEST], name)
        except MscnError:
            raise
        except (  # what zipfile raises on files that are something else, or damaged
            zipfile.BadZipFile,
            zlib.error,
            AttributeError,
            EOFError,
            KeyError,
            NotImplementedError,
            OSError,
            OverflowError,
            RuntimeError,
            ValueError,
            struct.error,
        ) as error:
            raise MscnError(
                f"{name}: not a codec bundle, or damaged ({error}); get a fresh {SUFFIX} file"
            ) from error
        identity = content_id(members)
        if comment != COMMENT + identity.hex().encode():
            raise MscnError(f"{name}: damaged (its content is not what its id says); get it again")
        return cls(identity, manifest, members)

    def arrays(self, folder: str) -> dict[str, np.ndarray]:
        """Arrays of the members `folder/NAME.npy`, by NAME.

        Raises:
          MscnError: a member is not an array.
        """
        arrays = {}
        for member, content in self.members.items():
            if not member.startswith(folder + "/") or not member.endswith(".npy"):
                continue
            try:
                arrays[member[len(folder) + 1 : -4]] = _array(content)
            except Exception as error:  # NumPy's reader raises all kinds on damaged headers
                reason = " ".join(str(error).split())[:200]
                raise MscnError(f"bundle {self.name}: {member} is no array ({reason})") from error
        return arrays

    def weights(self) -> dict[str, np.ndarray]:
        """float64 arrays of the decoder's weights by name.

        Integer arrays `weights/NAME.npy` are multiplied by `weights/NAME.step.npy`, which numpy
        can broadcast to their shape.

        Raises:
          MscnError: an array is damaged, not finite, or lacks its steps.
        """
        stored = self.arrays("weights")
        weights = {}
        for name, array in stored.items():
            if name.endswith(".step"):
                continue
            values = array.astype(np.float64)
            if array.dtype.kind in "iu":
                step = stored.get(name + ".step", np.empty(0))
                try:
                    with np.errstate(over="ignore", invalid="ignore"):
                        values *= step
                except ValueError as error:
                    raise MscnError(
                        f"bundle {self.name}: weights {name} lack their steps"
                    ) from error
            if not np.isfinite(values).all():
                raise MscnError(f"bundle {self.name}: weights {name} are not finite")
            weights[name] = np.ascontiguousarray(values)
        return weights
