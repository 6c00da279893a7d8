"""Makes golden files of the present format version; run once for each kind of codec, from the root.

    mscn train --config=tests/golden/config.py --workdir=DIR
    python tests/golden/make.py v1 DIR/golden.mscnb
    python -c "from tests.pyramids import write_codec; write_codec('DIR/random.mscnb', 32)"
    python tests/golden/make.py v1pyramid DIR/random.mscnb
    python -c "from tests.pyramids import write_codec; write_codec('DIR/signs.mscnb', 32, True)"
    python tests/golden/make.py v1signs DIR/signs.mscnb

Files that are once in the repository are never made again: they must decode forever.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from mscn_tf.codec import Codec

HERE = Path(__file__).resolve().parent


def main(name: str, bundle: str) -> None:
    """Writes the bundle, a picture and an archive, and what they decode to."""
    codec = Codec.load(bundle)
    demo = np.asarray(Image.open(HERE.parents[1] / "demo" / "kodim.png"))
    picture = demo[200:263, 300:397]  # sides that no tile divides
    items = [demo[:16, :16], demo[40:60, 50:90], demo[300:317, 10:30].mean(2, keepdims=True)]
    files = {
        "picture": codec.encode(picture, quality=7),
        "archive": codec.encode(
            [item.astype(np.uint8) for item in items], quality=5, names=["a.png", "b.png", "c.png"]
        ),
    }
    shutil.copy(bundle, HERE / f"{name}.mscnb")
    for kind, data in files.items():
        (HERE / f"{name}_{kind}.mscn").write_bytes(data)
        for index, decoded in enumerate(codec.decode_all(data)):
            Image.fromarray(decoded.squeeze()).save(HERE / f"{name}_{kind}_{index}.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
