"""`mscn evaluate` from pictures to a report, resumed and interrupted."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import time

import numpy as np
import pytest
from PIL import Image

from mscn_tf.evaluation.baselines import of
from mscn_tf.evaluation.signal import Signal
from mscn_tf.runtime.bundle import SHIPPED
from mscn_tf.runtime.file_decoder import FileDecoder
from mscn_tf.signals import images
from tests.apps.conftest import MSCN
from tests.evaluation.conftest import picture

FAST = "--baselines=webp,png"
RUN = ["evaluate", "--data=in", "--out=out", "--workers=1"]


@pytest.fixture
def data(folder):
    """Three pictures in the folder `in`."""
    (folder.path / "in").mkdir()
    pictures = [picture(40, 48, 0), picture(33, 20, 1), picture(40, 48, 2, channels=1)]
    for name, one in zip("abc", pictures):
        image = Image.fromarray(one.squeeze())
        image.save(folder.path / "in" / f"{name}.png")
    return dict(zip(("a.png", "b.png", "c.png"), pictures))


def rows_in(path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--out=out"], "--data"),
        (["--data=empty", "--out=out"], "no picture in this folder"),
        (["--data=in", "--out=out", "--baselines=jpg"], "there are jpeg, jpeg2000"),
        (["--data=in", "--out=out", "--baselines=none"], "nothing to measure"),
        (["--data=in", "--out=out", "--baselines=linear"], "--reference-data"),
        (["--data=in", "--out=out", "--codec=photo,photo"], "two codecs"),
        (["--data=in", "--out=out", "--codec=photo", "--qualities=low"], "not numbers"),
        (["--data=in", "--out=out", "--codec=photo", "--qualities=nan"], "1 to 10"),
        (["--data=in", "--out=out", "--bd-range=2,1"], "LOW < HIGH"),
        (["--data=in", "--out=out", "--published=faces"], "cifar10, kodak"),
        (["--data=in", "--out=in/a.png"], "--out"),
    ],
)
def test_refuses(folder, data, arguments, says):
    (folder.path / "empty").mkdir()
    assert says in folder.refuses("evaluate", *arguments)


def test_results_are_those_of_the_codecs(folder, data):
    said = folder.mscn(*RUN, FAST, "--published=kodak").stdout
    assert said.splitlines()[-1].startswith("out/report.html: 3 pictures")
    out = folder.path / "out"
    rows = rows_in(out / "signals.csv")
    used = [of("image")[name] for name in ("webp", "png")]
    assert len(rows) == 3 * sum(len(baseline.settings) for baseline in used)
    for row in rows[:: len(rows) // 20]:
        original = data[row["signal"]]
        baseline, setting = of("image")[row["codec"]], float(row["setting"])
        coded = Signal.of(row["signal"], original)
        file = baseline.encode(coded, setting)
        assert float(row["bytes"]) == len(file)
        height, width = original.shape[:2]
        assert float(row["bpp"]) == pytest.approx(8 * len(file) / (height * width))
        decoded = baseline.decode(file, coded, setting)
        assert float(row["psnr"]) == pytest.approx(images.psnr(original, decoded))
        assert row["ms_ssim"] == row["payload"] == ""

    results = json.loads((out / "results.json").read_text())
    curves = {one["name"]: one for one in results["curves"]}
    assert {"webp", "published-mscn"} <= set(curves)
    for name, one in curves.items():
        assert one == json.loads((out / "results" / f"{name}.json").read_text())
        assert set(one) == {"name", "description", "results"}
        assert len(one["results"]["bpp"]) == len(one["results"]["psnr-rgb"]) > 3
    png = [float(row["bpp"]) for row in rows if row["codec"] == "png"]
    assert results["lossless_bpp"] == {"PNG": pytest.approx(np.mean(png))}
    webp = [row for row in rows if row["codec"] == "webp" and float(row["setting"]) == 50]
    at = curves["webp"]["results"]["bpp"].index(
        pytest.approx(np.mean([float(row["bpp"]) for row in webp]))
    )
    psnr = np.mean([float(row["psnr"]) for row in webp])
    assert curves["webp"]["results"]["psnr-rgb"][at] == pytest.approx(psnr)
    assert images.read_picture(out / "curves.png").shape[1] > 1000
    assert "http" not in (out / "report.html").read_text()


def test_goes_on_where_it_stopped(folder, data):
    folder.mscn(*RUN, FAST)
    path = folder.path / "out" / "signals.csv"
    text = path.read_text()
    # A value that no codec gives shows which rows are measured again.
    lines = text.splitlines(keepends=True)
    marked = [number for number, line in enumerate(lines) if line.startswith('"webp"')]
    kept = lines[marked[0]].split(",")
    kept[-1] = "77777.0\n"
    lines[marked[0]] = ",".join(kept)
    path.write_text("".join(lines[:-4])[:-7])  # rows are gone, one is cut
    said = folder.mscn(*RUN, FAST).stdout
    assert "webp: 5 rows measured" in said
    assert "png: " not in said
    assert "77777.0" in path.read_text()
    assert len(rows_in(path)) == len(lines) - 1

    # A changed picture is measured again; rows of codecs that aren't asked for stay.
    Image.fromarray(picture(40, 48, 5)).save(folder.path / "in" / "a.png")
    said = folder.mscn(*RUN, "--baselines=png").stdout
    assert "png: 1 rows measured" in said
    assert {row["codec"] for row in rows_in(path)} == {"webp", "png"}

    np.save(folder.path / "other.npy", np.stack([picture(9, 9)] * 2))
    assert "another --out" in folder.refuses("evaluate", "--data=other.npy", "--out=out", FAST)


@pytest.mark.parametrize("rows", [0, 1])
def test_ctrl_c_keeps_rows(folder, data, rows):
    path = folder.path / "out" / "signals.csv"
    # Enough that it is not done when a busy machine gets round to the signal.
    arguments = [*RUN, "--workers=2", "--baselines=jpeg,jpeg2000,webp,avif,heic"]
    command = subprocess.Popen(
        [str(MSCN), *arguments],
        cwd=folder.path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not path.exists() or len(path.read_text().splitlines()) < 1 + rows:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(command.pid, signal.SIGINT)  # as a terminal does: to workers too
    _, stderr = command.communicate(timeout=60)
    assert command.returncode == 130
    assert stderr.count("\n") == 1
    assert ("the same command goes on from there" if rows else "interrupted") in stderr
    kept = rows_in(path)
    assert len(kept) >= rows
    if not kept:
        return
    folder.mscn(*arguments)
    for row in kept:  # with the times of the first run
        assert row in rows_in(path)


def test_ours(folder):
    pictures = np.stack([picture(32, 32, seed) for seed in range(4)])
    np.save(folder.path / "in.npy", pictures)
    arguments = ["evaluate", "--data=in.npy", "--codec=thumb32", "--out=out", "--qualities=3,8"]
    said = folder.mscn(*arguments, "--baselines=webp", "--published=cifar10").stdout
    assert "thumb32: 8 rows measured" in said
    assert "mscn thumb32 against COIN++ (published): " in said
    out = folder.path / "out"
    rows = [row for row in rows_in(out / "signals.csv") if row["codec"] == "thumb32"]
    for quality in (3, 8):
        data = (out / "files" / "thumb32" / str(quality) / "archive.mscn").read_bytes()
        own = [row for row in rows if float(row["setting"]) == quality]
        assert len(own) == 4
        for row, before, after in zip(own, pictures, FileDecoder.of(data).decode_all(data)):
            assert 4 * float(row["bytes"]) == len(data)
            assert float(row["psnr"]) == pytest.approx(images.psnr(before, after))
    results = json.loads((out / "results.json").read_text())
    size = (SHIPPED / "thumb32.mscnb").stat().st_size
    assert results["shared_bytes"] == {"mscn thumb32": size}
    assert f"{size:,} bytes" in (out / "report.html").read_text()


def odd(folder) -> None:
    """Beside the pictures in `in` some that not every codec can be measured on."""
    into = folder.path / "in"
    Image.new("RGB", (1, 1), (200, 30, 30)).save(into / "flat_1x1.png")
    long = picture(2, 16400, 7, channels=1)  # WebP takes 16,383 a side
    Image.fromarray(long.squeeze()).save(into / "long.png")
    clear = np.zeros((20, 20, 4), np.uint8)
    clear[5:9] = 255
    Image.fromarray(clear).save(into / "clear.png")
    (into / "broken.png").write_bytes((into / "a.png").read_bytes()[:900])
    (into / "notes.txt").write_text("not a picture")


def test_odd_files_cost_nothing_else(folder, data):
    odd(folder)
    arguments = [*RUN, "--codec=photo", "--qualities=3,8", "--baselines=jpeg,webp,png"]
    said = folder.notes(*arguments)
    assert said.count("\n") == 1
    assert said.startswith("mscn evaluate: left out: in/broken.png: damaged or cut short")
    for words in (
        "notes.txt (another ending)",
        "clear.png (transparent pixels)",
        "long.png by WebP (",
        "flat_1x1.png (too few points of PSNR, RGB by mscn photo",
    ):
        assert words in said
    out = folder.path / "out"
    rows = rows_in(out / "signals.csv")
    assert {row["signal"] for row in rows} == {*data, "flat_1x1.png", "long.png"}
    results = json.loads((out / "results.json").read_text())
    assert results["signals"] == 3
    for one in results["curves"]:  # of the same three pictures, whatever else a codec takes
        settings = {}
        for row in rows:
            if row["codec"].startswith(one["name"]) and row["signal"] in data:
                settings.setdefault((row["codec"], row["setting"]), []).append(float(row["bpp"]))
        means = [np.mean(rates) for rates in settings.values()]
        for rate in one["results"]["bpp"]:
            assert min(abs(mean - rate) for mean in means) < 1e-9, one["name"]
    assert {one["name"] for one in results["curves"]} == {"photo", "jpeg", "webp"}
    assert "clear.png (transparent pixels)" in (out / "report.html").read_text()
    again = folder.notes(*arguments)
    assert again == said


def test_nothing_but_exact_pictures(folder):
    (folder.path / "in").mkdir()
    Image.new("RGB", (1, 1), (200, 30, 30)).save(folder.path / "in" / "flat_1x1.png")
    arguments = [*RUN, "--codec=photo", "--baselines=jpeg", "--qualities=3,8"]
    assert folder.mscn(*arguments, "--quiet").stdout == ""
    assert (folder.path / "out" / "report.html").exists()
    said = folder.mscn(*arguments).stdout
    assert "mscn photo against JPEG: no BD-rate, for mscn photo has no points of PSNR" in said


def test_small_pictures_have_no_ms_ssim(folder, data):
    large = picture(170, 170, 3)
    Image.fromarray(large).save(folder.path / "in" / "d.png")
    said = folder.notes(*RUN, "--baselines=webp", "--metric=ms_ssim")
    assert "a.png, b.png, c.png (too few points of MS-SSIM, RGB by WebP" in said
    results = json.loads((folder.path / "out" / "results.json").read_text())
    assert results["signals"] == 1
    assert len(results["curves"][0]["results"]["ms-ssim-rgb"]) > 3
