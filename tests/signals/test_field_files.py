"""What comes back of NetCDF files beside fields, and fields in other units or with holes."""

from __future__ import annotations

import copy
import json
import warnings
import zlib
from base64 import b64encode

import netCDF4
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from mscn_tf.codec import Codec
from mscn_tf.codec.read_back import read_back
from mscn_tf.runtime import exact
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.values import Values
from mscn_tf.signals import fields, gaps, modalities
from mscn_tf.signals.coding import Coding
from mscn_tf.signals.signal import Selection
from tests.apps.conftest import folder  # noqa: F401
from tests.signals.test_fields import dataset, smooth

KELVINS = Values(202.66, 320.93, "float32")
LATITUDE, LONGITUDE = np.linspace(-85.5, 85.5, 20), 10.0 * np.arange(36)


def one(values, units=None, name="v", longitude=LONGITUDE):
    """A file of one field on 20 latitudes."""
    return xr.Dataset(
        {name: (("lat", "lon"), values, {} if units is None else {"units": units})},
        {
            "lat": ("lat", LATITUDE, {"units": "degrees_north"}),
            "lon": ("lon", longitude, {"units": "degrees_east"}),
        },
    )


def kelvins():
    """As on Earth, with some noise: [20, 36]."""
    noise = np.random.default_rng(0).normal(0, 0.3, (20, 36))
    return (smooth(LATITUDE, LONGITUDE) + noise).astype("f4")


@pytest.fixture
def there_and_back(tmp_path):
    """What a file is after reading and writing, without a codec; twice opened by xarray."""

    def go(content=None, path=tmp_path / "in.nc", encoding=None, decode=True, **options):
        if content is not None:
            content.to_netcdf(path, encoding=encoding)
        signals = fields.read(path, **options)
        metadata = json.loads(json.dumps(signals.metadata, allow_nan=False))
        fields.write(tmp_path / "out.nc", signals.arrays, signals.names, metadata, Selection())
        told = {} if decode else {"decode_cf": False, "mask_and_scale": False}
        files = [xr.open_dataset(name, **told) for name in (path, tmp_path / "out.nc")]
        loaded = [file.load() for file in files]
        for file in files:
            file.close()
        return signals, *loaded

    return go


def assert_alike(before, after):
    """Everything is the same: variables, dimensions, attributes, types and encodings."""
    xr.testing.assert_identical(before, after)
    assert before.encoding["unlimited_dims"] == after.encoding["unlimited_dims"]
    for name, variable in before.variables.items():
        assert after[name].dtype == variable.dtype
        kept = ("dtype", "scale_factor", "add_offset", "_FillValue", "calendar", "units", "zlib")
        for key in kept:
            np.testing.assert_equal(after[name].encoding.get(key), variable.encoding.get(key))


def test_structure_comes_back(there_and_back, tmp_path):
    with netCDF4.Dataset(tmp_path / "in.nc", "w") as file:
        for name, size in dict(lat=20, lon=36, time=None, bnds=2, lev=2, letters=3, no=0).items():
            file.createDimension(name, size)

        def add(name, kind, dims, values, fill=None, **attrs):
            variable = file.createVariable(name, kind, dims, fill_value=fill, zlib=name == "ta")
            variable.setncatts(attrs)
            if np.size(values):
                variable[...] = values
            return variable

        add("lat", "f4", ("lat",), LATITUDE[::-1], units="degrees_north", bounds="lat_bnds")
        add("lon", "i2", ("lon",), (LONGITUDE + 180) % 360 - 180, units="degrees_east")
        add("lat_bnds", "f8", ("lat", "bnds"), np.add.outer(LATITUDE[::-1], [4.5, -4.5]))
        time = {"units": "days since 2000-01-01", "calendar": "360_day", "bounds": "time_bnds"}
        add("time", "i4", ("time",), [0, 30, 60], **time)
        add("time_bnds", "f8", ("time", "bnds"), np.arange(6.0).reshape(3, 2))
        add("ap", "f8", ("lev",), [0.1, np.inf], formula="ap + b")
        add("crs", "i4", (), -1, grid_mapping_name="latitude_longitude")
        add("height", "f8", (), 2.0, units="m")
        add("member", str, ("lev",), np.array(["r1", "ü"], object))
        add("code", "S1", ("lev", "letters"), np.array([[b"a", b"b", b"c"], [b"d", b"", b""]]))
        add("land", "i1", ("lat", "lon"), kelvins() > 280, flag_values=np.array([0, 1], "i1"))
        add("nothing", "f4", ("no",), [])
        packed = {"scale_factor": 0.01, "add_offset": 273.15, "units": "K"}
        ta = add("ta", "i2", ("lon", "lat", "time"), [], -32767, coordinates="height", **packed)
        values = np.ma.array(np.broadcast_to(kelvins().T[:, ::-1, None], (36, 20, 3)))
        values[3:6, 2, 1] = np.ma.masked
        ta[...] = values
        file.setncatts({"title": "x", "many": ["a", "b"], "one": np.float32(2.5), "none": ""})
    for decode in (False, True):
        signals, before, after = there_and_back(decode=decode)
        assert_alike(before, after)
    assert signals.names[1] == "ta[2000-02-01]"
    assert len(signals.arrays) == 3
    assert [note.split(": ", 1)[1] for note in signals.notes] == [
        "kept without loss, being no fields: land"
    ]


def test_classic_files_stay_classic(there_and_back, tmp_path):
    dataset().to_netcdf(tmp_path / "in.nc", format="NETCDF3_CLASSIC", unlimited_dims=["time"])
    assert_alike(*there_and_back(decode=False)[1:])
    with netCDF4.Dataset(tmp_path / "out.nc") as file:
        assert file.data_model == "NETCDF3_CLASSIC"


def test_unsigned_bytes_of_classic_files(there_and_back, tmp_path):
    one(kelvins(), "K").drop_vars("v").to_netcdf(tmp_path / "in.nc", format="NETCDF3_CLASSIC")
    with netCDF4.Dataset(tmp_path / "in.nc", "a") as file:
        variable = file.createVariable("v", "i1", ("lat", "lon"))
        packing = {"scale_factor": 0.5, "add_offset": 200.0}
        variable.setncatts({"_Unsigned": "true", "units": "K", **packing})
        variable.set_auto_maskandscale(False)
        variable[...] = np.rint((kelvins() - 200) * 2).astype("u1").view("i1")
    signals, before, after = there_and_back()
    assert_alike(before, after)
    assert float(before["v"].max()) > 270  # more than signed ones reach
    assert abs(signals.arrays[0][..., 0] - kelvins()).max() <= 0.26


@pytest.mark.parametrize(
    "longitude",
    [
        np.append(LONGITUDE, 360.0),
        LONGITUDE[::-1],
        (LONGITUDE + 180) % 360 - 180,
        np.append(LONGITUDE - 180, 180.0)[::-1],
    ],
)
def test_columns_in_any_order(there_and_back, longitude):
    values = smooth(LATITUDE, longitude).astype("f4")
    if len(longitude) > 36:
        values[:, -1] = values[:, 0]
    signals, before, after = there_and_back(one(values, "K", longitude=longitude))
    assert_alike(before, after)
    assert signals.arrays[0].shape == (20, 36, 1)
    east = np.array(signals.metadata["longitude"])
    assert np.all(np.diff(east) > 0)
    np.testing.assert_allclose(signals.arrays[0][..., 0], smooth(LATITUDE, east), atol=1e-3)


def test_a_repeated_column_that_is_another_is_kept(there_and_back):
    longitude = np.append(LONGITUDE, 360.0)
    values = smooth(LATITUDE, longitude).astype("f4")
    values[3, -1] += 1
    signals, before, after = there_and_back(one(values, "K", longitude=longitude))
    assert_alike(before, after)
    assert signals.arrays[0].shape == (20, 37, 1)
    assert "doesn't cover the sphere" in fields.misfit(signals, KELVINS)


@pytest.mark.parametrize(
    ("units", "values"),
    [
        ("degC", kelvins() - np.float32(273.15)),
        ("degrees_fahrenheit", kelvins() * np.float32(1.8) - np.float32(459.67)),
        ("°C", kelvins().astype("f8") - 273.15),
        ("K", kelvins()),
        (None, kelvins()),
    ],
)
def test_temperatures_in_any_unit(there_and_back, units, values):
    signals, before, after = there_and_back(one(values, units))
    np.testing.assert_allclose(signals.arrays[0][..., 0], kelvins(), atol=1e-3)
    assert fields.misfit(signals, KELVINS) is None
    assert after["v"].dtype == before["v"].dtype
    assert after["v"].attrs == before["v"].attrs
    np.testing.assert_allclose(after["v"], before["v"], atol=1e-4)
    said = fields.measure(signals.arrays[0], signals.arrays[0] + 0.5, signals.metadata)
    assert said[f"{units or 'K'} RMSE"] == pytest.approx(0.9 if "f" in str(units) else 0.5, 1e-3)


OTHERS = [
    ("m s-1", 12 * np.cos(np.radians(LONGITUDE)) * np.ones((20, 1))),
    ("m", 5500 + kelvins().astype("f8")),
    ("1", np.clip((kelvins() - 260) / 20, 0, 1)),
    ("mol mol-1", 4e-8 + 1e-10 * (kelvins() - 250)),
    ("degC", kelvins()),  # kelvins that say something else
    (None, (kelvins() - 250) / 100),
]


@pytest.mark.parametrize(("units", "values"), OTHERS)
def test_others_are_refused_by_their_names(tmp_path, units, values):
    both = one(values, units).assign(tas=(("lat", "lon"), kelvins(), {"units": "K"}))
    both.to_netcdf(tmp_path / "in.nc")
    problem = fields.misfit(fields.read(tmp_path / "in.nc"), KELVINS)
    assert f"v ({units or 'of no unit'}, " in problem
    assert "--variables=tas" in problem
    assert fields.misfit(fields.read(tmp_path / "in.nc", ["tas"]), KELVINS) is None
    with pytest.raises(MscnError, match=r"no field called x; there are v, tas"):
        fields.read(tmp_path / "in.nc", ["x"])


def bounded(path, bound, out):
    """A file decoded from one with a bound."""
    signals = fields.read(path)
    codec = Codec.load("temperature")
    data = codec.encode(
        signals.arrays,
        5,
        max_error=fields.array_bound(bound, signals.metadata),
        names=signals.names,
        metadata=signals.metadata,
    )
    read_back(codec, data, signals).check_bounds([bound] * len(signals.arrays))
    info = codec.info(data)
    fields.write(out, list(codec.decode_all(data)), signals.names, info["metadata"], Selection())


@pytest.mark.parametrize(
    ("units", "values", "bound"),
    [
        *((unit, values, np.ptp(values) / 300) for unit, values in OTHERS),
        ("degC", kelvins() - np.float32(273.15), 0.01),
        ("degF", kelvins().astype("f8") * 1.8 - 459.67, 0.25),
        ("K", kelvins().astype("f8"), 0.001),
    ],
)
def test_a_bound_holds_in_the_files_units(tmp_path, units, values, bound):
    one(values, units).to_netcdf(tmp_path / "in.nc")
    bounded(tmp_path / "in.nc", bound, tmp_path / "out.nc")
    with xr.open_dataset(tmp_path / "in.nc") as a, xr.open_dataset(tmp_path / "out.nc") as b:
        assert a["v"].dtype == b["v"].dtype
        error = np.abs(a["v"].values.astype("f8") - b["v"].values.astype("f8")).max()
    assert error <= bound


@pytest.mark.parametrize(("bound", "largest"), [(0.001, 0), (0.01, 0.01), (0.025, 0.02)])
def test_a_bound_holds_for_packed_numbers(tmp_path, bound, largest):
    packing = {"dtype": "i2", "scale_factor": 0.01, "add_offset": 273.15, "_FillValue": -32767}
    one(kelvins(), "K").to_netcdf(tmp_path / "in.nc", encoding={"v": packing})
    bounded(tmp_path / "in.nc", bound, tmp_path / "out.nc")
    with xr.open_dataset(tmp_path / "in.nc") as a, xr.open_dataset(tmp_path / "out.nc") as b:
        assert b["v"].encoding["dtype"] == "i2"
        assert np.abs(a["v"] - b["v"]).max() == pytest.approx(largest, abs=1e-9)


def test_bounds_finer_than_what_is_coded_are_refused(tmp_path):
    one(kelvins() - np.float32(273.15), "degC").to_netcdf(tmp_path / "in.nc")
    with pytest.raises(MscnError, match="--lossless"):
        fields.array_bound(1e-5, fields.read(tmp_path / "in.nc").metadata)


@settings(max_examples=200, deadline=None)
@given(
    dtype=st.sampled_from(["uint8", "int16", "int32", "float32", "float64"]),
    factor=st.sampled_from([1.0, 0.01, 0.5, -0.25]),
    scale=st.sampled_from([1.0, 5 / 9, 100.0]),
    bound=st.floats(0.01, 20),
    seed=st.integers(0, 99),
)
def test_bounds_of_codings_hold(dtype, factor, scale, bound, seed):
    random = np.random.default_rng(seed)
    coding = Coding("v", dtype=dtype, factor=factor, add=10.0, scale=scale)
    coded = random.uniform(200, 320, 200).astype("f4")
    stored = coding.stored(coded)
    original = coding.coded(stored)
    room = coding.bound(bound)
    moved = original + random.uniform(-room, room, 200)
    within = np.clip(moved.astype("f4"), original - room, original + room)
    off = np.abs(coding.values(coding.stored(within)) - coding.values(stored)).max()
    assert off <= bound * (1 + 1e-9)


def masked(fill=np.nan):
    """A clean variable beside one with a continent, in two months, and one that is all missing."""
    content = dataset().isel(time=slice(0, 2))
    sea = content["tas"].where((content["lat"] > 20) | (content["lon"] > 100))
    content["sst"] = sea.assign_attrs(units="K")
    content["none"] = sea.isel(time=0, drop=True) * np.nan
    content["none"].attrs["units"] = "K"
    content["sst"].encoding["_FillValue"] = content["none"].encoding["_FillValue"] = fill
    return content


@pytest.mark.parametrize("fill", [np.nan, 1e20, -999.0])
def test_masks_come_back(there_and_back, fill):
    signals, before, after = there_and_back(masked(np.float32(fill)))
    assert_alike(before, after)
    assert all(np.isfinite(array).all() for array in signals.arrays)
    assert fields.misfit(signals, KELVINS) is None
    assert len(json.dumps(signals.metadata["masks"])) < 200
    _, before, after = there_and_back(None, decode=False)
    xr.testing.assert_identical(before, after)


def test_figures_are_of_known_points(tmp_path):
    masked().to_netcdf(tmp_path / "in.nc")
    signals = fields.read(tmp_path / "in.nc")
    told = {
        name: modalities.metadata_of("field", signals.metadata, item)
        for item, name in enumerate(signals.names)
    }
    original = dict(zip(signals.names, signals.arrays))["sst[2006-01-16]"]
    one_told = told["sst[2006-01-16]"]
    missing = gaps.unpack(one_told["masks"], 1, (20, 36))[0]
    known = original[~missing]
    assert fields.share_lost(original, original + 1, one_told) == pytest.approx(1 / known.std())
    spoiled = original.copy()
    spoiled[missing] += 100
    assert fields.share_lost(original, spoiled, one_told) == 0
    assert fields.largest_error(original, spoiled, one_told) == 0
    spoiled[~missing] += 2
    assert fields.largest_error(original, spoiled, one_told) == pytest.approx(2, abs=1e-4)
    assert fields.measure(original, spoiled, one_told)["K RMSE"] == pytest.approx(2, abs=1e-4)
    assert fields.measure(original, spoiled, told["none"]) == {}


@settings(max_examples=50, deadline=None)
@given(height=st.integers(1, 9), width=st.integers(1, 9), seed=st.integers(0, 999))
def test_holes_are_filled_between_the_known_values(height, width, seed):
    random = np.random.default_rng(seed)
    values = random.uniform(200, 300, (2, height, width))
    missing = random.random((height, width)) < random.random()
    missing[random.integers(height), random.integers(width)] = False
    filled = gaps.fill(np.where(missing, np.nan, values), missing)
    np.testing.assert_array_equal(filled[:, ~missing], values[:, ~missing])
    for each, field in zip(filled, values):
        assert each.min() >= field[~missing].min() - 1e-9
        assert each.max() <= field[~missing].max() + 1e-9
    text = gaps.pack([missing, ~missing])
    np.testing.assert_array_equal(
        gaps.unpack(text, 2, missing.shape), np.stack([missing, ~missing])
    )


def test_holes_are_filled_round_the_sphere():
    values = smooth(LATITUDE, LONGITUDE)
    missing = np.zeros(values.shape, bool)
    missing[5:15, [33, 34, 35, 0, 1, 2]] = True
    filled = gaps.fill(np.where(missing, np.nan, values)[None], missing)[0]
    assert np.abs(filled - values).max() < 12
    seam = np.abs(filled[:, 0] - filled[:, -1]).max()
    assert seam <= np.abs(np.diff(filled, axis=1)).max() + 1e-9


def test_exact_reading_keeps_stored_numbers(there_and_back, tmp_path):
    packing = {"dtype": "i2", "scale_factor": 0.01, "add_offset": 20.0, "_FillValue": -32767}
    content = one(np.where(kelvins() > 285, np.nan, kelvins() - 273.15), "degC")
    signals, before, after = there_and_back(content, encoding={"v": packing}, lossless=True)
    assert_alike(before, after)
    assert np.array_equal(signals.arrays[0], np.rint(signals.arrays[0]))
    one(kelvins() - np.float32(273.15), "degC").to_netcdf(tmp_path / "degrees.nc")
    _, before, after = there_and_back(None, tmp_path / "degrees.nc", lossless=True)
    assert_alike(before, after)
    one(kelvins().astype("f8") / 3, "K").to_netcdf(tmp_path / "wide.nc")
    signals, before, after = there_and_back(None, tmp_path / "wide.nc", lossless=True)
    assert signals.arrays[0].dtype == np.float64
    assert_alike(before, after)


def test_lossless_files_are_the_same(tmp_path):
    content = masked()
    content["wind"] = ((content["tas"] - 250) * 1e-6).assign_attrs(units="m s-1")
    content.to_netcdf(tmp_path / "in.nc", encoding={"sst": {"_FillValue": np.float32(-999)}})
    signals = fields.read(tmp_path / "in.nc", lossless=True)
    codec = Codec.load("temperature")
    data = codec.encode(
        signals.arrays, lossless=True, names=signals.names, metadata=signals.metadata
    )
    assert read_back(codec, data, signals).largest_error == 0
    metadata = codec.info(data)["metadata"]
    fields.write(
        tmp_path / "out.nc", list(codec.decode_all(data)), signals.names, metadata, Selection()
    )
    for told in ({}, {"decode_cf": False}):
        with (
            xr.open_dataset(tmp_path / "in.nc", **told) as before,
            xr.open_dataset(tmp_path / "out.nc", **told) as after,
        ):
            xr.testing.assert_identical(before, after)


def test_packing_of_no_use_is_refused(tmp_path):
    one(kelvins(), "K").to_netcdf(tmp_path / "in.nc")
    with netCDF4.Dataset(tmp_path / "in.nc", "a") as file:
        file["v"].scale_factor = "much"
    with pytest.raises(MscnError, match=r"in\.nc: v has a scale_factor"):
        fields.read(tmp_path / "in.nc")


def test_marks_are_never_values():
    coding = Coding("v", dtype="int16", factor=0.01, add=273.15, missing=0)
    assert 0 not in coding.stored(np.linspace(270, 290, 9999).astype("f4"))
    coding = Coding("v", missing=250.0)
    assert 250.0 not in coding.stored(np.array([249, 250, 251], "f4"))


def test_grids_of_other_kinds(there_and_back, tmp_path):
    wide = one(kelvins(), "K").rename_dims(lat="y", lon="x").drop_vars(["lat", "lon"])
    wide["nav_lat"] = (("y", "x"), np.broadcast_to(LATITUDE[:, None], (20, 36)))
    wide["nav_lon"] = (("y", "x"), np.broadcast_to(LONGITUDE, (20, 36)))
    signals, before, after = there_and_back(wide)
    assert_alike(before, after)
    assert signals.names == ["v"]
    bare = one(kelvins(), "K").drop_vars(["lat", "lon"])
    bare["counts"] = (("time", "lon"), np.ones((3, 36)))
    signals, before, after = there_and_back(bare)
    assert_alike(before, after)
    assert signals.names == ["v"]
    assert "kept without loss, being no fields: counts" in signals.notes[0]
    cells = one(kelvins(), "K").stack(cell=("lat", "lon")).reset_index("cell")
    cells["lat"].attrs["units"] = "degrees_north"
    cells.to_netcdf(tmp_path / "cells.nc")
    with pytest.raises(MscnError, match="no variable of numbers on a grid"):
        fields.read(tmp_path / "cells.nc")


def region():
    """Hours of a region whose longitudes pass the date line, north first: [3, 18, 24]."""
    latitude, longitude = np.arange(50.0, 32.0, -1.0), (np.arange(168.0, 192.0) + 180) % 360 - 180
    values = np.stack([smooth(latitude, longitude) + hour for hour in range(3)]).astype("f4")
    return xr.Dataset(
        {"t2m": (("time", "lat", "lon"), values, {"units": "K"})},
        {
            "time": (
                "time",
                np.arange(3),
                {"units": "days since 2000-02-27", "calendar": "noleap"},
            ),
            "lat": ("lat", latitude, {"units": "degrees_north"}),
            "lon": ("lon", longitude, {"units": "degrees_east"}),
        },
    )


def test_regions(there_and_back):
    signals, before, after = there_and_back(region())
    assert_alike(before, after)
    assert fields.codec_for(signals, bounded=False) == "field"


def test_a_part_of_a_region_lies_where_it_was(there_and_back, tmp_path):
    content = region()
    signals, _, _ = there_and_back(content)
    part, view = signals.arrays[1][2:9, 4:13], Selection(item=1, region=(4, 2, 9, 7))
    fields.write(tmp_path / "part.nc", [part], signals.names[1:2], signals.metadata, view)
    with xr.open_dataset(tmp_path / "part.nc") as after:
        np.testing.assert_allclose(after["lat"], content["lat"][2:9])
        np.testing.assert_allclose(after["lon"] % 360, content["lon"][4:13] % 360)
        np.testing.assert_allclose(after["t2m"], content["t2m"][1, 2:9, 4:13], atol=1e-4)


def test_several_grids(there_and_back, tmp_path):
    content = masked()
    coarse = kelvins()[::2, ::3]
    content["pr"] = (("time", "y", "x"), np.stack([coarse, np.where(coarse > 280, np.nan, coarse)]))
    content["mixed"] = (
        ("x", "time", "y"),
        np.full((12, 2, 10), 270, "f4") + np.arange(10, dtype="f4"),
    )
    content["glat"] = (("y", "x"), np.arange(120.0).reshape(10, 12), {"units": "degrees_north"})
    signals, before, after = there_and_back(content)
    assert_alike(before, after)
    assert len({array.shape for array in signals.arrays}) == 2
    codec = Codec.load("field")
    bounds = modalities.array_bounds("field", [0.01] * len(signals.arrays), signals)
    data = codec.encode(
        signals.arrays, max_error=bounds, names=signals.names, metadata=signals.metadata
    )
    container = Container.from_bytes(data)
    modalities.check_metadata(container)
    back = codec.decode_all(container)
    fields.write(tmp_path / "back.nc", back, container.names, container.metadata, Selection())
    with xr.open_dataset(tmp_path / "back.nc", decode_times=False) as after:
        for name, known in content.data_vars.items():
            assert after[name].dims == known.dims
            assert np.array_equal(np.isnan(after[name]), np.isnan(known))
            assert float(np.abs(after[name] - known).max()) <= 0.01 or name == "none"


def test_axes_need_not_be_called_like_their_dimensions(there_and_back):
    content = one(kelvins(), "K").rename_dims(lat="y", lon="x").reset_coords()
    _, before, after = there_and_back(content)
    assert_alike(before, after)


def test_what_lies_on_another_grid_is_kept_or_named(there_and_back):
    content = one(kelvins(), "K")
    content["coarse"] = (("lat2", "lon2"), kelvins()[::5, ::6].copy())
    content["lat2"] = ("lat2", LATITUDE[::5], {"units": "degrees_north"})
    content["lon2"] = ("lon2", LONGITUDE[::6], {"units": "degrees_east"})
    signals, before, after = there_and_back(content)
    assert_alike(before, after)
    assert signals.names == ["v", "coarse"]
    random = np.random.default_rng(0)
    content["sections"] = (("bnds", "lon3"), random.normal(size=(2, 10**5)))
    signals, _, after = there_and_back(content)
    assert "left out, being large or of another type: sections" in signals.notes[0]
    assert "sections" not in after
    content = content.drop_vars("sections")
    content["sections"] = (("bnds", "lon3"), random.normal(size=(2, 20)))
    signals, _, after = there_and_back(content, others="drop")
    assert "left out, being no fields: sections" in signals.notes[0]
    assert "sections" not in after


def test_values_stay_where_readers_take_them_for_valid(tmp_path):
    content = one(np.clip(kelvins(), 270, 285) - np.float32(273.15), "degC")
    low, high = (np.float32(f(content["v"].values)) for f in (np.min, np.max))
    content["v"].attrs["valid_range"] = np.array([low, high])
    content.to_netcdf(tmp_path / "in.nc")
    signals = fields.read(tmp_path / "in.nc")
    moved = signals.arrays[0] + np.where(signals.arrays[0] > 278, 0.2, -0.2).astype("f4")
    fields.write(tmp_path / "out.nc", [moved], None, signals.metadata, Selection())
    with netCDF4.Dataset(tmp_path / "out.nc") as after:  # which looks at the range
        assert not np.ma.getmaskarray(after["v"][:]).any()
        assert after["v"][:].min() == low


def test_other_sizes_and_single_fields(tmp_path):
    content = masked()
    content["height"] = ((), 2.0)
    content["rows"] = (("lat",), np.arange(20))
    content["lon"] = ("lon", np.arange(0, 360, 10, "i2"), {"units": "degrees_east"})
    content.to_netcdf(tmp_path / "in.nc", unlimited_dims=["time"])
    signals = fields.read(tmp_path / "in.nc")
    item = signals.names.index("sst[2006-02-15]")
    twice = signals.arrays[item].repeat(2, 0).repeat(2, 1)
    view = Selection(item=item, scale=2.0)
    fields.write(tmp_path / "o.nc", [twice], signals.names[item : item + 1], signals.metadata, view)
    with xr.open_dataset(tmp_path / "o.nc") as after:
        assert set(after.variables) == {"lat", "lon", "sst", "height"}
        np.testing.assert_allclose(after["lon"][:3], [-2.5, 2.5, 7.5])
        known = np.isfinite(content["sst"][1].values).repeat(2, 0).repeat(2, 1)
        np.testing.assert_array_equal(np.isfinite(after["sst"].values), known)
    view = Selection(item=item, region=(9, 2, 4, 5))
    part = signals.arrays[item][2:7, 9:13]
    fields.write(tmp_path / "o.npy", [part], None, signals.metadata, view)
    np.testing.assert_array_equal(np.load(tmp_path / "o.npy")[0], content["sst"][1, 2:7, 9:13])


def test_files_of_before_decode(tmp_path):
    """Metadata as they were when fields were all kelvins."""
    content = dataset()
    told = {
        "latitude": content["lat"].values.tolist(),
        "longitude": content["lon"].values.tolist(),
        "axes": {
            "latitude": {"name": "lat", "attrs": {"units": "degrees_north"}},
            "longitude": {"name": "lon", "attrs": {"units": "degrees_east"}},
        },
        "attrs": {"title": "made up", "numbers": [1, 2.5]},
        "variables": [
            {
                "name": "tas",
                "dims": [
                    {
                        "name": "time",
                        "size": 3,
                        "values": [15.0, 45.0, 74.0],
                        "dtype": "<f8",
                        "attrs": {"units": "days since 2006-01-01"},
                    }
                ],
                "attrs": {"units": "K", "long_name": "air temperature"},
                "dtype": "float32",
            }
        ],
    }
    arrays = [field[..., None] for field in content["tas"].values]
    fields.write(tmp_path / "out.nc", arrays, ["a", "b", "c"], told, Selection())
    with xr.open_dataset(tmp_path / "out.nc", decode_times=False) as after:
        xr.testing.assert_equal(after, content)
        assert after["tas"].attrs == content["tas"].attrs
        np.testing.assert_array_equal(after.attrs["numbers"], [1, 2.5])
    view = Selection(item=1)
    fields.write(tmp_path / "one.nc", arrays[1:2], ["tas[2]"], told, view)
    with xr.open_dataset(tmp_path / "one.nc") as after:
        assert after["tas"].attrs["item"] == "tas[2]"
    fields.write(tmp_path / "bare.nc", arrays, None, None, Selection())
    with xr.open_dataset(tmp_path / "bare.nc") as after:
        assert after["field"].dims == ("item", "latitude", "longitude")


def test_damaged_metadata_give_one_line(tmp_path):
    masked().to_netcdf(tmp_path / "in.nc")
    signals = fields.read(tmp_path / "in.nc")
    random = np.random.default_rng(0)
    odd = [None, -1, 10**12, 1e308, "x", [], {}, True, "eJxjYGAAAAAEAAE=", "<f4", "lat"]

    def places(value, path=()):
        items = (
            value.items()
            if isinstance(value, dict)
            else enumerate(value)
            if isinstance(value, list)
            else ()
        )
        for key, inner in items:
            yield (*path, key)
            yield from places(inner, (*path, key))

    grid = ("latitude", "longitude")  # decoding checks these
    found = [path for path in places(signals.metadata) if path[0] not in grid]
    refused = 0
    for _ in range(150):
        told = copy.deepcopy(signals.metadata)
        *path, last = found[random.integers(len(found))]
        owner = told
        for key in path:
            owner = owner[key]
        owner[last] = odd[random.integers(len(odd))]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                fields.write(tmp_path / "out.nc", signals.arrays, None, told, Selection())
            except MscnError:
                refused += 1
    assert refused > 30


def test_commands(folder):  # noqa: F811
    content = masked()
    content["wind"] = (content["tas"] - 250).assign_attrs(units="m s-1")
    content.to_netcdf(folder.path / "in.nc")
    refused = folder.refuses("encode", "--codec=temperature", "in.nc", "out.mscn")
    assert "--variables=tas,sst,none" in refused
    said = folder.mscn(
        "encode", "--max-error=0.5", "--variables=sst,none,wind", "in.nc", "out.mscn"
    )
    assert "m s-1 RMSE" in said.stdout
    folder.mscn("decode", "out.mscn", "out.nc")
    with xr.open_dataset(folder.path / "out.nc") as after:
        assert set(after.data_vars) == {"sst", "none", "wind"}
        for name, found in after.data_vars.items():
            off = np.abs(content[name].values.astype("f8") - found.values)
            assert np.nanmax(off, initial=0) <= 0.5
            assert np.array_equal(np.isnan(content[name].values), np.isnan(found.values))


def test_a_bound_relative_to_each_variable(folder):  # noqa: F811
    random = np.random.default_rng(1)
    wind, pressure = kelvins() - 250, 1e5 + 50 * kelvins().astype("f8")
    content = one(wind, "m s-1", "u").assign(p=(("lat", "lon"), pressure, {"units": "Pa"}))
    content["flat"] = (("lat", "lon"), np.full((20, 36), 281.123), {"units": "K"})
    content["gaps"] = content["u"].where(content["u"] > 20)
    content["packed"] = content["p"] + random.normal(size=(20, 36))
    packing = {"dtype": "i2", "scale_factor": 0.5, "add_offset": 1e5, "_FillValue": -1}
    content.to_netcdf(folder.path / "in.nc", encoding={"packed": packing})
    folder.mscn("encode", "--relative-error=0.01", "in.nc", "out.mscn")
    folder.mscn("decode", "out.mscn", "out.nc")
    paths = [folder.path / name for name in ("in.nc", "out.nc")]
    with xr.open_dataset(paths[0]) as before, xr.open_dataset(paths[1]) as after:
        for name, known in before.data_vars.items():
            off = np.abs(after[name].astype("f8") - known.astype("f8"))
            span = float(known.max()) - float(known.min())
            assert 0.002 * span <= float(off.max()) <= 0.01 * span
            assert after[name].encoding["dtype"] == known.encoding["dtype"]
            assert np.array_equal(np.isnan(after[name]), np.isnan(known))
    both = folder.refuses("encode", "--relative-error=1", "--max-error=1", "in.nc", "no.mscn")
    assert "give one of --max-error and --relative-error" in both


def test_whole_numbers_without_loss(folder):  # noqa: F811
    counts = np.rint(kelvins() * 10)
    content = one(counts.astype("i2"), "1")
    content["wide"] = (("lat", "lon"), counts.astype("i4") + 2**30)
    content["bytes"] = (("lat", "lon"), (counts % 200).astype("u1"))
    content.to_netcdf(folder.path / "in.nc")
    sizes = {}
    for flag in ("--max-error=0", "--lossless"):
        folder.mscn("encode", "--codec=field", flag, "in.nc", "out.mscn", "--force")
        folder.mscn("decode", "--force", "out.mscn", "out.nc")
        with xr.open_dataset(folder.path / "out.nc") as after:
            xr.testing.assert_identical(after.load(), content)
        sizes[flag] = (folder.path / "out.mscn").stat().st_size
    assert len(set(sizes.values())) == 1
    one(counts.astype("i2"), "1").to_netcdf(folder.path / "in.nc")
    folder.mscn("encode", "--codec=field", "--lossless", "in.nc", "out.mscn", "--force")
    container = Container.from_bytes((folder.path / "out.mscn").read_bytes())
    stored = exact.encode(counts.astype("f4")[..., None])
    assert 0 < sum(map(len, container.blocks)) < 0.9 * len(stored)


def test_wide_numbers_keep_a_bound_of_their_own(tmp_path):
    content = one(kelvins(), "K")
    counts = np.rint(kelvins().astype("f8") * 1e9).astype("i8")
    content["wide"] = (("lat", "lon"), counts, {"scale_factor": 0.25})
    content.to_netcdf(tmp_path / "in.nc")
    signals = fields.read(tmp_path / "in.nc", list(content.data_vars), max_error=3.5)
    bounds = modalities.array_bounds("field", [3.5, 3.5], signals)
    assert bounds == [3.5, 14.0]  # of stored numbers


def test_masks_of_shores_take_half_of_deflated_ones():
    height, width = 90, 180
    rows, columns = np.mgrid[:height, :width]
    land = (np.sin(rows / 9) + np.cos(columns / 14) + np.sin((rows + columns) / 23)) > 0.4
    packed = gaps.pack([land])
    assert sum(map(len, packed)) < 0.7 * len(b64encode(zlib.compress(np.packbits(land), 9)))
    np.testing.assert_array_equal(gaps.unpack(packed, 1, land.shape)[0], land)
    noise = np.random.default_rng(0).random((40, 50)) < 0.5
    assert isinstance(gaps.pack([noise, noise]), str)
    with pytest.raises(ValueError, match="other masks"):
        gaps.unpack(packed, 2, land.shape)


HIGHEST = {"float64": 1.0, "int64": 2.0**40, "float32": 9e4}


@pytest.mark.parametrize("dtype", HIGHEST)
def test_a_bound_too_fine_is_told_one_that_is_not(dtype):
    coding = Coding("v", dtype=dtype).fitted(0.0, HIGHEST[dtype], exact=False)
    with pytest.raises(MscnError, match=r"finer than what is coded of v; raise it to .*") as error:
        coding.bound(1e-9)
    told = float(str(error.value).partition("raise it to ")[2].split()[0].rstrip(","))
    assert coding.bound(told) > 0
    assert told < HIGHEST[dtype] / 1000
    assert ("--lossless" in str(error.value)) == (dtype == "float32")


@pytest.mark.parametrize("dtype", ["int64", "float64"])
def test_errors_of_wide_numbers_are_against_what_was_stored(dtype):
    """What limits make of them counts, as does what float64 would not tell."""
    stored = np.array([[[2**60 + 1], [2**60 + 513]]]).astype(dtype)
    told = Coding("v", dtype=dtype).as_wide([0, 2**60 + 1]).to_json()
    assert fields.largest_error(stored, stored, {"fields": [told]}) == 512
    free = {"fields": [Coding("v", dtype=dtype).as_wide().to_json()]}
    assert fields.largest_error(stored, stored, free) == 0
    moved = stored + np.array(3 if dtype == "int64" else 1024).astype(dtype)
    assert fields.largest_error(stored, moved, free) == (3 if dtype == "int64" else 1024)
