"""A codec's BD-rate against published points of single pictures: Cool-Chic's on Kodak.

    mscn evaluate --codec=photo --data=kodak/ --baselines=none --qualities=2,3,4,5,6,7 --out=report/
    python benchmarks/per_picture.py report/ rd_per_image_kodak.csv [--codec=photo]

The second file has a row for each point, with columns coolchic_version, image, bpp and psnr_db, as
Cool-Chic's repository publishes them in a table for each version. Printed is how many more (+) or
fewer (-) bytes the codec takes at equal PSNR between `--rates` of theirs: the mean of the report's
pictures, the least and the most. What else the report has is left out.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from absl import app, flags

from mscn_tf.evaluation.curves import Curve, compare

CODEC = flags.DEFINE_string("codec", "photo", "of the report's")
RATES = flags.DEFINE_list("rates", ["0.05", "0.8"], "bits a pixel, from and to")


def curves(path: Path, version: str, picture: str, quality: str) -> Iterator[tuple[str, Curve]]:
    """By version and picture, whose columns have these names, as that of PSNR has."""
    points = defaultdict(list)
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            name = row[version], Path(row[picture]).stem
            points[name].append((float(row["bpp"]), float(row[quality])))
    for (label, stem), found in points.items():
        rate, psnr = zip(*sorted(found))
        yield stem, Curve(label, label, rate, psnr)


def main(argv: list[str]) -> None:
    """Compares and prints."""
    measured = curves(Path(argv[1]) / "signals.csv", "codec", "signal", "psnr")
    ours = {name: one for name, one in measured if one.label == CODEC.value}
    rates = float(RATES.value[0]), float(RATES.value[1])
    found = defaultdict(list)
    for name, anchor in curves(Path(argv[2]), "coolchic_version", "image", "psnr_db"):
        if name in ours:
            found[anchor.label].append(compare(anchor, ours[name], rates).percent)
    print("| Cool-Chic | BD-rate | single pictures |")
    print("|---|---|---|")
    for label, percents in found.items():
        least, most = min(percents), max(percents)
        print(f"| {label} | {np.mean(percents):+.1f} % | {least:+.0f} to {most:+.0f} % |")


if __name__ == "__main__":
    app.run(main)
