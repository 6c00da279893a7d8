"""Meshes that `surface` never saw: those of Debian's package libcgal-demo, as OFF files.

    python benchmarks/new_meshes.py OUT

All of CGAL's that are closed, of one part, wound outwards and of 4,000 triangles or more, but for
those of the project's own set (armadillo, bunny, camel) and for forms of another one of them. CGAL
puts them under CC0 1.0, as all of its files without a notice of their own. OUT gets the package
and `meshes/`. Needs apt and dpkg and Debian's archive keyring.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import tarfile
from pathlib import Path

import trimesh

from benchmarks.free_pictures import fetch

SUITE = "bookworm"
PACKAGES = {
    "libcgal-demo": (
        "5.5.1-2",
        "78b09b23d4d6d1bf15552a1060b419ab3fc09918486462faed197e5fc6ac3735",
    ),
}
_DATA = "./usr/share/doc/libcgal-dev/data.tar.gz"
_KNOWN = {"armadillo", "bunny00", "camel"}
_FORMS = {"bear_bis", "blobby-shuffled", "fandisk_large", "knot", "knot2", "refined_elephant"}
_FEWEST = 4000  # triangles


def is_wanted(mesh: trimesh.Trimesh) -> bool:
    """Whether a mesh is closed, of one part, wound outwards, and not of few triangles."""
    closed = mesh.is_watertight and mesh.body_count == 1 and mesh.volume > 0
    return closed and len(mesh.faces) >= _FEWEST


def main() -> None:
    """Writes the meshes, and prints a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    (out / "meshes").mkdir(parents=True, exist_ok=True)
    package = fetch(out, PACKAGES, SUITE)["libcgal-demo"]
    files = subprocess.run(["dpkg", "--fsys-tarfile", package], stdout=subprocess.PIPE, check=True)
    with tarfile.open(fileobj=io.BytesIO(files.stdout)) as outer:
        data = outer.extractfile(_DATA)
        with tarfile.open(fileobj=data) as inner:
            for member in sorted(inner.getmembers(), key=lambda member: member.name):
                path = Path(member.name)
                if path.suffix != ".off" or path.stem in _KNOWN | _FORMS:
                    continue
                content = inner.extractfile(member).read()
                try:
                    mesh = trimesh.load(io.BytesIO(content), "off", force="mesh")
                    wanted = is_wanted(mesh)
                except (ValueError, IndexError, TypeError):  # no faces, or none that trimesh reads
                    continue
                if wanted:
                    (out / "meshes" / path.name).write_bytes(content)
                    print(f"{path.stem}: {len(mesh.faces)} triangles")


if __name__ == "__main__":
    main()
