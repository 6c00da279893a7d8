from __future__ import annotations

import contextlib
import os
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from mscn_tf.runtime.errors import MscnError
from mscn_tf.signals import images
from mscn_tf.signals.colour import grey_if_neutral
from mscn_tf.signals.signal import Selection


@pytest.fixture
def colours():
    return np.random.default_rng(0).integers(0, 256, (13, 21, 3), dtype=np.uint8)


def save(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tiff", ".bmp", ".ppm"])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossless_formats_come_back(tmp_path, colours, suffix, channels):
    path = tmp_path / f"picture{suffix}"
    images.write_picture(path, colours[..., :channels])
    back = images.read_picture(path)
    if back.shape[-1] > channels:  # WebP has no grey
        back = back[..., :1]
    np.testing.assert_array_equal(back, colours[..., :channels])


def test_jpeg_comes_back_nearly(tmp_path):
    smooth = np.linspace(0, 255, 64, dtype=np.uint8)[None, :, None].repeat(64, 0)
    images.write_picture(tmp_path / "picture.jpg", smooth)
    assert images.psnr(smooth, images.read_picture(tmp_path / "picture.jpg")) > 40


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(tmp_path, colours, orientation):
    undo = {
        1: lambda p: p,
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.swapaxes(0, 1),
        6: lambda p: np.rot90(p, 1),
        7: lambda p: p[::-1, ::-1].swapaxes(0, 1),
        8: lambda p: np.rot90(p, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "turned.png", np.ascontiguousarray(undo(colours)), exif=exif)
    np.testing.assert_array_equal(images.read_picture(path), colours)


def test_palette_becomes_rgb(tmp_path, colours):
    palette = Image.fromarray(colours).quantize(16)
    palette.save(tmp_path / "palette.png")
    expected = np.asarray(palette.convert("RGB"))
    np.testing.assert_array_equal(images.read_picture(tmp_path / "palette.png"), expected)


def test_opaque_alpha_is_dropped(tmp_path, colours):
    opaque = np.dstack([colours, np.full(colours.shape[:2], 255, np.uint8)])
    path = save(tmp_path / "opaque.png", opaque)
    np.testing.assert_array_equal(images.read_picture(path), colours)


def test_black_and_white_becomes_grey(tmp_path):
    Image.new("1", (5, 4), 1).save(tmp_path / "white.png")
    picture = images.read_picture(tmp_path / "white.png")
    np.testing.assert_array_equal(picture, np.full((4, 5, 1), 255, np.uint8))


def png_16_bit(path, colours):
    """An RGB PNG of 16 bits a channel, which Pillow can't write."""

    def chunk(kind, content):
        crc = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)

    height, width = colours.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in colours)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def make_refused(kind, path, colours):
    if kind == "16-bit grey":
        save(path, colours[..., 0].astype(np.uint16) * 257)
    elif kind == "16-bit colours":
        png_16_bit(path, colours)
    elif kind == "16-bit ppm":
        path.write_bytes(b"P6 21 13 65535\n" + colours.astype(">u2").tobytes())
    elif kind == "float":
        Image.fromarray(colours[..., 0].astype(np.float32)).save(path, "TIFF")
    elif kind == "cmyk":
        Image.fromarray(colours).convert("CMYK").save(path, "JPEG")
    elif kind == "animation":
        frames = [Image.fromarray(c).quantize(8) for c in (colours, colours[::-1])]
        frames[0].save(path, "GIF", save_all=True, append_images=frames[1:])


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("16-bit grey", "8 bits"),
        ("16-bit colours", "8 bits"),
        ("16-bit ppm", "8 bits"),
        ("float", "8 bits"),
        ("cmyk", "CMYK"),
        ("animation", "2 frames"),
    ],
)
def test_refuses_what_would_be_lost(tmp_path, colours, kind, says):
    path = tmp_path / "picture.png"
    make_refused(kind, path, colours)
    with pytest.raises(MscnError, match=says) as caught:
        images.read_picture(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("kind", ["RGBA", "LA", "palette", "colour key"])
def test_keeps_alpha(tmp_path, colours, kind):
    path = tmp_path / "picture.png"
    alpha = np.arange(colours.shape[0] * colours.shape[1]).reshape(colours.shape[:2]) % 255 + 1
    expected = np.dstack([colours, alpha]).astype(np.uint8)
    if kind == "LA":
        expected = expected[..., [0, 3]]
    if kind in ("RGBA", "LA"):
        save(path, expected)
        np.testing.assert_array_equal(images.read_picture(path), expected)
        return
    if kind == "palette":
        Image.fromarray(colours).quantize(16).save(path, transparency=3)
    else:
        save(path, colours, transparency=tuple(int(c) for c in colours[0, 0]))
    with Image.open(path) as picture:
        rgba = np.array(picture.convert("RGBA"))
    found, seen = images.read_picture(path), rgba[..., 3] > 0
    assert not seen.all()
    np.testing.assert_array_equal(found[..., 3], rgba[..., 3])
    np.testing.assert_array_equal(found[seen], rgba[seen])


@pytest.mark.parametrize("shape", [(1, 1), (7, 12), (64, 33)])
def test_colours_of_unseen_pixels_are_those_around(tmp_path, shape):
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (*shape, 4), dtype=np.uint8)
    picture[..., 3] = 0
    picture[:1, :2] = (100, 120, 140, 255)
    picture[-1:, -2:] = (110, 130, 150, 9)
    save(tmp_path / "picture.png", picture)
    found = images.read_picture(tmp_path / "picture.png")
    np.testing.assert_array_equal(found[..., 3], picture[..., 3])
    assert np.all((found[..., :3] >= (100, 120, 140)) & (found[..., :3] <= (110, 130, 150)))


@pytest.mark.parametrize("ending", ["png", "webp", "tif", "jp2"])
def test_formats_with_alpha(tmp_path, colours, ending):
    alpha = np.arange(colours.shape[0] * colours.shape[1]).reshape(colours.shape[:2]) % 255 + 1
    path = tmp_path / f"picture.{ending}"
    images.write_picture(path, np.dstack([colours, alpha]).astype(np.uint8))
    np.testing.assert_array_equal(images.read_picture(path)[..., 3], alpha)


@pytest.mark.parametrize("ending", ["jpg", "bmp", "ppm", "gif"])
def test_formats_without_alpha_refuse_it(tmp_path, colours, ending):
    picture = np.dstack([colours, colours[..., 0]])
    with pytest.raises(MscnError, match="transparency"):
        images.write_picture(tmp_path / f"picture.{ending}", picture)
    assert not list(tmp_path.iterdir())


def test_refuses_more_pixels_than_the_format_holds(tmp_path):
    # Only the header says so; nothing of that size may be allocated.
    path = tmp_path / "huge.ppm"
    path.write_bytes(b"P6 100000 100000 255\n")
    with pytest.raises(MscnError, match="over the limit"):
        images.read_picture(path)


def test_reads_more_pixels_than_pillow_wants_to(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    path = tmp_path / "large.png"
    images.write_picture(path, np.zeros((30, 30, 1), np.uint8))
    assert images.read_picture(path).shape == (30, 30, 1)
    assert Image.MAX_IMAGE_PIXELS == 100


@given(st.data())
def test_damaged_pictures_raise_nothing_else(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged")
    kinds = ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000"]
    kind = data.draw(st.sampled_from(kinds))
    path = folder / "picture"
    pixels = np.arange(12 * 10 * 3, dtype=np.uint8).reshape(12, 10, 3)
    Image.fromarray(pixels).save(path, kind)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with contextlib.suppress(MscnError):
        found = images.read(path, keep_metadata=True)
        assert found.arrays[0].dtype == np.uint8
        assert found.arrays[0].ndim == 3


def test_folder_is_read_in_the_order_of_names(tmp_path, colours):
    for index, name in enumerate(["b.png", "a.PNG", "c.bmp"]):
        save(tmp_path / name, colours + np.uint8(index))
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / ".hidden.png").write_text("no picture")
    (tmp_path / "folder.png").mkdir()
    found = images.read(tmp_path)
    pictures, names = found.arrays, found.names
    assert names == ["a.PNG", "b.png", "c.bmp"]
    np.testing.assert_array_equal(pictures[0], colours + np.uint8(1))


@pytest.mark.parametrize("shape", [(2, 4, 5), (2, 4, 5, 1), (2, 4, 5, 3)])
def test_stack_of_floats(tmp_path, shape):
    levels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.save(tmp_path / "stack.npy", levels / 255)
    found = images.read(tmp_path / "stack.npy")
    pictures, names = found.arrays, found.names
    assert names is None
    expected = levels[..., None] if levels.ndim == 3 else levels
    np.testing.assert_array_equal(np.stack(pictures), expected)


@pytest.mark.parametrize(
    ("stack", "says"),
    [
        (np.zeros((8, 9, 3), np.uint8), r"\(1, 8, 9, 3\)"),
        (np.zeros((2, 8, 9, 5), np.uint8), "stack"),
        (np.zeros((2, 0, 9, 3), np.uint8), "stack"),
        (np.full((1, 4, 4, 3), np.inf), "infinite"),
        (np.full((1, 4, 4, 3), -0.1), "scale them"),
        (np.zeros((1, 4, 4, 3), bool), "uint8"),
        (np.zeros((1, 4, 4, 3), complex), "uint8"),
    ],
)
def test_refuses_stacks(tmp_path, stack, says):
    np.save(tmp_path / "stack.npy", stack)
    with pytest.raises(MscnError, match=says):
        images.read(tmp_path / "stack.npy")


@given(arrays(np.uint8, st.tuples(*[st.integers(1, 3)] * 3, st.integers(1, 4))))
def test_stacks_come_back(tmp_path_factory, stack):
    path = tmp_path_factory.mktemp("stack") / "stack.npy"
    images.write_stack(path, list(stack))
    if stack.shape[-1] == 1 and stack.shape[2] in (3, 4):
        return  # [N, H, 3]: refused, it looks like one picture
    for found, written in zip(images.read(path).arrays, stack):
        np.testing.assert_array_equal(found, grey_if_neutral(written))


def test_a_stack_holds_grey_pictures_beside_others(tmp_path):
    random = np.random.default_rng(0)
    grey, colours = (random.integers(0, 256, (4, 5, n)).astype(np.uint8) for n in (1, 3))
    images.write_stack(tmp_path / "stack.npy", [grey, colours])
    first, second = np.load(tmp_path / "stack.npy")
    np.testing.assert_array_equal(first, np.broadcast_to(grey, colours.shape))
    np.testing.assert_array_equal(second, colours)


@given(st.lists(st.text()))
def test_file_names_are_safe_and_different(names):
    files = images.file_names(names)
    assert len({file.lower() for file in files}) == len(names)
    for file in files:
        assert file.endswith(".png")
        assert not set(file) & set('\\:*?"<>|\0\n')
        for part in file.split("/"):
            assert part
            assert not part.startswith(".")
            assert len(os.fsencode(part)) <= 255


def test_file_names_keep_what_they_can():
    names = ["b.jpg", "b.png", "../../etc/passwd", "", "..", "Ein Bild.webp", "v1.2"]
    assert images.file_names(names) == [
        "b-2.png",
        "b.png",
        "etc/passwd.png",
        "000003.png",
        "000004.png",
        "Ein Bild.png",
        "v1.2.png",
    ]


def test_a_folder_is_written_whole_or_not_at_all(tmp_path, colours):
    def pictures():
        yield colours
        raise MscnError("the second one is damaged")

    with pytest.raises(MscnError, match="second"):
        images.write_folder(tmp_path / "out", pictures(), ["a", "b"])
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out").mkdir()
    with pytest.raises(MscnError, match="second"):
        images.write_folder(tmp_path / "out", pictures(), ["a", "b"])
    assert list((tmp_path / "out").iterdir()) == []


def test_written_folder_can_be_read_by_others(tmp_path, colours):
    images.write_folder(tmp_path / "out", [colours], ["a"])
    (tmp_path / "plain").mkdir()
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "plain").stat().st_mode


def view(pictures, item=None):
    return Selection([picture.shape[:2] for picture in pictures], item)


def test_writes_one_picture(tmp_path, colours):
    told = images.write(tmp_path / "a.png", iter([colours]), None, None, view([colours]))
    assert told == "21x13 RGB"
    np.testing.assert_array_equal(images.read_picture(tmp_path / "a.png"), colours)


def test_writes_a_folder(tmp_path, colours):
    pictures = [colours, colours[:5], colours[:6]]
    told = images.write(tmp_path / "out", iter(pictures), None, None, view(pictures))
    assert told == "3 pictures, 000000.png to 000002.png"
    told = images.write(f"{tmp_path}/one.d/", pictures[2:], None, None, view(pictures, 2))
    assert told == "1 pictures, 000002.png to 000002.png"
    np.testing.assert_array_equal(
        images.read_picture(tmp_path / "one.d" / "000002.png"), pictures[2]
    )


def test_writes_a_stack(tmp_path, colours):
    pictures = [colours, colours[::-1]]
    told = images.write(tmp_path / "a.npy", iter(pictures), ["a", "b"], None, view(pictures))
    assert told == "2 pictures"
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), np.stack(pictures))


def test_several_pictures_do_not_go_into_one_file(tmp_path, colours):
    def pictures():
        raise AssertionError("decoded for nothing")
        yield

    with pytest.raises(MscnError, match=r"2 pictures; let OUT be a folder .* or name one"):
        images.write(tmp_path / "a.png", pictures(), None, None, view([colours, colours]))
    with pytest.raises(MscnError, match="no picture type to write"):
        images.write(tmp_path / "a.xyz", pictures(), None, None, view([colours]))


@given(arrays(np.uint8, (4, 5, 3)), arrays(np.uint8, (4, 5, 3)))
def test_share_lost(original, decoded):
    error = np.sqrt(np.mean((original.astype(float) - decoded) ** 2))
    spread = np.sqrt(original.reshape(-1, 3).astype(float).var(0).mean())
    share = images.share_lost(original, decoded)
    assert share == pytest.approx(error / max(spread, 4))
    assert images.share_lost(original, original) == 0


def test_psnr():
    grey = np.full((300, 4, 1), 100, np.uint8)
    assert images.psnr(grey, grey) == float("inf")
    assert images.psnr(grey, grey + np.uint8(1)) == pytest.approx(48.1308, abs=1e-4)
    with pytest.raises(ValueError, match="shapes"):
        images.psnr(grey, grey[:, :1])
