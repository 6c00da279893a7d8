"""Views as instant-ngp, nerfstudio and Blender's scripts describe them."""

from __future__ import annotations

import copy
import json
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.rendering import orbit
from mscn_tf.signals.cubes import Cube
from mscn_tf.signals.views import read_views

WIDTH, HEIGHT, FOCAL = 16, 12, 22.0


def colour(number):
    return (10 * number + 5, 100, 255 - 10 * number)


def paint(path, number, size=(WIDTH, HEIGHT), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour(number)).convert(mode).save(path)


def describe(path, name="transforms.json", file="images/{:04d}.png", views=10, **words):
    """A folder of plain pictures and a description: its words, and those of each frame."""
    frames = []
    for i, pose in enumerate(orbit(views, 4.0)):
        paint(path / file.format(i), i)
        frames.append({"file_path": file.format(i), "transform_matrix": pose.tolist()})
    described = {"fl_x": FOCAL, **words, "frames": frames}
    (path / name).write_text(json.dumps(described))
    return described


def again(path, described, name="transforms.json"):
    (path / name).write_text(json.dumps(described))


def test_instant_ngp(tmp_path):
    described = describe(
        tmp_path,
        file="images/{:04d}.png",
        camera_angle_x=0.7,
        camera_angle_y=0.5,
        fl_x=23.0,
        fl_y=21.0,
        k1=0.01,
        k2=-0.02,
        k3=0,
        k4=0,
        p1=0.001,
        p2=0.002,
        is_fisheye=False,
        cx=7.5,
        cy=6.5,
        w=16.0,
        h=12.0,
        aabb_scale=4,
    )
    for frame in described["frames"]:
        frame.update(file_path="./" + frame["file_path"], sharpness=31.5)
    again(tmp_path, described)
    fitted, held_out, cube, notes = read_views(tmp_path)
    camera = fitted.cameras[0]
    assert (camera.width, camera.height) == (16, 12)
    assert (camera.focal, camera.centre) == ((23.0, 21.0), (7.5, 6.5))
    assert camera.distortion == (0.01, -0.02, 0, 0, 0.001, 0.002)
    assert (cube, notes) == (Cube(bound=1.5), [])
    assert (len(fitted.poses), len(held_out.poses)) == (9, 1)
    assert held_out.held_out
    assert not fitted.held_out
    np.testing.assert_allclose(held_out.pictures[0][0, 0, :3], np.divide(colour(7), 255), rtol=1e-6)
    np.testing.assert_allclose(
        held_out.poses[0][:3, 3] * 1.5, np.array(described["frames"][7]["transform_matrix"])[:3, 3]
    )


def test_nerfstudio(tmp_path):
    """Poses anywhere, pictures smaller than w and h, cameras of single frames."""
    described = describe(
        tmp_path,
        camera_model="OPENCV",
        fl_x=440.0,
        fl_y=430.0,
        cx=170.0,
        cy=110.0,
        w=320,
        h=240,
        k1=0.0,
        applied_transform=[[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0]],
        ply_file_path="sparse_pc.ply",
    )
    for frame in described["frames"]:
        frame.update(colmap_im_id=3, depth_file_path="depth.png")
        for row, shift in zip(frame["transform_matrix"], (50.0, -20.0, 5.0)):
            row[3] += shift
    del described["frames"][4]["transform_matrix"][3]  # 3x4
    described["frames"][2].update(fl_x=300.0, fl_y=300.0, cx=150.0, cy=100.0, w=300, h=200)
    paint(tmp_path / "images/0002.png", 2, (15, 10))
    again(tmp_path, described)
    views, _, cube, (note,) = read_views(tmp_path)
    assert (views.cameras[0].focal, views.cameras[0].centre) == ((22.0, 21.5), (8.5, 5.5))
    assert (views.cameras[2].focal, views.cameras[2].centre) == ((15.0, 15.0), (7.5, 5.0))
    assert views.pictures[2].shape == (10, 15, 4)
    np.testing.assert_allclose(cube.centre, (50, -20, 5), rtol=1e-3)
    assert "the cameras look at (50, -20, 5)" in note
    assert "--bound" in note
    assert max(np.linalg.norm(pose[:3, 3]) for pose in views.poses) < 4.1 / cube.bound


def test_blender(tmp_path):
    for split, views in (("train", 6), ("val", 3), ("test", 4)):
        described = describe(
            tmp_path, f"transforms_{split}.json", split + "/r_{}.png", views, camera_angle_x=0.69
        )
        del described["fl_x"]
        for frame in described["frames"]:
            frame.update(file_path="./" + frame["file_path"][:-4], rotation=0.0126)
        again(tmp_path, described, f"transforms_{split}.json")
    for given_path in (tmp_path, tmp_path / "transforms_train.json"):
        fitted, held_out, *_ = read_views(given_path)
        assert (len(fitted.poses), len(held_out.poses)) == (6, 4)
        assert held_out.held_out
        assert fitted.cameras[0].focal == pytest.approx((8 / np.tan(0.345),) * 2)
    (tmp_path / "transforms_test.json").unlink()
    assert len(read_views(tmp_path).measured.poses) == 3


def test_views_that_were_fitted_are_not_called_held_out(tmp_path):
    describe(tmp_path, "transforms_train.json", views=9)
    alone = read_views(tmp_path)
    assert (len(alone.fitted.poses), len(alone.measured.poses)) == (8, 1)
    assert alone.measured.held_out
    describe(tmp_path, "transforms_test.json", "test/{}.png", views=1)
    (tmp_path / "test/0.png").unlink()
    assert not read_views(tmp_path).measured.held_out
    describe(tmp_path / "few", views=7)
    few = read_views(tmp_path / "few")
    assert (len(few.fitted.poses), few.measured.held_out) == (7, False)


def test_many_views_are_measured_by_twenty(tmp_path):
    describe(tmp_path, "transforms_train.json", views=2)
    described = describe(tmp_path, "transforms_test.json", views=5)
    described["frames"] *= 9
    again(tmp_path, described, "transforms_test.json")
    assert len(read_views(tmp_path).measured.poses) == 15


def test_missing_pictures_are_left_out_and_named_once(tmp_path):
    describe(tmp_path, views=12)
    for i in (0, 3, 4, 9):
        (tmp_path / f"images/{i:04d}.png").unlink()
    fitted, held_out, _, (note,) = read_views(tmp_path)
    assert (len(fitted.poses), len(held_out.poses)) == (7, 1)
    assert "4 of 12 frames are left out" in note
    assert "images/0000.png, images/0003.png, images/0004.png, ..." in note
    for i in range(1, 11):
        (tmp_path / f"images/{i:04d}.png").unlink(missing_ok=True)
    with pytest.raises(MscnError, match=r"1 of 12 frames have a picture, a scene needs 2; .*0000"):
        read_views(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "images/{}",
        "./images/{}.png",
        "images\\{}.png",
        "images/{}.JPG",
        "C:\\scans\\fox\\images\\{}.jpg",
        "/home/someone/fox/images/{}.png",
        "{folder}/images/{}.png",
        "../scene/images/{}.png",
    ],
)
@pytest.mark.parametrize("ending", [".png", ".jpg", ".JPEG", ".webp"])
def test_pictures_are_found(tmp_path, name, ending):
    folder = tmp_path / "scene"
    described = describe(folder, file="images/{}" + ending, views=3)
    for i, frame in enumerate(described["frames"]):
        frame["file_path"] = name.format(i, folder=folder)
    again(folder, described)
    assert len(read_views(folder).fitted.poses) == 3


def test_a_dot_in_a_name_is_no_ending(tmp_path):
    described = describe(tmp_path, file="view_{}.5.png", views=3)
    for i, frame in enumerate(described["frames"]):
        frame["file_path"] = f"view_{i}.5"
    again(tmp_path, described)
    assert len(read_views(tmp_path).fitted.poses) == 3


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P"])
def test_pictures_of_all_kinds(tmp_path, mode):
    describe(tmp_path, views=3)
    file, alpha = tmp_path / "images/0001.png", 1.0
    paint(file, 1, mode=mode)
    if mode in ("LA", "RGBA"):
        alpha = 0.4
        with Image.open(file) as picture:
            picture.putalpha(102)
            picture.save(file)
    with Image.open(file) as picture:
        shown = np.asarray(picture.convert("RGB")) / 255
    read = read_views(tmp_path).fitted.pictures[1]
    assert (read.shape, read.dtype) == ((HEIGHT, WIDTH, 4), np.float32)
    np.testing.assert_allclose(read[..., :3], alpha * shown, atol=1e-6)
    np.testing.assert_allclose(read[..., 3], alpha)


def test_large_pictures_are_made_smaller_and_that_is_said(tmp_path):
    describe(tmp_path, views=2, fl_x=1000.0, cx=450.0)
    for i in range(2):
        paint(tmp_path / f"images/{i:04d}.png", i, (1000, 750))
    views, _, _, (note,) = read_views(tmp_path)
    assert views.pictures[0].shape == (300, 400, 4)
    assert (views.cameras[0].focal, views.cameras[0].centre) == ((400.0, 400.0), (180.0, 150.0))
    assert "1000x750 to 400x300 pixels" in note


def test_scale_and_offset_say_where_the_cube_lies(tmp_path):
    describe(tmp_path, scale=0.5, offset=[0.5, 0.5, 1.0])
    assert read_views(tmp_path).cube == Cube((0.0, 0.0, -1.0), 1.0)
    assert read_views(tmp_path, bound=3.0).cube == Cube((0.0, 0.0, -1.0), 3.0)


def test_masks_are_named(tmp_path):
    describe(tmp_path, mask_path="mask.png")
    assert any("masks of 9 frames" in note for note in read_views(tmp_path).notes)


def test_one_file_may_be_given(tmp_path):
    describe(tmp_path, "transforms_all.json", views=3)
    assert len(read_views(tmp_path / "transforms_all.json").fitted.poses) == 3
    with pytest.raises(MscnError, match=r"if transforms_all\.json describes its pictures, give"):
        read_views(tmp_path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"camera_model": "OPENCV_FISHEYE"}, "not a perspective camera"),
        ({"camera_model": "EQUIRECTANGULAR"}, "not a perspective camera"),
        ({"is_fisheye": True}, "is_fisheye: not a perspective camera"),
        ({"k1": -5.0}, "folds the picture"),
        ({"k1": "a lot"}, 'k1 is "a lot", no number'),
        ({"fl_x": None}, "no focal length; add fl_x"),
        ({"fl_x": 0}, "fl_x is 0 for 16 pixels"),
        ({"fl_x": float("nan")}, "fl_x is NaN, no number"),
        ({"fl_x": None, "camera_angle_x": 4.0}, "no angle between 0 and pi"),
        ({"cx": 9000}, "cx is 9000, far off"),
        ({"w": 12, "h": 16}, "12x16 pixels, but the picture has 16x12"),
        ({"w": 0, "h": 16}, "no size"),
        ({"frames": []}, "no frame"),
        ({"frames": None}, "no NeRF description"),
        ({"frames": [3]}, "frame 0 is 3"),
        ({"frames": [{"file_path": 7}]}, "file_path is 7, no name"),
        ({"frames": [{"file_path": "a"}]}, "a has no pose"),
        ({"frames": [{"file_path": "a", "transform_matrix": [[1, 2]]}]}, "no 4x4 matrix"),
        ({"scale": "large"}, "scale and offset are no numbers"),
    ],
)
def test_refuses(tmp_path, words, message):
    again(tmp_path, {**describe(tmp_path, views=3), **words})
    with pytest.raises(MscnError, match=message) as caught:
        read_views(tmp_path)
    assert str(caught.value).startswith(str(tmp_path / "transforms.json"))


def test_refuses_a_deep_picture(tmp_path):
    describe(tmp_path, views=3)
    Image.fromarray(np.full((HEIGHT, WIDTH), 40_000, np.uint16)).save(tmp_path / "images/0001.png")
    with pytest.raises(MscnError, match=r"0001\.png: more than 8 bits a channel"):
        read_views(tmp_path)


@pytest.mark.parametrize("text", [b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"frames": {}}', b""])
def test_refuses_other_files(tmp_path, text):
    (tmp_path / "transforms.json").write_bytes(text)
    with pytest.raises(MscnError, match=r"transforms\.json"):
        read_views(tmp_path)


def test_reading_needs_no_tensorflow(tmp_path):
    import subprocess

    describe(tmp_path, views=3)
    code = "import sys; from mscn_tf.signals.views import read_views; read_views(sys.argv[1]); "
    code += "assert not any('tensorflow' in name for name in sys.modules)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("fuzz")
    names = "w h cx cy fl_y k1 k2 p1 scale camera_angle_x".split()
    values = (16, 12, 8.0, 6.0, 22.0, 0.01, 0.0, 0.0, 0.33, 0.7)
    return path, describe(path, views=3, **dict(zip(names, values)))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_whatever_a_description_says_is_read_or_refused_in_a_line(sound, data):
    path, described = sound
    damaged = copy.deepcopy(described)
    place = data.draw(st.sampled_from([damaged, damaged["frames"][1]]))
    name = data.draw(st.sampled_from(sorted({*place, "distortion_params", "camera_model", "k3"})))
    place[name] = data.draw(anything)
    again(path, damaged)
    try:
        views, *_ = read_views(path)
    except MscnError as error:
        refusal = str(error)
    else:
        refusal = ""
        for view in range(len(views.poses)):
            assert np.isfinite(views.rays(view)[1]).all()
    assert "\n" not in refusal


def test_the_ground_is_the_colour_at_the_edges_of_opaque_pictures(tmp_path):
    describe(tmp_path, views=3)
    for i in range(3):
        picture = Image.new("RGB", (WIDTH, HEIGHT), (51, 102, 255))
        picture.paste((255, 0, 0), (3, 3, 12, 12))
        picture.save(tmp_path / f"images/{i:04d}.png")
    assert read_views(tmp_path).measured.ground == pytest.approx((0.2, 0.4, 1.0))
    picture.putalpha(Image.new("L", (WIDTH, HEIGHT), 99))
    picture.save(tmp_path / "images/0001.png")
    assert read_views(tmp_path).measured.ground is None
