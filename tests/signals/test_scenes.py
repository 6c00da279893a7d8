"""Scenes: from a folder of posed pictures to a file and back, through the commands."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.rendering import orbit, render
from mscn_tf.signals import scenes
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
        "encode", "ball", "ball.mscn", "--resolution=12", "--fit_steps=60", "--quality=6"
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
