from __future__ import annotations

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from mscn_tf.runtime.errors import MscnError
from mscn_tf.signals import mesh_files, meshes, solids
from mscn_tf.signals.signal import Selection


def ball(radius=1.0, centre=(0.0, 0.0, 0.0), inverted=False):
    mesh = trimesh.creation.icosphere(2, radius)
    mesh.apply_translation(centre)
    if inverted:
        mesh.invert()
    return mesh


def box(sides, centre=(0.0, 0.0, 0.0)):
    mesh = trimesh.creation.box(sides)
    mesh.apply_translation(centre)
    return mesh


def enclosed(path):
    """The volume that the sampled surface encloses, about its own centre."""
    signals = meshes.read(path)
    values, cell = signals.arrays[0][..., 0], signals.metadata["cell"][0]
    return solids.surface(values, np.zeros(3), np.full(3, cell)).volume


def written(path, *parts):
    trimesh.util.concatenate(parts).export(path)
    return path


@pytest.mark.parametrize(
    ("suffix", "size", "centre"),
    [
        *((suffix, 10.0, (450_000.0, 5_400_000.0, 0.0)) for suffix in mesh_files.WRITTEN),
        *((suffix, 1e-6, (0.0, 0.0, 0.0)) for suffix in (".obj", ".stl")),
    ],
)
def test_far_and_tiny_meshes_come_back_where_they_were(tmp_path, suffix, size, centre):
    mesh = ball(size)
    vertices = mesh.vertices + centre
    lines = [f"v {x!r} {y!r} {z!r}" for x, y, z in vertices.tolist()]
    lines += ["f {} {} {}".format(*face) for face in mesh.faces + 1]
    (tmp_path / "in.obj").write_text("\n".join(lines))
    signals = meshes.read(tmp_path / "in.obj")
    assert signals.notes == []
    meshes.write(tmp_path / f"out{suffix}", signals.arrays, None, signals.metadata, Selection())
    back = meshes.load(tmp_path / f"out{suffix}")
    np.testing.assert_allclose(back.bounds - centre, mesh.bounds, atol=size / 50)
    about = back.vertices - centre
    assert trimesh.Trimesh(about, back.faces).volume == pytest.approx(mesh.volume, rel=0.01)


def test_a_part_turned_inside_out_may_lie_partly_in_another(tmp_path):
    path = written(tmp_path / "b.stl", ball(), ball(1, (1, 0, 0), inverted=True))
    assert enclosed(path) == pytest.approx(np.pi * 27 / 12, rel=0.05)


@pytest.mark.parametrize("inverted", [False, True])
def test_a_cavity_stays_one(tmp_path, inverted):
    path = written(tmp_path / "a.stl", ball(inverted=inverted), ball(0.5, inverted=not inverted))
    assert enclosed(path) == pytest.approx(7 / 8 * ball().volume, rel=0.02)


def test_single_triangles_turned_over_are_turned_back(tmp_path):
    mesh = ball()
    faces = mesh.faces.copy()
    faces[::5] = faces[::5, ::-1]
    path = written(tmp_path / "a.ply", trimesh.Trimesh(mesh.vertices, faces, process=False))
    assert enclosed(path) == pytest.approx(mesh.volume, rel=0.01)


@pytest.mark.parametrize("inverted", [False, True])
def test_triangles_may_share_no_vertices(tmp_path, inverted):
    mesh = ball(inverted=inverted)
    places = mesh.triangles + np.random.default_rng(0).normal(0, 1e-4, mesh.triangles.shape)
    faces = np.arange(3 * len(places)).reshape(-1, 3)
    path = written(tmp_path / "a.ply", trimesh.Trimesh(places.reshape(-1, 3), faces))
    assert enclosed(path) == pytest.approx(ball().volume, rel=0.02)


def test_triangles_given_twice_or_without_area_change_nothing(tmp_path):
    mesh = ball()
    faces = np.vstack([mesh.faces, mesh.faces[:40], mesh.faces[:3, ::-1], [[0, 0, 1], [2, 2, 2]]])
    path = written(tmp_path / "a.ply", trimesh.Trimesh(mesh.vertices, faces, process=False))
    assert enclosed(path) == pytest.approx(mesh.volume, rel=0.01)


def test_walls_within_are_no_surface(tmp_path):
    path = written(tmp_path / "a.stl", box((1, 1, 1)), box((1, 1, 1), (0.5, 0, 0)))
    (array,) = meshes.read(path).arrays
    # The middle of the first's right side lies half a unit deep.
    assert array[30, 30, 30] == -solids.BAND
    assert array[35:40, 30, 30].max() == -solids.BAND


def test_holes_are_closed_by_what_is_around(tmp_path):
    mesh = box((2, 2, 2))
    mesh.update_faces(mesh.triangles_center[:, 2] < 1)
    path = written(tmp_path / "a.ply", mesh)
    (note,) = meshes.read(path).notes
    assert "not closed: 1 hole was closed" in note
    assert enclosed(path) == pytest.approx(8, rel=0.02)


@pytest.mark.parametrize("sides", [(100, 0.4, 0.4), (30, 30, 0.4)])
def test_thin_parts_get_finer_cells(tmp_path, sides):
    path = written(tmp_path / "a.stl", box(sides))
    signals = meshes.read(path)
    assert signals.notes == []
    assert signals.metadata["cell"][0] < 0.2
    assert enclosed(path) == pytest.approx(np.prod(sides), rel=0.1)


def test_says_what_is_too_thin_for_the_grid(tmp_path):
    wire = trimesh.creation.cylinder(0.01, 1)
    wire.apply_translation((0, 0, 1.3))
    (note,) = meshes.read(written(tmp_path / "a.stl", ball(), wire)).notes
    assert "of its surface may vanish, where it is about 0.02" in note
    with pytest.raises(MscnError, match=r"too thin: .* thicken it, or cut it") as error:
        meshes.read(written(tmp_path / "b.stl", box((1, 1, 1e-4))))
    assert "\n" not in str(error.value)


def test_an_open_sheet_is_refused(tmp_path):
    x, y = np.mgrid[:9, :9] / 8
    vertices = np.stack([x, y, 1e-4 * np.sin(9 * x + 5 * y)], -1).reshape(-1, 3)
    first = np.add.outer(9 * np.arange(8), np.arange(8)).reshape(-1, 1)
    faces = np.concatenate([first + (0, 9, 1), first + (1, 9, 10)])
    path = written(tmp_path / "a.ply", trimesh.Trimesh(vertices, faces))
    with pytest.raises(MscnError, match="encloses nothing; close it, or give it a thickness"):
        meshes.read(path)


def test_scenes_are_joined_where_they_place_their_parts(tmp_path):
    scene = trimesh.Scene()
    scene.add_geometry(ball(), geom_name="ball")
    move = trimesh.transformations.translation_matrix((4, 0, 0))
    scene.graph.update("again", geometry="ball", matrix=move)
    scene.add_geometry(box((1, 1, 1)), transform=np.diag([1, 1, 3, 1.0]))
    (tmp_path / "a.glb").write_bytes(scene.export(file_type="glb"))
    mesh = meshes.load(tmp_path / "a.glb")
    np.testing.assert_allclose(mesh.bounds, [[-1, -1, -1.5], [5, 1, 1.5]], atol=0.02)
    (note,) = meshes.read(tmp_path / "a.glb").notes
    assert "only the shape is kept, not its" in note
    assert "names of parts" in note
    files = scene.export(file_type="gltf")
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    again = meshes.load(tmp_path / "model.gltf")
    np.testing.assert_allclose(again.bounds, mesh.bounds)


def test_names_what_is_not_kept(tmp_path):
    mesh = ball()
    mesh.visual.vertex_colors = [255, 0, 0, 255]
    mesh.export(tmp_path / "a.ply", vertex_normal=True)
    (note,) = meshes.read(tmp_path / "a.ply").notes
    assert note.endswith("only the shape is kept, not its colours, normals")
    plain = ball().export(file_type="obj", include_normals=False)
    (tmp_path / "a.obj").write_text("mtllib no.mtl\nvt 0 0\nusemtl red\n" + plain)
    (note,) = meshes.read(tmp_path / "a.obj").notes
    assert note.endswith("not its materials, texture coordinates")


def test_figures_are_of_the_shape():
    away = np.linalg.norm(np.mgrid[-15:16, -15:16, -15:16], axis=0)[..., None]
    one, other = (np.clip(away - r, -4, 4).astype(np.float32) for r in (10, 9.5))
    figures = meshes.measure(one, other, None)
    assert figures["cells RMS error near the surface"] == pytest.approx(0.5, abs=0.01)
    assert figures["% of the diagonal"] == pytest.approx(50 / (20 * 3**0.5), rel=0.1)
    assert figures["% IoU with the sampled mesh"] == pytest.approx(100 * 0.95**3, abs=0.5)
    assert meshes.share_lost(one, other, None) == pytest.approx(0.143, abs=0.01)
    assert meshes.share_lost(one, np.full_like(one, 4), None) >= 1
    assert meshes.largest_error(one, other, {"cell": [3.0]}) == pytest.approx(1.5)
    assert meshes.array_bound(1.5, {"cell": [3.0, 2.0]}) == pytest.approx(0.5)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-9, 1.0, 1e12]))
def test_any_triangles_are_read_or_refused(seed, size):
    random = np.random.default_rng(seed)
    count = int(random.integers(3, 12))
    # On few places: with equal, flat, crossing and repeated triangles.
    vertices = size * random.integers(0, 3, (count, 3)).astype(float)
    faces = random.integers(0, count, (int(random.integers(1, 30)), 3))
    lines = ["v {!r} {!r} {!r}".format(*place) for place in vertices.tolist()]
    lines += ["f {} {} {}".format(*face) for face in faces + 1]
    try:
        mesh = mesh_files.parse("\n".join(lines).encode(), ".obj", "a.obj")
    except MscnError:
        return
    points = vertices.mean(0) + size * random.normal(size=(500, 3))
    found = solids.signed_distances(mesh, points, size)
    assert np.isfinite(found).all()
    assert (np.abs(found) <= size).all()


@pytest.mark.parametrize(
    ("edge", "overlap", "cells"),
    [(16, 1, 61), (6, 1, 61), (32, 2, 62), (64, 0, 64)],
)
def test_the_usual_grid_is_made_of_whole_tiles(edge, overlap, cells):
    assert solids.cells_of(edge, overlap) == cells


def test_near_the_surface_distances_are_exact():
    """Of the finer grid, whose far distances are interpolated, and grow on."""
    mesh = trimesh.creation.icosphere(3, 1.0)
    sampled = solids.sample(mesh, 65, near=True)
    assert all(side % 16 == 1 for side in sampled.values.shape)
    points = sampled.corner + sampled.cell * solids.cell_centres(sampled.values.shape)
    exact = solids.signed_distances(mesh, points, 99.0).reshape(sampled.values.shape)
    exact /= sampled.cell
    close = np.abs(exact) < 2
    np.testing.assert_allclose(sampled.values[close], exact[close], atol=1e-3)
    assert np.abs(sampled.values - exact).max() < 8
    assert (np.sign(sampled.values) == np.sign(exact)).all()
    assert sampled.iou > 0.99
