"""The engine of xarray: what it opens is what `mscn decode` writes, and no more is decoded."""

from __future__ import annotations

import pytest

from tests.plugins.conftest import FIELDS

pytest.importorskip("xarray")

# A packed variable on levels, with holes and its axes turned about, and one of real numbers.
MADE = """
import subprocess
import xarray as xr
from mscn_tf.runtime.file_decoder import FileDecoder

latitude, longitude = np.linspace(85, -85, 18), np.arange(-180.0, 180, 10)
level, time = [850.0, 500.0], np.array(["2001-01-16", "2001-02-15", "2001-03-16"], "M8[ns]")
wave = np.cos(np.radians(latitude))[:, None] * np.sin(np.radians(longitude))
t = 280 + 10 * wave * (1 + np.arange(6.0).reshape(2, 3, 1, 1))
t[:, :, 3:6, 4:9] = np.nan
axes = {"lat": ("lat", latitude, {"units": "degrees_north"}),
        "lon": ("lon", longitude, {"units": "degrees_east"}),
        "plev": ("plev", level, {"units": "hPa"}), "time": time}
made = xr.Dataset({
    "t": (("lat", "plev", "time", "lon"), t.transpose(2, 0, 1, 3), {"units": "K", "note": [1, 2]}),
    "u": (("time", "lat", "lon"), (9 * wave * np.ones((3, 1, 1))).astype("f4"), {"units": "m s-1"}),
    "bounds": (("lat", "two"), np.stack([latitude - 5, latitude + 5], 1)),
    "name": ((), "a text"),
}, axes, {"title": "made", "number": np.float32(3)})
packed = {"dtype": "i2", "scale_factor": 0.01, "add_offset": 270.0, "_FillValue": -32768}
made.to_netcdf("in.nc", encoding={"t": packed}, unlimited_dims=["time"])

def sh(*command):
    subprocess.run(command, check=True, capture_output=True)

decoded = []
decode_all = FileDecoder.decode_all
def counted(self, container, items=None):
    decoded.extend(items or ())
    return decode_all(self, container, items=items)
FileDecoder.decode_all = counted
"""
OPENED = """
sh("mscn", "encode", "--codec=field", "--max-error=0.05", "in.nc", "x.mscn")
sh("mscn", "decode", "x.mscn", "out.nc")
"""


def test_it_is_the_dataset_that_decoding_writes(run):
    program = """
for options in {}, {"decode_cf": False}, {"mask_and_scale": False, "drop_variables": ["u"]}:
    ours = xr.open_dataset("x.mscn", **options)
    with xr.open_dataset("out.nc", **options) as plain:
        assert decoded == [], "opening decodes nothing"
        xr.testing.assert_identical(ours, plain)
        assert ours.encoding["unlimited_dims"] == plain.encoding["unlimited_dims"]
        for name, variable in plain.variables.items():
            assert ours[name].dtype == variable.dtype, name
            assert [*map(type, ours[name].attrs.values())] == [*map(type, variable.attrs.values())]
            for key in "dtype scale_factor add_offset _FillValue calendar units".split():
                told = ours[name].encoding.get(key), variable.encoding.get(key)
                np.testing.assert_equal(*told, err_msg=f"{name} {key}")
    decoded.clear()
with xr.open_dataset("x.mscn") as ours:
    off = np.abs(ours.t.transpose("plev", "time", ...) - t)
    assert off.max() <= 0.05 + 0.006  # packing rounds too
"""
    run(MADE + OPENED + program)


def test_it_decodes_the_fields_alone_that_are_asked_for(run):
    program = """
import pickle
ours, plain = xr.open_dataset("x.mscn", engine="mscn"), xr.load_dataset("out.nc")
for name, index, items in [
    ("t", {"time": 1, "plev": -1}, [4]),
    ("t", {"time": [2, 0], "plev": 0, "lat": [5, 3, 1], "lon": slice(None, None, -7)}, [0, 2]),
    ("t", {"lat": 4, "lon": 5, "time": slice(2, 3)}, [2, 5]),
    ("u", {"time": slice(2), "lon": [0]}, [6, 7]),
    ("u", {"time": slice(0), "lon": [0]}, []),
]:
    decoded.clear()
    found = ours[name].isel(index)
    assert decoded == []
    found.load()
    assert decoded == items, (decoded, items)
    xr.testing.assert_identical(found, plain[name].isel(index))
again = pickle.loads(pickle.dumps(ours["u"]))
xr.testing.assert_identical(again.load(), plain["u"])
points = {axis: xr.DataArray([1, 3, 2], dims="point") for axis in ("lat", "lon")}
xr.testing.assert_identical(ours["t"].isel(points).load(), plain["t"].isel(points))
"""
    run(MADE + OPENED + program)


def test_several_grids_and_columns_before_rows(run):
    program = """
y, x = np.mgrid[:20, :30]
fine = (280 + 5 * np.sin(x / 5) * np.cos(y / 4))[None] + np.zeros((3, 1, 1))
fine[1, 4:8, 3:9] = np.nan
made["fine"] = ("time", "y", "x"), fine.astype("f4"), {"coordinates": "at_lat at_lon"}
made["at_lat"] = ("y", "x"), 40.0 + y / 7 + x / 31, {"units": "degrees_north"}
made["at_lon"] = ("y", "x"), 5.0 + x / 7 - y / 31, {"units": "degrees_east"}
made["turned"] = ("lon", "time", "lat"), made.u.values.transpose(2, 0, 1), {"units": "m s-1"}
made.to_netcdf("in.nc", encoding={"t": packed})
sh("mscn", "encode", "--relative-error=0.01", "in.nc", "x.mscn")
sh("mscn", "decode", "x.mscn", "out.nc")
with xr.open_dataset("x.mscn") as ours, xr.open_dataset("out.nc") as plain:
    assert decoded == []
    found = ours.turned.isel(time=[2, 0], lat=slice(3, 9), lon=[5, 1])
    xr.testing.assert_identical(found, plain.turned.isel(time=[2, 0], lat=slice(3, 9), lon=[5, 1]))
    assert len(decoded) == 2
    xr.testing.assert_identical(ours, plain)
    assert np.isnan(ours.fine[1, 4:8, 3:9]).all()
    for name in ("fine", "turned"):
        off = float(np.abs(ours[name] - made[name]).max())
        assert 0 < off <= 0.01 * np.ptp(made[name].values[np.isfinite(made[name].values)]), name
"""
    run(MADE + program)


def test_fields_without_a_file_of_their_own(run):
    program = """
from mscn_tf import Codec
stack = (280 + t[0, :2]).astype("f4")
stack = np.nan_to_num(stack, nan=280)[..., None]
with open("x.mscn", "wb") as file:
    file.write(Codec.load("field").encode(stack, max_error=0.05, names=["a", "b"]))
sh("mscn", "decode", "x.mscn", "out.nc")
xr.testing.assert_identical(xr.load_dataset("x.mscn"), xr.load_dataset("out.nc"))
"""
    run(MADE + program)


def test_what_it_can_not_open_is_said_in_one_line(run):
    program = """
from mscn_tf import Codec
picture = np.zeros((9, 9, 3), np.uint8)
picture[2:5] = 99
content = Codec.load("photo").encode(picture)
for data in content, content[:-3], b"something":
    with open("x.mscn", "wb") as file:
        file.write(data)
    try:
        xr.open_dataset("x.mscn")
    except ValueError as error:
        print(error)
try:
    xr.open_dataset("nowhere.mscn", engine="mscn")
except ValueError as error:
    print(error)
"""
    found = run(MADE + program).splitlines()
    words = ["holds pictures, not fields", "damaged", "not a .mscn file", "nowhere.mscn"]
    assert len(found) == len(words)
    for line, told in zip(found, words):
        assert told in line


@pytest.mark.usefixtures("zarr_3")
def test_it_goes_to_zarr_and_back(run):
    program = """
from mscn_tf.plugins.zarr import Mscn
ours = xr.open_dataset("x.mscn")
told = {"serializer": Mscn(max_error=0.1), "compressors": ()}
ours[["u"]].to_zarr("x.zarr", encoding={"u": told}, consolidated=False, zarr_format=3)
back = xr.open_zarr("x.zarr", consolidated=False, chunks=None)
xr.testing.assert_identical(back.drop_vars("u"), ours[["u"]].drop_vars("u"))
assert 0 < np.abs(back.u - ours.u).max() <= 0.1
assert back.u.attrs == ours.u.attrs
"""
    run(MADE + OPENED + program)


@pytest.mark.skipif(not FIELDS.is_dir(), reason="needs the fields of shared/data")
@pytest.mark.parametrize("name", ["tas_rectilinear_grid_2D", "NCEP_06_climo"])
def test_real_files(run, name):
    source = FIELDS / f"{name}.nc"
    program = f"""
sh("mscn", "encode", "--codec=field", "--quality=1", "--nomeasure", r"{source}", "x.mscn")
sh("mscn", "decode", "x.mscn", "out.nc")
options = dict(decode_cf=False)
with xr.open_dataset("out.nc", **options) as plain, xr.open_dataset("x.mscn", **options) as ours:
    xr.testing.assert_identical(ours, plain)
"""
    run(MADE + program)
