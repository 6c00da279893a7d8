"""Decodes every golden file and compares it with what it always was; needs the runtime alone.

A script as well as a module, so that it can be run by any Python that has the runtime.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from mscn_tf.runtime.file_decoder import FileDecoder

HERE = Path(__file__).resolve().parent


def files() -> list[tuple[Path, Path]]:
    """Every golden file and its bundle."""
    return [
        (path, HERE / f"{path.stem.split('_')[0]}.mscnb") for path in sorted(HERE.glob("*.mscn"))
    ]


def expected(path: Path) -> list[np.ndarray]:
    """The signals ``[.., C]`` of a golden file, as they were when it was made."""
    if path.with_suffix(".npz").exists():
        with np.load(path.with_suffix(".npz")) as arrays:
            return [arrays[name] for name in arrays.files]
    count = len(list(HERE.glob(f"{path.stem}_*.png")))
    pictures = [np.asarray(Image.open(HERE / f"{path.stem}_{i}.png")) for i in range(count)]
    return [pixels.reshape(*pixels.shape[:2], -1) for pixels in pictures]


def compare(signals: list[np.ndarray], path: Path, limits: tuple[float, float]) -> int:
    """The number of signals; real numbers may be off by what docs/format.md allows.

    Raises:
      AssertionError: a signal differs.
    """
    wanted = expected(path)
    assert wanted, path.name
    assert len(signals) == len(wanted), path.name
    for found, known in zip(signals, wanted):
        assert (found.dtype, found.shape) == (known.dtype, known.shape), path.name
        if known.dtype == np.float32:
            allowed = 2 * np.spacing(np.float32(max(map(abs, limits))))
            np.testing.assert_allclose(found, known, rtol=0, atol=allowed, err_msg=path.name)
        else:
            np.testing.assert_array_equal(found, known, err_msg=path.name)
    return len(wanted)


def check() -> int:
    """The number of signals compared.

    Raises:
      AssertionError: one differs.
    """
    count = 0
    for path, bundle in files():
        codec = FileDecoder.load(bundle)
        count += compare(list(codec.decode_all(path.read_bytes())), path, codec.range)
    return count


if __name__ == "__main__":
    assert "tensorflow" not in sys.modules
    print(check(), "signals decoded as they were,", sys.version.split()[0])
