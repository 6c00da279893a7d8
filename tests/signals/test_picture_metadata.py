"""EXIF, XMP, resolution and comments: dropped, or kept where they are asked for."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, PngImagePlugin, features

from mscn_tf.runtime.container import MAX_METADATA_BYTES
from mscn_tf.runtime.errors import MscnError
from mscn_tf.signals import images, modalities
from mscn_tf.signals.signal import Selection

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" y="1"/></x:xmpmeta>'
)
KINDS = ["jpg", "png", "webp", "tif"] + (["avif"] if features.check("avif") else [])
ORIENTATION, MAKE, COPYRIGHT, GPS = 0x0112, 0x010F, 0x8298, ExifTags.IFD.GPSInfo


@pytest.fixture
def colours():
    small = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((28, 36), Image.Resampling.BICUBIC))


def exif(orientation=6):
    made = Image.Exif()
    made[ORIENTATION], made[MAKE], made[COPYRIGHT] = orientation, "Maker", "by me"
    made[GPS] = {1: "N", 2: (47.0, 30.0, 0.0)}
    return made


def save(path, pixels, exif=exif()):  # noqa: B008
    """With all that the format can hold; turned, so that it must be turned back."""
    picture = Image.fromarray(pixels)
    options = {"exif": exif.tobytes(), "dpi": (300, 150)}
    if path.suffix == ".png":
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", XMP.decode())
        text.add_text("Copyright", "by me")
        options["pnginfo"] = text
    elif path.suffix == ".tif":
        loaded = Image.Exif()
        loaded.load(exif.tobytes())
        loaded[700] = XMP
        options["exif"] = loaded
        options["compression"] = "raw"
    else:
        options["xmp"] = XMP
    if path.suffix == ".jpg":
        options["comment"] = b"said so"
    picture.save(path, **options)
    return path


def write(path, found, metadata):
    view = Selection(shapes=[array.shape[:2] for array in found.arrays])
    return images.write(path, found.arrays, found.names, metadata, view)


def test_dropped_by_default(tmp_path, colours):
    found = images.read(save(tmp_path / "a.jpg", colours))
    assert found.metadata is None
    assert found.arrays[0].shape == (28, 36, 3)
    write(tmp_path / "b.jpg", found, None)
    with Image.open(tmp_path / "b.jpg") as back:
        assert not back.getexif()


@pytest.mark.parametrize("target", KINDS)
@pytest.mark.parametrize("source", KINDS)
def test_kept_where_asked_for(tmp_path, colours, source, target):
    found = images.read(save(tmp_path / f"a.{source}", colours), keep_metadata=True)
    assert found.notes == []
    assert found.arrays[0].shape == (28, 36, 3)
    metadata = json.loads(json.dumps(found.metadata))
    write(tmp_path / f"b.{target}", found, metadata)
    with Image.open(tmp_path / f"b.{target}") as back:
        assert back.size == (36, 28)
        kept = back.getexif()
        assert kept.get(ORIENTATION, 1) == 1
        assert kept[MAKE] == "Maker"
        assert kept[COPYRIGHT] == "by me"
        assert kept.get_ifd(GPS)[2] == (47.0, 30.0, 0.0)
        xmp = back.info.get("xmp") or back.info["XML:com.adobe.xmp"].encode()
        assert b'y="1"' in xmp
        assert b"Orientation" not in xmp
        if source not in ("webp", "avif") and target not in ("webp", "avif"):
            assert back.info["dpi"] == pytest.approx((300, 150), abs=0.02)
        if source == target == "jpg":
            assert back.info["comment"] == b"said so"
        if source == target == "png":
            assert back.info["Copyright"] == "by me"
    # And it is turned no second time.
    assert images.read_picture(tmp_path / f"b.{target}").shape == (28, 36, 3)


def test_formats_that_hold_none_say_so(tmp_path, colours):
    found = images.read(save(tmp_path / "a.jpg", colours), keep_metadata=True)
    told = write(tmp_path / "b.ppm", found, found.metadata)
    assert told == "36x28 RGB; PPM doesn't hold its exif and xmp and dpi and comment"
    assert write(tmp_path / "b.bmp", found, found.metadata).endswith("exif and xmp and comment")


def test_each_picture_of_a_folder_has_its_own(tmp_path, colours):
    (tmp_path / "in").mkdir()
    save(tmp_path / "in" / "a.jpg", colours)
    Image.fromarray(colours).save(tmp_path / "in" / "b.png")
    other = exif(1)
    other[MAKE] = "Another"
    save(tmp_path / "in" / "c.jpg", colours, other)
    found = images.read(tmp_path / "in", keep_metadata=True)
    first, second, third = found.metadata["pictures"]
    assert second is None
    assert first != third
    assert modalities.metadata_of("image", found.metadata, 2) == {"pictures": [third]}
    assert write(tmp_path / "out", found, found.metadata) == "3 pictures, a.png to c.png"
    with Image.open(tmp_path / "out" / "c.png") as back:
        assert back.getexif()[MAKE] == "Another"
    with Image.open(tmp_path / "out" / "b.png") as back:
        assert not back.getexif()
    # One of them alone.
    view = Selection(item=2, shapes=[array.shape[:2] for array in found.arrays])
    images.write(tmp_path / "one.png", found.arrays[2:], ["c.jpg"], found.metadata, view)
    with Image.open(tmp_path / "one.png") as back:
        assert back.getexif()[MAKE] == "Another"


def test_damaged_exif_of_a_file_is_left_out_and_told(tmp_path, colours):
    path = tmp_path / "a.png"
    Image.fromarray(colours).save(path, exif=b"Exif\0\0rubbish", dpi=(300, 300))
    found = images.read(path, keep_metadata=True)
    assert found.notes == [f"{path}: its EXIF is damaged: left out"]
    assert list(found.metadata["pictures"][0]) == ["dpi"]


def test_too_much_of_it_is_left_out_and_told(tmp_path, colours):
    path = tmp_path / "a.png"
    text = PngImagePlugin.PngInfo()
    text.add_text("Notes", "so it goes " * 200_000, zip=True)
    Image.fromarray(colours).save(path, pnginfo=text, dpi=(300, 300))
    found = images.read(path, keep_metadata=True)
    assert found.notes == [f"{path}: its text of more than 1 MiB: left out"]
    assert list(found.metadata["pictures"][0]) == ["dpi"]


def test_too_much_of_all_is_refused(tmp_path, colours, monkeypatch):
    monkeypatch.setattr(images, "MAX_METADATA_BYTES", 1000)
    assert MAX_METADATA_BYTES > 1000
    for name in "abcdefgh":
        save(tmp_path / f"{name}.jpg", colours)
    with pytest.raises(MscnError, match="fewer pictures at once"):
        images.read(tmp_path, keep_metadata=True)


def test_long_exif_does_not_fit_jpeg(tmp_path, colours):
    long = exif(1)
    long[ExifTags.Base.ImageDescription] = "so it goes " * 9000
    found = images.read(save(tmp_path / "a.png", colours, long), keep_metadata=True)
    assert "doesn't hold its text and exif" in write(tmp_path / "b.jpg", found, found.metadata)
    with Image.open(tmp_path / "b.jpg") as back:
        assert not back.getexif()


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=6,
)
entries = st.fixed_dictionaries(
    {},
    optional={
        "exif": json_values | st.binary(max_size=40).map(lambda b: base64.b64encode(b).decode()),
        "xmp": json_values | st.binary(max_size=40).map(lambda b: base64.b64encode(b).decode()),
        "dpi": json_values | st.lists(st.floats(), min_size=2, max_size=2),
        "comment": json_values,
        "text": json_values,
        "other": json_values,
    },
)


@given(
    json_values | st.fixed_dictionaries({"pictures": json_values | st.lists(json_values | entries)})
)
def test_metadata_of_strangers_raise_nothing(tmp_path_factory, metadata):
    folder = tmp_path_factory.mktemp("strangers")
    picture = np.zeros((3, 4, 3), np.uint8)
    view = Selection(shapes=[(3, 4)])
    for ending in KINDS:
        if isinstance(metadata, dict):
            path = folder / f"a.{ending}"
            assert images.write(path, [picture], None, metadata, view).startswith("4x3 RGB")
            np.testing.assert_array_equal(images.read_picture(path).shape, (3, 4, 1))


@pytest.mark.parametrize(
    "entry",
    [
        7,
        {"exif": "no base64!"},
        {"exif": base64.b64encode(exif(6).tobytes()).decode()},
        {"dpi": [float("inf"), 3]},
        {"dpi": 3},
        {"comment": ["a"]},
        {"text": {"": "a"}},
        {"text": {"a" * 80: "a"}},
        {"text": {"a\0b": "a"}},
        {"comment": "\ud800"},
    ],
)
def test_damaged_entries_are_told(tmp_path, colours, entry):
    metadata = {"pictures": [entry]}
    view = Selection(shapes=[colours.shape[:2]])
    told = images.write(tmp_path / "a.png", [colours], None, metadata, view)
    assert told == "28x36 RGB; damaged EXIF or the like was left out"
    np.testing.assert_array_equal(images.read_picture(tmp_path / "a.png"), colours)
