"""Bundles whose manifests are odd, and whose ids are right: for `tests.runtime.fuzz`."""

from __future__ import annotations

import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from mscn_tf.codec import Codec
from mscn_tf.runtime.bundle import COMMENT, MANIFEST, Bundle, content_id
from mscn_tf.runtime.manifest import MAX_BYTES
from mscn_tf.runtime.modality import Modality

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
NAMES = ("v1", "v1field", "v1sound", "v1voxels", "v1pyramid")
NUMBERS = [-1, 0, 1, 2, 3, 5, 8, 16, 63, 64, 65, 255, 256, 4096, 2**16, 2**20, 2**20 + 1]
NUMBERS += [2**24, 2**31, 2**32, 2**63, 2**70, 10**400, 0.5, -0.5, 1e-300, 1e6, 1e30, 1e308]
NUMBERS += [float("nan"), float("inf"), -float("inf")]
OTHERS = [
    None,
    True,
    False,
    "",
    "8",
    "image",
    "sphere",
    "pyramid",
    "\x1b[31mred",
    "\u202e",
    "\ud800",
]
OTHERS += [
    "x" * 10_000,
    [],
    [[]],
    [1, 2],
    [46, 90],
    [2**20, 2**20],
    ["a"],
    {},
    {"a": {}},
    {"low": 1},
]
OTHERS += Modality.names()
# What a small file can hold of what takes many times its size once it is parsed.
BOMBS = [b"[],", b"{},", b'{"":0},', b"[[]],", b"[", b'{"":', b"0,", b'"",', b"9", b" "]


def places(value: Any, path: tuple = ()) -> list[tuple]:
    """Paths of all entries of an object, but for those of the training's record."""
    if not isinstance(value, dict):
        return []
    found = []
    for key, part in value.items():
        found += [(*path, key)] + ([] if key == "training" else places(part, (*path, key)))
    return found


def odd(rng: random.Random, manifest: dict[str, Any]) -> bytes:
    """A manifest of which one to three entries are others, or its text is no manifest."""
    kind = rng.randrange(20)
    if kind == 0:
        bomb = rng.choice(BOMBS) * rng.choice((50, 5000, MAX_BYTES // 8, MAX_BYTES))
        return b'{"format": "mscn-bundle", "version": 1, "training": [' + bomb
    if kind == 1:
        text = bytearray(json.dumps(manifest).encode())
        for _ in range(rng.randrange(1, 4)):
            text[rng.randrange(len(text))] = rng.randrange(256)
        return bytes(text)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        *path, key = rng.choice(places(manifest))
        owner = manifest
        for step in path:
            owner = owner[step]
        if rng.random() < 0.15:
            del owner[key]
        else:
            owner[key] = rng.choice(rng.choice((NUMBERS, NUMBERS, OTHERS)))
    if kind == 2 and "model" in manifest:  # both places that say how large a tile is
        network = manifest["model"].get("network") if isinstance(manifest["model"], dict) else None
        if isinstance(network, dict):
            network["edge"] = manifest["tile_edge"] = rng.choice(NUMBERS)
    return json.dumps(manifest).encode()


def bundle(rng: random.Random) -> bytes:
    """A golden bundle with another manifest, its id set right."""
    with zipfile.ZipFile(GOLDEN / f"{rng.choice(NAMES)}.mscnb") as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    members[MANIFEST] = odd(rng, json.loads(members[MANIFEST]))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.comment = COMMENT + content_id(members).hex().encode()
    return buffer.getvalue()


def use(data: bytes) -> None:
    """Loads a bundle, tries its parts, encodes a small signal with it, and decodes that."""
    codec = Codec(Bundle.from_bytes(data, "fuzz"))
    codec.check()
    manifest, values = codec.bundle.manifest, codec.values
    channels = 3 if manifest.modality == "image" else manifest.channels
    shape = (*[9] * Modality.named(manifest.modality).axes, channels)
    shares = np.arange(np.prod(shape)).reshape(shape) % 7 / 7
    signal = values.low + (values.high - values.low) * shares
    signal = signal > 0.5 if values.dtype == "bool" else signal.astype(values.dtype)
    codec.decode(codec.encode(signal, effort=1))
