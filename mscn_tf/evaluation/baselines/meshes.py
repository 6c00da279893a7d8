"""A mesh's own file, as it is and compressed: what a mesh takes without any codec."""

from __future__ import annotations

import gzip
import zlib
from typing import Callable

from mscn_tf.evaluation.baselines import Baseline
from mscn_tf.signals import mesh_files


def _of_file(
    name: str,
    label: str,
    compress: Callable[[bytes], bytes],
    expand: Callable[[bytes], bytes],
    version: str,
) -> Baseline:
    return Baseline(
        name=name,
        family=name,
        label=label,
        settings=(0,),
        encode=lambda signal, _: compress(signal.original.data),
        decode=lambda data, signal, _: mesh_files.parse(
            expand(data), signal.original.kind, signal.name
        ),
        version=lambda: version,
        lossless=True,
    )


def _as_is(data: bytes) -> bytes:
    return data


BASELINES = (
    _of_file("file", "the file itself", _as_is, _as_is, "as it is"),
    _of_file(
        "gzip",
        "the file, gzip -9",
        lambda data: gzip.compress(data, 9, mtime=0),
        gzip.decompress,
        f"zlib {zlib.ZLIB_RUNTIME_VERSION}, 9",
    ),
)
