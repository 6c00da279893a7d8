"""The cube of a scene: about the origin as most programs place it, or where the cameras look."""

from __future__ import annotations

import numpy as np
import pytest

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.rendering import orbit
from mscn_tf.signals.cubes import BOUND, Cube, choose, stated, watched

REACH = 0.36  # of NeRF's synthetic scenes


def moved(distance, centre=(0, 0, 0), views=9):
    poses = np.array(list(orbit(views, distance, 20.0)))
    poses[:, :3, 3] += centre
    return poses


def outwards(views=9):
    """Cameras in the middle of a room."""
    poses = moved(0.05, views=views)
    poses[:, :3, 0] *= -1
    poses[:, :3, 2] *= -1
    return poses


def test_usual_scenes_keep_the_cube_about_the_origin():
    assert choose(moved(4.03), [REACH] * 9) == Cube(bound=BOUND)
    assert choose(moved(4.03), [REACH] * 9, bound=1.2) == Cube(bound=1.2)


@pytest.mark.parametrize("distance", [0.2, 3.0, 900.0])
def test_others_get_the_cube_that_their_cameras_look_at(distance):
    centre = np.array([30.0, -7.0, 2.0]) * distance
    cube = choose(moved(distance, centre), [REACH] * 9)
    np.testing.assert_allclose(cube.centre, centre, rtol=1e-3)
    assert cube.bound == pytest.approx(distance * REACH, rel=1e-3)
    poses = [cube.placed(pose) for pose in moved(distance, centre)]
    assert choose(poses, [REACH] * 9, bound=1.0) == Cube(bound=1.0)
    assert choose(moved(distance, centre), [REACH] * 9, bound=2.0).bound == 2.0


def test_cameras_stay_outside_of_the_cube():
    assert choose(moved(50.0), [2.0] * 9) == Cube(bound=25.0)


@pytest.mark.parametrize("poses", [outwards(), moved(4.0, views=1), np.stack([np.eye(4)] * 3)])
def test_cameras_that_look_at_nothing_in_common_need_a_bound(poses):
    assert watched(poses) is None
    with pytest.raises(MscnError, match="--bound=B"):
        choose(poses, [REACH] * len(poses))
    assert choose(poses, [REACH] * len(poses), bound=2.0) == Cube(bound=2.0)


def test_instant_ngps_scale_and_offset():
    assert stated({}) is None
    cube = stated({"scale": 0.25, "offset": [0.5, 0.0, 1.0]})
    assert cube == Cube((0.0, 2.0, -2.0), 2.0)
    assert stated({"scale": 0.33}).bound == pytest.approx(1.515, abs=1e-3)
    for wrong in ({"scale": 0}, {"scale": "x"}, {"offset": [1, 2]}, {"offset": [1e999, 0, 0]}):
        with pytest.raises(MscnError, match="scale and offset"):
            stated(wrong)


def test_metadata_there_and_back():
    for cube in (Cube(bound=1.5), Cube((1.0, -2.0, 3.5), 0.25)):
        assert Cube.of(cube.metadata) == cube
    assert Cube(bound=1.5).metadata == {"bound": 1.5}
    for wrong in ({"bound": 0}, {"bound": "a"}, {"bound": None}, {"centre": [1]}, {"centre": "x"}):
        with pytest.raises(MscnError, match="damaged metadata"):
            Cube.of(wrong)
