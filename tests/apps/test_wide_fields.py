"""Fields of float64 and of wide integers, there and back on the command line."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("netCDF4")
xr = pytest.importorskip("xarray")

LATITUDE, LONGITUDE = np.linspace(85.5, -85.5, 20), np.arange(0.0, 360, 10)


def kelvins():
    """float32 ``[H, W]``: 255 to 305."""
    wave = np.cos(np.radians(LATITUDE))[:, None] * np.sin(np.radians(LONGITUDE))
    return (280 + 25 * wave).astype("f4")


def one(values, units):
    """A data set of one variable."""
    axes = {"lat": ("lat", LATITUDE), "lon": ("lon", LONGITUDE)}
    return xr.Dataset({"v": (("lat", "lon"), values, {"units": units})}, axes)


@pytest.mark.parametrize(
    "bound", [0.0, 1e-6, 3.5, *(pytest.param(b, marks=pytest.mark.slow) for b in (1e-12, 1e-3))]
)
def test_wide_variables_within_any_bound(folder, bound):
    """Beside each other, with gaps, limits and marks, and what float32 does for."""
    content = xr.Dataset(coords={"lat": ("lat", LATITUDE), "lon": ("lon", LONGITUDE)})
    kelvin = np.stack([kelvins(), kelvins() + 1]).astype("f8")
    gap = np.broadcast_to(kelvins() > 290, kelvin.shape)
    told = {
        "root": np.sqrt(kelvin),
        "gaps": np.where(gap, np.nan, np.sqrt(kelvin)),
        "celsius": kelvin - 273.15,
        "narrow": kelvin,
        "zeros": np.where(gap, -0.0, 5e-324 * np.rint(kelvin)),
        "counts": np.rint(kelvin * 1e12).astype("i8") - 2**61,
        "marked": np.where(gap, -(2**63), np.rint(kelvin * 1e12).astype("i8")),
        "unsigned": np.rint(kelvin * 1e7).astype("u4"),
        "packed": np.rint(kelvin * 1e6).astype("i4"),
        "short": np.rint(kelvin).astype("i2"),
    }
    if 0 < bound < 1:
        del told["zeros"]  # of which nothing would be left: that is refused
    for name, values in told.items():
        content[name] = ("time", "lat", "lon"), values, {"units": "1"}
    content["root"].attrs["valid_min"] = 3.0
    content["counts"].attrs["valid_max"] = np.int64(2**62)
    content["packed"].attrs.update(scale_factor=0.001, add_offset=5.0)
    plain = {name: {"_FillValue": None} for name in told}
    plain.update(gaps={"_FillValue": np.nan}, marked={"_FillValue": np.int64(-(2**63))})
    content.to_netcdf(folder.path / "in.nc", encoding=plain)
    variables = f"--variables={','.join(told)}"
    folder.mscn("encode", f"--max-error={bound}", variables, "in.nc", "x.mscn")
    folder.mscn("verify", "x.mscn")
    folder.mscn("decode", "x.mscn", "out.nc")
    options = {"mask_and_scale": False}
    with xr.open_dataset(folder.path / "out.nc", **options) as out:
        for name, values in told.items():
            found = out[name].values
            assert found.dtype == values.dtype
            assert np.array_equal(found != found, values != values)
            known = (values == values) & ~(gap & (name == "marked"))
            steps = bound / content[name].attrs.get("scale_factor", 1)
            pairs = zip(values[known].tolist(), found[known].tolist())
            assert max(abs(a - b) for a, b in pairs) <= steps, name
            if not bound:
                assert found[known].tobytes() == values[known].tobytes()
            assert name != "marked" or (found[gap] == -(2**63)).all()
        again = xr.open_dataset(folder.path / "x.mscn", **options)
        xr.testing.assert_identical(again, out)
        assert all(again[name].values.tobytes() == out[name].values.tobytes() for name in told)
        folder.mscn("decode", "--item=0", "--region=5,3,9,8", "x.mscn", "part.nc")
        with xr.open_dataset(folder.path / "part.nc", **options) as part:
            np.testing.assert_array_equal(part["root"], out["root"][0, 3:11, 5:14])
    folder.mscn("decode", "--item=1", "x.mscn", "one.npy")
    stored = np.load(folder.path / "one.npy")
    assert stored.dtype == (np.float64 if bound < 1e-3 else np.float32)
    assert np.abs(stored - np.squeeze(told["root"][1])).max() <= bound + (bound > 1e-6) * 1e-6


def test_whole_numbers_that_npy_would_not_hold_are_refused(folder):
    values = np.rint(kelvins().astype("f8") * 1e14).astype("i8")
    one(values, "1").to_netcdf(folder.path / "in.nc")
    folder.mscn("encode", "--lossless", "in.nc", "x.mscn")
    told = folder.refuses("decode", "x.mscn", "out.npy")
    assert "v has whole numbers beyond 2^53; decode to OUT.nc" in told


def test_stacks_of_wide_numbers(folder):
    """Of which nothing is known but the values, some of which float32 holds."""
    whole = np.rint(kelvins().astype("f8") * 1e14).astype("i8")
    for values in (np.stack([whole * 0 + 5, whole]), np.sqrt(kelvins().astype("f8"))[None]):
        np.save(folder.path / "in.npy", values)
        folder.mscn("encode", "--modality=field", "--lossless", "in.npy", "x.mscn", "--force")
        folder.mscn("decode", "x.mscn", "out.npy", "--force")
        found = np.load(folder.path / "out.npy")
        assert (found.dtype, found.tobytes()) == (values.dtype, values.tobytes())
        folder.mscn("decode", "x.mscn", "out.nc", "--force")
        with xr.open_dataset(folder.path / "out.nc") as out:
            assert out["field"].values.tobytes() == values.tobytes()
        with xr.open_dataset(folder.path / "x.mscn") as opened:
            assert opened["field"].values.tobytes() == values.tobytes()
