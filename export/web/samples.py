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
SHOWN = ("image", "field", "silhouette", "sound", "volume", "voxels", "mesh", "scene")
ENCODERS = ("photo", "field")  # that the page encodes with
KEPT = ("*.html", "*.css", "*.js", "*.svg", "vendor/**/*.js*", "vendor/*.gzip", "samples/*")
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


def sound() -> bytes:
    """Three notes, each swelling and dying away: at 8 kHz a second and a half."""
    rate, length = 8000, 4000
    time = np.arange(length) / rate
    envelope = np.sin(np.pi * np.arange(length) / length) ** 2
    notes = [envelope * np.sin(2 * np.pi * pitch * time) for pitch in (262, 330, 392)]
    samples = (0.6 * np.concatenate(notes)).astype(np.float32)[:, None]
    return Codec.load("speech").encode(samples, quality=7, metadata={"rate": rate})


def shapes(points: complex) -> tuple[np.ndarray, np.ndarray]:
    """Distances to a ring and to a ball inside it, at so many points an axis of [-1, 1]^3."""
    x, y, z = np.mgrid[-1:1:points, -1:1:points, -1:1:points]
    return np.hypot(np.hypot(x, y) - 0.6, z) - 0.22, np.sqrt(x**2 + y**2 + z**2) - 0.28


def solid() -> np.ndarray:
    """Distances to ring and ball, in cells, float32 [31, 31, 31, 1]."""
    return (15 * np.minimum(*shapes(31j))).clip(-4, 4).astype(np.float32)[..., None]


def mesh() -> bytes:
    """A shape, as distances to its surface."""
    return Codec.load("mesh").encode(solid(), quality=7)


def volume() -> bytes:
    """The same as a scan of something that is densest in its middle."""
    return Codec.load("volume").encode(0.5 - solid() / 8, quality=6)


def scene() -> bytes:
    """A blue ring and an orange ball, lit from above: density and colours, [32, 32, 32, 4]."""
    ring, ball = shapes(32j)
    density = (-8 * np.minimum(ring, ball)).clip(-1, 1)[..., None]
    light = np.linspace(0.5, 1, 32)[:, None]  # rising along z
    colours = np.where((ball < ring)[..., None], (1.0, 0.55, 0.15), (0.25, 0.5, 0.95)) * light
    grid = np.concatenate([density, colours], axis=-1).astype(np.float32)
    return Codec.load("scene").encode(grid, quality=7)


def kept(folder: Path) -> list[str]:
    """What the page works with where there is no network, but for codecs that only decode."""
    found = {path.relative_to(folder).as_posix() for glob in KEPT for path in folder.glob(glob)}
    bundles = [f"bundles/{_file(Bundle.load(name))}" for name in ENCODERS]
    return sorted([*found - {"offline.js"}, "bundles/names.json", "bundles/sizes.json", *bundles])


def _file(bundle: Bundle) -> str:
    return bundle.id[:8].hex() + SUFFIX


def main(folder: str) -> None:
    """Writes bundles/, samples/ and files.json, the list of what is kept for want of a network."""
    root = Path(folder)
    samples, bundles = root / "samples", root / "bundles"
    for path in (samples, bundles):
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
    sizes = {}
    for name in Bundle.names():
        bundle = Bundle.load(name)
        if bundle.manifest.modality in SHOWN:
            shutil.copy(SHIPPED / (name + SUFFIX), bundles / _file(bundle))
            sizes[_file(bundle)] = (bundles / _file(bundle)).stat().st_size
    (bundles / "sizes.json").write_text(json.dumps(sizes))
    ids = {name: Bundle.load(name).id[:8].hex() for name in ENCODERS}
    (bundles / "names.json").write_text(json.dumps(ids))
    pixels = np.asarray(Image.open(DEMO / "kodim.png"))
    made = {
        "parrots.mscn": ("Photograph", photograph(pixels)),
        "thumbnails.mscn": ("Thumbnails", thumbnails(pixels)),
        "planet.mscn": ("Made-up temperatures", planet()),
        "notes.mscn": ("Sound", sound()),
        "scan.mscn": ("Scan", volume()),
        "ring.mscn": ("Shape", mesh()),
        "toy.mscn": ("Scene", scene()),
    }
    for name, (_, data) in made.items():
        (samples / name).write_bytes(data)
    shutil.copy(DEMO / "kodim.png", samples / "parrots.png")
    listing = [{"file": name, "title": title} for name, (title, _) in made.items()]
    listing.append({"file": "parrots.png", "title": "Make a photograph small"})
    (samples / "samples.json").write_text(json.dumps(listing))
    (root / "files.json").write_text(json.dumps(kept(root)))


if __name__ == "__main__":
    main(sys.argv[1])
