"""Compression of pictures and other signals with meta-learned sparse networks.

`Codec` encodes and decodes, without TensorFlow:

    codec = mscn_tf.Codec.load("photo")
    data = codec.encode(picture, bpp=0.5)  # uint8 [H, W, 3] -> bytes
    picture = codec.decode(data)

What networks are made of and trained with, in Keras, is in the packages `networks`, `sparsity`,
`fitting` and `entropy`: `mscn_tf.fitting.MetaLearner`.

Nothing heavy is imported before it is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mscn_tf.codec import Codec

__version__ = "0.2.0"
__all__ = ["Codec", "__version__"]


def __getattr__(name: str) -> Any:
    if name in ("entropy", "fitting", "networks", "sparsity"):  # packages
        return importlib.import_module(f"{__name__}.{name}")
    if name != "Codec":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mscn_tf.codec import Codec

    return Codec
