from __future__ import annotations

import numpy as np
import pytest
import trimesh

from mscn_tf.runtime.errors import MscnError
from mscn_tf.signals import mesh_files, meshes, solids
from mscn_tf.signals.signal import Selection
from tests.apps.conftest import folder  # noqa: F401


def sphere(radius=3.0, centre=(10.0, -20.0, 5.0)):
    mesh = trimesh.creation.icosphere(3, radius)
    mesh.apply_translation(centre)
    return mesh


def content(mesh, kind="obj"):
    data = mesh.export(file_type=kind)
    return data.encode() if isinstance(data, str) else data


@pytest.mark.parametrize("suffix", [*mesh_files.WRITTEN, ".glb"])
def test_samples_exact_distances_and_gives_the_surface_back(tmp_path, suffix):
    mesh, path = sphere(), tmp_path / f"in{suffix}"
    path.write_bytes(content(mesh, suffix[1:]))
    signals = meshes.read(path)
    (array,) = signals.arrays
    corner, cell = np.array(signals.metadata["corner"][0]), signals.metadata["cell"][0]
    points = corner + cell * solids.cell_centres(array.shape[:3])
    exact = np.linalg.norm(points - mesh.centroid, axis=1) - 3.0
    exact = np.clip(exact / cell, -solids.BAND, solids.BAND).reshape(array.shape)
    assert np.abs(array - exact).max() < 0.3  # the mesh is no perfect sphere
    out = tmp_path / f"out{suffix if suffix in mesh_files.WRITTEN else '.ply'}"
    told = meshes.write(out, [array], None, signals.metadata, Selection())
    assert told.startswith("mesh of")
    back = mesh_files.load(out)
    np.testing.assert_allclose(back.bounds, mesh.bounds, atol=0.2 * cell)
    assert back.volume == pytest.approx(mesh.volume, rel=0.01)


@pytest.mark.parametrize(("size", "place"), [(1e-6, 0.0), (1.0, 5.4e6), (1e5, 5.4e6)])
def test_a_mesh_of_any_size_lies_where_it_was(tmp_path, size, place):
    mesh = trimesh.creation.icosphere(3, size)
    mesh.apply_translation((place, -place, 0))
    (tmp_path / "in.obj").write_bytes(mesh.export(file_type="obj", digits=12).encode())
    signals = meshes.read(tmp_path / "in.obj")
    assert signals.notes == []
    meshes.write(tmp_path / "out.obj", signals.arrays, None, signals.metadata, Selection())
    back = mesh_files.load(tmp_path / "out.obj")
    np.testing.assert_allclose(back.bounds, mesh.bounds, atol=0.02 * size)
    assert back.volume == pytest.approx(mesh.volume, rel=0.01)


def joined(*parts):
    return trimesh.util.concatenate(parts)


def box(place, size=(1.0, 1.0, 1.0)):
    made = trimesh.creation.box(size)
    made.apply_translation(place)
    return made


def two_that_share_an_edge():
    mesh = joined(box((0, 0, 0)), box((1, 1, 0)))
    mesh.merge_vertices()
    return mesh


def one_inverted():
    other = box((3, 0, 0))
    other.invert()
    return joined(box((0, 0, 0)), other)


def a_face_twice():
    mesh = box((0, 0, 0))
    return trimesh.Trimesh(mesh.vertices, np.vstack([mesh.faces, mesh.faces[:1]]), process=False)


@pytest.mark.parametrize(
    ("mesh", "volume"),
    [
        (two_that_share_an_edge(), 2.0),
        (one_inverted(), 2.0),
        (a_face_twice(), 1.0),
        (joined(box((0, 0, 0)), box((2, 0, 0), (1e-6, 1e-6, 1e-6))), 1.0),
        (joined(box((0, 0, 0)), box((0.5, 0.5, 0.5))), 1.875),  # they cross
    ],
)
def test_what_is_enclosed_counts_whatever_its_triangles(tmp_path, mesh, volume):
    (tmp_path / "in.ply").write_bytes(content(mesh, "ply"))
    signals = meshes.read(tmp_path / "in.ply")
    meshes.write(tmp_path / "out.ply", signals.arrays, None, signals.metadata, Selection())
    assert abs(mesh_files.load(tmp_path / "out.ply").volume) == pytest.approx(volume, rel=0.03)


def test_an_open_scan_is_closed_and_it_is_said(tmp_path):
    mesh = sphere()
    mesh.update_faces(np.arange(len(mesh.faces)) > 40)
    (tmp_path / "scan.ply").write_bytes(content(mesh, "ply"))
    signals = meshes.read(tmp_path / "scan.ply")
    assert "1 hole was closed" in signals.notes[0]
    meshes.write(tmp_path / "out.ply", signals.arrays, None, signals.metadata, Selection())
    assert mesh_files.load(tmp_path / "out.ply").volume == pytest.approx(sphere().volume, rel=0.02)


@pytest.mark.parametrize(
    "mesh", [trimesh.creation.cylinder(0.2, 40), box((0, 0, 0), (50, 50, 0.5))]
)
def test_thin_parts_get_finer_grids(tmp_path, mesh):
    (tmp_path / "thin.ply").write_bytes(content(mesh, "ply"))
    signals = meshes.read(tmp_path / "thin.ply")
    meshes.write(tmp_path / "out.ply", signals.arrays, None, signals.metadata, Selection())
    back = mesh_files.load(tmp_path / "out.ply").volume
    assert back == pytest.approx(mesh.volume, rel=0.15) or signals.notes


def test_too_thin_is_refused_with_a_cure(tmp_path, monkeypatch):
    monkeypatch.setattr(solids, "_MOST", 61**3)  # takes a minute otherwise
    (tmp_path / "hair.ply").write_bytes(content(trimesh.creation.cylinder(0.01, 100), "ply"))
    with pytest.raises(MscnError, match="too thin"):
        meshes.read(tmp_path / "hair.ply")


def test_colours_are_said_to_be_lost(tmp_path):
    mesh = sphere()
    mesh.visual.vertex_colors = np.tile(np.uint8([255, 0, 0, 255]), (len(mesh.vertices), 1))
    (tmp_path / "red.ply").write_bytes(content(mesh, "ply"))
    assert any("colours" in note for note in meshes.read(tmp_path / "red.ply").notes)


def test_a_mesh_turned_inside_out_is_the_same(tmp_path):
    mesh = sphere()
    mesh.export(tmp_path / "a.ply")
    mesh.invert()
    mesh.export(tmp_path / "b.ply")
    one, other = (meshes.read(tmp_path / name).arrays[0] for name in ("a.ply", "b.ply"))
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_part_at_another_size_lies_where_it_was(tmp_path):
    mesh = sphere()
    mesh.export(tmp_path / "in.ply")
    signals = meshes.read(tmp_path / "in.ply")
    # The half of larger x, region numbers innermost first: z, y, x.
    part = signals.arrays[0][31:].repeat(2, 2)
    view = Selection(region=(0, 0, 31, 61, 61, 30))
    meshes.write(tmp_path / "out.ply", [part], None, signals.metadata, view)
    back, cell = mesh_files.load(tmp_path / "out.ply"), signals.metadata["cell"][0]
    expected = mesh.bounds.copy()
    expected[0, 0] = signals.metadata["corner"][0][0] + 31 * cell
    np.testing.assert_allclose(back.bounds, expected, atol=0.6 * cell)


def export(mesh):
    return mesh.export(file_type="obj").encode()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "without faces|damaged"),
        (b"f 1 2 3\n", "without faces|damaged"),
        (b"v 0 0 0\nv 1 0 0\nv 0 1 0\n", "without faces|damaged"),
        (b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", "damaged"),
        (export(trimesh.Trimesh(sphere().vertices, sphere().faces[:3])), "encloses|thin|flat"),
        (export(sphere()).replace(b"v 10", b"v nan"), "NaN|damaged"),
        (export(trimesh.creation.box((1, 1, 0))), "encloses nothing"),
        (export(sphere())[:300], "without faces|damaged"),
    ],
)
def test_refuses_meshes(tmp_path, data, says):
    (tmp_path / "a.obj").write_bytes(data)
    with pytest.raises(MscnError, match=says) as error:
        meshes.read(tmp_path / "a.obj")
    assert "a.obj" in str(error.value)
    assert "\n" not in str(error.value)


def test_refuses_files(tmp_path):
    with pytest.raises(MscnError, match="cannot read"):
        meshes.read(tmp_path / "a.obj")
    (tmp_path / "a.dae").write_text("<COLLADA/>")
    with pytest.raises(MscnError, match="not a mesh of a kind"):
        meshes.read(tmp_path / "a.dae")
    (tmp_path / "a.dae").unlink()
    with pytest.raises(MscnError, match=r"no \.glb"):
        meshes.read(tmp_path)


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {},
        {"cells": 61, "corner": [[0, 0]], "cell": [1]},
        {"cells": 61, "corner": [[0, 0, 0]], "cell": [0]},
        {"cells": 61, "corner": [[0, 0, 1e300]], "cell": [1]},
        {"cells": 61, "corner": "here", "cell": [1]},
    ],
)
def test_refuses_damaged_metadata(tmp_path, metadata):
    array = np.ones((8, 8, 8, 1), np.float32)
    with pytest.raises(MscnError, match="where its meshes lie"):
        meshes.write(tmp_path / "a.ply", [array], None, metadata, Selection())


def test_refuses_to_write_no_surface(tmp_path):
    known = {"cells": 61, "corner": [[0, 0, 0]], "cell": [1]}
    array = np.ones((8, 8, 8, 1), np.float32)
    with pytest.raises(MscnError, match="no surface"):
        meshes.write(tmp_path / "a.ply", [array], None, known, Selection())
    with pytest.raises(MscnError, match="meshes are written as"):
        meshes.write(tmp_path / "a.png", [array], None, known, Selection())
    assert list(tmp_path.iterdir()) == []


def test_training_signals_turn_and_leave_out(tmp_path):
    for name in ("a", "b"):
        trimesh.creation.box((1, 2, 3)).export(tmp_path / f"{name}.ply")
    signals = meshes.training_signals(f"{tmp_path}/*.ply,!{tmp_path}/b.ply", turns=2)
    assert len(signals) == 2
    assert np.abs(signals[0] - signals[1]).max() > 1
    with pytest.raises(MscnError, match="no mesh matches"):
        meshes.training_signals(f"{tmp_path}/*.obj")


# From here on with the codec that comes with the package.


def test_folder_there_and_back(folder):  # noqa: F811
    (folder.path / "in").mkdir()
    ball, box = sphere(), trimesh.creation.box((4, 3, 2))
    ball.export(folder.path / "in" / "ball.stl")
    box.export(folder.path / "in" / "box.off")
    said = folder.mscn("encode", "--quality=6", "in", "out.mscn").stdout
    assert "2 meshes" in said
    assert "% IoU" in said
    folder.mscn("decode", "out.mscn", "back")
    for name, mesh in (("ball", ball), ("box", box)):
        back = mesh_files.load(folder.path / "back" / f"{name}.ply")
        assert back.volume == pytest.approx(mesh.volume, rel=0.03)
        np.testing.assert_allclose(back.bounds, mesh.bounds, atol=0.1)
    folder.mscn("decode", "--item=1", "--size=32x32x32", "out.mscn", "one.obj")
    back = mesh_files.load(folder.path / "one.obj")
    np.testing.assert_allclose(back.bounds, box.bounds, atol=0.2)
    folder.mscn("decode", "--item=0", "--size=20x30x40", "out.mscn", "one.npy")
    assert np.load(folder.path / "one.npy").shape == (40, 30, 20)
    assert "mesh" in folder.mscn("info", "out.mscn").stdout
    assert folder.plot("--item=1", "--original=in", "out.mscn").std() > 10


def test_a_scan_with_a_hole_goes_through_the_commands(folder):  # noqa: F811
    mesh = sphere()
    mesh.update_faces(np.arange(len(mesh.faces)) > 0)
    (folder.path / "in.ply").write_bytes(content(mesh, "ply"))
    assert "not closed" in folder.notes("encode", "in.ply", "out.mscn")
    folder.mscn("decode", "out.mscn", "out.stl")
    back = mesh_files.load(folder.path / "out.stl").volume
    assert back == pytest.approx(sphere().volume, rel=0.03)
