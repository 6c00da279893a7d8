"""Writes codec bundles. The same content gives the same file, byte for byte."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any, Union

import numpy as np

from mscn_tf.runtime.bundle import COMMENT, MANIFEST, Bundle, content_id
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.file_decoder import FileDecoder
from mscn_tf.runtime.files import PathLike, atomic_write
from mscn_tf.runtime.manifest import FORMAT, VERSION

Members = Mapping[str, Union[bytes, np.ndarray]]  # contents by name

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date a zip file knows


def _npy(array: np.ndarray) -> bytes:
    """The array as a version 1.0 .npy file, little-endian, in C order."""
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def write_bundle(
    path: PathLike,
    manifest: Mapping[str, Any],
    members: Members,
) -> bytes:
    """Writes a bundle and returns its id (32 bytes).

    Args:
      path: where to; the suffix is `.mscnb` by custom.
      manifest: `name`, `codec`, `modality`, `tile_edge`, `channels`, `qualities`, what else the
        codec's kind needs, and whatever is worth recording; must be fit for JSON.
      members: files (bytes), of a tile codec `decoder.onnx`; and arrays, `prior/NAME` and
        `weights/NAME` (`.npy` is appended where it is missing). Integer weights need
        `weights/NAME.step`, float, broadcastable to them.

    Raises:
      MscnError: the members make no bundle that can be loaded, or `path` cannot be written.
    """
    record = {**manifest, "format": FORMAT, "version": VERSION}
    contents = {MANIFEST: (json.dumps(record, sort_keys=True, indent=1) + "\n").encode()}
    for name, member in members.items():
        if isinstance(member, np.ndarray):
            name = name if name.endswith(".npy") else name + ".npy"
            member = _npy(member)
        if name in contents:
            raise MscnError(f"bundle member {name} is given twice")
        contents[name] = bytes(member)
    identity = content_id(contents)

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # as on Unix, everywhere
            archive.writestr(entry, contents[name], zipfile.ZIP_DEFLATED, 9)
        archive.comment = COMMENT + identity.hex().encode()
    data = buffer.getvalue()

    bundle = Bundle.from_bytes(data, str(path))  # what cannot be read is not written
    FileDecoder(bundle).scheme  # noqa: B018
    bundle.weights()
    with atomic_write(path) as file:
        file.write(data)
    return identity
