"""Turns a trained codec into the bundle that encoders and decoders load."""

from __future__ import annotations

import os
from typing import Any

from mscn_tf.export.bundle import write_bundle
from mscn_tf.runtime import scheme
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike
from mscn_tf.runtime.quality import LEVELS
from mscn_tf.training.loop import Trainer


def _public(record: Any) -> Any:
    """A record whose absolute paths have lost their folders, which nobody else has."""
    if isinstance(record, dict):
        return {name: _public(value) for name, value in record.items()}
    if isinstance(record, list):
        return [_public(value) for value in record]
    if isinstance(record, str):
        parts = record.split(",")
        return ",".join(os.path.basename(part) if os.path.isabs(part) else part for part in parts)
    return record


def write_codec_bundle(path: PathLike, trainer: Trainer, frozen: Any, record: Any) -> bytes:
    """Writes a trained codec's bundle and returns its id.

    Args:
      path: where to; ends in ``.mscnb``.
      trainer: trained; its averaged weights are taken where it keeps them.
      frozen: what its ``freeze`` gave.
      record: how it was trained; goes into the manifest as ``training``, absolute paths without
        their folders.

    Raises:
      MscnError: the file can't be written, or nothing makes bundles of that kind of codec.
    """
    config = trainer.config
    kind = scheme.get(config.codec)
    if kind.contents is None:
        raise MscnError(f"a codec of kind {kind.name} can't be written: its scheme has no contents")
    entries, members = scheme.imported(kind.contents)(trainer, frozen)
    manifest = {
        "name": config.name,
        "codec": kind.name,
        "modality": config.get("modality", "image"),
        "qualities": list(range(1, LEVELS + 1)),
        "model": config.model.to_dict(),
        "training": _public(record),
        **entries,
    }
    if config.get("licence"):
        manifest["licence"] = config.licence.to_dict()
    return write_bundle(path, manifest, members)
