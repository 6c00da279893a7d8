"""Where the pictures that the default codecs are trained on come from, and what becomes of them."""

from __future__ import annotations

import csv
import re

import numpy as np
import pytest
from PIL import Image

from benchmarks import free_pictures
from benchmarks.free_pictures import EDGE, PACKAGES, TABLE, fetch, shrunk, tiles
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.licences import shipped_licences
from tests.tiny import picture

FREE = r"CC0-1\.0|CC-BY-\d\.\d|public domain"  # no share-alike, no NC, no ND


def rows(part: str) -> list[dict[str, str]]:
    with TABLE.open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["set"] == part]


def test_every_picture_is_free_and_of_a_known_package():
    listed = rows("train") + rows("validation") + rows("more")
    for row in listed:
        assert re.fullmatch(FREE, row["terms"]), row
        assert row["package"] in PACKAGES
        assert row["author"]
    names = [
        row["path"].rsplit("/", 1)[1] for row in rows("train") + rows("validation") + rows("more")
    ]
    assert len(set(names)) == len(names)


def test_the_default_codec_names_the_authors_of_what_it_was_trained_on():
    licence, learned = shipped_licences()["photo"], rows("train") + rows("more")
    assert set(licence.attribution.split(", ")) == {row["author"] for row in learned}
    assert f"{len(learned)} photographs" in licence.data
    assert set(licence.terms.split(": ")[0].replace(" and ", ", ").split(", ")) == {
        row["terms"] for row in learned
    }


def test_jpeg_is_at_least_halved_and_large_pictures_are_made_small():
    def size(width: int, height: int, lossless: bool) -> tuple[int, int]:
        return shrunk(Image.new("RGB", (width, height)), lossless).size

    assert size(640, 427, False) == (320, 213)
    assert size(3840, 2560, False) == (1280, 853)
    assert size(512, 512, True) == (512, 512)
    assert size(3000, 1000, True) == (1500, 500)


def test_tiles_are_squares_of_the_pictures_of_many_colours_and_half_upside_down():
    y = np.linspace(0, 255, 200)[:, None, None]
    ramp = np.broadcast_to(y * [1, 0.3, 0], (200, 300, 3)).astype(np.uint8)
    found = tiles([Image.fromarray(ramp)], 60, np.random.default_rng(0)).astype(int)
    assert found.shape == (60, EDGE, EDGE, 3)
    luma = (found @ [0.299, 0.587, 0.114]).mean(2) / (0.299 + 0.3 * 0.587)  # kept
    rise = luma[:, -1] - luma[:, 0]
    assert 15 < (rise > 0).sum() < 45
    assert 40 < np.abs(rise).min() < 70  # a quarter of the picture
    assert np.abs(rise).max() > 180  # nearly all of it
    colour = np.abs(found[..., 0] - found[..., 2]).mean((1, 2)) / found[..., 0].mean((1, 2))
    assert colour.min() < 0.2
    assert colour.max() > 0.8


def test_another_file_than_the_training_used_is_refused(tmp_path):
    for name, (version, _) in PACKAGES.items():
        (tmp_path / f"{name}_{version.replace(':', '%3a')}_all.deb").write_bytes(b"other")
    with pytest.raises(MscnError, match=r"budgie-backgrounds_3\.0-1_all\.deb: not the package"):
        fetch(tmp_path)


def test_sheets_are_rows_of_tiles(tmp_path, monkeypatch):
    """The whole command, on packages of our own."""
    table = tmp_path / "table.csv"
    lines = [f"{part},own,{part}.png,CC0-1.0,nobody" for part in ("train", "validation", "more")]
    table.write_text("\n".join(["set,package,path,terms,author", *lines]) + "\n")
    monkeypatch.setattr(free_pictures, "TABLE", table)
    monkeypatch.setattr(free_pictures, "TILES", {"train": 5, "validation": 2})
    monkeypatch.setattr(free_pictures, "fetch", lambda folder: {})
    out = tmp_path / "out"
    (out / "packages" / "own").mkdir(parents=True)
    for part in ("train", "validation", "more"):
        Image.fromarray(picture(90, 80, 1)).save(out / "packages" / "own" / f"{part}.png")
    monkeypatch.setattr("sys.argv", ["free_pictures.py", str(out)])
    free_pictures.main()
    assert not (out / "tiles_more.png").exists()
    with Image.open(out / "more" / "more.png") as kept:
        np.testing.assert_array_equal(kept, picture(90, 80, 1))
    for part, count in (("train", 5), ("validation", 2)):
        with Image.open(out / f"tiles_{part}.png") as sheet:
            assert sheet.size == (EDGE * EDGE, count)
        with Image.open(out / part / f"{part}.png") as kept:
            np.testing.assert_array_equal(kept, picture(90, 80, 1))
    assert (out / "ATTRIBUTION.csv").read_bytes() == table.read_bytes()
