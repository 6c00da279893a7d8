from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image

from mscn_tf.signals import images


@pytest.fixture
def inputs(folder, png):
    """Files and folders that can't be encoded, each named for what is wrong with it."""
    path = folder.path
    (path / "text.png").write_text("This is no picture.\n")
    (path / "empty.png").write_bytes(b"")
    (path / "cut.png").write_bytes((path / png).read_bytes()[:-200])
    (path / "nothing").mkdir()
    (path / "notes").mkdir()
    (path / "notes" / "readme.txt").write_text("nothing to see")
    (path / "mixed").mkdir()
    Image.new("RGB", (40, 40)).save(path / "mixed" / "a.png")
    (path / "mixed" / "b.png").write_text("This is no picture.\n")
    nan = np.zeros((2, 32, 32, 3), np.float32)
    nan[1, 2, 3, 0] = np.nan
    np.save(path / "nan.npy", nan)
    np.save(path / "range.npy", np.full((1, 32, 32, 3), 255.0))
    np.save(path / "int.npy", np.zeros((1, 32, 32, 3), np.int64))
    np.save(path / "objects.npy", np.array([{}, None]), allow_pickle=True)
    np.save(path / "flat.npy", np.zeros(5, np.uint8))
    np.save(path / "none.npy", np.zeros((0, 32, 32, 3), np.uint8))
    (path / "text.npy").write_text("This is no array.\n")
    (path / "empty.npy").write_bytes(b"")
    np.save(path / "five.npy", np.zeros((2, 3, 4, 5, 6), np.float32))
    (path / "empty.obj").write_bytes(b"")
    (path / "empty.ply").write_bytes(b"")
    (path / "text.wav").write_text("This is no sound.\n")
    (path / "text.nc").write_text("This is no field.\n")
    (path / "text.nii").write_text("This is no volume.\n")
    (path / "cut.binvox").write_bytes(
        b"#binvox 1\ndim 32 32 32\ntranslate 0 0 0\nscale 1\ndata\n\0\5"
    )
    Image.new("CMYK", (8, 8)).save(path / "cmyk.jpg")
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(path / "deep.png")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("text.png", "not a picture"),
        ("empty.png", "empty"),
        ("cut.png", "cut short"),
        ("missing.png", "No such file"),
        ("nothing", "no picture in this folder"),
        ("notes", "no picture in this folder"),
        ("mixed", "b.png"),
        ("nan.npy", "NaN"),
        ("range.npy", "[0, 1]"),
        ("int.npy", "uint8"),
        ("objects.npy", "not an array"),
        ("flat.npy", "stack"),
        ("none.npy", "stack"),
        ("text.npy", "not an array"),
        ("empty.npy", "empty"),
        ("five.npy", "(2, 3, 4, 5, 6)"),
        ("empty.obj", "without faces"),
        ("empty.ply", "not a mesh"),
        ("text.wav", "no sound that can be read"),
        ("text.nc", "not a NetCDF file"),
        ("text.nii", "not a volume"),
        ("cut.binvox", "cut short"),
        ("cmyk.jpg", "CMYK"),
        ("deep.png", "8 bits"),
    ],
)
def test_refuses_input(folder, inputs, source, says):
    line = folder.refuses("encode", source, "out.mscn")
    assert says in line
    assert source in line


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--bpp=-1"], "--bpp=-1"),
        (["--bpp=0"], "--bpp=0"),
        (["--bpp=nan"], "--bpp=nan"),
        (["--bpp=much"], "bpp"),
        (["--psnr=-3"], "--psnr=-3"),
        (["--psnr=inf"], "--psnr=inf"),
        (["--quality=0"], "1 to 10"),
        (["--quality=11"], "1 to 10"),
        (["--quality=5", "--bpp=1"], "one of"),
        (["--codec=nosuch"], "no codec named nosuch"),
        (["--codec=nosuch.mscnb"], "nosuch.mscnb"),
        (["--codec=in.png"], "not a codec bundle"),
        (["--colour=red"], "colour"),
        (["third"], "got 3 arguments"),
    ],
)
def test_refuses_flags(folder, png, arguments, says):
    assert says in folder.refuses("encode", png, "out.mscn", *arguments)


@pytest.mark.parametrize("target", ["missing/out.mscn", ".", "/proc/out.mscn", "in.png/out.mscn"])
def test_refuses_output(folder, png, target):
    assert "cannot write" in folder.refuses("encode", png, target)


# From here on with the codecs that come with the package.


def test_picture_there_and_back(folder, picture, png):
    said = folder.mscn("encode", "--quality=8", png, "out.mscn").stdout
    size = (folder.path / "out.mscn").stat().st_size
    numbers = re.fullmatch(r"out.mscn: ([\d,]+) bytes, ([\d.]+) bpp, ([\d.]+) dB PSNR\n", said)
    assert int(numbers[1].replace(",", "")) == size
    assert float(numbers[2]) == pytest.approx(8 * size / 1024, abs=1e-3)
    folder.mscn("decode", "out.mscn", "back.png")
    back = images.read_picture(folder.path / "back.png")
    assert float(numbers[3]) == pytest.approx(images.psnr(picture, back), abs=0.01)
    assert float(numbers[3]) > 28


def test_stack_within_a_rate(folder, picture):
    np.save(folder.path / "in.npy", np.stack([picture, picture[::-1], picture[:, ::-1]]))
    folder.mscn("encode", "--bpp=1.5", "in.npy", "out.mscn")
    assert (folder.path / "out.mscn").stat().st_size * 8 <= 1.5 * 3 * 1024
    folder.mscn("decode", "out.mscn", "back.npy")
    assert np.load(folder.path / "back.npy").shape == (3, 32, 32, 3)


@pytest.mark.parametrize("codec", ["photo", "thumb32"])
@pytest.mark.parametrize("channels", [1, 2, 4])
def test_pictures_of_other_channels(folder, picture, codec, channels):
    alpha = np.where(np.arange(32) < 20, 255, 40).astype(np.uint8) + np.zeros((32, 1), np.uint8)
    original = np.concatenate([picture[..., : (channels - 1) // 2 * 2 + 1], alpha[..., None]], -1)
    original = np.tile(original[..., :channels], (2, 2, 1)).squeeze()  # of four tiles
    Image.fromarray(original).save(folder.path / "in.png")
    folder.mscn("encode", f"--codec={codec}", "--quality=7", "in.png", "out.mscn")
    folder.mscn("decode", "out.mscn", "back.png")
    with Image.open(folder.path / "back.png") as back:
        assert np.abs(np.asarray(back).astype(int) - original).mean() < 8
    assert folder.plot("--original=in.png", "out.mscn").std() > 10


def test_a_picture_of_two_tiles_in_threads(folder, picture):
    Image.fromarray(np.tile(picture, (1, 33, 1))).save(folder.path / "in.png")
    for threads in ("1", "2"):
        folder.mscn("encode", f"--threads={threads}", "--quality=3", "in.png", f"{threads}.mscn")
    data = folder.content()
    assert data["1.mscn"] == data["2.mscn"]
    refused = "threads=0: must be 1 to 256"
    assert refused in folder.refuses("encode", "--threads=0", "in.png", "out.mscn")
    assert refused in folder.refuses("decode", "--threads=0", "1.mscn", "out.png")


def test_a_stack_of_which_one_has_no_colour(folder, picture):
    stack = np.stack([picture, np.repeat(picture[..., :1], 3, axis=2)])
    np.save(folder.path / "in.npy", stack)
    folder.mscn("encode", "--lossless", "in.npy", "out.mscn")
    folder.mscn("decode", "out.mscn", "back.npy")
    np.testing.assert_array_equal(np.load(folder.path / "back.npy"), stack)


def test_tunes_photographs(folder, picture):
    Image.fromarray(np.tile(picture, (3, 3, 1))).save(folder.path / "in.png")
    for tune in ("psnr", "ssim"):
        folder.mscn("encode", f"--tune={tune}", "--quality=3", "in.png", f"{tune}.mscn")
    folder.mscn("encode", "--quality=3", "in.png", "usual.mscn")
    data = folder.content()
    assert data["usual.mscn"] == data["psnr.mscn"] != data["ssim.mscn"]
    folder.mscn("decode", "ssim.mscn", "back.png")
    says = "tune=ssim: with thumb32 it must be psnr"
    assert says in folder.refuses("encode", "--codec=thumb32", "--tune=ssim", "in.png", "out.mscn")


def test_folder_with_grey_and_odd_sizes(folder, picture):
    (folder.path / "in").mkdir()
    Image.fromarray(picture[:31, :17]).save(folder.path / "in" / "b.png")
    Image.fromarray(picture[..., 0]).resize((70, 41)).save(folder.path / "in" / "a.png")
    (folder.path / "in" / "readme.txt").write_text("left out")
    assert "readme.txt" in folder.notes("encode", "--psnr=28", "in", "out.mscn")
    folder.mscn("decode", "out.mscn", "back")
    grey, colour = (images.read_picture(folder.path / "back" / name) for name in ("a.png", "b.png"))
    assert grey.shape == (41, 70, 1)
    assert colour.shape == (31, 17, 3)
    originals = (images.read_picture(folder.path / "in" / name) for name in ("a.png", "b.png"))
    reached = [images.psnr(*pair) for pair in zip(originals, (grey, colour))]
    assert sum(reached) / 2 >= 28  # of an archive, the mean


def test_codecs(folder):
    text = folder.mscn("codecs").stdout
    listed, purposes, trained = text.split("\n\n")
    for name in ("thumb32", "thumb32-cifar10", "photo", "photo-bsds500"):
        for part in (listed, purposes, trained):
            assert any(line.startswith(f"{name} ") for line in part.splitlines())
    told = " ".join(trained.split())
    assert "Terms: CC-BY-SA-4.0. By Z. Jackson and others" in told
    assert "Terms: non-commercial research only, as CelebA's authors ask." in told
    assert "not said" not in told


@pytest.mark.parametrize(
    ("codec", "terms"), [("photo", "CC0-1.0, CC-BY-4.0"), ("photo-bsds500", "non-commercial")]
)
def test_info_tells_on_what_a_files_codec_was_trained(folder, png, codec, terms):
    folder.mscn("encode", f"--codec={codec}", "--quality=3", png, "out.mscn")
    info = json.loads(folder.mscn("info", "--json", "out.mscn").stdout)
    assert info["codec_name"] == codec
    assert info["licence"]["terms"].startswith(terms)
    told = folder.mscn("info", "out.mscn").stdout
    assert f"({codec})" in told
    for text in info["licence"].values():
        assert text in told
