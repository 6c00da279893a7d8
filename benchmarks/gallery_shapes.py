"""Draws what the codecs of three axes make of held-out signals, beside the originals.

python benchmarks/gallery_shapes.py GRIDS.npz MESH VOLUME.nii.gz@60-100 OUT.png
"""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from absl import app
from matplotlib import pyplot as plt

from mscn_tf.codec import Codec
from mscn_tf.signals import meshes, solids, voxels
from mscn_tf.signals.images import psnr
from mscn_tf.signals.volumes import training_signals

_GRID = 300  # of the held-out ones


def _solid(ax: plt.Axes, grid: np.ndarray, wrong: np.ndarray | None = None) -> None:
    """Voxels seen from the side, those nearest to the viewer lit most; wrong ones red."""
    depth = np.where(grid.any(0), grid.argmax(0), np.inf)
    light = np.where(np.isfinite(depth), 0.85 - 0.6 * depth / len(grid), 1.0)
    picture = np.repeat(light[..., None], 3, -1)
    if wrong is not None:
        picture = np.ones_like(picture) - wrong.mean(0)[..., None] * [0, 4, 4]
    ax.imshow(np.clip(picture, 0, 1).swapaxes(0, 1), origin="lower")


def _surface(ax: plt.Axes, mesh: object, colours: np.ndarray | None = None) -> None:
    """A mesh seen along z, shaded by its normals."""
    shade = 0.25 + 0.7 * np.clip(mesh.face_normals @ [0.4, 0.4, 0.82], 0, 1)
    shown = np.argsort(mesh.triangles_center[:, 2])
    shown = shown[mesh.face_normals[shown, 2] > 0]
    colours = np.repeat(shade[:, None], 3, 1) if colours is None else colours
    ax.add_collection(
        mpl.collections.PolyCollection(
            mesh.triangles[shown][..., :2], facecolors=colours[shown], edgecolors="face", lw=0.1
        )
    )
    ax.set_aspect("equal")
    ax.autoscale()


def _voxel_row(axes: list[plt.Axes], path: str) -> None:
    grid = voxels.packed_grids(path, "test")[_GRID]
    codec = Codec.load("voxels32")
    data = codec.encode([grid], quality=7)
    decoded = codec.decode(data)
    _solid(axes[0], grid[..., 0])
    _solid(axes[1], decoded[..., 0])
    _solid(axes[2], codec.decode(data, scale=4.0)[..., 0])
    _solid(axes[3], grid[..., 0], (grid != decoded)[..., 0])
    told = voxels.measure(grid, decoded, None)
    titles = "32x32x32", f"{len(data)} bytes", "the same at 128x128x128"
    for ax, title in zip(axes, (*titles, f"wrong: {100 - told['% accuracy']:.2f} %")):
        ax.set_title(title)


def _mesh_row(axes: list[plt.Axes], path: str) -> None:
    mesh, signals = meshes.load(path), meshes.read(path)
    corner, cell = np.array(signals.metadata["corner"][0]), signals.metadata["cell"][0]
    codec = Codec.load("mesh")
    for ax, quality in zip(axes[1:], (3, 6)):
        data = codec.encode(signals.arrays, quality=quality, metadata=signals.metadata)
        found = solids.surface(codec.decode(data)[..., 0], corner, cell)
        _surface(ax, found)
        ax.set_title(f"{len(data):,} bytes")
    away = np.abs(solids.signed_distances(mesh, found.triangles_center, np.inf)) / cell
    _surface(axes[0], mesh)
    _surface(axes[3], found, plt.get_cmap("viridis")(away / 0.5))
    axes[0].set_title(f"{len(mesh.vertices):,} vertices")
    axes[3].set_title(f"off by {away.mean():.3f} cells")


def _volume_row(axes: list[plt.Axes], pattern: str) -> None:
    (volume,) = training_signals(pattern)
    codec, at = Codec.load("volume"), len(volume) // 3
    axes[0].imshow(volume[at, ..., 0].T, cmap="gray", origin="lower", vmin=0, vmax=1)
    axes[0].set_title(f"{volume.size:,} voxels")
    for ax, quality in zip(axes[1:], (3, 6)):
        data = codec.encode([volume], quality=quality)
        decoded = codec.decode(data)
        ax.imshow(decoded[at, ..., 0].T, cmap="gray", origin="lower", vmin=0, vmax=1)
        ax.set_title(f"{len(data):,} bytes, {psnr(volume, decoded, 1.0):.1f} dB")
    error = np.abs(decoded - volume)[at, ..., 0]
    axes[3].imshow(error.T, cmap="magma", origin="lower", vmin=0, vmax=0.1)
    axes[3].set_title("error, white is 0.1")


def main(argv: list[str]) -> None:
    """Draws the picture."""
    if len(argv) != 5:
        raise app.UsageError("give grids, a mesh, a volume and a .png file")
    figure, axes = plt.subplots(3, 4, figsize=(9, 7), dpi=80)
    for draw, row, source in zip((_voxel_row, _mesh_row, _volume_row), axes, argv[1:4]):
        draw(row, source)
    for ax in axes.flat:
        ax.set_axis_off()
    figure.tight_layout()
    figure.savefig(argv[4])


if __name__ == "__main__":
    app.run(main)
