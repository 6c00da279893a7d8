"""Reading and writing `.mscn` files without TensorFlow; docs/format.md describes the bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mscn_tf.runtime.file_decoder import FileDecoder

__all__ = ["FileDecoder"]


def __getattr__(name: str) -> Any:
    if name != "FileDecoder":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mscn_tf.runtime.file_decoder import FileDecoder

    return FileDecoder
