"""Silhouettes: distances, files, codec and commands, with the bundle that is shipped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from mscn_tf.codec import Codec
from mscn_tf.runtime.errors import MscnError
from mscn_tf.signals import images, silhouettes
from mscn_tf.signals.signal import Selection
from tests.apps.conftest import folder  # noqa: F401


def disc(height: int, width: int) -> np.ndarray:
    """bool [height, width]: a disc with a bite."""
    y, x = np.mgrid[:height, :width]
    radius = min(height, width) * 0.35
    bite = np.hypot(y - height / 2, x - width * 0.8) < radius / 2
    return (np.hypot(y - height / 2, x - width / 2) < radius) & ~bite


@pytest.fixture(scope="module")
def codec():
    return Codec.load("silhouette64")


@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_distances_are_those_to_the_nearest_other_pixel(mask):
    places = np.argwhere(np.ones_like(mask))
    found = silhouettes.distances(mask)
    for place in places:
        inside = mask[tuple(place)]
        others = places[mask[tuple(places.T)] != inside]
        nearest = min((np.hypot(*(place - o)) for o in others), default=np.inf) - 0.5
        wanted = min(nearest / max(mask.shape), silhouettes.TRUNCATION)
        assert found[tuple(place)] == pytest.approx(wanted if inside else -wanted)


@pytest.mark.parametrize("shape", [(64, 64), (200, 150), (33, 90), (1, 5)])
def test_samples_give_the_silhouette_back(shape):
    mask = disc(*shape)
    signal = silhouettes.to_signal(mask)
    assert signal.shape == (64, 64, 1)
    found = silhouettes.compare(mask, signal)
    assert found["IoU"] > (0.995 if min(shape) > 30 else 0.99)
    assert (
        np.array_equal(silhouettes.to_picture(signal, shape)[..., 0] > 0, mask) or min(shape) > 64
    )


@given(st.integers(1, 20), st.integers(1, 20), st.integers(20, 40), st.integers(20, 40))
def test_resampling_upwards_loses_nothing(height, width, larger_height, larger_width):
    values = np.random.default_rng(0).normal(size=(height, width))
    larger = silhouettes.resample(values, (larger_height, larger_width))
    np.testing.assert_allclose(silhouettes.resample(larger, (height, width)), values, atol=1e-9)


@pytest.mark.parametrize("white", [False, True])
def test_pictures_of_one_colour(codec, white):
    mask = np.full((50, 70), white)
    decoded = codec.decode(codec.encode(silhouettes.to_signal(mask), quality=5))
    assert np.array_equal(silhouettes.to_picture(decoded, mask.shape)[..., 0] > 0, mask)
    assert silhouettes.compare(mask, decoded) == {"IoU": 1.0, "contour error": 0.0}


def test_a_shift_of_the_contour_is_measured_in_pixels():
    mask = disc(120, 100)
    exact = silhouettes.distances(mask)[..., None]
    assert silhouettes.compare(mask, exact)["contour error"] == pytest.approx(0)
    moved = silhouettes.compare(mask, exact + 0.7 / 120)
    assert moved["contour error"] == pytest.approx(0.7, abs=0.01)
    assert moved["IoU"] < 1


def test_more_bytes_less_error(codec):
    mask = disc(300, 200)
    signal = silhouettes.to_signal(mask)
    files = [codec.encode(signal, quality=q) for q in (2, 5, 9)]
    sizes = [len(data) for data in files]
    ious = [silhouettes.compare(mask, codec.decode(data))["IoU"] for data in files]
    assert sizes == sorted(sizes)
    assert ious == sorted(ious)
    assert ious[0] > 0.85
    assert ious[-1] > 0.98


def test_inside_is_what_is_opaque():
    alpha = np.where(disc(20, 30), 255, 0).astype(np.uint8)
    picture = np.dstack([np.zeros((20, 30, 3), np.uint8), alpha])
    assert np.array_equal(silhouettes.to_mask(picture), disc(20, 30))
    assert np.array_equal(silhouettes.to_mask(alpha[..., None]), disc(20, 30))


def test_a_picture_there_and_back(folder):  # noqa: F811
    mask = disc(150, 220)
    Image.fromarray(mask).save(folder.path / "in.png")
    said = folder.mscn("encode", "--modality=silhouette", "--quality=9", "in.png", "out.mscn")
    assert "% IoU" in said.stdout
    assert "dB PSNR of distances" in said.stdout
    assert "silhouette" in folder.mscn("info", "out.mscn").stdout
    assert folder.plot("--original=in.png", "out.mscn").std() > 10
    folder.mscn("decode", "out.mscn", "back.png")
    back = images.read_picture(folder.path / "back.png")[..., 0] > 0
    assert back.shape == mask.shape
    assert (back & mask).sum() > 0.97 * (back | mask).sum()
    folder.mscn("decode", "--scale=2", "out.mscn", "twice.png")
    assert images.read_picture(folder.path / "twice.png").shape == (300, 440, 1)
    folder.mscn("decode", "--size=90x30", "out.mscn", "out.npy")
    distances = np.load(folder.path / "out.npy")
    assert distances.shape == (1, 30, 90)
    assert np.abs(distances).max() < 0.3


def page(height=300, width=200):
    """bool [height, width]: black strokes, finer than 64 samples tell, on white."""
    mask = np.ones((height, width), bool)
    mask[::6, 10:-10] = False
    return mask


def test_lost_strokes_are_measured(tmp_path, codec):
    for mask in (page(), ~page()):
        Image.fromarray(mask).save(tmp_path / "in.png")
        signals = silhouettes.read(tmp_path / "in.png")
        decoded = codec.decode(codec.encode(signals.arrays))
        (original,) = signals.originals
        assert silhouettes.share_lost(original, decoded) > 0.5
        found = silhouettes.measure(original, decoded)
        assert found["% IoU"] == pytest.approx(100 * silhouettes.compare(mask, decoded)["IoU"])
        assert silhouettes.largest_error(original, signals.arrays[0]) == 0


def test_lost_strokes_are_refused(folder):  # noqa: F811
    Image.fromarray(page()).save(folder.path / "in.png")
    arguments = ("encode", "--modality=silhouette", "--quality=5", "in.png", "out.mscn")
    assert "% IoU of the outside" in folder.refuses(*arguments)


def test_what_is_lost_of_a_shape():
    mask = disc(120, 100)
    signal = silhouettes.to_signal(mask)
    assert silhouettes.share_lost(mask, signal) < 0.03
    assert silhouettes.share_lost(mask, -signal) > 0.97
    for one in (np.zeros((1, 1), bool), np.ones((5, 9), bool)):
        assert silhouettes.share_lost(one, silhouettes.to_signal(one)) == 0


def test_grey_pictures_are_thresholded_aloud(tmp_path):
    ramp = np.tile(np.arange(256, dtype=np.uint8), (40, 1))
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    signals = silhouettes.read(tmp_path / "ramp.png")
    (note,) = signals.notes
    assert "ramp.png" in note
    assert "neither black nor white" in note
    assert np.array_equal(signals.originals[0], ramp >= 128)
    smooth = Image.fromarray(disc(300, 200)).convert("L").resize((100, 150), Image.BILINEAR)
    smooth.save(tmp_path / "edges.png")
    assert not silhouettes.read(tmp_path / "edges.png").notes
    with pytest.raises(MscnError, match="modality=image --lossless"):
        silhouettes.read(tmp_path / "edges.png", lossless=True)


@pytest.mark.parametrize("value", [0, 255])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (40, 30)])
def test_pictures_without_a_contour(folder, value, shape):  # noqa: F811
    Image.fromarray(np.full(shape, value, np.uint8)).save(folder.path / "in.png")
    signals = silhouettes.read(folder.path / "in.png")
    view = Selection()
    out = folder.path / "out.png"
    silhouettes.write(out, signals.arrays, None, signals.metadata, view)
    assert np.array_equal(images.read_picture(out)[..., 0], np.full(shape, value))


def test_sizes_have_a_limit(tmp_path):
    view = Selection()
    arguments = (tmp_path / "out.png", [np.zeros((64, 64, 1), np.float32)], None)
    with pytest.raises(MscnError, match="over the limit"):
        silhouettes.write(*arguments, {"size": [[30000, 30000]]}, view)
    with pytest.raises(MscnError, match="over the limit"):
        silhouettes.write(*arguments, {"size": [[3000, 3000]]}, replace(view, scale=20.0))
    assert not list(tmp_path.iterdir())


def test_a_folder_there_and_back(tmp_path, codec):
    (tmp_path / "in").mkdir()
    for name, shape in (("a", (40, 90)), ("b", (130, 70))):
        Image.fromarray(disc(*shape)).save(tmp_path / "in" / f"{name}.png")
    signals = silhouettes.read(tmp_path / "in")
    data = codec.encode(signals.arrays, names=signals.names, metadata=signals.metadata)
    view = Selection()
    arguments = (list(codec.decode_all(data)), signals.names, signals.metadata, view)
    silhouettes.write(tmp_path / "out", *arguments)
    assert images.read_picture(tmp_path / "out" / "a.png").shape == (40, 90, 1)
    assert images.read_picture(tmp_path / "out" / "b.png").shape == (130, 70, 1)
    with pytest.raises(MscnError, match="2 silhouettes"):
        silhouettes.write(tmp_path / "out.png", *arguments)


@pytest.mark.parametrize("metadata", [None, {}, {"size": 3}, {"size": [[0, 5]]}, {"size": [[5]]}])
def test_damaged_metadata_is_refused(tmp_path, metadata):
    view = Selection()
    with pytest.raises(MscnError, match="--size"):
        silhouettes.write(tmp_path / "out.png", [np.zeros((4, 4, 1))], None, metadata, view)


def test_refuses_what_is_no_picture(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(MscnError, match="not a picture"):
        silhouettes.read(tmp_path / "text.png")
    with pytest.raises(MscnError, match="no picture matches"):
        silhouettes.training_signals(str(tmp_path / "*.jpg"))


def test_a_codec_gets_silhouettes_that_fill_its_tiles(folder):  # noqa: F811
    Image.fromarray(np.uint8(disc(40, 30) * 255)).save(folder.path / "in.png")
    codec = f"--codec={Path(__file__).resolve().parents[1] / 'golden' / 'v1silhouette.mscnb'}"
    folder.notes("encode", "--modality=silhouette", codec, "--force", "in.png", "out.mscn")
    told = json.loads(folder.mscn("info", "--json", "out.mscn").stdout)
    assert told["items"][0]["size"] == [16, 16]
    folder.mscn("decode", codec, "out.mscn", "out.png")
    with Image.open(folder.path / "out.png") as picture:
        assert picture.size == (30, 40)
