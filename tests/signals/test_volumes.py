from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from mscn_tf.runtime.errors import MscnError
from mscn_tf.signals import volumes
from tests.apps.conftest import folder  # noqa: F401

AFFINE = np.array([[-2, 0.1, 0, 9], [0, 3, 0.2, -5], [0, 0, 1.5, 7], [0, 0, 0, 1.0]])


def wave(shape=(20, 17, 24)):
    """float64 in [0, 1]."""
    x, y, z = np.meshgrid(*[np.arange(n) / 9 for n in shape], indexing="ij")
    return 0.5 + 0.5 * np.sin(x + 0.5 * y) * np.cos(z)


def saved(path, array, slope=None, offset=None):
    image = nib.Nifti1Image(array, AFFINE)
    image.header.set_xyzt_units("mm", "sec")
    image.header["descrip"] = b"a head"
    if slope:  # given these, nibabel writes values as they are
        image.header.set_slope_inter(slope, offset)
    nib.save(image, path)
    return nib.load(path)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize(
    ("dtype", "slope"), [("uint8", None), ("int16", None), ("int16", 0.5), ("float32", None)]
)
def test_nifti_there_and_back(tmp_path, name, dtype, slope):
    values = (200 * wave()).astype(dtype)
    image = saved(tmp_path / name, values, slope, -3.0)
    signals = volumes.read(tmp_path / name)
    (array,) = signals.arrays
    assert array.dtype == np.float32
    assert (array.min(), array.max()) == (0, 1)
    volumes.write(tmp_path / f"b{name}", signals.arrays, None, signals.metadata, {})
    back = nib.load(tmp_path / f"b{name}")
    assert back.get_data_dtype() == image.get_data_dtype()
    np.testing.assert_allclose(back.get_fdata(), image.get_fdata(), rtol=1e-5)
    np.testing.assert_allclose(back.affine, image.affine)
    assert back.dataobj.slope == image.dataobj.slope
    assert bytes(back.header["descrip"]).startswith(b"a head")
    assert back.header.get_xyzt_units() == ("mm", "sec")
    first = (tmp_path / f"b{name}").read_bytes()
    volumes.write(tmp_path / f"b{name}", signals.arrays, None, signals.metadata, {})
    assert (tmp_path / f"b{name}").read_bytes() == first


def test_scaled_nifti_as_npy(tmp_path):
    values = (200 * wave()).astype(np.int16)
    image = saved(tmp_path / "a.nii", values, 0.5, -3.0)
    signals = volumes.read(tmp_path / "a.nii")
    volumes.write(tmp_path / "a.npy", signals.arrays, None, signals.metadata, {})
    np.testing.assert_allclose(np.load(tmp_path / "a.npy"), image.get_fdata(), atol=1e-4)


def test_series_over_time(tmp_path):
    values = np.stack([wave(), 3 * wave() ** 2], -1).astype(np.float32)
    saved(tmp_path / "a.nii", values)
    signals = volumes.read(tmp_path / "a.nii")
    assert [array.shape for array in signals.arrays] == [(20, 17, 24, 1)] * 2
    volumes.write(tmp_path / "b.nii", signals.arrays, None, signals.metadata, {})
    np.testing.assert_allclose(nib.load(tmp_path / "b.nii").get_fdata(), values, atol=1e-5)
    view = {"item": 1}
    volumes.write(tmp_path / "c.nii", signals.arrays[1:], None, signals.metadata, view)
    np.testing.assert_allclose(nib.load(tmp_path / "c.nii").get_fdata(), values[..., 1], atol=1e-5)


def test_parts_and_sizes_keep_their_place_in_space(tmp_path):
    saved(tmp_path / "a.nii", wave())
    signals = volumes.read(tmp_path / "a.nii")
    part = signals.arrays[0][4:12:2, 5:8, 10:]  # every second along the first axis
    view = {"region": (10, 5, 4, 14, 3, 8)}
    volumes.write(tmp_path / "b.nii", [part], None, signals.metadata, view)
    found = nib.load(tmp_path / "b.nii").affine
    # The new samples' centres lie half a sample on along the first axis.
    np.testing.assert_allclose(found @ [1, 2, 3, 1], AFFINE @ [6.5, 7, 13, 1])


@pytest.mark.parametrize("value", [0, 7])
def test_constant(tmp_path, value):
    np.save(tmp_path / "a.npy", np.full((3, 4, 5), value, np.int16))
    signals = volumes.read(tmp_path / "a.npy")
    volumes.write(tmp_path / "b.npy", signals.arrays, None, signals.metadata, {})
    back = np.load(tmp_path / "b.npy")
    assert back.dtype == np.int16
    np.testing.assert_array_equal(back, np.full((3, 4, 5), value))


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((1, 1, 2, 2, 2)), "shape"),
        (np.zeros((2, 2)), "shape"),
        (np.zeros((2, 0, 2)), "shape"),
        (np.full((2, 2, 2), np.nan), "NaN"),
        (np.full((2, 2, 2), np.inf), "NaN"),
        (np.zeros((2, 2, 2), complex), "complex"),
        (np.array([[["a"]]]), "real numbers"),
    ],
)
def test_refuses_arrays(tmp_path, array, says):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(MscnError, match=says):
        volumes.read(tmp_path / "a.npy")


def test_refuses_files(tmp_path):
    with pytest.raises(MscnError, match="cannot read"):
        volumes.read(tmp_path / "a.nii")
    (tmp_path / "a.nii").write_bytes(b"nonsense" * 60)
    (tmp_path / "b.nii").write_bytes(b"")
    (tmp_path / "c.nii.gz").write_bytes(b"nonsense" * 60)
    saved(tmp_path / "whole.nii", wave())
    (tmp_path / "d.nii").write_bytes((tmp_path / "whole.nii").read_bytes()[:-500])
    saved(tmp_path / "e.nii", np.zeros((2, 2, 2, 2, 2)))
    (tmp_path / "f.mgz").write_bytes(b"nonsense" * 60)
    for name in ("a.nii", "b.nii", "c.nii.gz", "d.nii", "e.nii", "f.mgz"):
        with pytest.raises(MscnError) as error:
            volumes.read(tmp_path / name)
        assert name in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {},
        {"low": [0], "high": [1], "dtype": "nothing"},
        {"low": [0], "high": [1], "dtype": "|O"},
        {"low": [0, 1], "high": [1, 2], "dtype": "<f4"},
        {"low": [0], "high": [1], "dtype": "<f4", "header": "no"},
        {"low": [0], "high": [1], "dtype": "<f4", "header": "bm8="},
    ],
)
def test_refuses_damaged_metadata(tmp_path, metadata):
    array = np.ones((8, 8, 8, 1), np.float32)
    with pytest.raises(MscnError, match="metadata is damaged"):
        volumes.write(tmp_path / "a.nii", [array], None, metadata, {})


def test_slabs(tmp_path):
    np.save(tmp_path / "a.npy", wave())
    (slab,) = volumes.training_signals(f"{tmp_path}/*.npy@50-75")
    np.testing.assert_array_equal(slab, volumes.read(tmp_path / "a.npy").arrays[0][10:15])
    for pattern in (f"{tmp_path}/*.nii@0-50", f"{tmp_path}/*.npy@50-50", f"{tmp_path}/*.npy@9-101"):
        with pytest.raises(MscnError, match="no volume matches"):
            volumes.training_signals(pattern)


# From here on with the codec that comes with the package.


def test_command_there_and_back(folder):  # noqa: F811
    image = saved(folder.path / "in.nii.gz", (200 * wave()).astype(np.int16))
    said = folder.mscn("encode", "--psnr=35", "in.nii.gz", "out.mscn").stdout
    assert "dB PSNR" in said
    folder.mscn("decode", "out.mscn", "back.nii.gz")
    back = nib.load(folder.path / "back.nii.gz")
    assert back.get_data_dtype() == np.int16
    np.testing.assert_allclose(back.affine, AFFINE, rtol=1e-6)
    error = np.sqrt(np.mean((back.get_fdata() - image.get_fdata()) ** 2))
    assert error < 200 * 10 ** (-34.5 / 20)
    folder.mscn("decode", "--size=12x17x10", "out.mscn", "small.nii")
    assert nib.load(folder.path / "small.nii").shape == (10, 17, 12)
    assert "volume" in folder.mscn("info", "out.mscn").stdout
    assert folder.plot("--original=in.nii.gz", "out.mscn").std() > 10
