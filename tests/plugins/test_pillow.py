"""Pictures of `.mscn` files through Pillow and imageio."""

from __future__ import annotations

import pytest

from tests.installed import ROOT

PICTURE = f"""
import io, os
from PIL import Image
import mscn_tf.pillow
mscn_tf.pillow.register()
picture = Image.open(r"{ROOT / "demo" / "kodim.png"}").convert("RGB").crop((250, 150, 410, 270))
def off(found, told=picture):
    assert (found.size, found.mode) == (told.size, told.mode)
    return np.abs(np.asarray(found).astype(int) - np.asarray(told)).mean()
"""


def test_pictures_are_saved_and_opened(run):
    program = """
picture.save("x.mscn", bpp=1)
assert 0.9 < os.path.getsize("x.mscn") * 8 / (160 * 120) <= 1
with Image.open("x.mscn") as opened:
    assert opened.format == "MSCN" and "exif" not in opened.info
    assert off(opened) < 6
    assert off(opened.crop((5, 6, 50, 40)), picture.crop((5, 6, 50, 40))) < 8
errors = []
for quality in 3, 9:
    file = io.BytesIO()
    picture.save(file, "MSCN", quality=quality)
    errors.append(off(Image.open(file)))
assert errors[1] < errors[0] / 2, errors
for told in picture.convert("L"), picture.convert("RGBA"), picture.convert("LA"):
    if told.mode != "L":
        told.putalpha(Image.linear_gradient("L").resize(told.size))
    told.save("x.mscn", lossless=True)
    assert off(Image.open("x.mscn"), told) == 0
picture.quantize(16).save("x.mscn", lossless=True)
assert off(Image.open("x.mscn"), picture.quantize(16).convert("RGB")) == 0
"""
    run(PICTURE + program)


def test_archives_are_frames(run):
    program = """
others = [picture.convert("L").resize((40, 30)), picture.crop((0, 0, 32, 32))]
picture.save("x.mscn", save_all=True, append_images=others, quality=9)
opened = Image.open("x.mscn")
assert (opened.n_frames, opened.is_animated) == (3, True)
for frame in 2, 0, 1:
    opened.seek(frame)
    assert opened.tell() == frame
    assert off(opened, [picture, *others][frame]) < 4
opened.seek(0)
assert opened.size == (160, 120)
try:
    opened.seek(3)
except EOFError as error:
    print(error)
"""
    assert run(PICTURE + program) == "no frame 3; there are 3"


def test_exif_and_the_like_are_kept_where_they_are_given(run):
    program = """
exif = Image.Exif()
exif[315] = "somebody"
picture.save("x.mscn", exif=exif, dpi=(72, 144), comment="a word", xmp=b"<x/>")
info = Image.open("x.mscn").info
assert Image.open("x.mscn").getexif()[315] == "somebody"
assert (info["dpi"], info["comment"], info["xmp"]) == ((72, 144), b"a word", b"<x/>")
exif[274] = 6
try:
    picture.save("y.mscn", exif=exif)
except ValueError as error:
    print(error)
"""
    assert "turn pictures upright before" in run(PICTURE + program)


def test_what_can_not_be_saved_or_opened_is_said_in_one_line(run):
    program = """
def refused(ask):
    try:
        ask()
    except ValueError as error:
        print(error)
refused(lambda: picture.save("x.mscn", quality=11))
refused(lambda: picture.save("x.mscn", quality=1, bpp=2))
refused(lambda: picture.save("x.mscn", codec="nothing"))
refused(lambda: Image.new("F", (5, 5)).save("x.mscn"))
refused(lambda: Image.new("CMYK", (5, 5)).save("x.mscn"))
assert not os.path.exists("x.mscn")
picture.save("x.mscn")
with open("x.mscn", "rb") as file:
    content = file.read()
refused(lambda: Image.open(io.BytesIO(content[:-9])).load())
from mscn_tf import Codec
field = Codec.load("field").encode(np.arange(81, dtype="f4").reshape(9, 9, 1))
refused(lambda: Image.open(io.BytesIO(field)))
"""
    words = ["quality=11", "give one of", "no codec named", "8 bits", "CMYK", "damaged"]
    words.append("holds fields, not pictures")
    found = run(PICTURE + program).splitlines()
    assert len(found) == len(words)
    for line, told in zip(found, words):
        assert told in line


def test_imageio_reads_and_writes_it(run):
    pytest.importorskip("imageio")
    program = """
import imageio.v3 as iio
pixels = np.asarray(picture)
iio.imwrite("x.mscn", pixels, plugin="pillow", quality=9)
found = iio.imread("x.mscn")
assert found.shape == (120, 160, 3) and np.abs(found.astype(int) - pixels).mean() < 3
"""
    run(PICTURE + program)


def test_samples_of_scikit_image(run):
    pytest.importorskip("skimage")
    program = """
import skimage.data
cat = Image.fromarray(skimage.data.chelsea()).resize((150, 100))
cat.save("x.mscn", psnr=38)
opened = np.asarray(Image.open("x.mscn")).astype(int)
error = np.mean(np.square(opened - np.asarray(cat)))
assert 37.9 < 10 * np.log10(255**2 / error) < 39.5
"""
    run(PICTURE + program)
