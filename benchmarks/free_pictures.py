"""Training pictures that anyone may use: photographs of Debian packages, as PNG, and tiles of them.

    python benchmarks/free_pictures.py OUT

free_pictures.csv beside this file lists them, all under CC0, CC BY or in the public domain. OUT
gets `packages/`, `train/`, `validation/` and `more/` of pictures, `tiles_train.png` and
`tiles_validation.png` of 32x32 tiles of the first two (sheets, see docs/training.md) and
`ATTRIBUTION.csv`. Needs apt and dpkg and Debian's archive keyring; packages that are there already
aren't fetched again.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import math
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance

from mscn_tf.runtime.errors import MscnError

TABLE = Path(__file__).with_suffix(".csv")
SUITE = "trixie"
# Version and SHA-256 of each package, all of them of architecture `all`.
PACKAGES = {
    "budgie-backgrounds": (
        "3.0-1",
        "b91c2d5209558bc11d8d3a161f22a608857e3f8c735980cfab0d6650b03014ca",
    ),
    "lomiri-wallpapers-16.04": (
        "20.04.0-4",
        "f74676719f9d0128e5310e65ef97d596bcece8b6a43524ab8949ee1be0a4f18c",
    ),
    "palapeli-data": (
        "4:25.04.0-1",
        "c1cfb91a853f4a83bea7b5abe7808ccdc452917349bcc3f03460457a5307d0de",
    ),
    "python3-skimage": (
        "0.25.2-2",
        "08527101e10f4fd3c7c3184c85ba6e998b51a331e09671d8950bacd58d9940fe",
    ),
    "python3-sklearn": (
        "1.4.2+dfsg-8",
        "b2723a9092807429e9ba2cff5e1591ebdd8ab5dd7ea14aaa00b655cf2e0a7e0e",
    ),
    "wordpress-theme-twentytwentyfive": (
        "6.8.12+dfsg1-0+deb13u1",
        "2e0676de0a4c075c41e7947ac645b3683bed0ef00f48f7d2af98876efa6b2eb8",
    ),
    "wordpress-theme-twentytwentyfour": (
        "6.8.12+dfsg1-0+deb13u1",
        "4eab39ddb45e1a0067b6860b32d79bf5bb8bf36bc143f7bf3b876b89dbb27c21",
    ),
}
MOST_PIXELS = 1.5e6  # of a training picture
EDGE = 32
TILES = {"train": 40000, "validation": 1024}
SMALLEST_SQUARE = 0.25  # of what becomes a tile, along its side, to a picture's shorter one


def fetch(
    folder: Path, packages: Mapping[str, tuple[str, str]] = PACKAGES, suite: str = SUITE
) -> dict[str, Path]:
    """Downloads the packages that are missing, with apt's own lists in `folder`.

    Returns:
      The .deb files by package.

    Raises:
      MscnError: a file isn't the one that ``packages`` names.
    """
    lists, cache, sources = folder / "lists", folder / "cache", folder / "sources.list"
    files = {
        name: folder / f"{name}_{version.replace(':', '%3a')}_all.deb"
        for name, (version, _) in packages.items()
    }
    missing = [name for name, file in files.items() if not file.exists()]
    if missing:
        for part in (lists / "partial", cache / "archives" / "partial"):
            part.mkdir(parents=True, exist_ok=True)
        keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
        sources.write_text(f"deb [signed-by={keyring}] http://deb.debian.org/debian {suite} main\n")
        options = {
            "Dir::Etc::sourcelist": sources.resolve(),
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State::lists": lists.resolve(),
            "Dir::Cache": cache.resolve(),
        }
        apt = ["apt-get", "-qq", *(f"-o{key}={value}" for key, value in options.items())]
        subprocess.run([*apt, "update"], cwd=folder, check=True)
        wanted = [f"{name}={packages[name][0]}" for name in missing]
        subprocess.run([*apt, "download", *wanted], cwd=folder, check=True)
    for name, file in files.items():
        if hashlib.sha256(file.read_bytes()).hexdigest() != packages[name][1]:
            raise MscnError(f"{file}: not the package that was used; delete it")
    return files


def shrink_factor(size: tuple[int, int], lossless: bool) -> int:
    """By how much a picture is shrunk: JPEG at least by 2, which takes its artefacts away."""
    fits = math.ceil(math.sqrt(size[0] * size[1] / MOST_PIXELS))
    return fits if lossless else max(2, fits)


def shrunk(picture: Image.Image, lossless: bool) -> Image.Image:
    """A picture as it is trained on."""
    factor = shrink_factor(picture.size, lossless)
    size = picture.width // factor, picture.height // factor
    return picture.resize(size, Image.Resampling.LANCZOS) if factor > 1 else picture


def tiles(
    pictures: Sequence[Image.Image], count: int, random: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Random squares of pictures, each shrunk to one tile.

    Wallpapers are more colourful than most pictures, so colours are taken away by chance; and there
    are few of them, so half of the squares are upside down.

    Args:
      pictures: RGB; each is drawn from as often.
      count: of tiles.
      random: draws squares; their sides are spread evenly on a logarithmic scale.

    Returns:
      uint8 ``[count, EDGE, EDGE, 3]``.
    """
    found = np.empty((count, EDGE, EDGE, 3), np.uint8)
    for tile in found:
        picture = pictures[random.integers(len(pictures))]
        most = min(picture.size)
        side = math.floor(most * math.exp(random.uniform(math.log(SMALLEST_SQUARE), 0)))
        left, top = (int(random.integers(length - side + 1)) for length in picture.size)
        square = picture.resize(
            (EDGE, EDGE),
            Image.Resampling.BICUBIC,
            (left, top, left + side, top + side),
            reducing_gap=3.0,
        )
        tile[:] = ImageEnhance.Color(square).enhance(random.random())
        if random.random() < 0.5:
            tile[:] = tile[::-1].copy()
    return found


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    packages = out / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    for name, file in fetch(packages).items():
        subprocess.run(["dpkg-deb", "--extract", file, packages / name], check=True)
    with TABLE.open(newline="") as table:
        rows = list(csv.DictReader(table))
    random = np.random.default_rng(0)
    for part in (*TILES, "more"):
        pictures = []
        (out / part).mkdir(exist_ok=True)
        for row in (row for row in rows if row["set"] == part):
            source = packages / row["package"] / row["path"]
            pictures.append(shrunk(Image.open(source).convert("RGB"), source.suffix == ".png"))
            pictures[-1].save(out / part / f"{source.stem}.png")
        if part in TILES:
            sheet = tiles(pictures, TILES[part], random).reshape(TILES[part], EDGE * EDGE, 3)
            Image.fromarray(sheet).save(out / f"tiles_{part}.png")
    (out / "ATTRIBUTION.csv").write_bytes(TABLE.read_bytes())


if __name__ == "__main__":
    main()
