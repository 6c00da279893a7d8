"""Makes what the page serves beside its code: samples and the bundles that decode them.

    python export/web/samples.py build/web

Made anew from a photograph (number 23 of the Kodak set, unrestricted use) whenever bundles change,
so that samples never outlive their codec. Bundles are named by the id that files name them with.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from mscn_tf.codec import Codec
from mscn_tf.runtime.bundle import SHIPPED, SUFFIX, Bundle
from mscn_tf.runtime.grids import global_grid

DEMO = Path(__file__).resolve().parents[2] / "demo"
SHOWN = ("image", "field", "silhouette")
PHOTO_BPP = 0.3
THUMB, THUMB_QUALITY = 32, 8.5
FIELD, FIELD_SEED, FIELD_QUALITY = (46, 90), 4, 7
# Left, top and side of squares of the photograph.
SQUARES = ((60, 150, 230), (380, 90, 230), (170, 190, 80), (460, 130, 90), (600, 320, 160))


def photograph(pixels: np.ndarray) -> bytes:
    """The picture as it is."""
    return Codec.load("photo").encode(pixels, bpp=PHOTO_BPP)


def thumbnails(pixels: np.ndarray) -> bytes:
    """Parts of it, shrunk to 32x32: an archive of pictures whose codec is a network."""
    whole = Image.fromarray(pixels)
    parts = [whole.crop((x, y, x + side, y + side)) for x, y, side in SQUARES]
    small = [np.asarray(part.resize((THUMB, THUMB), Image.Resampling.LANCZOS)) for part in parts]
    return Codec.load("thumb32").encode(small, quality=THUMB_QUALITY)


def temperatures() -> tuple[list[np.ndarray], list[str]]:
    """A made-up planet's monthly temperatures, float32 [46, 90, 1] in kelvins, and their names.

    Warm where the sun stands high, with continents that follow the seasons more than seas.
    """
    latitude, longitude = global_grid(FIELD)
    y, x = latitude[:, None], longitude[None]
    random = np.random.default_rng(FIELD_SEED)
    land = np.zeros(FIELD)
    for order in range(1, 7):  # waves that vanish at the poles as harmonics of their order do
        for tilt in range(3):
            phase, height = random.uniform(0, 2 * np.pi), random.normal() / order**0.7
            land += height * np.cos(y) ** order * np.sin(order * x + phase) * np.sin(y) ** tilt
    land = 1 / (1 + np.exp(-4 * land))
    months = []
    for month in range(12):
        sun = np.radians(23.4) * np.sin(2 * np.pi * (month - 3) / 12)
        mean = 235 + 66 * np.cos(y - 0.35 * sun) ** 2
        season = np.sin(sun) * np.sin(y) * (14 + 42 * land)
        months.append((mean + season - 16 * land).astype(np.float32)[..., None])
    return months, [f"month {month + 1}" for month in range(12)]


def planet() -> bytes:
    """Fields on the sphere: twelve months."""
    fields, names = temperatures()
    return Codec.load("temperature").encode(fields, names=names, quality=FIELD_QUALITY)


def main(folder: str) -> None:
    """Writes bundles/ and samples/."""
    samples, bundles = Path(folder) / "samples", Path(folder) / "bundles"
    for path in (samples, bundles):
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
    for name in Bundle.names():
        bundle = Bundle.load(name)
        if bundle.manifest.modality in SHOWN:
            shutil.copy(SHIPPED / (name + SUFFIX), bundles / (bundle.id[:8].hex() + SUFFIX))
    pixels = np.asarray(Image.open(DEMO / "kodim.png"))
    made = {
        "parrots.mscn": ("Photograph", photograph(pixels)),
        "thumbnails.mscn": ("Thumbnails", thumbnails(pixels)),
    }
    if "temperature" in Bundle.names():
        made["planet.mscn"] = ("Temperatures of a made-up planet", planet())
    for name, (_, data) in made.items():
        (samples / name).write_bytes(data)
    listing = [{"file": name, "title": title} for name, (title, _) in made.items()]
    (samples / "samples.json").write_text(json.dumps(listing))


if __name__ == "__main__":
    main(sys.argv[1])
