"""Decodes every golden file and compares it with its pictures; needs the runtime alone.

A script as well as a module, so that it can be run by any Python that has the runtime.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from mscn_tf.runtime.codec import Codec

HERE = Path(__file__).resolve().parent


def check() -> int:
    """The number of pictures compared.

    Raises:
      AssertionError: a pixel differs.
    """
    count = 0
    for path in sorted(HERE.glob("*.mscn")):
        codec = path.stem.split("_")[0]
        decoded = Codec.load(HERE / f"{codec}.mscnb").decode_all(path.read_bytes())
        for index, pixels in enumerate(decoded):
            expected = np.asarray(Image.open(HERE / f"{path.stem}_{index}.png"))
            np.testing.assert_array_equal(pixels.squeeze(), expected, err_msg=path.name)
            count += 1
    return count


if __name__ == "__main__":
    assert "tensorflow" not in sys.modules
    print(check(), "pictures decoded as they were,", sys.version.split()[0])
