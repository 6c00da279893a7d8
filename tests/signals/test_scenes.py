"""Scenes: from a folder of posed pictures to a file and back, through the commands."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.rendering import orbit, render
from mscn_tf.signals import scenes
from mscn_tf.signals.signal import Selection
from mscn_tf.signals.views import read_views
from tests.apps.conftest import folder  # noqa: F401

SIZE, ANGLE, BOUND = 20, 0.7, 1.5
FOCAL = 0.5 * SIZE / np.tan(0.5 * ANGLE)


def ball(resolution=12):
    at = (np.arange(resolution) + 0.5) * 2 / resolution - 1
    x, y, z = np.meshgrid(at, at, at, indexing="ij")
    return scenes.coloured(x**2 + y**2 + z**2 < 0.4, np.random.default_rng(0))


def write(path, views=16, name="transforms.json", alpha=True):
    """A folder of pictures of a ball, poses in units of which the cube's half side is BOUND."""
    path.mkdir(exist_ok=True)
    frames = []
    for i, pose in enumerate(orbit(views, 4.0, 25.0)):
        rgba = render(ball(), pose, FOCAL, SIZE, SIZE)
        picture = Image.fromarray(scenes._straight(rgba))
        (picture if alpha else picture.convert("RGB")).save(path / f"{i}.png")
        pose[:3, 3] *= BOUND
        frames.append({"file_path": f"./{i}", "transform_matrix": pose.tolist()})
    described = {"camera_angle_x": ANGLE, "frames": frames}
    (path / name).write_text(json.dumps(described))
    return described


def test_views_are_read_as_they_were_rendered(tmp_path):
    write(tmp_path)
    fitted, held_out, *_ = read_views(tmp_path, BOUND)
    assert (len(fitted.poses), len(held_out.poses)) == (14, 2)
    assert fitted.cameras[0].focal == pytest.approx((FOCAL, FOCAL))
    assert scenes.rendered_psnr(ball(), held_out) > 40  # but for 8 bits


def test_a_test_split_is_held_out(tmp_path):
    write(tmp_path, 5, "transforms_test.json")
    write(tmp_path, 7, "transforms_train.json")
    fitted, held_out, *_ = read_views(tmp_path, BOUND)
    assert (len(fitted.poses), len(held_out.poses)) == (7, 5)


def test_there_and_back(folder):  # noqa: F811
    write(folder.path / "ball")
    told = folder.mscn(
        "encode", "ball", "ball.mscn", "--resolution=12", "--fit-steps=60", "--quality=6"
    )
    assert float(told.stdout.split(", ")[2].split()[0]) > 20  # dB of views that weren't fitted
    assert (folder.path / "ball.mscn").stat().st_size < 6000
    folder.mscn("decode", "ball.mscn", "grid.npy")
    assert np.load(folder.path / "grid.npy").shape == (12, 12, 12, 4)
    folder.mscn("decode", "ball.mscn", "orbit.gif")
    with Image.open(folder.path / "orbit.gif") as orbit_picture:
        assert orbit_picture.n_frames > 10
        assert orbit_picture.size == (SIZE, SIZE)
    folder.mscn("decode", "ball.mscn", "--poses=ball/transforms.json", "views")
    original = np.asarray(Image.open(folder.path / "ball/3.png").convert("RGBA"), float)
    decoded = np.asarray(Image.open(folder.path / "views/3.png").convert("RGBA"), float)
    assert np.abs(original - decoded)[..., 3].mean() < 25
    flat = json.loads((folder.path / "ball/transforms.json").read_text())
    flat["frames"][2]["transform_matrix"][1] = flat["frames"][2]["transform_matrix"][0]
    (folder.path / "flat.json").write_text(json.dumps(flat))
    line = folder.refuses("decode", "ball.mscn", "--poses=flat.json", "others")
    assert "flat.json" in line
    assert "is singular; correct it" in line
    info = json.loads(folder.mscn("info", "--json", "ball.mscn").stdout)
    assert info["modality"] == "scene"
    assert info["metadata"]["bound"] == BOUND
    assert folder.plot("--original=ball", "ball.mscn").std() > 10


@pytest.mark.slow
def test_a_scene_anywhere_comes_back_where_it_was(folder):  # noqa: F811
    """Poses far from the origin, a camera of its own, too few views to hold one out."""
    described = write(folder.path / "ball", views=7)
    for frame in described["frames"]:
        for row, shift in zip(frame["transform_matrix"], (800.0, -60.0, 0.0)):
            row[3] += shift
    del described["camera_angle_x"]
    lens = {"fl_x": 10 * FOCAL, "fl_y": 10 * FOCAL, "cx": 90.0, "cy": 100.0, "w": 200, "h": 200}
    for frame, shift in zip(described["frames"], (0, 3, 0, -2, 0, 1, 0)):
        # The same view from a camera whose axis meets its picture elsewhere.
        file = folder.path / f"ball/{frame['file_path']}.png"
        with Image.open(file) as picture:
            rolled = np.roll(np.asarray(picture), shift, axis=1)
        Image.fromarray(rolled).save(file)
        frame.update({**lens, "cx": 10 * (SIZE / 2 + shift)})
    (folder.path / "ball/6.png").unlink()
    (folder.path / "ball/transforms.json").write_text(json.dumps(described))
    settings = ("--resolution=12", "--fit-steps=60", "--quality=8")
    done = folder._run(("encode", "ball/transforms.json", "ball.mscn", *settings))
    assert done.returncode == 0, done.stderr
    assert "dB PSNR of views that were fitted" in done.stdout
    assert "1 of 7 frames are left out, their pictures are missing: ./6" in done.stderr
    assert "the cameras look at (800, -60" in done.stderr
    known = json.loads(folder.mscn("info", "--json", "ball.mscn").stdout)["metadata"]
    np.testing.assert_allclose(known["centre"], [800, -60, 0], atol=0.1)
    folder.mscn("decode", "ball.mscn", "--poses=ball/transforms.json", "views")
    assert len(list((folder.path / "views").iterdir())) == 7  # poses need no pictures
    for name in "0123":
        given, seen = (
            np.asarray(Image.open(folder.path / f"{where}/{name}.png").convert("RGBA"), float)
            for where in ("ball", "views")
        )
        assert np.abs(given - seen)[..., 3].mean() < 25
    assert folder.plot("--original=ball", "ball.mscn").std() > 10


def test_refuses_what_no_grid_shows(folder):  # noqa: F811
    """Pictures that have nothing to do with their poses."""
    described = write(folder.path / "ball", views=9)
    random = np.random.default_rng(0)
    for frame in described["frames"]:
        noise = random.integers(0, 255, (SIZE, SIZE, 3), np.uint8)
        Image.fromarray(noise).save(folder.path / f"ball/{frame['file_path']}.png")
    settings = ("--resolution=4", "--fit-steps=10")
    line = folder.refuses("encode", "ball", "ball.mscn", *settings)
    assert "ball: the fit misses views not fitted by" in line
    assert "--force encodes it as it is" in line
    done = folder._run(("encode", "--force", "--quality=2", "ball", "ball.mscn", *settings))
    assert done.returncode == 0
    assert "of its own spread" in done.stderr


def test_an_evaluation_needs_views_that_are_not_fitted(folder):  # noqa: F811
    write(folder.path / "ball", views=7)
    line = folder.refuses("evaluate", "--data=ball", "--out=report")
    assert "ball: no view is left to measure by; add transforms_test.json" in line


@pytest.mark.parametrize("bound", ["--bound=1e-6", "--bound=nan"])
def test_refuses_a_bound_that_makes_no_cube(folder, bound):  # noqa: F811
    write(folder.path / "ball", views=3)
    described = json.loads((folder.path / "ball/transforms.json").read_text())
    for frame in described["frames"]:  # parallel axes, beside the origin
        frame["transform_matrix"] = [[1, 0, 0, 5], [0, 1, 0, 5], [0, 0, 1, 5], [0, 0, 0, 1]]
    (folder.path / "ball/transforms.json").write_text(json.dumps(described))
    assert "bound" in folder.refuses("encode", "ball", "ball.mscn", bound)


@pytest.mark.parametrize(
    "wrong",
    [
        {"focal": "long"},
        {"focal": 0},
        {"focal": float("nan")},
        {"picture_size": 20},
        {"picture_size": [20]},
        {"picture_size": [0, 20]},
        {"picture_size": [10**6, 10**6]},
        {"picture_size": [1e400, 3]},
        {"distance": None},
        {"distance": -1},
        {"bound": 0},
        {"ground": [0, 0]},
        {"ground": [0, 0, 7]},
        {"ground": "white"},
        {"centre": [1, 2]},
    ],
)
def test_damaged_metadata_are_refused_in_a_line(tmp_path, wrong):
    sound = {"bound": 1.5, "focal": 20.0, "picture_size": [20, 20], "distance": 3.0}
    with pytest.raises(MscnError) as caught:
        scenes.write(tmp_path / "orbit.gif", [ball()], None, {**sound, **wrong}, Selection())
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_opaque_pictures_come_back_before_their_ground(tmp_path):
    described = write(tmp_path / "ball", views=3, alpha=False)  # black where nothing is
    _, views, _, notes = read_views(tmp_path / "ball", BOUND)
    assert (views.ground, notes) == ((0.0, 0.0, 0.0), [])
    assert scenes.rendered_psnr(ball(), views) > 30  # but for the colours of edges
    (tmp_path / "path.json").write_text(json.dumps(described))
    known = {"bound": BOUND, "focal": FOCAL, "picture_size": [SIZE, SIZE], "ground": [0, 0.5, 1]}
    scenes.write(tmp_path / "out", [ball()], None, known, Selection(poses=tmp_path / "path.json"))
    with Image.open(tmp_path / "out/0.png") as picture:
        assert picture.convert("RGBA").getpixel((0, 0)) == (0, 128, 255, 255)


def test_a_part_of_a_grid_is_no_scene(tmp_path):
    with pytest.raises(MscnError, match="12x12x6x4 values is no whole scene"):
        scenes.write(tmp_path / "a.png", [ball()[:, :, :6]], None, None, Selection())
    scenes.write(tmp_path / "a.npy", [ball()[:, :, :6]], None, None, Selection())


def test_poses_bring_their_cameras(tmp_path):
    """Wider pictures than the scene's are as wide in pixels; poses alone are seen by its camera."""
    described = write(tmp_path / "ball", views=2)
    described["frames"][0].update(w=1920, h=1080, fl_x=1900.0)
    (tmp_path / "path.json").write_text(json.dumps(described))
    known = {"bound": BOUND, "focal": FOCAL, "picture_size": [SIZE, SIZE]}
    scenes.write(tmp_path / "out", [ball()], None, known, Selection(poses=tmp_path / "path.json"))
    with Image.open(tmp_path / "out/0.png") as wide, Image.open(tmp_path / "out/1.png") as own:
        assert (wide.size, own.size) == ((SIZE, 11), (SIZE, SIZE))
    with pytest.raises(MscnError, match="differ in size; decode them to a folder"):
        scenes.write(
            tmp_path / "a.gif", [ball()], None, known, Selection(poses=tmp_path / "path.json")
        )


def test_what_is_lost_is_a_share_of_what_is_seen():
    grid, none = ball(), np.zeros((12, 12, 12, 4), np.float32)
    hidden = grid.copy()
    hidden[5:7, 5:7, 5:7, 1:] = 0  # colours within the solid ball
    assert scenes.share_lost(grid, grid, None) == 0
    assert scenes.share_lost(grid, hidden, None) < 0.02
    assert scenes.share_lost(grid, none, {"distance": 3.0}) > 1
    assert scenes.share_lost(none, none, None) == 0
    assert scenes.share_lost(none, grid, None) == np.inf


def test_views_are_what_a_scene_is_measured_by(tmp_path):
    write(tmp_path)
    _, views, *_ = read_views(tmp_path, BOUND)
    fitted, nothing = scenes.Fitted(ball(), views), np.zeros((12, 12, 12, 4))
    ((name, worse),) = scenes.measure(fitted, nothing, None).items()
    assert re.fullmatch(r"dB PSNR of views not fitted \(\d\d\.\d\d before coding\)", name)
    assert scenes.share_lost(fitted, nothing, None) > 1
    better = scenes.measure(fitted, ball(), None)
    assert better[name] == scenes.rendered_psnr(ball(), views) > worse
    assert scenes.share_lost(fitted, ball(), None) < 0.05
    assert scenes.largest_error(fitted, nothing, None) == np.abs(ball()).max()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: d["frames"][3].update(transform_matrix="gone"), "has no pose"),
        (lambda d: d["frames"][3].update(transform_matrix=np.zeros((4, 4)).tolist()), "singular"),
        (lambda d: d["frames"][3].update(transform_matrix=[[1.0]]), "no 4x4 matrix"),
        (lambda d: d.update(frames=[]), "no frame"),
        (lambda d: d.pop("camera_angle_x"), "no focal length; add fl_x"),
        (lambda d: d.update(camera_angle_x=9.0), "no angle"),
    ],
)
def test_refuses(tmp_path, damage, message):
    described = write(tmp_path, 5)
    damage(described)
    (tmp_path / "transforms.json").write_text(json.dumps(described))
    with pytest.raises(MscnError, match=message):
        read_views(tmp_path, BOUND)


def test_refuses_a_folder_without_a_description(tmp_path):
    with pytest.raises(MscnError, match="cannot read"):
        read_views(tmp_path, BOUND)
    (tmp_path / "transforms.json").write_text("{")
    with pytest.raises(MscnError, match="damaged, no JSON"):
        read_views(tmp_path, BOUND)
