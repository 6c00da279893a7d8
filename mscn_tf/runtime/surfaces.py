"""Files whose solids are coded near their surfaces: from blocks to distances."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mscn_tf.runtime import sampling
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.manifest import Manifest
from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.scheme import Scheme, Survivors, register
from mscn_tf.runtime.surface_pyramid import CELL, Head, SurfacePyramid, Walk
from mscn_tf.runtime.view import View

_SIDE = 64  # of maps of survivors
_LARGEST_IN_GRAPHS = 2**11  # step; products of larger ones aren't exact in float32


@register
class Surfaces(Scheme):
    """How files of a surface codec become distances, in cells of their grid.

    Other sizes than the original are averaged or interpolated, as what is exact is.

    Attributes:
      pyramid: what codes them.
    """

    name = "surface"
    encoder = "mscn_tf.codec.surface_encoding:SurfaceEncoder"
    functions = "mscn_tf.export.surface_functions:SurfaceFunctions"

    def __init__(self, bundle: Bundle, threads: int = 1):
        super().__init__(bundle, threads)
        self.pyramid = SurfacePyramid(bundle.arrays("prior"))

    @classmethod
    def check_manifest(cls, manifest: Manifest) -> None:
        if Modality.named(manifest.modality).axes != 3 or manifest.channels != 1:
            raise MscnError(f"{manifest.channels} channels of a {manifest.modality}, not distances")
        if manifest.values.dtype != "float32":
            raise MscnError(f"values of {manifest.values.dtype}, not float32")

    def blocks(self, container: Container, symbols: Sequence[bytes]) -> list[bytes]:
        """The payloads of one solid after the other, as they are."""
        if len(symbols) != container.tiles:
            raise MscnError(f"{len(symbols)} coded solids do not fit {container.tiles}")
        return list(symbols)

    def reader(self, container: Container) -> _Reader:
        return _Reader(self, container)

    def graph_inputs(self, container: Container, item: int, whole: bool) -> dict[str, np.ndarray]:
        if whole:
            raise MscnError(f"bundle {self.bundle.name}: solids have decode, and no decode_grid")
        reader = self.reader(container)
        steps, (payload,) = reader.walk(item).steps, reader.symbols(item)
        head = Head.from_bytes(payload)
        if head.step > _LARGEST_IN_GRAPHS:
            raise MscnError(f"{container.source}: steps too large for a graph; decode it here")
        return {
            "steps": steps[None],
            "step": np.array([head.step], np.int32),
            "coarsest": np.array([head.coarsest], np.int32),
        }

    def joined(self, container: Container, view: View, values: np.ndarray) -> np.ndarray:
        wanted = (1, *view.extent, 1)
        if values.shape != wanted:
            raise MscnError(
                f"{container.source}: values of shape {values.shape} are not those of {wanted}"
            )
        return values[0]

    def survivors(self, container: Container, item: int) -> Survivors:
        """By place, summed over the first axis, or by equal parts of the grid where it is large."""
        steps = self.reader(container).walk(item).steps
        kept = (steps != 0).sum(0)
        for axis, side in enumerate(kept.shape):
            starts = np.unique(np.linspace(0, side, min(side, _SIDE), endpoint=False).astype(int))
            kept = np.add.reduceat(kept, starts, axis)
        return Survivors(kept, "by place, summed over the first axis", int(kept.sum()), steps.size)


class _Reader:
    """Decodes items of a file; keeps the last one."""

    def __init__(self, scheme: Surfaces, container: Container):
        self._scheme, self._container = scheme, container
        self._item, self._walk = -1, Walk((1, 1, 1))

    def walk(self, item: int) -> Walk:
        """An item's distances, and what was coded of them."""
        if item != self._item:
            container = self._container
            try:
                (payload,) = self.symbols(item)
                if any(container.residuals):
                    raise MscnError("damaged (residuals, which its codec has none of)")
                self._walk = self._scheme.pyramid.decode(payload, container.shapes[item])
            except MscnError as error:
                raise MscnError(f"{container.source}: {error}") from error
            self._item = item
        return self._walk

    def symbols(self, item: int) -> list[bytes]:
        """An item's payload, where it isn't exact."""
        return [self._container.blocks[tile] for tile in self._container.tiles_of(item)]

    def render(self, views: Sequence[View]) -> list[np.ndarray]:
        """float32 ``[x, y, z, 1]`` for each view."""
        return [self._rendered(view) for view in views]

    def _rendered(self, view: View) -> np.ndarray:
        values = (self.walk(view.item).values * (1 / CELL)).astype(np.float32)[..., None]
        return sampling.resized(values, view.start, view.extent, view.shape)
