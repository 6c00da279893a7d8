"""The install with hashes that SECURITY.md names, in an environment that has nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.installed import ROOT, copy_source, environment
from tests.server.conftest import picture_of, png, serving

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.version_info < (3, 11), reason="the lock is for Python 3.11 and newer"),
]

# Files of modalities whose readers are in extras.
SIGNALS = """
import numpy as np, soundfile, trimesh, xarray
time = np.arange(8000) / 8000
soundfile.write("in.wav", 0.3 * np.sin(1500 * time) * np.exp(-3 * time), 8000)
latitude, longitude = np.linspace(-88, 88, 46), np.arange(0, 360, 4.0)
kelvin = 288 - 40 * np.sin(np.radians(latitude))[:, None] ** 2 + np.cos(np.radians(longitude))
places = {"latitude": latitude, "longitude": longitude}
values = xarray.DataArray(kelvin.astype("f4"), places, ("latitude", "longitude"), "t2m")
values.attrs.update(units="K", standard_name="air_temperature")
values.to_netcdf("in.nc")
trimesh.creation.icosphere(3).export("in.ply")
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory) -> Path:
    """The folder of what the environment runs."""
    folder = tmp_path_factory.mktemp("locked")
    copy_source(folder / "source")
    locked = f"--require-hashes -r {ROOT / 'requirements.lock'}"
    package = f"--no-deps --no-build-isolation {folder / 'source'}"
    return environment(folder / "env", sys.executable, locked, package)


def sh(programs: Path, folder: Path, *command: str) -> str:
    """Runs a program of the environment, which must say nothing on stderr."""
    done = subprocess.run(
        [programs / command[0], *command[1:]], cwd=folder, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def test_its_packages_agree(programs, tmp_path):
    assert "No broken requirements found" in sh(programs, tmp_path, "pip", "check")


def test_it_reads_and_writes_what_extras_are_for(programs, tmp_path):
    sh(programs, tmp_path, "python", "-c", SIGNALS)
    for codec, ending in (("speech", "wav"), ("field", "nc"), ("mesh", "ply")):
        sh(programs, tmp_path, "mscn", "encode", f"--codec={codec}", f"in.{ending}", "out.mscn")
        sh(programs, tmp_path, "mscn", "decode", "out.mscn", f"back.{ending}")
        (tmp_path / "out.mscn").unlink()
        assert (tmp_path / f"back.{ending}").stat().st_size > 1000


def test_it_serves(programs):
    with serving("--codec=photo", mscn=programs / "mscn") as server:
        picture = picture_of(40, 60)
        data = server.post("/encode?codec=photo", png(picture)).body
        decoded = server.post("/decode", data).array
        assert np.abs(decoded.astype(int) - picture).mean() < 10
