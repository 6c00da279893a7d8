"""PSNR at so many stored values a picture, as a Markdown table.

A stored value is a symbol that isn't zero. Codes are fitted and plainly rounded at quality 10;
of each picture the k symbols that stand for the largest values are kept, all others become zero.
Rows of the basis have unit norm, so these are the values that matter most. Files are written and
decoded. Where k is more than a picture has, it keeps all: `mean` is what is kept.

    python benchmarks/stored_values.py [--codec=faces64] [--values=64,128,..] FOLDER
"""

from __future__ import annotations

import numpy as np
from absl import app, flags

from mscn_tf.codec import Codec
from mscn_tf.signals import images

CODEC = flags.DEFINE_string("codec", "faces64", "name or file of a codec of tiles")
VALUES = flags.DEFINE_list("values", ["64", "128", "256", "512", "1024"], "stored values")

_Q16 = 160


def main(argv: list[str]) -> None:
    """Measures and prints."""
    codec = Codec.load(CODEC.value)
    manifest = codec.bundle.manifest
    edge, channels = manifest["tile_edge"], manifest["channels"]
    pictures, _ = images.read(argv[1])
    if any(picture.shape != (edge, edge, channels) for picture in pictures):
        raise app.UsageError(f"{CODEC.value} takes pictures of {edge}x{edge}")
    count = len(pictures)
    quality = np.full(count, _Q16)
    prior = codec.bundle.prior
    symbols = prior.quantise(codec.encoder.codes(np.stack(pictures), quality), quality, 0.0)
    order = np.argsort(-np.abs(prior.dequantise(symbols, quality)), axis=1, kind="stable")
    rank = np.argsort(order, axis=1)
    print("| stored values at most | mean | PSNR |\n|---|---|---|")
    for k in map(int, VALUES.value):
        kept = np.where(rank < k, symbols, 0)
        shapes = [picture.shape[:2] for picture in pictures]
        data = codec.pack(kept, shapes, quality, [channels] * count)
        psnr = np.mean([images.psnr(*pair) for pair in zip(pictures, codec.decode_all(data))])
        mean = np.count_nonzero(kept) / count
        print(f"| {k:,} | {mean:,.1f} | {psnr:.2f} dB |")


if __name__ == "__main__":
    app.run(main)
