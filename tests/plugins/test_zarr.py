"""The codec of Zarr and numcodecs: written by one process, read by others that know none of it."""

from __future__ import annotations

import re

import pytest

from tests.installed import ROOT
from tests.plugins.conftest import FIELDS

DATA = """
rows, columns = np.mgrid[:50, :70] / 20
data = 280 + 9 * np.stack([np.sin(rows + t) * np.cos(columns * 1.3 - t) for t in range(4)])
data = data.astype("f4")
data[:, 30:40, 20:35] = np.nan
known = ~np.isnan(data)
def check(found, told=data):
    there = ~np.isnan(told)
    assert found.dtype == told.dtype and np.array_equal(np.isnan(found), ~there)
    assert 0.05 < np.abs(found - told)[there].max() <= 0.1
"""

WRITTEN = (
    DATA
    + """
import zarr
from mscn_tf.plugins.zarr import Mscn
def create(name, codec=Mscn(max_error=0.1), **more):
    told = dict(shape=data.shape, dtype="f4", chunks=(2, 32, 40), compressors=())
    return zarr.create_array(name, serializer=codec, **{**told, **more})
"""
)

READ = (
    DATA
    + """
import zarr
stored = zarr.open_array("data.zarr", mode="r")
check(stored[:])
whole = stored[:]
for index in np.s_[3], np.s_[1:4, 10, 60:70], np.s_[..., 7], np.s_[::3, ::7, -1]:
    assert np.array_equal(stored[index], whole[index], equal_nan=True)
assert np.array_equal(stored.oindex[1, [1, 5], 3], whole[1, [1, 5], 3])
assert np.array_equal(stored.oindex[[1, 3], 5, [3, 9]], whole[[1, 3], 5][:, [3, 9]])
assert np.array_equal(stored.vindex[[1, 3], [5, 6], [3, 60]], whole[[1, 3], [5, 6], [3, 60]])
assert "mscn_tf.plugins.zarr" in sys.modules or "mscn_tf.plugins.numcodecs" in sys.modules
print("read")
"""
)


@pytest.mark.usefixtures("zarr_3")
@pytest.mark.parametrize("fill", ["0", "float('nan')"])
def test_a_fresh_process_reads_by_the_entry_point_alone(run, fill):
    run(WRITTEN + f"create('data.zarr', fill_value={fill})[:] = data")
    assert run(READ) == "read"


@pytest.mark.usefixtures("zarr_3")
def test_shards_and_parts_of_chunks(run):
    run(WRITTEN + "create('data.zarr', shards=(2, 64, 80))[:] = data")
    program = """
import zarr
stored = zarr.open_array("data.zarr")
before = stored[:]
check(before)
assert np.array_equal(stored[1, 10:20, 41], before[1, 10:20, 41])
stored[2, 5:9] = 250
after = zarr.open_array("data.zarr")[:]
assert np.abs(after[2, 5:9] - 250).max() <= 0.1
assert np.array_equal(after[:2], before[:2], equal_nan=True)
"""
    run(DATA + program)


@pytest.mark.usefixtures("zarr_3")
def test_what_fills_chunks_at_the_edges_costs_little(run):
    sizes = run(
        WRITTEN + "from pathlib import Path\ndata = np.where(known, data, 280)\n"
        "for name, side, more in ('a', 50, {}), ('b', 64, {}), ('c', 64, {'fill_value': 283}):\n"
        "    create(name, chunks=(4, side, 80), **more)[:] = data\n"
        "    print(sum(file.stat().st_size for file in Path(name).rglob('c/*/*/*')))"
    )
    whole, *padded = map(int, sizes.split())
    assert all(size < whole + 100 for size in padded)


@pytest.mark.usefixtures("zarr_3")
def test_what_is_refused_is_said_in_one_line(run):
    program = """
def refused(ask):
    try:
        ask()
    except ValueError as error:
        print(error)
refused(lambda: create("x", dtype="c16"))
refused(lambda: create("x", dtype="bool"))
refused(lambda: Mscn(max_error=1, quality=3))
refused(lambda: Mscn(error=1))
large = create("large", Mscn(quality=5), dtype="f8")
one_chunk = np.s_[0, :32, :40]  # others' tasks would be left behind, and asyncio tells of them
refused(lambda: large.__setitem__(one_chunk, data[one_chunk].astype("f8") * 1e50))
"""
    told = [
        "mscn codes float32, float64 and integers, not complex128; convert the array",
        "mscn codes float32, float64 and integers, not bool; convert the array",
        "give one of max_error and quality",
        "mscn has no option 'error'; there are max_error, relative_error, quality, missing",
        "mscn doesn't code numbers as large as 2.8",
    ]
    found = run(WRITTEN + program).splitlines()
    assert [line[: len(words)] for line, words in zip(found, told)] == told
    assert len(found) == len(told)


@pytest.mark.usefixtures("zarr_3")
def test_wide_numbers_without_loss_and_within_fine_bounds(run):
    program = """
real = np.sqrt(np.where(known, data, np.nan).astype("f8"))
whole = np.where(known, np.rint(data.astype("f8") * 1e14), 7).astype("i8")
for name, told, bound in ("r", real, 0), ("w", whole, 0), ("f", real, 1e-10), ("v", whole, 9):
    create(name, Mscn(max_error=bound), dtype=told.dtype)[:] = told
np.savez("told.npz", r=real, w=whole, f=real, v=whole)
"""
    run(WRITTEN + program)
    program = """
import zarr
for name, told in np.load("told.npz").items():
    stored = zarr.open_array(name, mode="r")
    found = stored[:]
    assert found.dtype == told.dtype
    if name in "rw":
        assert found.tobytes() == told.tobytes()
    else:
        assert 0 < np.nanmax(np.abs(found - told)) <= {"f": 1e-10, "v": 9}[name]
    assert stored[1, 5:9, 41].tobytes() == found[1, 5:9, 41].tobytes()
"""
    run("import numpy as np\n" + program)


@pytest.mark.usefixtures("zarr_3")
def test_a_damaged_chunk_is_said_in_one_line(run):
    program = """
create('data.zarr')[:] = data
from pathlib import Path
path = Path('data.zarr/c/0/0/0')
content = bytearray(path.read_bytes())
content[len(content) // 2] ^= 1
path.write_bytes(content)
try:
    zarr.open_array('data.zarr')[0, 0, 0]  # one chunk, so that no other's task is left behind
except ValueError as error:
    print(error)
"""
    assert "damaged or cut short" in run(WRITTEN + program)


NUMCODECS = (
    DATA
    + """
import numcodecs
codec = numcodecs.get_codec({"id": "mscn", "max_error": 0.1})
"""
)


def test_numcodecs_finds_it_by_name(run):
    pytest.importorskip("numcodecs")
    program = """
assert codec.get_config() == {"id": "mscn", "max_error": 0.1}
assert numcodecs.get_codec(codec.get_config()) == codec and repr(codec) == "Mscn(max_error=0.1)"
for order in "CF":
    array = np.asarray(data, order=order)
    out = np.empty_like(array)
    check(codec.decode(codec.encode(array)))
    codec.decode(codec.encode(array), out=out)
    check(out)
for name in "max_eror", "quality":
    try:
        numcodecs.get_codec({"id": "mscn", name: 99})
    except ValueError as error:
        print(error)
"""
    assert [line.partition(";")[0] for line in run(NUMCODECS + program).splitlines()] == [
        "mscn has no option 'max_eror'",
        "quality=99: must be 1 to 10",
    ]


def test_a_fresh_process_reads_format_2(run):
    pytest.importorskip("zarr")
    program = """
import zarr
told = dict(shape=data.shape, dtype="f4", chunks=(2, 32, 40), order="F")
if zarr.__version__ < "3":
    stored = zarr.open_array("data.zarr", mode="w", compressor=codec, **told)
else:
    stored = zarr.create_array("data.zarr", zarr_format=2, compressors=codec, **told)
stored[:] = data
"""
    run(NUMCODECS + program)
    assert run(READ) == "read"


@pytest.mark.usefixtures("zarr_3")
def test_the_examples_of_the_page_run(run):
    pytest.importorskip("xarray")
    page = (ROOT / "docs" / "plugins.md").read_text("utf-8")
    examples = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(examples) == 5
    picture = repr(str(ROOT / "demo" / "kodim.png"))
    run("\n".join(examples).replace('"demo/kodim.png"', picture))


@pytest.mark.usefixtures("zarr_3")
@pytest.mark.skipif(not FIELDS.is_dir(), reason="needs the fields of shared/data")
def test_real_fields_take_less_than_others_need(run):
    program = f"""
import netCDF4, zarr
from mscn_tf.plugins.zarr import Mscn
with netCDF4.Dataset(r"{FIELDS / "rectilinear_grid_3D.nc"}") as file:
    data = np.ma.filled(file["t"][:].astype("f4"), np.nan).reshape(-1, 96, 192)[:4]
told = dict(shape=data.shape, dtype="f4", chunks=(4, 96, 192), fill_value=0)
ours = zarr.create_array("ours", serializer=Mscn(max_error=0.1), compressors=(), **told)
theirs = zarr.create_array("theirs", **told)
ours[:] = theirs[:] = data
known = ~np.isnan(data)
assert np.array_equal(np.isnan(ours[:]), ~known)
assert np.abs(ours[:] - data)[known].max() <= 0.1
print(ours.nbytes_stored() / theirs.nbytes_stored())
"""
    assert float(run(program)) < 0.2
