"""Held-out temperature fields by their source: each source's last times as one archive.

    python benchmarks/field_sources.py [--codec=NAME|FILE] [--data=FOLDER]

Sources differ in how much of them training has seen: of a run of 100 months the first 70, of one
year the first 8 months, of ten days the first 7.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from mscn_tf.codec import Codec
from mscn_tf.signals import fields

QUALITIES = (1, 2, 4, 6, 8, 10)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--codec", default="temperature")
    parser.add_argument("--data", default="../shared/data/climate")
    given = parser.parse_args()
    codec = Codec.load(given.codec)
    options = codec.bundle.manifest.training["config"]["data"]["validation_options"]
    print("| source | fields | quality | bytes a field | bits a point | RMSE, K | PSNR, dB |")
    for path in sorted(Path(given.data).glob("*.npz")):
        if path.name.startswith("era5"):  # a region
            continue
        stack = fields.training_signals(str(path), part=options["part"])
        for quality in QUALITIES:
            data = codec.encode(stack, quality)
            each = [fields.measure(*pair, None) for pair in zip(stack, codec.decode_all(data))]
            rms, psnr = (np.mean([row[name] for row in each]) for name in ("K RMSE", "dB PSNR"))
            size = len(data) / len(stack)
            print(
                f"| {path.stem} | {len(stack)} | {quality} | {size:.1f} "
                f"| {8 * size / stack[0].size:.4f} | {rms:.3f} | {psnr:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
