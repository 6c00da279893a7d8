"""docs/format.md, "The bundle"."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.reader.container import require


@dataclass
class Bundle:
    """Members of a bundle."""

    id: bytes
    manifest: dict[str, Any]
    prior: dict[str, np.ndarray]  # `prior/NAME.npy` by NAME
    weights: dict[str, np.ndarray]  # float64
    decoder: bytes  # `decoder.onnx`, or empty
    filter: dict[str, np.ndarray] = field(default_factory=dict)  # `filter/NAME.npy` by NAME


def read_bundle(data: bytes) -> Bundle:
    """A whole bundle."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {entry.filename: archive.read(entry) for entry in archive.infolist()}
        require(len(members) == len(archive.infolist()), "two members of one name")
        comment = archive.comment
    total = hashlib.sha256()
    for name in sorted(members):
        total.update(name.encode() + b"\0" + hashlib.sha256(members[name]).digest())
    require(comment == b"mscn-bundle " + total.hexdigest().encode(), "damaged")
    manifest = json.loads(members["manifest.json"])
    require(manifest["format"] == "mscn-bundle" and manifest["version"] == 1, "not a bundle")
    stored = _arrays(members, "weights/")
    weights = {
        name: array.astype(np.float64) * (stored[name + ".step"] if array.dtype.kind in "iu" else 1)
        for name, array in stored.items()
        if not name.endswith(".step")
    }
    prior, mends = (_arrays(members, folder) for folder in ("prior/", "filter/"))
    decoder = members.get("decoder.onnx", b"")
    return Bundle(total.digest(), manifest, prior, weights, decoder, mends)


def _arrays(members: dict[str, bytes], folder: str) -> dict[str, np.ndarray]:
    return {
        name[len(folder) : -4]: np.load(io.BytesIO(content), allow_pickle=False)
        for name, content in members.items()
        if name.startswith(folder)
    }
