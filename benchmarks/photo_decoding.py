"""Speed of decoding photographs with `photo`, in million pixels a second of one core.

Encodes all pictures of a folder, and one of them enlarged eightfold along each axis, cut to six
million pixels (smoother than a camera's own, by Pillow's bicubic filter), and decodes the files in
turns with one thread; of a file's decodings the one of the least processor time counts.

    python benchmarks/photo_decoding.py [--codec=NAME] [--data=FOLDER] [--qualities=3,5,7]
"""

from __future__ import annotations

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before NumPy

import time  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
from absl import app, flags  # noqa: E402
from PIL import Image  # noqa: E402

from mscn_tf.codec import Codec  # noqa: E402

CODEC = flags.DEFINE_string("codec", "photo", "a shipped codec of photographs, or a .mscnb file")
DATA = flags.DEFINE_string("data", "../shared/data/kodak_dev", "folder of pictures")
QUALITIES = flags.DEFINE_list("qualities", ["3", "5", "7"], "of the files")
REPEATS = flags.DEFINE_integer("repeats", 5, "decodings of each file", lower_bound=1)
SCALE, LARGE = 8, (3000, 2000)  # width and height


def enlarged(picture: Image.Image) -> Image.Image:
    """The middle of a picture in more pixels."""
    width, height = (side / SCALE for side in LARGE)
    left, top = (picture.width - width) / 2, (picture.height - height) / 2
    box = (left, top, left + width, top + height)
    return picture.resize(LARGE, Image.Resampling.BICUBIC, box)


def main(argv: list[str]) -> None:
    """Measures and prints."""
    pictures = [Image.open(path).convert("RGB") for path in sorted(Path(DATA.value).glob("*.png"))]
    if not pictures:
        raise SystemExit(f"{DATA.value} holds no .png; give --data")
    pictures.append(enlarged(pictures[0]))
    codec, pixels = Codec.load(CODEC.value), [p.width * p.height for p in pictures]
    print("| quality | bits a pixel | Mpixel/s a core: all | slowest | fastest | 6 Mpixel |")
    print("|---|---|---|---|---|---|")
    for quality in map(float, QUALITIES.value):
        files = [codec.encode(np.asarray(picture), quality=quality) for picture in pictures]
        seconds = [np.inf] * len(files)
        for _ in range(1 + REPEATS.value):
            for number, data in enumerate(files):
                begin = time.process_time()
                codec.decode(data)
                seconds[number] = min(seconds[number], time.process_time() - begin)
        *small, large = (count / took / 1e6 for count, took in zip(pixels, seconds))
        whole = sum(pixels[:-1]) / sum(seconds[:-1]) / 1e6
        bits = 8 * sum(map(len, files[:-1])) / sum(pixels[:-1])
        cells = [f"{quality:g}", f"{bits:.2f}"]
        cells += [f"{speed:.2f}" for speed in (whole, min(small), max(small), large)]
        print("|", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    app.run(main)
