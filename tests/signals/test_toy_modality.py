"""A modality that the package has never heard of, registered from here, through every command.

Its module is this file, and its registration one line that every process runs: `sitecustomize`.
"""

from __future__ import annotations

import csv
import glob
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mscn_tf.evaluation.assessment import Assessment, Measure, bits_a
from mscn_tf.export.bundle import write_bundle
from mscn_tf.runtime import modality
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike, atomic_write
from mscn_tf.runtime.modality import Modality
from mscn_tf.signals import images
from mscn_tf.signals.protocol import Metadata
from mscn_tf.signals.signal import Selection, Signals
from tests.apps.conftest import folder  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"

SERIES = Modality(
    number=200,
    name="series",
    axes=1,
    files="tests.signals.test_toy_modality",
    ending=".series",
    endings=(".series",),
    noun="curve",
    sample="number",
    measures="tests.signals.test_toy_modality:MEASURED",
)
MEASURED = Assessment(
    "series",
    bits_a("number"),
    (Measure("psnr", "PSNR", "dB", "dB PSNR"),),
    ("PSNR: of a range from -1 to 1.",),
)


def read(path: PathLike) -> Signals:
    """A number a line."""
    try:
        numbers = np.loadtxt(path, np.float32, ndmin=1)
    except ValueError as error:
        raise MscnError(f"{path}: not a number a line; mend it") from error
    return Signals([numbers[:, None]], metadata={"unit": "volts"})


def write(
    path: PathLike,
    arrays: Iterable[np.ndarray],
    names: Sequence[str] | None,
    metadata: Metadata,
    selection: Selection,
) -> str:
    (array,) = arrays
    with atomic_write(path) as file:
        np.savetxt(file, array, "%.6f")
    start, extent = selection.window(selection.shapes[0])
    return f"{extent[0]} {metadata['unit']} from {start[0]} on"


def measure(original: Any, decoded: np.ndarray, metadata: Metadata) -> dict[str, float]:
    return {"dB PSNR": images.psnr(original, decoded, 2.0)}


def training_signals(pattern: str) -> list[np.ndarray]:
    return [array for path in glob.glob(pattern) for array in read(path).arrays]


def numbers() -> np.ndarray:
    """Of a smooth curve, [300]."""
    return 0.7 * np.sin(np.arange(300) / 9) * np.cos(np.arange(300) / 40)


@pytest.fixture
def known(monkeypatch, tmp_path):
    """The modality is registered here, and in every process that starts."""
    monkeypatch.setattr(modality, "_REGISTERED", dict(modality._REGISTERED))
    SERIES.register()
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        f"from {SERIES.files} import SERIES\n\nSERIES.register()\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{site}:{ROOT}")


@pytest.fixture
def codec(known, tmp_path):
    """A tile codec of such signals: that of the golden sounds under another name."""
    sounds = Bundle.load(GOLDEN / "v1sound.mscnb")
    record = {**sounds.manifest.record, "name": "toy", "modality": "series"}
    members = {name: data for name, data in sounds.members.items() if name != "manifest.json"}
    path = tmp_path / "toy.mscnb"
    write_bundle(path, record, members)
    return str(path)


def test_every_command_takes_it(codec, folder):  # noqa: F811
    np.savetxt(folder.path / "in.series", numbers())
    here, original = f"--codec={codec}", np.loadtxt(folder.path / "in.series")

    said = folder.mscn("encode", here, "--quality=9", "in.series").stdout
    assert said.startswith("in.mscn: ")
    assert "dB PSNR" in said

    said = folder.mscn("decode", here, "--region=20,200", "in.mscn", "part.series").stdout
    assert said == "part.series: 200 volts from 20 on\n"
    part = np.loadtxt(folder.path / "part.series")
    assert np.abs(part - original[20:220]).max() < 0.2

    said = folder.mscn("encode", here, "--max-error=0.001", "in.series", "near.mscn").stdout
    folder.mscn("decode", here, "near.mscn")
    assert np.abs(np.loadtxt(folder.path / "near.series") - original).max() <= 0.001

    assert "bits a number" in folder.mscn("info", "in.mscn").stdout
    told = json.loads(folder.mscn("info", "--json", "in.mscn").stdout)
    assert (told["modality"], told["metadata"]) == ("series", {"unit": "volts"})
    drawn = folder.plot(here, "--original=in.series", "in.mscn")
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 10

    assert "good, 1 items" in folder.mscn("verify", "in.mscn").stdout


def test_it_is_evaluated(codec, folder):  # noqa: F811
    np.savetxt(folder.path / "in.series", numbers())
    run = ["evaluate", f"--codec={codec}", "--data=in.series", "--out=out", "--workers=1"]
    said = folder.mscn(*run, "--qualities=3,8").stdout
    assert "1 curve, 3 rows" in said  # one of them without loss
    with open(folder.path / "out" / "signals.csv", newline="") as file:
        low, high, exact = csv.DictReader(file)
    assert float(low["psnr"]) < float(high["psnr"]) < float(exact["psnr"])
    assert float(low["bpp"]) < float(high["bpp"])
    report = (folder.path / "out" / "report.html").read_text()
    assert "from -1 to 1" in report


def test_it_is_served(codec, folder):  # noqa: F811
    from tests.server.conftest import serving

    np.savetxt(folder.path / "in.series", numbers())
    folder.mscn("encode", f"--codec={codec}", "--quality=9", "in.series")
    with serving(f"--codec={codec}", f"--files={folder.path}") as server:
        told = json.loads(server.get("/files/in").body)
        assert (told["modality"], told["size"]) == ("series", [300])
        decoded = server.post("/decode", (folder.path / "in.mscn").read_bytes()).array
        assert np.abs(decoded[:, 0] - numbers()).max() < 0.2
        assert "not of curves" in server.get("/tiles/in/0/0/0").detail


def test_what_is_wrong_with_it_is_said_in_a_line(codec, folder):  # noqa: F811
    (folder.path / "in.series").write_text("one\n")
    line = folder.refuses("encode", f"--codec={codec}", "in.series", "out.mscn")
    assert "in.series: not a number a line; mend it" in line
    np.savetxt(folder.path / "in.series", numbers())
    line = folder.refuses("encode", "in.series", "out.mscn")
    assert "no codec of series signals comes with mscn; give --codec=FILE" in line
    line = folder.refuses("encode", f"--codec={codec}", "--modality=sound", "in.series", "out.mscn")
    assert "in.series" in line


def test_who_does_not_know_it_says_so(codec, folder, monkeypatch):  # noqa: F811
    np.savetxt(folder.path / "in.series", numbers())
    folder.mscn("encode", f"--codec={codec}", "in.series")
    monkeypatch.delenv("PYTHONPATH")
    assert "modality is 200, which stands for none" in folder.refuses("decode", "in.mscn", "out.x")


def test_numbers_and_names_are_taken_once(known):
    with pytest.raises(ValueError, match="image is modality 0: pictures can't be"):
        Modality(0, "pictures", 2, "pictures", ".png").register()
    with pytest.raises(ValueError, match="series is modality 200: series can't be"):
        Modality(201, "series", 2, "series", ".series").register()
    with pytest.raises(ValueError, match="not one of 0 to 255"):
        Modality(256, "more", 1, "more", ".more").register()
    assert SERIES.register() is SERIES  # again, the same
