from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mscn_tf.runtime.errors import MscnError
from mscn_tf.signals.datasets import TileSampler, load_pictures

EDGE = 4


def numbered(height, width, start=0):
    """uint8 [height, width, 3]: a pixel's value tells where it is."""
    y, x = np.mgrid[:height, :width]
    return np.stack([y, x, np.full_like(x, start)], -1).astype(np.uint8)


def save(path, pixels):
    path.parent.mkdir(exist_ok=True, parents=True)
    Image.fromarray(pixels).save(path)


def test_loads_what_the_pattern_names_in_order(tmp_path, monkeypatch):
    pictures = [numbered(5 + i, 7, i) for i in range(4)]
    for i, folder in enumerate(["tb", "ta", "tb", "other"]):
        save(tmp_path / "data" / folder / f"{i}.png", pictures[i])
    save(tmp_path / "data" / "ta" / "grey.bmp", pictures[0][..., 0])
    expected = [pictures[1], pictures[0], pictures[2]]
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for pattern in (f"{tmp_path}/data/t*/*.png", "../data/t*/*.png"):
        loaded = load_pictures(pattern, EDGE)
        assert len(loaded) == 3
        for picture, wanted in zip(loaded, expected):
            np.testing.assert_array_equal(picture, wanted)
    monkeypatch.chdir(tmp_path)
    (grey,) = load_pictures("data/ta/grey.bmp", EDGE)
    np.testing.assert_array_equal(grey, np.repeat(pictures[0][..., :1], 3, axis=2))


def test_a_sheet_is_a_stack_of_tiles(tmp_path):
    tiles = np.random.default_rng(0).integers(0, 256, (7, EDGE, EDGE, 3), dtype=np.uint8)
    sheet = tiles.reshape(7, EDGE * EDGE, 3)
    save(tmp_path / "sheet.png", sheet)
    (loaded,) = load_pictures(str(tmp_path / "sheet.png"), EDGE, sheets=True)
    np.testing.assert_array_equal(loaded, tiles)
    # A picture that only happens to be as wide stays a picture.
    (loaded,) = load_pictures(str(tmp_path / "sheet.png"), EDGE)
    np.testing.assert_array_equal(loaded, sheet)


def test_several_patterns_name_each_file_once(tmp_path):
    for i in range(4):
        save(tmp_path / f"{i}.png", numbered(5, 7, i))
    loaded = load_pictures(f"{tmp_path}/[32].png,{tmp_path}/[012].png", EDGE)
    assert [picture[0, 0, 2] for picture in loaded] == [0, 1, 2, 3]


@pytest.mark.parametrize("wide", [False, True])
def test_central_squares_come_in_every_size(tmp_path, wide):
    picture = numbered(33, 24)
    if wide:
        picture = picture.swapaxes(0, 1)
    save(tmp_path / "a.png", picture)
    loaded = load_pictures(f"{tmp_path}/a.png", 8, squares=(8, 12, 24))
    assert [p.shape for p in loaded] == [(8, 8, 3), (12, 12, 3), (24, 24, 3)]
    square = picture[:, 4:28] if wide else picture[4:28]
    np.testing.assert_array_equal(loaded[2], square)
    # A ramp stays a ramp: each pixel is the mean of those it stands for.
    means = square.reshape(8, 3, 8, 3, 3).mean((1, 3))
    np.testing.assert_allclose(loaded[0][1:-1, 1:-1], means[1:-1, 1:-1], atol=0.51)
    with pytest.raises(MscnError, match=r"a\.png: smaller than one 10x10 tile"):
        load_pictures(f"{tmp_path}/a.png", 10, squares=(8,))


def test_a_sheet_of_another_width_is_named(tmp_path):
    save(tmp_path / "a.png", numbered(9, EDGE * EDGE + 1))
    with pytest.raises(MscnError, match=r"a\.png: a sheet of 4x4 tiles is 16 pixels wide, not 17"):
        load_pictures(f"{tmp_path}/*.png", EDGE, sheets=True)


@pytest.mark.parametrize("pattern", ["", "{}/nothing/*.png", "nothing.png", "{}/*.jpg"])
def test_nothing_to_load(tmp_path, monkeypatch, pattern):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "a.png", numbered(9, 9))
    with pytest.raises(MscnError, match="no picture matches; set config"):
        load_pictures(pattern.format(tmp_path), EDGE)


def test_a_picture_smaller_than_a_tile_is_named(tmp_path):
    save(tmp_path / "a.png", numbered(9, 9))
    save(tmp_path / "b.png", numbered(EDGE - 1, 9))
    with pytest.raises(MscnError, match=r"b\.png: smaller than one 4x4 tile"):
        load_pictures(f"{tmp_path}/*.png", EDGE)


@pytest.mark.parametrize(
    ("content", "says"), [(b"no picture", "not a picture"), (b"", "the file is empty")]
)
def test_a_file_that_is_no_picture_is_named(tmp_path, content, says):
    (tmp_path / "notes.png").write_bytes(content)
    with pytest.raises(MscnError, match=rf"notes\.png: {says}"):
        load_pictures(f"{tmp_path}/*.png", EDGE)


def test_deep_pictures_are_refused(tmp_path):
    save(tmp_path / "a.png", numbered(9, 9)[..., 0].astype(np.uint16))
    with pytest.raises(MscnError, match="more than 8 bits"):
        load_pictures(f"{tmp_path}/a.png", EDGE)


def test_a_picture_that_is_cut_short_is_named(tmp_path):
    random = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    save(tmp_path / "a.png", random)
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:-3000])
    with pytest.raises(MscnError, match=r"a\.png"):
        load_pictures(f"{tmp_path}/*.png", EDGE)


@settings(max_examples=30)
@given(
    shapes=st.lists(st.tuples(st.integers(4, 12), st.integers(4, 12)), min_size=1, max_size=4),
    seed=st.integers(0, 1000),
    step=st.integers(0, 2**40),
    flips=st.booleans(),
)
def test_every_tile_lies_in_a_picture(shapes, seed, step, flips):
    pictures = [numbered(*shape, i) for i, shape in enumerate(shapes)]
    tiles = TileSampler(pictures, EDGE, seed, flips).draw(20, step)
    assert tiles.shape == (20, EDGE, EDGE, 3)
    assert tiles.dtype == np.float32
    for tile in np.rint(tiles * 255).astype(int):
        if tile[0, 0, 1] > tile[0, 1, 1]:
            assert flips
            tile = tile[:, ::-1]
        (top, left, which) = tile[0, 0]
        inside = pictures[which][top : top + EDGE, left : left + EDGE]
        np.testing.assert_array_equal(tile, inside)


@pytest.mark.parametrize("sheet", [False, True])
def test_draws_depend_on_seed_and_step_alone(sheet):
    random = np.random.default_rng(0)
    if sheet:
        pictures = [random.integers(0, 256, (50, EDGE, EDGE, 3), dtype=np.uint8)]
    else:
        pictures = [random.integers(0, 256, (20, 30, 3), dtype=np.uint8)]
    sampler = TileSampler(pictures, EDGE, seed=1)
    third = sampler.draw(16, 3)
    sampler.draw(5, 9)
    np.testing.assert_array_equal(sampler.draw(16, 3), third)
    np.testing.assert_array_equal(TileSampler(pictures, EDGE, seed=1).draw(16, 3), third)
    assert np.any(sampler.draw(16, 4) != third)
    assert np.any(TileSampler(pictures, EDGE, seed=2).draw(16, 3) != third)


def test_sheet_tiles_come_whole_and_flipped():
    stack = np.random.default_rng(0).integers(0, 256, (5, EDGE, EDGE, 3), dtype=np.uint8)
    known = {tile.tobytes(): i for i, tile in enumerate(stack)}
    known.update(
        {np.ascontiguousarray(tile[:, ::-1]).tobytes(): 5 + i for tile, i in zip(stack, range(5))}
    )
    drawn = TileSampler([stack[:2], stack[2:]], EDGE, seed=0).draw(300, 0)
    found = [known[np.rint(tile * 255).astype(np.uint8).tobytes()] for tile in drawn]
    assert set(found) == set(range(10))
    plain = TileSampler([stack], EDGE, seed=0, flips=False).draw(300, 0)
    assert {known[np.rint(t * 255).astype(np.uint8).tobytes()] for t in plain} == set(range(5))


def test_larger_pictures_give_more_tiles():
    pictures = [numbered(10, 10, 0), numbered(20, 20, 1)]
    drawn = TileSampler(pictures, EDGE, seed=0).draw(2000, 0)
    assert abs(np.mean(drawn[:, 0, 0, 2] > 0) - 0.8) < 0.04


def test_shrunken_pictures_are_means_and_small_ones_are_left_out():
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, size, dtype=np.uint8) for size in ((8, 8, 3), (7, 9, 3))]
    sampler = TileSampler(pictures, EDGE, seed=0, flips=False, scales=(1, 2))
    assert [p.shape[:2] for p in sampler.pictures] == [(8, 8), (4, 4), (7, 9)]
    mean = pictures[0].reshape(4, 2, 4, 2, 3).mean((1, 3))
    np.testing.assert_allclose(sampler.pictures[1], mean, atol=0.51)
    only_half = TileSampler(pictures, EDGE, seed=0, flips=False, scales=(2,)).draw(3, 0)
    np.testing.assert_allclose(only_half[1] * 255, mean, atol=0.51)


def test_a_set_without_tiles():
    with pytest.raises(MscnError, match="no tile"):
        TileSampler([numbered(5, 5)], EDGE, seed=0, scales=(2,))
