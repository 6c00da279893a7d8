"""Fields on the sphere: NetCDF to bytes and back, with the shipped codec."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from mscn_tf.codec import Codec
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.grids import global_grid
from mscn_tf.runtime.values import Values
from mscn_tf.signals import fields, modalities
from mscn_tf.signals.signal import Selection
from mscn_tf.signals.weather import regrid
from tests.apps.conftest import folder  # noqa: F401

CLIMATE = Path(__file__).resolve().parents[3] / "shared" / "data" / "climate"


def smooth(latitude, longitude, phase=0.0):
    """Kelvins, about as on Earth: [H, W]."""
    y, x = np.radians(latitude)[:, None], np.radians(longitude)
    return 250 + 45 * np.cos(y) ** 2 + 4 * np.sin(2 * x + phase) * np.cos(y) ** 2 * np.sin(3 * y)


def dataset(south_first=True, west=0.0, poles=False):
    """Monthly means for 3 months, on 20 x 36 points."""
    latitude = np.linspace(-90, 90, 21) if poles else -np.degrees(global_grid((20, 36))[0])
    latitude = latitude if south_first else latitude[::-1]
    longitude = west + 10.0 * np.arange(36)
    values = np.stack([smooth(latitude, longitude, p) for p in range(3)]).astype("f4")
    return xr.Dataset(
        {"tas": (("time", "lat", "lon"), values, {"units": "K", "long_name": "air temperature"})},
        {
            "time": ("time", [15.0, 45.0, 74.0], {"units": "days since 2006-01-01"}),
            "lat": ("lat", latitude, {"units": "degrees_north"}),
            "lon": ("lon", longitude, {"units": "degrees_east"}),
        },
        {"title": "made up"},
    )


@pytest.fixture
def nc(tmp_path):
    def save(content):
        content.to_netcdf(tmp_path / "in.nc")
        return tmp_path / "in.nc"

    return save


@pytest.mark.parametrize("south_first", [True, False])
@pytest.mark.parametrize("west", [0.0, -180.0])
@pytest.mark.parametrize("poles", [True, False])
def test_files_come_back_as_they_were(tmp_path, nc, south_first, west, poles):
    path = nc(dataset(south_first, west, poles))
    signals = fields.read(path)
    assert signals.names == ["tas[2006-01-16]", "tas[2006-02-15]", "tas[2006-03-16]"]
    assert signals.arrays[0].shape == (20 + poles, 36, 1)
    fields.write(tmp_path / "out.nc", signals.arrays, signals.names, signals.metadata, Selection())
    with xr.open_dataset(path) as before, xr.open_dataset(tmp_path / "out.nc") as after:
        xr.testing.assert_identical(before, after)


def test_through_a_mscn_file(tmp_path, nc):
    signals = fields.read(nc(dataset(south_first=False, west=-180.0)))
    codec = Codec.load("temperature")
    data = codec.encode(signals.arrays, 8, names=signals.names, metadata=signals.metadata)
    assert len(data) < 1500
    container = Container.from_bytes(data)
    decoded = list(codec.decode_all(container))
    for original, field in zip(signals.arrays, decoded):
        assert fields.measure(original, field, signals.metadata)["K RMSE"] < 3
    assert fields.write(
        tmp_path / "o.nc", decoded, container.names, container.metadata, Selection()
    ) == ("3 fields of 36x20")
    with xr.open_dataset(tmp_path / "o.nc") as after:
        assert after["tas"].attrs["units"] == "K"
        assert str(after["time"].values[1])[:10] == "2006-02-15"


def test_commands_there_and_back(folder, nc):  # noqa: F811
    nc(dataset(south_first=False, west=-180.0))
    said = folder.mscn("encode", "--quality=9", "in.nc", "out.mscn").stdout
    assert "3 fields" in said
    folder.mscn("decode", "out.mscn", "back.nc")
    with (
        xr.open_dataset(folder.path / "in.nc") as before,
        xr.open_dataset(folder.path / "back.nc") as after,
    ):
        assert after["tas"].attrs == {**after["tas"].attrs, **before["tas"].attrs}
        assert after.attrs["title"] == "made up"
        for axis in ("time", "lat", "lon"):
            np.testing.assert_allclose(
                after[axis].astype(float), before[axis].astype(float), rtol=1e-6
            )
            assert after[axis].attrs.get("units") == before[axis].attrs.get("units")
        assert float(np.abs(after["tas"] - before["tas"]).mean()) < 2.5
    folder.mscn("decode", "--item=1", "--scale=2", "out.mscn", "twice.nc")
    with xr.open_dataset(folder.path / "twice.nc") as twice:
        assert twice["tas"].shape == (40, 72)
    info = folder.mscn("info", "out.mscn").stdout
    assert "field, 3 items" in info
    assert "tas[2006-02-15]" in info
    assert folder.plot("--item=2", "--original=in.nc", "out.mscn").std() > 10


def test_a_refused_field_leaves_nothing(folder, nc):  # noqa: F811
    broken = dataset()
    broken["tas"][1, 3, 4] = np.inf
    nc(broken)
    assert "in.nc" in folder.refuses("encode", "in.nc", "out.mscn")


def test_other_sizes_have_their_own_coordinates(tmp_path, nc):
    signals = fields.read(nc(dataset()))
    codec = Codec.load("temperature")
    data = codec.encode(signals.arrays, 9, names=signals.names, metadata=signals.metadata)
    view = Selection(item=1, scale=2.0, region=(3, 2, 12, 8))
    field = codec.decode(data, 1, scale=2.0, region=(3, 2, 12, 8))
    fields.write(tmp_path / "o.nc", [field], signals.names[1:2], signals.metadata, view)
    with xr.open_dataset(tmp_path / "o.nc") as after:
        found = after["tas"]
        assert found.shape == (16, 24)
        assert found.attrs["item"] == "tas[2006-02-15]"
        # Centres of half cells.
        np.testing.assert_allclose(found["lon"][:2], [27.5, 32.5])
        np.testing.assert_allclose(found["lat"][:2], [-69.75, -65.25])
        expected = smooth(found["lat"].values, found["lon"].values, 1.0)
        assert (
            np.sqrt(np.mean((found.values - expected) ** 2)) < 5
        )  # of fewer samples than the codec has degrees


def test_a_bound_holds(nc):
    content = dataset()
    content["tas"] += np.random.default_rng(0).normal(0, 1, content["tas"].shape).astype("f4")
    signals = fields.read(nc(content))
    codec = Codec.load("temperature")
    data = codec.encode(
        signals.arrays, 5, max_error=0.25, names=signals.names, metadata=signals.metadata
    )
    for original, field in zip(signals.arrays, codec.decode_all(data)):
        assert np.abs(original.astype("f8") - field).max() <= 0.25
    part = codec.decode(data, 2, region=(4, 5, 6, 7))
    assert np.abs(signals.arrays[2][5:12, 4:10].astype("f8") - part).max() <= 0.25
    assert codec.info(data)["error_bound"] == 0.25


def test_several_variables_and_levels(tmp_path, nc):
    content = dataset().isel(time=0, drop=True)
    content["level"] = ("plev", [850.0, 500.0])
    content = content.set_coords("level").rename(level="pressure")
    content["ta"] = (("plev", "lat", "lon"), np.stack([content["tas"].values] * 2))
    content["land"] = (("lat",), np.zeros(20))
    signals = fields.read(nc(content))
    assert signals.names == ["tas", "ta[0]", "ta[1]"]
    fields.write(tmp_path / "out.nc", signals.arrays, signals.names, signals.metadata, Selection())
    with xr.open_dataset(tmp_path / "out.nc") as after:
        assert after["ta"].dims == ("plev", "lat", "lon")
        assert after["tas"].attrs["units"] == "K"
    fields.write(tmp_path / "out.npy", signals.arrays, signals.names, signals.metadata, Selection())
    assert np.load(tmp_path / "out.npy").shape == (3, 20, 36)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda d: d.where(d["lat"] > 0, np.inf), "infinite values"),
        (lambda d: d.drop_vars("tas"), "no variable of numbers on a grid"),
        (lambda d: d.isel(lat=[5]).rename(lat="y").drop_vars("y"), "no variable of numbers on"),
    ],
)
def test_files_that_are_refused(nc, spoil, says):
    with pytest.raises(MscnError, match=says):
        fields.read(nc(spoil(dataset())))


@pytest.mark.parametrize(
    "part",
    [
        lambda d: d.isel(lon=slice(0, 9)),
        lambda d: d.isel(lat=slice(0, 9)),
        lambda d: d.isel(lon=[3, 1, 2] + list(range(4, 36))),
        lambda d: d.isel(lat=[5]),
        lambda d: d.rename(lat="y").drop_vars("y"),
    ],
)
def test_what_does_not_cover_the_sphere_is_for_another_codec(tmp_path, nc, part):
    content = part(dataset())
    signals = fields.read(nc(content))
    assert fields.codec_for(signals, bounded=False) == "field"
    assert "doesn't cover the sphere" in fields.misfit(signals, Values(202.66, 320.93, "float32"))
    fields.write(tmp_path / "o.nc", signals.arrays, signals.names, signals.metadata, Selection())
    with xr.open_dataset(tmp_path / "o.nc", decode_times=False) as after:
        xr.testing.assert_identical(after.load(), content)


def test_what_is_no_file(tmp_path):
    (tmp_path / "weather.nc").write_bytes(b"GRIB" + bytes(100))
    with pytest.raises(MscnError, match="cdo -f nc copy"):
        fields.read(tmp_path / "weather.nc")
    (tmp_path / "weather.zarr").mkdir()
    assert modalities.guess(tmp_path / "weather.zarr") == "field"
    with pytest.raises(MscnError, match="open_zarr"):
        fields.read(tmp_path / "weather.zarr")
    dataset().to_netcdf(tmp_path / "whole.nc")
    whole = (tmp_path / "whole.nc").read_bytes()
    (tmp_path / "cut.nc").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MscnError, match="damaged"):
        fields.read(tmp_path / "cut.nc")
    with pytest.raises(MscnError, match="no such file"):
        fields.read(tmp_path / "missing.nc")
    (tmp_path / "text.nc").write_text("no NetCDF")
    with pytest.raises(MscnError, match="not a NetCDF file"):
        fields.read(tmp_path / "text.nc")
    with pytest.raises(MscnError, match=r"end in \.nc or \.npy"):
        fields.write(tmp_path / "o.png", [np.zeros((4, 8, 1), "f4")], None, None, Selection())


def test_regridding_keeps_smooth_fields_and_goes_round():
    for west in (0.0, -180.0, 7.0):
        latitude, longitude = np.linspace(90, -90, 91), west + 2.0 * np.arange(180)
        found = regrid(smooth(latitude, longitude)[None], latitude, longitude, (46, 90))
        axes = [np.degrees(axis) for axis in global_grid((46, 90))]
        np.testing.assert_allclose(found[0], smooth(*axes), atol=0.05)


def test_area_weights_the_poles_less():
    original = np.zeros((10, 20, 1), np.float32)
    decoded = original.copy()
    decoded[0] = 1
    measured = fields.measure(original, decoded, None)
    assert measured["K RMSE by area"] < 0.5 * measured["K RMSE"]


@pytest.mark.skipif(not CLIMATE.exists(), reason="needs the climate data in ../shared")
def test_parts_of_a_training_set_do_not_overlap():
    pattern = str(CLIMATE / "echam_tsurf_6hourly.npz")
    first = fields.training_signals(pattern, part=(0.0, 0.7))
    last = fields.training_signals(pattern, part=(0.7, 1.0))
    assert (len(first), len(last)) == (28, 12)
    assert first[0].shape == (46, 90, 1)
    assert 215 < min(map(np.min, first)) < max(map(np.max, first)) < 330  # Celsius made kelvins
    assert not np.array_equal(first[-1], last[0])
    assert len(fields.training_signals(pattern, part=(0.0, 0.7), turned=2)) == 28 * 6


@pytest.mark.skipif(not CLIMATE.exists(), reason="needs the climate data in ../shared")
def test_twice_the_points_are_nearer_the_finer_original_than_repeated_ones():
    pattern = str(CLIMATE / "ccm_b003_ts_monthly.npz")
    coarse, fine = (
        np.stack(fields.training_signals(pattern, shape, (0.94, 1.0)))
        for shape in ((46, 90), (92, 180))
    )
    codec = Codec.load("temperature")
    data = codec.encode(list(coarse), 10)
    stored, twice = (np.stack(list(codec.decode_all(data, scale))) for scale in (None, 2.0))
    assert twice.shape == fine.shape

    def rmse(decoded):
        return np.sqrt(np.mean((decoded - fine) ** 2))

    assert rmse(twice) < 0.65 * rmse(stored.repeat(2, 1).repeat(2, 2))
    assert rmse(twice) < 0.7 * rmse(coarse.repeat(2, 1).repeat(2, 2))  # not even coded
