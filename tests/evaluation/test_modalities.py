"""Signals of every modality but pictures: their other codecs, and the command on files of them."""

from __future__ import annotations

import csv
import importlib.util
import json

import numpy as np
import pytest
import soundfile
import trimesh
from PIL import Image

from mscn_tf.evaluation import assessment
from mscn_tf.evaluation.baselines import of, resolve
from mscn_tf.evaluation.baselines.voxels import from_octree, octree
from mscn_tf.evaluation.signal import Signal
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.file_decoder import FileDecoder
from mscn_tf.signals import modalities
from tests.apps.conftest import folder  # noqa: F401


def _field(path):
    y, x = np.mgrid[:46, :90]
    waves = [20 * np.sin(y / 5 + k) * np.cos(x * 2 * np.pi / 45 + k) for k in range(3)]
    np.save(path / "in.npy", 280 + np.stack(waves).astype(np.float32))
    return "in.npy"


def _sound(path):
    t = np.arange(4000) / 8000
    (path / "in").mkdir()
    for k, pitch in enumerate((140, 230)):
        wave = 0.3 * np.sin(2 * np.pi * pitch * t) * np.exp(-3 * t)
        wave += np.random.default_rng(k).normal(0, 3e-3, len(t))  # without loss it takes more
        soundfile.write(path / "in" / f"{k}.wav", wave, 8000, "PCM_16")
    return "in"


def _balls():
    z, y, x = np.mgrid[:32, :32, :32] - 15.5
    return np.stack([x**2 + y**2 + (z * k) ** 2 < 120 for k in (1.0, 1.5)])


def _voxels(path):
    np.save(path / "in.npy", _balls())
    return "in.npy"


def _volume(path):
    z, y, x = np.mgrid[:32, :32, :32] / 31
    np.save(path / "in.npy", np.rint(255 * np.sin(3 * x + 2 * y) ** 2 * z).astype(np.uint8))
    return "in.npy"


def _silhouette(path):
    (path / "in").mkdir()
    y, x = np.mgrid[:90, :120]
    for k, size in enumerate((900, 600)):
        mask = (x - 60) ** 2 + 2 * (y - 45) ** 2 < size
        Image.fromarray(mask).save(path / "in" / f"{k}.png")
    return "in"


def _mesh(path):
    trimesh.creation.icosphere(3, 2.0).export(path / "in.obj")
    return "in.obj"


WRITERS = {
    "field": _field,
    "sound": _sound,
    "voxels": _voxels,
    "volume": _volume,
    "silhouette": _silhouette,
    "mesh": _mesh,
}


@pytest.mark.parametrize("name", WRITERS)
def test_baselines_give_signals_back(name, tmp_path):
    path, kind = tmp_path / WRITERS[name](tmp_path), assessment.of(name)
    signals = kind.signals(path, modalities.read(path, name))
    assert of(name)
    for baseline in of(name).values():
        if not baseline.is_installed:
            continue
        signal = Signal.stack(signals) if baseline.together else signals[0]
        found = []
        for setting in (baseline.settings[0], baseline.settings[-1]):
            data = baseline.encode(signal, setting)
            decoded = baseline.decode(data, signal, setting)
            part = decoded[0] if baseline.together else decoded
            found.append((len(data), kind.measure(signals[0], part)[kind.quality.name]))
            if baseline.payload:
                assert 0 < baseline.payload(data, signal, setting) < len(data)
        (few, worse), (many, better) = found
        if baseline.lossless:
            assert better in (100, np.inf), baseline.name
        else:
            assert few < many
            assert kind.quality.level(worse) + 1 < kind.quality.level(better), baseline.name


@pytest.mark.parametrize("shape", [(8, 8, 8), (5, 7, 2), (1, 1, 1)])
def test_octree(shape):
    grid = np.random.default_rng(0).random(shape) < 0.3
    np.testing.assert_array_equal(from_octree(octree(grid), shape), grid)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name == "mesh")) for name in WRITERS],
)
def test_command(name, folder):  # noqa: F811
    data = WRITERS[name](folder.path)
    run = ["evaluate", f"--modality={name}", f"--data={data}", "--out=out", "--workers=1"]
    said = folder.mscn(*run, "--qualities=3,8").stdout
    kind, out = assessment.of(name), folder.path / "out"
    codec = kind.modality.default_codec
    assert f"{codec}: " in said
    results = json.loads((out / "results.json").read_text())
    ours = next(one for one in results["curves"] if one["name"] == codec)["results"]
    assert len(ours[kind.rate.name]) == len(ours[kind.quality.name]) > 0
    with open(out / "signals.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["codec"] == codec]
    for quality in (3, 8):
        files = list((out / "files" / codec / str(quality)).iterdir())
        own = [float(row["bytes"]) for row in rows if float(row["setting"]) == quality]
        sizes = sum(file.stat().st_size for file in files)
        assert sum(own) == pytest.approx(sizes)
        assert sum(
            1 for f in files for _ in FileDecoder.of(f.read_bytes()).decode_all(f.read_bytes())
        )
    lossless = {one.label for one in of(name).values() if one.lossless}
    assert lossless <= set(results[f"lossless_{kind.rate.name}"])
    if name == "voxels":
        assert "mscn voxels32, without loss" in results["lossless_bytes"]
    assert "http" not in (out / "report.html").read_text()
    if name == "voxels":  # whose other codecs take a signal a file, and all in one
        assert "rows measured" not in folder.mscn(*run, "--qualities=3,8").stdout
    if name == "sound":
        assert "mscn speech, without loss" in results["lossless_kbps"]
        folder.mscn(*run, "--qualities=3,8", "--payload", "--metric=segmental_snr")
        bare = json.loads((out / "results.json").read_text())["curves"]
        for before, after in zip(results["curves"], bare):
            rate, size, payload = (
                np.array(before["results"][key]) for key in ("kbps", "bytes", "payload-bytes")
            )
            expected = dict(zip(size, rate * payload / size))
            for size, found in zip(after["results"]["bytes"], after["results"]["kbps"]):
                assert found == pytest.approx(expected.get(size, found))
                assert found < 8e-3 * size / 0.5


def _odd_sounds(path):
    data = path / _sound(path)
    soundfile.write(data / "silence.wav", np.zeros(4000), 8000)
    (data / "bad.wav").write_bytes(b"RIFF1234WAVEjunk")
    return "in", ("bad.wav: ", "silence (too few points of SNR by mscn speech"), 2


def _odd_voxels(path):
    (path / "in").mkdir()
    np.save(path / "in" / "ball.npy", _balls()[0])
    np.save(path / "in" / "empty.npy", np.zeros((32, 32, 32), bool))
    (path / "in" / "bad.npy").write_text("no array")
    return "in", ("bad.npy: not an array", "empty.npy: a grid without a filled voxel"), 1


def _odd_silhouettes(path):
    data = path / _silhouette(path)
    Image.new("1", (9, 9)).save(data / "black.png")  # whose distances come back as they were
    (data / "bad.png").write_text("no picture")
    return "in", ("bad.png: not a picture",), 3


def _odd_fields(path):
    y, x = np.mgrid[:46, :90]
    wave = 20 * np.sin(y / 5) * np.cos(x * 2 * np.pi / 45)
    np.save(path / "in.npy", 280 + np.stack([wave, 0 * wave]).astype(np.float32))
    return "in.npy", (), 2  # RMSE of 0 is a number


def _odd_meshes(path):
    (path / "in").mkdir()
    trimesh.creation.icosphere(2, 2.0).export(path / "in" / "ball.obj")
    (path / "in" / "bad.obj").write_text("no mesh")
    return "in", ("bad.obj: a mesh without faces",), 1


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("sound", _odd_sounds),
        ("voxels", _odd_voxels),
        ("silhouette", _odd_silhouettes),
        ("field", _odd_fields),
        ("mesh", _odd_meshes),
    ],
)
def test_odd_signals_cost_nothing_else(name, write, folder):  # noqa: F811
    data, words, count = write(folder.path)
    run = ["evaluate", f"--modality={name}", f"--data={data}", "--out=out", "--workers=1"]
    said = folder.notes(*run, "--qualities=3,8")
    assert said.count("\n") == bool(words)
    assert all(word in said for word in words)
    results = json.loads((folder.path / "out" / "results.json").read_text())
    assert results["signals"] == count
    assert results["curves"][0]["results"][assessment.of(name).quality.name]


def test_published_curves_out_of_reach(folder):  # noqa: F811
    data = _field(folder.path)
    run = ["evaluate", "--modality=field", f"--data={data}", "--out=out", "--baselines=none"]
    said = folder.mscn(*run, "--qualities=3,8", "--metric=psnr", "--published=era5").stdout
    line = next(line for line in said.splitlines() if "COIN++" in line)
    assert line.startswith("mscn temperature against COIN++ (published): no PSNR that both reach: ")
    assert "COIN++ (published) starts from 38.66 dB at 0.00414 bpp" in line
    assert "COIN++ (published): no PSNR" in (folder.path / "out" / "report.html").read_text()


def test_draco_where_it_is_not_installed(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "DracoPy" else found(name)
    )
    assert [one.name for one in resolve("all", modality="mesh")[0]] == ["file", "gzip"]
    with pytest.raises(
        MscnError, match="draco needs more: pip install DracoPy fast-simplification"
    ):
        resolve("draco", modality="mesh")


def test_draco_takes_fewer_triangles(tmp_path):
    draco = of("mesh")["draco"]
    if not draco.is_installed:
        pytest.skip("DracoPy and fast-simplification come with no extra")
    trimesh.creation.icosphere(4, 2.0).export(tmp_path / "ball.obj")
    path, kind = tmp_path / "ball.obj", assessment.of("mesh")
    (signal,) = kind.signals(path, modalities.read(path, "mesh"))
    decoded = draco.decode(draco.encode(signal, 500), signal, 500)
    assert len(decoded.faces) == 500
    assert kind.measure(signal, decoded)["iou"] > 95
    whole = draco.decode(draco.encode(signal, 8000), signal, 8000)
    assert len(whole.faces) == len(signal.original.mesh.faces)


def test_refusals(folder):  # noqa: F811
    _field(folder.path)
    run = ["evaluate", "--data=in.npy", "--out=out"]
    assert "rmse, rmse_by_area, psnr" in folder.refuses(*run, "--modality=field", "--metric=ssim")
    assert "sz3, sz3-all" in folder.refuses(*run, "--modality=field", "--baselines=jpeg")
    assert "--metric=psnr" in folder.refuses(*run, "--modality=field", "--published=era5")
    assert "--modality says sound" in folder.refuses(
        *run, "--modality=sound", "--codec=temperature"
    )
    assert "give one kind" in folder.refuses(*run, "--codec=temperature,speech")
