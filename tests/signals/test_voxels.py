from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from mscn_tf.codec import Codec
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.values import Values
from mscn_tf.signals import voxels
from mscn_tf.signals.sampler import SignalSampler
from tests.apps.conftest import folder  # noqa: F401


def ball(edge=32, radius=0.6, centre=(0.0, 0.1, -0.1)):
    """bool ``[edge, edge, edge]``."""
    at = (np.arange(edge) + 0.5) * 2 / edge - 1
    squares = [(at - c) ** 2 for c in centre]
    total = squares[0][:, None, None] + squares[1][:, None] + squares[2]
    return total < radius**2


@settings(max_examples=30)
@given(
    arrays(bool, array_shapes(min_dims=3, max_dims=3, max_side=9)),
    st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3),
)
def test_binvox_round_trip(tmp_path_factory, grid, translate):
    path = tmp_path_factory.mktemp("binvox") / "a.binvox"
    path.write_bytes(voxels.binvox_bytes(grid, {"translate": translate, "scale": 2.5}))
    back, place = voxels.read_binvox(path)
    np.testing.assert_array_equal(back, grid)
    assert place == {"translate": translate, "scale": 2.5}


def test_long_runs(tmp_path):
    grid = np.zeros((10, 10, 10), bool)
    grid[5:] = True
    data = voxels.binvox_bytes(grid, {"translate": [0.0] * 3, "scale": 1.0})
    assert data.endswith(bytes((0, 255, 0, 245, 1, 255, 1, 245)))
    (tmp_path / "a.binvox").write_bytes(data)
    np.testing.assert_array_equal(voxels.read_binvox(tmp_path / "a.binvox")[0], grid)


HEAD = b"#binvox 1\ndim 2 2 2\ntranslate 0 0 0\nscale 1\ndata\n"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not a .binvox file"),
        (b"nonsense", "not a .binvox file"),
        (HEAD[:-6], "cut short"),
        (HEAD, "damaged or cut short"),
        (HEAD + b"\1\7", "damaged or cut short"),
        (HEAD + b"\1\11", "damaged or cut short"),
        (HEAD + b"\2\10", "damaged or cut short"),
        (HEAD + b"\1\10\0", "damaged or cut short"),
        (HEAD.replace(b"2 2 2", b"2 2") + b"\1\10", "damaged header"),
        (HEAD.replace(b"2 2 2", b"0 2 2") + b"\1\10", "damaged header"),
        (HEAD.replace(b"scale 1", b"scale nan") + b"\1\10", "damaged header"),
        (HEAD.replace(b"scale 1", b"scale") + b"\1\10", "damaged header"),
        (HEAD.replace(b"translate 0 0 0", b"translate 0") + b"\1\10", "damaged header"),
        (HEAD.replace(b"2 2 2", b"9999 9999 9999"), "too many"),
        (HEAD + b"\0\10", "without a filled voxel"),
    ],
)
def test_refuses_binvox(tmp_path, data, says):
    path = tmp_path / "a.binvox"
    path.write_bytes(data)
    with pytest.raises(MscnError, match=says) as error:
        voxels.read(path)
    assert "a.binvox" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "header",
    [
        b"#binvox 1\n# a tool\ndim 2 2 2 # cells\n\ntranslate 1 0 -2 # where\nscale 3\ndata\n",
        b"#binvox 1\r\ndim 2 2 2\r\ntranslate 1 0 -2\r\nscale 3\r\ndata\r\n",
        b"#binvox 1\ntranslate 1 0 -2\nscale 3\n  dim 2 2 2\ndata # runs\n",
    ],
)
def test_comments_and_other_lines_of_a_header(header):
    grid, place = voxels.parse_binvox(header + b"\0\3\1\5", "a.binvox")
    np.testing.assert_array_equal(grid.ravel(), [False] * 3 + [True] * 5)
    assert place == {"translate": [1, 0, -2], "scale": 3}


@pytest.mark.parametrize("dtype", ["?", "u1", "i2", "i8", "f4", "f8"])
@pytest.mark.parametrize("filled", [1, 255])
def test_types_of_arrays(tmp_path, dtype, filled):
    grids = np.stack([ball(8), ball(8, 0.3)])
    np.save(tmp_path / "a.npy", (filled * grids).astype(dtype))
    found = voxels.read(tmp_path / "a.npy").arrays
    np.testing.assert_array_equal(np.array(found)[..., 0], grids)


def test_what_is_lost_counts_on_both_sides():
    grid = ball(16)[..., None]
    other = grid.copy()
    other[8:] = False
    iou = other.sum() / grid.sum()
    assert voxels.measure(grid, other, None)["% IoU"] == pytest.approx(100 * iou)
    assert voxels.share_lost(grid, other, None) == pytest.approx(1 - iou)
    assert voxels.share_lost(~grid, ~other, None) == pytest.approx(1 - iou)
    assert voxels.share_lost(grid, grid, None) == 0
    full = np.ones_like(grid)
    assert voxels.share_lost(full, full, None) == 0


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((1, 1, 2, 2, 2), bool), "shape"),
        (np.zeros((0, 2, 2, 2), bool), "shape"),
        (np.zeros((2, 0, 2), bool), "shape"),
        (np.zeros((2, 2), bool), "shape"),
        (np.zeros((2, 2, 2), bool), "without a filled voxel"),
        (np.full((2, 2, 2), 2, np.uint8), "other than 0 and 1"),
        (np.array([[[0, 1, 255]]], np.uint8), "other than 0 and 1"),
        (np.array([[[0, -1]]]), "other than 0 and 1"),
        (np.full((2, 2, 2), np.nan), "other than 0 and 1"),
        (np.array([[["a"]]]), "other than 0 and 1"),
    ],
)
def test_refuses_arrays(tmp_path, array, says):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(MscnError, match=says):
        voxels.read(tmp_path / "a.npy")


def test_refuses_folders_and_missing_files(tmp_path):
    with pytest.raises(MscnError, match=r"no \.binvox"):
        voxels.read(tmp_path)
    for name in ("a.binvox", "a.npy"):
        with pytest.raises(MscnError, match="cannot read"):
            voxels.read(tmp_path / name)


def test_distances_tell_the_same_voxels():
    values = Values(0.0, 1.0, "bool", 2.0)
    grid = np.random.default_rng(0).random((6, 7, 8, 1)) < 0.3
    real = values.normalise(grid)
    assert 0 <= real.min() < real.max() <= 1
    np.testing.assert_array_equal(values.restore(real.astype(float)), grid)
    # Half a voxel from a flat wall, and three half ones.
    wall = np.zeros((8, 3, 3, 1), bool)
    wall[4:] = True
    column = Values(0.0, 1.0, "bool", 2.0).normalise(wall)[:, 1, 1, 0]
    np.testing.assert_allclose(column, [0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1])
    for same in (np.zeros((2, 2, 2, 1), bool), np.ones((2, 2, 2, 1), bool)):
        np.testing.assert_array_equal(values.normalise(same), same)


def test_flips_along_chosen_axes_only():
    signal = np.arange(8, dtype=np.float32).reshape(2, 2, 2, 1)
    tiles = SignalSampler([signal], (2, 2, 2), 0, flips=(0, 1)).draw(64, 0)
    found = {tile.tobytes() for tile in tiles}
    expected = [np.flip(signal, axes) for axes in ((), (0,), (1,), (0, 1))]
    assert found == {one.tobytes() for one in expected}


def test_packed_grids_leave_out_what_stands_in_both(tmp_path):
    grids = np.stack([ball(8, r) for r in (0.3, 0.5, 0.7)] + [np.zeros((8, 8, 8), bool)])
    packed = np.packbits(grids.reshape(4, -1), axis=1)
    np.savez(tmp_path / "a.npz", train=packed, test=packed[1:2], y=np.zeros(4))
    found = voxels.training_signals(f"{tmp_path}/*.npz:train")
    np.testing.assert_array_equal(np.array(found)[..., 0], grids[[0, 2]])
    with pytest.raises(MscnError, match="no array other"):
        voxels.training_signals(f"{tmp_path}/*.npz:other")
    with pytest.raises(MscnError, match="no voxels match"):
        voxels.training_signals(f"{tmp_path}/*.none:train")


# From here on with the codec that comes with the package.


def test_folder_there_and_back(folder):  # noqa: F811
    (folder.path / "in").mkdir()
    grids = {"large": ball(), "small": ball(24, 0.5)}
    for number, (name, grid) in enumerate(grids.items()):
        place = {"translate": [number, 2.0, -3.5], "scale": 0.5}
        (folder.path / "in" / f"{name}.binvox").write_bytes(voxels.binvox_bytes(grid, place))
    said = folder.mscn("encode", "--quality=8", "in", "out.mscn").stdout
    assert "2 shapes" in said
    assert said.endswith(", exact\n")  # for quality 8 costs more than keeping all
    folder.mscn("decode", "out.mscn", "back")
    for number, (name, grid) in enumerate(grids.items()):
        found, place = voxels.read_binvox(folder.path / "back" / f"{name}.binvox")
        assert place == {"translate": [number, 2.0, -3.5], "scale": 0.5}
        assert np.mean(found == grid) > 0.99
    folder.mscn("decode", "--item=1", "out.mscn", "one.binvox")
    found, place = voxels.read_binvox(folder.path / "one.binvox")
    assert place["translate"] == [1, 2.0, -3.5]
    assert found.shape == (24, 24, 24)
    assert "voxels" in folder.mscn("info", "out.mscn").stdout
    assert folder.plot("--item=1", "--original=in", "out.mscn").std() > 10
    assert "a folder" in folder.refuses("decode", "out.mscn", "back.binvox")
    assert "voxels are written" in folder.refuses("decode", "--item=0", "out.mscn", "back.png")


def test_truth_values_are_voxels_unasked(folder):  # noqa: F811
    np.save(folder.path / "in.npy", np.random.default_rng(0).random((10, 20, 31)) < 0.3)
    assert ", exact" in folder.mscn("encode", "in.npy", "out.mscn").stdout
    folder.mscn("decode", "out.mscn", "back.npy")
    before, after = (np.load(folder.path / name) for name in ("in.npy", "back.npy"))
    assert after.dtype == bool
    np.testing.assert_array_equal(after, before)


def test_other_sizes(folder):  # noqa: F811
    np.save(folder.path / "in.npy", ball().astype(np.uint8))
    folder.mscn("encode", "--modality=voxels", "--quality=8", "in.npy", "out.mscn")
    folder.mscn("decode", "--size=64x64x64", "out.mscn", "back.npy")
    back = np.load(folder.path / "back.npy")
    assert back.dtype == bool
    assert np.mean(back == ball(64)) > 0.985
    folder.mscn("decode", "--region=4,8,16,8,8,8", "out.mscn", "part.npy")
    whole = np.load(folder.path / "part.npy")
    folder.mscn("decode", "out.mscn", "all.npy")
    np.testing.assert_array_equal(whole, np.load(folder.path / "all.npy")[16:24, 8:16, 4:12])


def test_without_loss(folder):  # noqa: F811
    (folder.path / "in").mkdir()
    noise = np.random.default_rng(0).random((20, 33, 35)) < 0.1  # of four tiles
    grids = {"a": ball(), "b": ball(15, 0.5), "c": noise}
    for name, grid in grids.items():
        place = {"translate": [0.0] * 3, "scale": 1.0}
        (folder.path / "in" / f"{name}.binvox").write_bytes(voxels.binvox_bytes(grid, place))
    said = folder.mscn("encode", "--max-error=0", "in", "out.mscn").stdout
    assert ", exact" in said
    assert "none is wrong" in folder.mscn("info", "out.mscn").stdout
    assert "good, 3 items" in folder.mscn("verify", "out.mscn").stdout
    folder.mscn("decode", "out.mscn", "back")
    for name, grid in grids.items():
        found, _ = voxels.read_binvox(folder.path / "back" / f"{name}.binvox")
        np.testing.assert_array_equal(found, grid)
    folder.mscn("decode", "--item=2", "--region=4,8,16,30,8,3", "out.mscn", "part.npy")
    np.testing.assert_array_equal(np.load(folder.path / "part.npy"), noise[16:19, 8:16, 4:34])
    damaged = bytearray((folder.path / "out.mscn").read_bytes())
    damaged[-10] ^= 4
    (folder.path / "out.mscn").write_bytes(damaged)
    found = folder._run(("verify", "out.mscn"))
    assert "item 2 (c) is damaged" in found.stdout
    assert "checksum" in folder.refuses("decode", "--item=2", "out.mscn", "c.npy")
    folder.mscn("decode", "--item=1", "out.mscn", "b.npy")
    np.testing.assert_array_equal(np.load(folder.path / "b.npy"), grids["b"])


@pytest.fixture(scope="module")
def codec():
    return Codec.load("voxels32")


@settings(max_examples=8, deadline=None)
@given(st.lists(arrays(bool, array_shapes(min_dims=3, max_dims=3, max_side=40)), max_size=3))
def test_any_grids_without_loss(codec, grids):
    grids = [ball(9), *(grid for grid in grids if grid.any())]
    signals = [grid[..., None] for grid in grids]
    for signal, back in zip(signals, codec.decode_all(codec.encode(signals, max_error=0))):
        np.testing.assert_array_equal(back, signal)


def test_other_sizes_come_from_the_quality(codec):
    grid = ball()[..., None]
    for quality in (None, 6):
        whole = codec.encode(grid, quality, max_error=0)
        plain = codec.encode(grid, quality or 1)
        assert len(whole) < len(plain) + 200
        np.testing.assert_array_equal(codec.decode(whole, scale=2), codec.decode(plain, scale=2))
        np.testing.assert_array_equal(codec.decode(whole), grid)
        part = codec.decode(whole, region=(4, 8, 16, 9, 8, 3))
        np.testing.assert_array_equal(part, grid[16:19, 8:16, 4:13])


def test_held_out_shapes_take_fewer_bytes_than_zstd(codec):
    file = Path("../shared/data/modelnet10/modelnet10_32_packed.npz")
    if not file.exists():
        pytest.skip("needs ../shared/data")
    grids = list(voxels.packed_grids(file, "test")[::60])
    data = codec.encode(grids, max_error=0)
    assert len(data) < 75 * len(grids)
    for grid, back in zip(grids, codec.decode_all(data)):
        np.testing.assert_array_equal(back, grid)


def test_refused_bounds(codec):
    grid = ball()[..., None]
    with pytest.raises(MscnError, match="must be 0"):
        codec.encode(grid, max_error=0.5)
    with pytest.raises(MscnError, match="alone"):
        codec.encode(grid, bpp=1.0, max_error=0)
    without = {k: v for k, v in codec.bundle.members.items() if "occupancy" not in k}
    without = Codec(replace(codec.bundle, members=without))
    np.testing.assert_array_equal(without.decode(without.encode(grid, max_error=0)), grid)
    with pytest.raises(MscnError, match="without loss"):
        without.decode(codec.encode(grid, max_error=0))
