"""Colours of files that say what their numbers stand for."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms

from mscn_tf.runtime.errors import MscnError
from mscn_tf.signals import images
from mscn_tf.signals.picture_files import open_picture

D50 = (0.9642, 1.0, 0.8249)
ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
# To linear sRGB, as published with the spaces.
FROM_ADOBE = [[1.3983, -0.3983, 0], [0, 1, 0], [0, -0.0429, 1.0429]]
FROM_P3 = [[1.2249, -0.2249, 0], [-0.0421, 1.0421, 0], [-0.0196, -0.0786, 1.0983]]


def icc(space, connection, kind, tags):
    """An ICC profile, version 2, of tags as they are."""
    directory, content = struct.pack(">I", len(tags)), b""
    for tag, body in tags.items():
        start = 128 + 4 + 12 * len(tags) + len(content)
        directory += struct.pack(">4sII", tag, start, len(body))
        content += body + b"\0" * (-len(body) % 4)
    head = struct.pack(
        ">I4xI4s4s4s12x4s28x12s48x",
        128 + len(directory) + len(content),
        0x02400000,
        kind,
        space,
        connection,
        b"acsp",
        numbers(*D50),
    )
    return head + directory + content


def numbers(*values):
    return b"".join(struct.pack(">i", round(65536 * value)) for value in values)


def xyz(*values):
    return b"XYZ \0\0\0\0" + numbers(*values)


def gamma(value):
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(256 * value))


def named(text):
    return b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text + b"\0" + bytes(78)


def adobe_rgb():
    curves = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), gamma(563 / 256))
    colours = {tag: xyz(*value) for tag, value in zip((b"rXYZ", b"gXYZ", b"bXYZ"), ADOBE)}
    tags = {b"desc": named(b"Of cameras"), b"wtpt": xyz(*D50), **colours, **curves}
    return icc(b"RGB ", b"XYZ ", b"mntr", tags)


def grey(value):
    tags = {b"desc": named(b"Old grey"), b"wtpt": xyz(*D50), b"kTRC": gamma(value)}
    return icc(b"GRAY", b"XYZ ", b"mntr", tags)


def cmyk():
    """Inks whose lightness is that of the least covered of white paper."""
    ramp = bytes(range(256))
    corners = []
    for corner in range(16):  # black varies fastest
        inks = [corner >> 3 & 1, corner >> 2 & 1, corner >> 1 & 1, corner & 1]
        corners += [round(255 * (1 - inks[3]) * (1 - sum(inks[:3]) / 3)), 128, 128]
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + numbers(1, 0, 0, 0, 1, 0, 0, 0, 1)
    lut += 4 * ramp + bytes(corners) + 3 * ramp
    tags = {b"desc": named(b"Inks"), b"wtpt": xyz(*D50), b"A2B0": lut, b"A2B1": lut}
    return icc(b"CMYK", b"Lab ", b"prtr", tags)


def linear(levels):
    share = levels / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def levels(light):
    light = np.clip(light, 0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


@pytest.fixture
def colours():
    return np.random.default_rng(0).integers(0, 256, (13, 21, 3), dtype=np.uint8)


def with_chunk(path, kind, content):
    """Adds a chunk to a PNG, behind its header."""
    data = path.read_bytes()
    chunk = kind + content
    chunk = struct.pack(">I", len(content)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    path.write_bytes(data[:33] + chunk + data[33:])


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "tif"])
def test_a_profile_is_applied(tmp_path, colours, ending):
    path = tmp_path / f"a.{ending}"
    options = {"lossless": True} if ending == "webp" else {}
    smooth = np.asarray(Image.fromarray(colours).resize((64, 64), Image.Resampling.BICUBIC))
    Image.fromarray(smooth).save(path, icc_profile=adobe_rgb(), **options)
    found = open_picture(path)
    assert found.notes == ["colours converted to sRGB from Of cameras"]
    with Image.open(path) as stored:
        wanted = levels((np.asarray(stored) / 255) ** (563 / 256) @ np.transpose(FROM_ADOBE))
    assert np.abs(found.pixels - wanted).max() < 1.5


def test_srgb_profiles_change_nothing(tmp_path, colours):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(colours).save(tmp_path / "a.png", icc_profile=profile)
    found = open_picture(tmp_path / "a.png")
    assert found.notes == []
    np.testing.assert_array_equal(found.pixels, colours)


def test_grey_profiles(tmp_path, colours):
    Image.fromarray(colours[..., 0]).save(tmp_path / "a.png", icc_profile=grey(1.75))
    found = open_picture(tmp_path / "a.png")
    assert found.notes == ["colours converted to sRGB from Old grey"]
    assert found.pixels.shape == (13, 21, 1)
    assert np.abs(found.pixels - levels((colours[..., :1] / 255) ** 1.75)).max() < 2


def test_grey_picture_with_a_profile_of_colours(tmp_path, colours):
    Image.fromarray(colours[..., 0]).save(tmp_path / "a.png", icc_profile=adobe_rgb())
    found = open_picture(tmp_path / "a.png")
    assert found.pixels.shape == (13, 21, 1)
    wanted = levels((colours[..., :1] / 255) ** (563 / 256))
    assert np.abs(found.pixels - wanted).max() < 1.5


@pytest.mark.parametrize("profile", [b"rubbish", adobe_rgb()[:200], b"\0" * 500, grey(2.2)])
def test_profiles_that_do_not_fit_leave_pixels_alone(tmp_path, colours, profile):
    Image.fromarray(colours).save(tmp_path / "a.png", icc_profile=profile)
    found = open_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(found.pixels, colours)
    (note,) = found.notes
    assert "profile" in note


def test_a_profile_that_is_cut_short_is_told(tmp_path, colours):
    Image.fromarray(colours).save(tmp_path / "a.png")
    with_chunk(tmp_path / "a.png", b"iCCP", b"name\0\0rubbish")
    found = open_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(found.pixels, colours)
    assert found.notes == ["its colour profile is damaged: colours are taken as sRGB"]


@given(st.data())
def test_no_profile_raises(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("profiles") / "a.png"
    profile = bytearray(adobe_rgb())
    for _ in range(data.draw(st.integers(1, 8))):
        profile[data.draw(st.integers(0, len(profile) - 1))] = data.draw(st.integers(0, 255))
    Image.new("RGB", (3, 2), (9, 99, 199)).save(path, icc_profile=bytes(profile))
    found = open_picture(path)
    assert found.pixels.shape[:2] == (2, 3)
    assert all("\n" not in note for note in found.notes)


def test_alpha_stays_as_it_is(tmp_path, colours):
    alpha = np.arange(colours[..., 0].size).reshape(colours.shape[:2]) % 255 + 1
    rgba = np.dstack([colours, alpha]).astype(np.uint8)
    Image.fromarray(rgba).save(tmp_path / "a.png", icc_profile=adobe_rgb())
    Image.fromarray(colours).save(tmp_path / "b.png", icc_profile=adobe_rgb())
    found = images.read_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(found[..., 3], alpha)
    np.testing.assert_array_equal(found[..., :3], images.read_picture(tmp_path / "b.png"))


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_inks_with_a_profile_become_colours(tmp_path, kind):
    path = tmp_path / "a"
    inks = np.zeros((16, 16, 4), np.uint8)
    inks[:8, :, 3] = 255
    Image.fromarray(inks, "CMYK").save(path, kind, icc_profile=cmyk())
    found = open_picture(path)
    assert found.notes == ["colours converted to sRGB from Inks"]
    assert found.pixels[:7].max() < 30
    assert found.pixels[9:].min() > 240


@pytest.mark.parametrize("profile", [b"rubbish", adobe_rgb()])
def test_inks_without_one_are_refused(tmp_path, profile):
    path = tmp_path / "a.jpg"
    Image.new("CMYK", (9, 9)).save(path, icc_profile=profile)
    with pytest.raises(MscnError, match="CMYK colours, and its colour profile"):
        images.read_picture(path)


def test_adobe_rgb_of_cameras(tmp_path, colours):
    exif = Image.Exif()
    exif[ExifTags.IFD.Exif] = {0xA001: 65535, ExifTags.IFD.Interop: {1: "R03"}}
    Image.fromarray(colours).save(tmp_path / "a.png", exif=exif)
    found = open_picture(tmp_path / "a.png")
    assert found.notes == ["colours converted to sRGB from Adobe RGB"]
    wanted = levels((colours / 255) ** (563 / 256) @ np.transpose(FROM_ADOBE))
    assert np.abs(found.pixels - wanted).max() < 1.5


def test_gamma_of_png(tmp_path, colours):
    path = tmp_path / "a.png"
    Image.fromarray(colours).save(path)
    with_chunk(path, b"gAMA", struct.pack(">I", 55556))
    found = open_picture(path)
    assert found.notes == ["colours converted to sRGB from a gamma of 1.8"]
    assert np.abs(found.pixels - levels((colours / 255) ** 1.8)).max() < 1.5


def test_primaries_of_png(tmp_path, colours):
    path = tmp_path / "a.png"
    Image.fromarray(colours).save(path)
    p3 = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
    with_chunk(path, b"cHRM", struct.pack(">8I", *p3))
    found = open_picture(path)
    assert found.notes == ["colours converted to sRGB from its own primaries"]
    wanted = levels(linear(colours) @ np.transpose(FROM_P3))
    assert np.abs(found.pixels - wanted).max() < 1.5


@pytest.mark.parametrize(
    "chunks",
    [
        {b"gAMA": struct.pack(">I", 45455)},
        {b"sRGB": b"\0"},
        {b"sRGB": b"\0", b"gAMA": struct.pack(">I", 100000)},
        {b"gAMA": struct.pack(">I", 0)},
        {b"cICP": bytes([1, 13, 0, 1])},
    ],
)
def test_what_says_srgb_changes_nothing(tmp_path, colours, chunks):
    path = tmp_path / "a.png"
    Image.fromarray(colours).save(path)
    for kind, content in chunks.items():
        with_chunk(path, kind, content)
    found = open_picture(path)
    assert found.notes == []
    np.testing.assert_array_equal(found.pixels, colours)


def test_primaries_that_are_none(tmp_path, colours):
    path = tmp_path / "a.png"
    Image.fromarray(colours).save(path)
    with_chunk(path, b"cHRM", struct.pack(">8I", *[1] * 8))
    found = open_picture(path)
    np.testing.assert_array_equal(found.pixels, colours)
    assert found.notes == ["its colour profile is damaged: colours are taken as sRGB"]


def test_numbered_colours(tmp_path, colours):
    path = tmp_path / "a.png"
    Image.fromarray(colours).save(path)
    with_chunk(path, b"cICP", bytes([12, 13, 0, 1]))
    found = open_picture(path)
    assert found.notes == ["colours converted to sRGB from Display P3"]
    wanted = levels(linear(colours) @ np.transpose(FROM_P3))
    assert np.abs(found.pixels - wanted).max() < 1.5


@pytest.mark.parametrize("transfer", [16, 18])
def test_high_dynamic_range_is_refused(tmp_path, colours, transfer):
    path = tmp_path / "a.png"
    Image.fromarray(colours).save(path)
    with_chunk(path, b"cICP", bytes([9, transfer, 0, 1]))
    with pytest.raises(MscnError, match="high dynamic range"):
        images.read_picture(path)
