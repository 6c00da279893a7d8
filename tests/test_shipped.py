"""What the shipped bundles promise, on real pictures and in real bytes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mscn_tf.codec import Codec
from mscn_tf.runtime.bundle import SHIPPED, Bundle
from mscn_tf.signals import images, voxels
from mscn_tf.signals.colour import grey_if_neutral
from mscn_tf.signals.datasets import central_square

ROOT = Path(__file__).resolve().parents[1]
FACES = ROOT.parent / "shared" / "data" / "celeba"
CIFAR = ROOT.parent / "shared" / "data" / "cifar10" / "test_first500.png"


@pytest.mark.parametrize("name", ["thumb32", "photo", "faces32", "faces64"])
def test_bundles_say_how_they_were_made(name):
    bundle = Bundle.load(name)
    training = bundle.manifest.training
    assert training["config"]["name"] == name
    assert {"seed", "steps"} <= set(training["config"])
    assert training["cpu_seconds"] > 0 or training["config"]["steps"] == 0
    assert (SHIPPED / f"{name}.mscnb").stat().st_size < 12e6


@pytest.mark.parametrize(
    "name",
    [
        *("photo", "photo-bsds500", "photo-first", "photo-plain", "photo-second"),
        *("photo-third", "photo-fourth", "photo-fifth"),
        *("thumb32-cifar10", "gated-faces-first", "gated-faces32"),
    ],
)
def test_files_of_these_and_of_codecs_that_others_have_replaced_decode_as_ever(name):
    golden = ROOT / "tests" / "golden" / "shipped" / name
    data = golden.with_suffix(".mscn").read_bytes()
    codec = Codec.of(data)
    assert codec.bundle.name == name
    with Image.open(golden.with_suffix(".png")) as picture:
        np.testing.assert_array_equal(codec.decode(data), np.asarray(picture))


@pytest.mark.skipif(not CIFAR.exists(), reason="needs the CIFAR-10 test pictures in ../shared")
@pytest.mark.parametrize(
    ("bpp", "psnr"), [(1.0, 28.3), pytest.param(0.5, 25.0, marks=pytest.mark.slow)]
)
def test_thumbnails_reach_their_curve(bpp, psnr):
    pictures = np.asarray(Image.open(CIFAR)).reshape(500, 32, 32, 3)
    codec = Codec.load("thumb32")
    data = codec.encode(pictures, bpp=bpp)
    assert 8 * len(data) <= bpp * pictures.size / 3
    decoded = codec.decode_all(data)
    originals = map(grey_if_neutral, pictures)
    assert np.mean([images.psnr(*pair) for pair in zip(originals, decoded)]) >= psnr


def best_webp(picture, size):
    """PSNR of the best WebP file of at most so many bytes."""
    best = 0.0
    for quality in range(0, 100, 4):
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "WEBP", quality=quality, method=6)
        if len(buffer.getvalue()) <= size:
            best = max(best, images.psnr(picture, np.asarray(Image.open(buffer).convert("RGB"))))
    return best


@pytest.mark.skipif(not FACES.exists(), reason="needs CelebA's faces in ../shared")
@pytest.mark.parametrize(
    ("name", "edge", "quality", "size", "psnr"),
    [("faces32", 32, 4, 105, 23.5), ("faces32", 32, 8, 420, 33.5), ("faces64", 64, 5, 250, 24.8)],
)
def test_faces_that_it_never_saw_reach_their_curve(name, edge, quality, size, psnr):
    codec, sizes, reached, webp = Codec.load(name), [], [], []
    for path in sorted(FACES.glob("*.jpg"))[-20:]:
        with Image.open(path) as picture:
            face = np.asarray(central_square(picture.convert("RGB"), edge))
        data = codec.encode(face, quality=quality)
        sizes.append(len(data))
        reached.append(images.psnr(face, codec.decode(data)))
        webp.append(best_webp(face, len(data)))
    assert np.mean(sizes) <= size
    assert np.mean(reached) >= max(psnr, np.mean(webp) + 0.5)


@pytest.mark.parametrize("name", [name for name in Bundle.names() if name.startswith("gated-")])
def test_gated_codecs_are_small_and_say_how_they_were_made(name):
    assert (SHIPPED / f"{name}.mscnb").stat().st_size < 1e6
    manifest = Bundle.load(name).manifest
    assert manifest.codec == "modulated"
    assert manifest.name == ("gated-faces32" if name == "gated-faces-first" else name)
    assert manifest.training["cpu_seconds"] > 0


@pytest.mark.skipif(not FACES.exists(), reason="needs CelebA's faces in ../shared")
def test_gates_of_faces_that_it_never_saw():
    """Each face has places of its own, and comes back better the more of them it may fill."""
    codec, faces = Codec.load("gated-faces32"), []
    for path in sorted(FACES.glob("*.jpg"))[-8:]:
        with Image.open(path) as picture:
            faces.append(np.asarray(central_square(picture.convert("RGB"), 32)))
    reached = []
    for quality in (6, 9):
        data = codec.encode(faces, quality=quality)
        items = range(len(faces))
        held = np.concatenate([codec.decode_symbols(data, item) for item in items]) != 0
        assert held.mean() < 0.5
        assert held.any(axis=0).sum() > 2 * held.all(axis=0).sum()
        decoded = codec.decode_all(data)
        reached.append(np.mean([images.psnr(*pair) for pair in zip(faces, decoded)]))
    assert reached[1] > reached[0] + 1
    assert reached[1] > 23


def test_gates_on_the_sphere():
    """A made-up month, warm at the equator, comes back within a few kelvins."""
    latitude, longitude = np.linspace(-85, 85, 18), np.arange(0, 360, 10.0)
    field = 235 + 62 * np.cos(np.radians(latitude))[:, None, None] ** 2 + np.zeros((18, 36, 1))
    codec = Codec.load("gated-temperature")
    places = {"latitude": latitude.tolist(), "longitude": longitude.tolist()}
    data = codec.encode(field.astype(np.float32), quality=10, metadata=places)
    assert np.sqrt(np.mean((codec.decode(data) - field) ** 2)) < 8


def table():
    """A solid: a table of 32x32x32 voxels."""
    solid = np.zeros((32, 32, 32, 1), bool)
    solid[3:29, 5:27, 20:24] = True
    for x in (4, 24):
        for y in (6, 22):
            solid[x : x + 4, y : y + 4, 6:20] = True
    return solid


def test_gates_of_a_solid():
    """A file made once decodes to what it did then, which is a table."""
    golden = ROOT / "tests" / "golden" / "shipped" / "gated-voxels32"
    data = golden.with_suffix(".mscn").read_bytes()
    codec = Codec.of(data)
    assert codec.bundle.name == "gated-voxels32"
    decoded = codec.decode(data)
    with np.load(golden.with_suffix(".npz")) as known:
        np.testing.assert_array_equal(decoded, known["decoded"])
    measured = voxels.measure(table(), decoded, None)
    assert len(data) < 90
    assert measured["% IoU"] > 60
    again = codec.encode(table(), quality=10)
    assert voxels.measure(table(), codec.decode(again), None)["% IoU"] > 60


def test_photo_beats_jpeg_at_the_same_bytes():
    picture = images.read_picture(ROOT / "demo" / "kodim.png")
    codec = Codec.load("photo")
    data = codec.encode(picture, bpp=0.3)
    best = 0.0
    for quality in range(1, 60):
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "JPEG", quality=quality, optimize=True)
        if len(buffer.getvalue()) <= len(data):
            best = max(best, images.psnr(picture, np.asarray(Image.open(buffer))))
    assert images.psnr(picture, codec.decode(data)) > best
