"""What kinds of files of pictures are read, how deep, and in which words others are refused."""

from __future__ import annotations

import base64
import io
import os
import re
import struct
import sys
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin, features

from mscn_tf.runtime.errors import MscnError
from mscn_tf.signals import images, picture_files
from mscn_tf.signals.picture_files import load_picture, open_picture

# 8x8 pixels of 16 and of 10 bits a channel, which Pillow can't write.
DEEP_JP2 = (
    "AAAADGpQICANCocKAAAAFGZ0eXBqcDIgAAAAAGpwMiAAAAAtanAyaAAAABZpaGRyAAAACAAAAAgAAw8HAAAAAAAP"
    "Y29scgEAAAAAABAAAADAanAyY/9P/1EALwAAAAAACAAAAAgAAAAAAAAAAAAAAAgAAAAIAAAAAAAAAAAAAw8BAQ8B"
    "AQ8BAf9SAA0BAgABAQAEBAAAiP9cAAVCgAD/ZAAlAAFDcmVhdGVkIGJ5IE9wZW5KUEVHIHZlcnNpb24gMi41LjT/"
    "kAAKAAAAAABGAAH/k98poBIrZcr0e1bq1XOQ+2C2g1USctNyZIQKbAMsgM+IuCyWYZiVZ1SRahv/gJwE1gXJg1Xk"
    "f/vU/9k="
)
DEEP_AVIF = (
    "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUEAAADrbWV0YQAAAAAAAAAhaGRscgAAAAAAAAAAcGljdAAA"
    "AAAAAAAAAAAAAAAAAAAOcGl0bQAAAAAAAQAAAB5pbG9jAAAAAEQAAAEAAQAAAAEAAAETAAAALwAAAChpaW5mAAAA"
    "AAABAAAAGmluZmUCAAAAAAEAAGF2MDFDb2xvcgAAAABqaXBycAAAAEtpcGNvAAAAFGlzcGUAAAAAAAAACAAAAAgA"
    "AAAQcGl4aQAAAAADCgoKAAAADGF2MUOBIEAAAAAAE2NvbHJuY2x4AAIAAgAGgAAAABdpcG1hAAAAAAAAAAEAAQQB"
    "AoMEAAAAN21kYXQSAAoIOAi/bwICBpAyIReCYwTAAPIAAACQPXxNHpnMbUGP/x4MjKhvBqJqof/GNg=="
)
needs_avif = pytest.mark.skipif(not features.check("avif"), reason="needs Pillow with AVIF")


@pytest.fixture
def colours():
    return np.random.default_rng(0).integers(0, 256, (13, 21, 3), dtype=np.uint8)


def chunk(kind, content):
    crc = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)


def write_png(path, width, height, bits, colour, rows, extra=b""):
    """A PNG of rows of bytes as they are."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    content = chunk(b"IHDR", header) + extra
    content += chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content + chunk(b"IEND", b""))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("beyond", [0, 0x100])
def test_transparent_grey_of_any_depth(tmp_path, bits, beyond):
    values = np.arange(16) % 2**bits
    row = np.packbits((values[:, None] >> np.arange(bits)[::-1]) & 1).tobytes()
    key = 2**bits - 1 if bits == 1 else 1
    write_png(
        tmp_path / "a.png",
        16,
        3,
        bits,
        0,
        [row] * 3,
        chunk(b"tRNS", struct.pack(">H", key | beyond)),
    )
    found = images.read_picture(tmp_path / "a.png")
    assert found.shape == (3, 16, 2)
    np.testing.assert_array_equal(found[0, :, 1], np.where(values == key, 0, 255))
    seen = values != key
    np.testing.assert_array_equal(found[0, seen, 0], (values * 255 // (2**bits - 1))[seen])


@pytest.mark.parametrize("beyond", [0, 0x100])
def test_transparent_colour(tmp_path, colours, beyond):
    key = struct.pack(">3H", *(int(value) | beyond for value in colours[2, 3]))
    rows = [row.tobytes() for row in colours]
    write_png(tmp_path / "a.png", 21, 13, 8, 2, rows, chunk(b"tRNS", key))
    found = images.read_picture(tmp_path / "a.png")
    clear = (colours == colours[2, 3]).all(-1)
    np.testing.assert_array_equal(found[..., 3], np.where(clear, 0, 255))
    np.testing.assert_array_equal(found[~clear][:, :3], colours[~clear])


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_transparent_palette_of_any_depth(tmp_path, bits):
    values = np.arange(16) % 2**bits
    row = np.packbits((values[:, None] >> np.arange(bits)[::-1]) & 1).tobytes()
    palette = np.arange(3 * 2**bits, dtype=np.uint8).reshape(-1, 3) * 7 % 251
    extra = chunk(b"PLTE", palette.astype(np.uint8).tobytes()) + chunk(b"tRNS", b"\x00\x80")
    write_png(tmp_path / "a.png", 16, 2, bits, 3, [row] * 2, extra)
    found = images.read_picture(tmp_path / "a.png")
    alpha = np.where(values == 0, 0, np.where(values == 1, 128, 255))
    np.testing.assert_array_equal(found[0, :, 3], alpha)
    np.testing.assert_array_equal(found[0, values > 0, :3], palette[values][values > 0])


def test_grey_in_three_channels_becomes_one(tmp_path, colours):
    grey = colours[..., :1]
    alpha = np.arange(grey.size).reshape(grey.shape) % 255 + 1
    Image.fromarray(grey.repeat(3, 2)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(images.read_picture(tmp_path / "a.png"), grey)
    Image.fromarray(np.dstack([grey.repeat(3, 2), alpha]).astype(np.uint8)).save(tmp_path / "b.png")
    found = images.read_picture(tmp_path / "b.png")
    np.testing.assert_array_equal(found, np.dstack([grey, alpha]))


def test_grey_where_it_is_seen(tmp_path, colours):
    rgba = np.dstack([colours, np.zeros(colours.shape[:2], np.uint8)])
    rgba[3:9, 4:12] = [77, 77, 77, 255]
    Image.fromarray(rgba).save(tmp_path / "a.png")
    assert images.read_picture(tmp_path / "a.png").shape == (13, 21, 2)


def test_one_tint_keeps_three_channels(tmp_path, colours):
    nearly = colours[..., :1].repeat(3, 2)
    nearly[5, 5, 1] ^= 1
    Image.fromarray(nearly).save(tmp_path / "a.png")
    np.testing.assert_array_equal(images.read_picture(tmp_path / "a.png"), nearly)


def test_fewer_than_8_bits_are_read(tmp_path, colours):
    """A BMP of 5, 6 and 5 bits a channel."""
    shifts = ((11, 3), (5, 2), (0, 3))
    values = sum((colours[..., c].astype("<u2") >> r) << s for c, (s, r) in enumerate(shifts))
    rows = b"".join(row.astype("<u2").tobytes() + b"\0\0" for row in values[::-1])
    head = struct.pack("<IiiHHIIiiII", 40, 21, 13, 1, 16, 3, len(rows), 2835, 2835, 0, 0)
    masks = struct.pack("<III", 0xF800, 0x07E0, 0x001F)
    start = struct.pack("<IHHI", 66 + len(rows), 0, 0, 66)
    (tmp_path / "a.bmp").write_bytes(b"BM" + start + head + masks + rows)
    found = images.read_picture(tmp_path / "a.bmp")
    assert np.abs(found.astype(int) - colours).max() < 8


@pytest.mark.parametrize("ending", ["jp2", "j2k"])
def test_deep_jpeg_2000_is_refused(tmp_path, colours, ending):
    path = tmp_path / f"a.{ending}"
    Image.fromarray(colours).save(path, no_jp2=ending == "j2k")
    np.testing.assert_array_equal(images.read_picture(path), colours)
    deep = base64.b64decode(DEEP_JP2)
    path.write_bytes(deep if ending == "jp2" else deep[deep.find(b"\xff\x4f\xff\x51") :])
    with pytest.raises(MscnError, match="more than 8 bits a channel"):
        images.read_picture(path)


def write_tiff(path, pixels, bits=8, kind=1, further=0, planes=1, subfile=0):
    """An uncompressed TIFF: RGB uint8 or uint16 [H, W, C], tags as given."""
    height, width, channels = pixels.shape
    planar = 2 if planes > 1 else 1
    body = (np.moveaxis(pixels, -1, 0) if planes > 1 else pixels).tobytes()
    tags = {
        254: (subfile,),
        256: (width,),
        257: (height,),
        258: (bits,) * channels,
        259: (1,),
        262: (2,),
        273: tuple(8 + n * len(body) // planes for n in range(planes)),
        277: (channels,),
        278: (height,),
        279: (len(body) // planes,) * planes,
        284: (planar,),
        **({338: (0,) * further} if further else {}),
        339: (kind,) * channels,
    }
    entries, place, extra = b"", 8 + len(body), b""
    values_at = place + 2 + 12 * len(tags) + 4
    for tag, values in tags.items():
        packed = struct.pack(f"<{len(values)}I", *values)
        if len(packed) > 4:
            inline = struct.pack("<I", values_at + len(extra))
            extra += packed
        else:
            inline = packed
        entries += struct.pack("<HHI", tag, 4, len(values)) + inline
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    path.write_bytes(struct.pack("<2sHI", b"II", 42, place) + body + directory + extra)


def test_plain_tiff(tmp_path, colours):
    write_tiff(tmp_path / "a.tif", colours)
    np.testing.assert_array_equal(images.read_picture(tmp_path / "a.tif"), colours)
    write_tiff(tmp_path / "b.tif", colours, planes=3)
    np.testing.assert_array_equal(images.read_picture(tmp_path / "b.tif"), colours)


@pytest.mark.parametrize("planes", [1, 3])
def test_deep_tiff_is_refused(tmp_path, colours, planes):
    write_tiff(tmp_path / "a.tif", colours.astype("<u2") * 257, bits=16, planes=planes)
    with pytest.raises(MscnError, match="more than 8 bits a channel"):
        images.read_picture(tmp_path / "a.tif")


def test_signed_tiff_is_refused(tmp_path, colours):
    write_tiff(tmp_path / "a.tif", colours, kind=2)
    with pytest.raises(MscnError, match="signed"):
        images.read_picture(tmp_path / "a.tif")


def test_channels_that_are_left_out_are_told(tmp_path, colours):
    write_tiff(tmp_path / "a.tif", np.dstack([colours, colours])[..., :5], further=2)
    found = open_picture(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.pixels, colours)
    assert found.notes == ["channels beside colours and alpha left out"]


def test_raw_files_of_cameras_are_refused(tmp_path, colours):
    write_tiff(tmp_path / "a.tif", colours, subfile=1)  # a preview before the picture itself
    write_tiff(tmp_path / "b.nef", colours)
    for name in ("a.tif", "b.nef"):
        with pytest.raises(MscnError, match="raw file"):
            images.read_picture(tmp_path / name)


@needs_avif
def test_avif(tmp_path, colours):
    smooth = np.asarray(Image.fromarray(colours).resize((64, 48), Image.Resampling.BICUBIC))
    images.write_picture(tmp_path / "a.avif", smooth)
    assert images.psnr(smooth, images.read_picture(tmp_path / "a.avif")) > 35


@needs_avif
def test_deep_avif_is_told(tmp_path):
    (tmp_path / "a.avif").write_bytes(base64.b64decode(DEEP_AVIF))
    found = open_picture(tmp_path / "a.avif")
    assert found.notes == ["10 bits a channel cut to 8"]
    assert found.pixels.shape == (8, 8, 3)


def test_heic(tmp_path, colours):
    heif = pytest.importorskip("pillow_heif")
    smooth = np.asarray(Image.fromarray(colours).resize((64, 48), Image.Resampling.BICUBIC))
    heif.from_bytes("RGB", (64, 48), smooth.tobytes()).save(tmp_path / "a.heic", quality=95)
    found = open_picture(tmp_path / "a.heic")
    assert found.notes == []
    assert images.psnr(smooth, found.pixels) > 20
    deep = smooth.astype(np.uint16) * 257
    heif.from_bytes("RGB;16", (64, 48), deep.tobytes()).save(tmp_path / "b.heic", quality=95)
    found = open_picture(tmp_path / "b.heic")
    assert re.fullmatch("1[02] bits a channel cut to 8", found.notes[0])
    assert images.psnr(smooth, found.pixels) > 20
    with pytest.raises(MscnError, match="no picture type to write"):
        images.write_picture(tmp_path / "c.heic", smooth)


def test_heic_names_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(200))
    with pytest.raises(MscnError, match="pip install pillow-heif"):
        images.read_picture(tmp_path / "a.heic")


def test_several_pictures_in_a_phones_file(tmp_path, colours):
    first, second = (Image.fromarray(c) for c in (colours, colours[::-1].copy()))
    first.save(tmp_path / "a.mpo", "MPO", save_all=True, append_images=[second])
    found = open_picture(tmp_path / "a.mpo")
    assert found.notes == ["the main one of 2 pictures in it is taken"]


def test_megabytes_of_text_are_read(tmp_path, colours):
    text = PngImagePlugin.PngInfo()
    text.add_text("notes", "so it goes " * 200_000, zip=True)
    Image.fromarray(colours).save(tmp_path / "a.png", pnginfo=text)
    np.testing.assert_array_equal(images.read_picture(tmp_path / "a.png"), colours)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "JPEG2000"])
def test_pipes(tmp_path, colours, kind):
    file = io.BytesIO()
    Image.fromarray(colours).save(file, kind)
    (tmp_path / "a").write_bytes(file.getvalue())
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(file.getvalue(),))
    writer.start()
    found = images.read_picture(tmp_path / "pipe")
    writer.join()
    np.testing.assert_array_equal(found, images.read_picture(tmp_path / "a"))
    with open(tmp_path / "a", "rb") as source:
        np.testing.assert_array_equal(load_picture(source, "it").pixels, found)


def test_damaged_exif_is_no_reason(tmp_path, colours):
    Image.fromarray(colours).save(tmp_path / "a.png", exif=b"Exif\0\0II*\0\xff\xff\xff\x7frubbish")
    np.testing.assert_array_equal(images.read_picture(tmp_path / "a.png"), colours)


OTHERS = {
    "a.pdf": (b"%PDF-1.7", "PDF"),
    "a.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "drawing"),
    "b": (b"<?xml version='1.0'?>\n<svg/>", "drawing"),
    "a.dcm": (bytes(128) + b"DICM", "dcm2niix"),
    "a.grib": (b"GRIB\0\0\0\2", "NetCDF"),
    "a.glb": (b"glTF\2\0\0\0", "--modality=mesh"),
    "a.mgz": (b"\x1f\x8b\x08", "mri_convert"),
    "a.h5": (b"\x89HDF\r\n\x1a\n", "--modality=field"),
    "a.snd": (b"RIFF\0\0\0\0WAVEfmt ", "--modality=sound"),
    "a.jxl": (b"\xff\x0a\0\0", "djxl"),
    "a.psd": (b"8BPS\0\1", "Photoshop"),
    "a.mp4": (b"\0\0\0\x20ftypisom", "video"),
    "a.html": (b"<!DOCTYPE html><html>", "web page"),
    "a.zip": (b"PK\3\4", "unpack"),
    "a.cr2": (b"II*\0\x10\0\0\0CR\2\0", "raw file"),
    "a.jpg": (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
    "c.jpg": (b"\xff\xd8\xff\xe0\0\x10JFIF", "damaged"),
    "d.png": (b"text", "not a picture"),
    "e.png": (b"", "empty"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_files_are_called_what_they_are(tmp_path, name):
    content, says = OTHERS[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MscnError, match=re.escape(says)) as caught:
        images.read_picture(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert str(caught.value).count(name) == 1
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "TIFF"])
def test_several_frames_are_refused(tmp_path, colours, kind):
    frames = [Image.fromarray(c) for c in (colours, colours[::-1].copy())]
    frames[0].save(tmp_path / "a", kind, save_all=True, append_images=frames[1:])
    says = "2 pages" if kind == "TIFF" else "2 frames, an animation"
    with pytest.raises(MscnError, match=f"{says}; save one"):
        images.read_picture(tmp_path / "a")


def test_samples_of_other_packages():
    skimage = pytest.importorskip("skimage")
    folder = Path(skimage.__file__).parent / "data"
    paths = [path for path in sorted(folder.iterdir()) if path.suffix in picture_files.SUFFIXES]
    if not paths:
        pytest.skip("no samples there")
    refused = []
    for path in paths:
        try:
            found = open_picture(path, keep_metadata=True).pixels
        except MscnError as error:
            refused.append(str(error))
            continue
        with Image.open(path) as picture:
            assert found.shape[:2] == (picture.height, picture.width)
    assert len(refused) < len(paths) / 2
    for line in refused:
        assert re.search("pages|frames|more than 8 bits|kind that", line)
