"""What `--effort` costs and brings: CPU time a file, and BD-rate against the first of them.

All efforts take turns on each file and quality, in this process. A stack of small pictures, an
.npy file uint8 [n, H, W, C], makes one archive. Prints a table.

    python benchmarks/effort.py [--codec=photo] [--efforts=1,2,4,9] [--qualities=...] PICTURE...
"""

from __future__ import annotations

import time

import bjontegaard
import numpy as np
from absl import app, flags

from mscn_tf.codec import Codec
from mscn_tf.signals import images

CODEC = flags.DEFINE_string("codec", "photo", "name or file of a codec")
EFFORTS = flags.DEFINE_list("efforts", ["1", "2", "4", "9"], "0 to 9")
QUALITIES = flags.DEFINE_list("qualities", ["2", "3", "4", "5", "6"], "at least four")


def main(argv: list[str]) -> None:
    """Measures and prints."""
    codec = Codec.load(CODEC.value)
    efforts = [int(effort) for effort in EFFORTS.value]
    seconds, change = np.zeros(len(efforts)), np.zeros(len(efforts))
    codec.encode(images.read(argv[1]).arrays, quality=3)  # warm-up
    for path in argv[1:]:
        pictures = images.read(path).arrays
        points = np.zeros((len(efforts), len(QUALITIES.value), 2))
        for q, quality in enumerate(QUALITIES.value):
            for e, effort in enumerate(efforts):
                began = time.process_time()
                data = codec.encode(pictures, quality=float(quality), effort=effort)
                seconds[e] += time.process_time() - began
                psnrs = [images.psnr(*pair) for pair in zip(pictures, codec.decode_all(data))]
                points[e, q] = np.log(len(data)), np.mean(psnrs)
        for e in range(len(efforts)):
            (rate0, psnr0), (rate, psnr) = points[0].T, points[e].T
            change[e] += bjontegaard.bd_rate(
                np.exp(rate0), psnr0, np.exp(rate), psnr, method="pchip"
            )
    files = len(argv) - 1
    print("effort  CPU s a file  over the first  BD-rate")
    for effort, spent, percent in zip(efforts, seconds, change / files):
        mean = spent / files / len(QUALITIES.value)
        print(f"{effort:6}  {mean:12.2f}  {spent / seconds[0]:14.2f}  {percent:+6.2f} %")


if __name__ == "__main__":
    app.run(main)
