"""Lossless compressors of bytes, for signals of any kind."""

from __future__ import annotations

import gzip
import zlib
from typing import Callable

import numpy as np
import zstandard

from mscn_tf.evaluation.baselines import Baseline
from mscn_tf.evaluation.signal import Signal

Pack = Callable[[Signal], bytes]
Unpack = Callable[[bytes, Signal], np.ndarray]


def compressors(pack: Pack, unpack: Unpack, used: str) -> tuple[Baseline, ...]:
    """gzip and zstd: a file for each signal, and one for all of them.

    Args:
      pack: a signal to bytes.
      unpack: these, and the signal for its shape and type, to its array.
      used: what is packed, in words.
    """
    squeezed = {
        "gzip": (
            "gzip -9",
            lambda data: gzip.compress(data, 9, mtime=0),
            gzip.decompress,
            f"zlib {zlib.ZLIB_RUNTIME_VERSION}",
        ),
        "zstd": (
            "zstd -19",
            lambda data: zstandard.ZstdCompressor(level=19).compress(data),
            lambda data: zstandard.ZstdDecompressor().decompress(data),
            f"zstd {'.'.join(map(str, zstandard.ZSTD_VERSION))}",
        ),
    }

    def make(name: str, together: bool) -> Baseline:
        label, compress, expand, version = squeezed[name]
        suffix, words = ("-all", ", all in one") if together else ("", "")
        return Baseline(
            name=name + suffix,
            family=name + suffix,
            label=label + words,
            settings=(0,),
            encode=lambda signal, _: compress(pack(signal)),
            decode=lambda data, signal, _: unpack(expand(data), signal),
            version=lambda: f"{version}, {label[len(name) + 1 :]}; {used}",
            lossless=True,
            together=together,
        )

    return tuple(make(name, together) for together in (False, True) for name in squeezed)
