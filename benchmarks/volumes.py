"""A part of a volume that no training saw: bytes and PSNR of `volume`, and of other ways.

    python benchmarks/volumes.py [--codec=NAME|FILE] VOLUME.nii.gz@60-100 OUT.csv

gzip and zstd are lossless; JPEG 2000 codes every slice along the first axis on its own.
"""

from __future__ import annotations

import csv
import gzip
import io

import numpy as np
import zstandard
from absl import app, flags
from PIL import Image

from mscn_tf.codec import Codec
from mscn_tf.signals.images import psnr
from mscn_tf.signals.volumes import training_signals

CODEC = flags.DEFINE_string("codec", "volume", "name or file")

_QUALITIES = (2, 4, 5, 6, 8, 10)
_JPEG2000 = (40, 80, 160, 320)  # ratios of compression


def _jpeg2000(volume: np.ndarray, ratio: int) -> tuple[int, np.ndarray]:
    size, slices = 0, []
    for one in volume:
        buffer = io.BytesIO()
        Image.fromarray(one).save(
            buffer, "JPEG2000", irreversible=True, quality_layers=[ratio], no_jp2=True
        )
        size += len(buffer.getvalue())
        slices.append(np.asarray(Image.open(buffer)))
    return size, np.stack(slices)


def main(argv: list[str]) -> None:
    """Measures, prints and writes the table."""
    if len(argv) != 3:
        raise app.UsageError("give a volume and a .csv file for the results")
    (volume,) = training_signals(argv[1])
    eight_bits = np.rint(255 * volume[..., 0]).astype(np.uint8)
    raw = eight_bits.tobytes()
    rows = [
        {"way": "8 bits", "bytes": len(raw), "psnr": np.inf},
        {"way": "gzip -9", "bytes": len(gzip.compress(raw, 9, mtime=0)), "psnr": np.inf},
        {
            "way": "zstd -19",
            "bytes": len(zstandard.ZstdCompressor(level=19).compress(raw)),
            "psnr": np.inf,
        },
    ]
    for ratio in _JPEG2000:
        size, decoded = _jpeg2000(eight_bits, ratio)
        rows.append(
            {"way": f"JPEG 2000, 1:{ratio}", "bytes": size, "psnr": psnr(eight_bits, decoded)}
        )
    codec = Codec.load(CODEC.value)
    for quality in _QUALITIES:
        data = codec.encode([volume], quality=quality)
        decoded = codec.decode(data)
        rows.append(
            {"way": f"quality {quality}", "bytes": len(data), "psnr": psnr(volume, decoded, 1.0)}
        )
    for row in rows:
        row["bits_a_voxel"] = 8 * row["bytes"] / volume.size
        print("{way:20} {bytes:9,} bytes  {bits_a_voxel:.4f} bits  {psnr:6.2f} dB".format(**row))
    with open(argv[2], "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    app.run(main)
