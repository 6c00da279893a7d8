"""Which meshes of a package count as new ones."""

from __future__ import annotations

import trimesh

from benchmarks.new_meshes import is_wanted


def test_closed_meshes_of_one_part_and_many_triangles_are_wanted():
    ball = trimesh.creation.icosphere(4)
    assert is_wanted(ball)
    assert not is_wanted(trimesh.creation.icosphere(3))
    apart = ball.copy()
    apart.apply_translation([5, 0, 0])
    assert not is_wanted(trimesh.util.concatenate([ball, apart]))
    inside_out = ball.copy()
    inside_out.invert()
    assert not is_wanted(inside_out)
    torn = ball.copy()
    torn.update_faces([number > 0 for number in range(len(torn.faces))])
    assert not is_wanted(torn)
