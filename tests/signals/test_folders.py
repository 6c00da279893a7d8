"""What of a folder is read, and names of files that are written."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mscn_tf.runtime.errors import MscnError
from mscn_tf.signals import folders, images


@pytest.fixture
def colours():
    return np.random.default_rng(0).integers(0, 256, (13, 21, 3), dtype=np.uint8)


def save(path, pixels, kind=None):
    Image.fromarray(pixels).save(path, kind)
    return path


def test_exact_names_go_to_their_owners():
    assert images.file_names(["a.jpg", "a.png"]) == ["a-2.png", "a.png"]
    assert images.file_names(["a.png", "a.jpg", "a", "a-2.png"]) == [
        "a.png",
        "a-3.png",
        "a-4.png",
        "a-2.png",
    ]
    assert images.file_names(["A.jpg", "a.png"]) == ["A-2.png", "a.png"]
    assert folders.file_names(["a", "a.nii.gz"], ".nii.gz") == ["a-2.nii.gz", "a.nii.gz"]


def test_nested_names_stay_nested_and_inside():
    names = ["sub/a.jpg", "sub/b/c.png", "/etc/passwd", "../up.png", "C:\\x.png", "a.png/0", "a/.."]
    assert images.file_names(names) == [
        "sub/a.png",
        "sub/b/c.png",
        "etc/passwd.png",
        "up.png",
        "C__x.png",
        "a.png_/0.png",
        "a/000006.png",
    ]


def test_devices_of_windows_are_no_names():
    assert images.file_names(["con", "COM1.jpg", "aux/a", "console"]) == [
        "_con.png",
        "_COM1.png",
        "_aux/a.png",
        "console.png",
    ]


def test_long_names_are_kept_as_far_as_file_systems_allow():
    (kept, cut, wide) = images.file_names(["x" * 200 + ".png", "y" * 900, "ü" * 300])
    assert kept == "x" * 200 + ".png"
    assert all(200 < len(os.fsencode(name)) <= 255 for name in (cut, wide))


def test_equal_names_take_no_longer_than_others():
    began = time.process_time()
    files = images.file_names(["x"] * 50_000)
    assert time.process_time() - began < 5
    assert len(set(files)) == 50_000


@given(st.lists(st.text(st.sampled_from("aA./\\ :1-pngu\u0308ü")), max_size=12))
def test_files_can_be_written_under_their_names(tmp_path_factory, names):
    root = tmp_path_factory.mktemp("names")
    files = images.file_names(names)
    folders.make_folders(root / "out", files)
    for number, file in enumerate(files):
        (root / "out" / file).write_bytes(bytes([number]))
    found = {p.read_bytes() for p in (root / "out").rglob("*") if p.is_file()}
    assert len(found) == len(names)
    assert len(list(root.iterdir())) == 1
    for name, file in zip(names, files):
        if name == file:
            continue
        assert file not in names  # no one's but its owner's


def test_links_lead_nowhere(tmp_path, colours):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MscnError, match="a link to elsewhere"):
        images.write_folder(tmp_path / "out", [colours], ["sub/a"])
    assert not list((tmp_path / "elsewhere").iterdir())
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["sub"]


def test_nested_folders_are_written(tmp_path, colours):
    files = images.write_folder(tmp_path / "out", [colours, colours[:5]], ["a/b/c.jpg", "d.png"])
    assert files == ["a/b/c.png", "d.png"]
    np.testing.assert_array_equal(images.read_picture(tmp_path / "out/a/b/c.png"), colours)
    np.testing.assert_array_equal(images.read_picture(tmp_path / "out/d.png"), colours[:5])


def test_what_is_left_out_is_told_once(tmp_path, colours):
    for name in ("a.jpg", "b.jfif", "c.jpe", "noending"):
        save(tmp_path / name, colours, "JPEG")
    (tmp_path / "sub").mkdir()
    (tmp_path / "dangling.jpg").symlink_to("nowhere")
    (tmp_path / ".hidden").write_text("")
    os.mkfifo(tmp_path / "pipe.png")
    found = images.read(tmp_path)
    assert found.names == ["a.jpg", "b.jfif", "c.jpe"]
    assert found.notes == [
        f"{tmp_path}: left out dangling.jpg (a dangling link), noending (another ending), "
        "pipe.png (no regular file), sub (a folder)"
    ]


def test_a_long_list_is_cut(tmp_path, colours):
    save(tmp_path / "a.png", colours)
    for number in range(30):
        (tmp_path / f"{number:02d}.txt").write_text("")
    (note,) = images.read(tmp_path).notes
    assert note.endswith("04.txt (another ending) and 25 more")


def test_a_clean_folder_needs_no_line(tmp_path, colours):
    save(tmp_path / "a.png", colours)
    assert list(images.read(tmp_path).notes) == []


def test_all_bad_files_are_told_at_once(tmp_path, colours):
    save(tmp_path / "a.png", colours)
    (tmp_path / "b.png").write_bytes(b"rubbish")
    save(tmp_path / "c.png", colours[..., 0].astype(np.uint16))
    (tmp_path / "d.png").write_bytes(b"")
    with pytest.raises(MscnError) as caught:
        images.read(tmp_path)
    line = str(caught.value)
    assert line.startswith("3 of 4 pictures can't be encoded: ")
    assert "\n" not in line
    for name, reason in {"b": "not a picture", "c": "8 bits", "d": "empty"}.items():
        assert f"{tmp_path / name}.png: " in line
        assert reason in line
    for number in range(40):
        (tmp_path / f"e{number}.png").write_bytes(b"")
    with pytest.raises(MscnError, match=r"43 of 44 pictures .* \| and 33 more$"):
        images.read(tmp_path)


def test_names_that_are_no_text_are_told_before_anything_is_read(tmp_path):
    for name in (b"\xff.png", b"a\nb.png", b"c.png"):
        with open(os.path.join(os.fsencode(tmp_path), name), "wb"):
            pass
    with pytest.raises(MscnError, match="not UTF-8, or have control characters") as caught:
        images.read(tmp_path)
    line = str(caught.value)
    line.encode()
    assert "\n" not in line
    assert r"'\udcff.png'" in line
    assert r"'a\nb.png'" in line
    assert "c.png" not in line


def test_a_folder_of_another_kind(tmp_path):
    (tmp_path / ".zgroup").write_text("{}")
    with pytest.raises(MscnError, match=r"a Zarr store; .*to_netcdf"):
        images.read(tmp_path)
    (tmp_path / ".zgroup").rename(tmp_path / "IM0.dcm")
    with pytest.raises(MscnError, match="DICOM files; dcm2niix"):
        images.read(tmp_path)


def test_a_folder_without_pictures_says_what_is_there(tmp_path):
    (tmp_path / "inner").mkdir()
    with pytest.raises(MscnError, match=r"no picture .*; left out inner \(a folder\)"):
        images.read(tmp_path)


def test_notes_name_the_pictures_that_they_are_about(tmp_path, colours):
    for number in range(5):
        save(tmp_path / f"{number}.mpo", colours)
        image = Image.fromarray(colours)
        image.save(tmp_path / f"{number}.mpo", save_all=True, append_images=[image])
    (note,) = images.read(tmp_path).notes
    assert note == "0.mpo, 1.mpo, 2.mpo and 2 more: the main one of 2 pictures in it is taken"
