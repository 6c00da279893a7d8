"""Decoding `.mscn` files: whole signals, crops, other resolutions, archives."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from mscn_tf.runtime import exact_planes, sampling
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.description import described
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike
from mscn_tf.runtime.layout import any_narrow
from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.scheme import Scheme
from mscn_tf.runtime.values import Values
from mscn_tf.runtime.view import View, view
from mscn_tf.runtime.workers import check_threads

if TYPE_CHECKING:
    from typing_extensions import Self

Data = Union[bytes, Container]
Signals = list[np.ndarray]
Render = Callable[[Sequence[View]], Signals]


class FileDecoder:
    """Decodes the files of one codec bundle.

    Example:
      decoder = FileDecoder.load("photo")
      picture = decoder.decode(data, scale=2)  # uint8 [H, W, C]

    Args:
      bundle: the codec's.
      threads: that share the work on a large picture, which they hardly hasten, or that of a
        tile codec's network; in programs that call `runtime.workers.allow_processes` processes,
        this one and others, share the former, and do hasten it. What comes out does not depend on
        it.

    Raises:
      MscnError: it is no number of threads.
    """

    def __init__(self, bundle: Bundle, threads: int = 1):
        check_threads(threads)
        self.bundle, self.threads = bundle, threads

    @classmethod
    def load(cls, name_or_path: PathLike, threads: int = 1) -> Self:
        """Codec by the name of a bundle that comes with the package, or by a bundle's path.

        Raises:
          MscnError: there is no such bundle, or it is damaged.
        """
        return cls(Bundle.load(name_or_path), threads)

    @classmethod
    def of(
        cls,
        data: Data,
        codec: PathLike | None = None,
        name: str = "input",
        threads: int = 1,
    ) -> Self:
        """The codec that a file was made with.

        Args:
          data: the file's bytes.
          codec: name or path of its bundle; None looks among those that come with the package.
          name: what error messages call the file.
          threads: as of the class.

        Raises:
          MscnError: the file is damaged, its codec is not there, or `codec` is another one.
        """
        container = _parse(data, name, lazy=True)
        if codec is not None:
            decoder = cls.load(codec, threads)
        else:
            bundle = Bundle.find(container.bundle_id)
            if bundle is None:
                known = ", ".join(Bundle.names()) or "none"
                raise MscnError(
                    f"{container.source}: made with codec {container.bundle_id.hex()}, which is "
                    f"not among those installed ({known}); give its bundle with --codec=PATH"
                )
            decoder = cls(bundle, threads)
        decoder._check(container)
        return decoder

    @cached_property
    def scheme(self) -> Scheme:
        """How blocks become signals in files of this codec.

        Raises:
          MscnError: this program knows no such kind of codec, or the bundle is damaged.
        """
        return self.bundle.scheme(self.bundle, self.threads)

    def check(self) -> None:
        """Tries all parts of the bundle: weights, entropy model, network, or what its kind has.

        Raises:
          MscnError: one of them is of no use.
        """
        self.bundle.weights()
        self.scheme.check()

    @property
    def values(self) -> Values:
        """The range and type of the signals that the codec decodes to."""
        return self.bundle.manifest.values

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest nominal value of the signals that the codec decodes to."""
        return self.values.low, self.values.high

    @property
    def peak(self) -> float:
        """Extent of that range: the peak of its PSNR."""
        low, high = self.range
        return high - low

    def _check(self, container: Container) -> None:
        manifest, bundle_id = self.bundle.manifest, self.bundle.id[:8]
        if container.bundle_id != bundle_id:
            raise MscnError(
                f"{container.source}: made with codec {container.bundle_id.hex()}, but "
                f"{self.bundle.name} is {bundle_id.hex()}; give the right bundle with --codec=PATH"
            )
        made = (
            Modality.numbered(container.modality).name,
            container.tile_edge,
            container.tile_overlap,
            container.code_channels,
        )
        layout = (manifest.modality, manifest.tile_edge, manifest.tile_overlap, manifest.channels)
        pixels = Modality.named(manifest.modality).pixels
        channels = range(1, 5) if pixels else [manifest.channels]
        if made != layout or not set(channels).issuperset(container.channels):
            raise MscnError(
                f"{container.source}: its header disagrees with codec {self.bundle.name} on "
                "modality, tiles or channels; get a fresh copy"
            )
        kind, bounded = self.bundle.scheme, container.error_bound is not None
        if bounded > kind.keeps_bounds or container.parents > kind.has_parents:
            what = "parents" if container.parents > kind.has_parents else "an error bound"
            raise MscnError(
                f"{container.source}: damaged ({what}, which files of {self.bundle.name} "
                "can't have); get a fresh copy"
            )

    def _open(self, data: Data, name: str) -> Container:
        container = _parse(data, name, lazy=True)
        self._check(container)
        return container

    def pack(
        self,
        symbols: Any,
        shapes: Sequence[Sequence[int]],
        q16: Sequence[int],
        channels: Sequence[int],
        names: Sequence[str] | None = None,
        tiles_per_block: int | None = None,
        metadata: dict[str, Any] | None = None,
        exact_planes: Sequence[int] = (),
        exact_blocks: Sequence[bytes] = (),
    ) -> bytes:
        """A file from quantised codes; the inverse of `decode_symbols`.

        Args:
          symbols: of all items one after the other, tiles row-major, as the codec's kind has
            them: of a tile codec int32 [tiles, M], of a pyramid codec a sequence of one
            `Fitted` for each tile. Exact planes have none.
          shapes: samples along each axis of each item: of pictures (height, width).
          q16: quality times 16 of each item, 16 to 160.
          channels: of each item: of pictures 1 to 4, else the codec's.
          names: one for each item, or None.
          tiles_per_block: where a kind leaves the choice: smaller blocks make crops faster,
            larger ones save 6 bytes a block.
          metadata: a JSON object to keep in the file; of fields it gives the coordinates.
          exact_planes: of each item, bit p where its plane p is exact; nothing where none is.
          exact_blocks: what `exact.encode` makes of those planes, item after item.

        Raises:
          MscnError: arguments do not fit together or are beyond the format's limits.
        """
        manifest = self.bundle.manifest
        modality = Modality.named(manifest.modality)
        container = Container(
            bundle_id=self.bundle.id[:8],
            modality=modality.number,
            tile_edge=manifest.tile_edge,
            code_channels=manifest.channels,
            shapes=[tuple(map(int, shape)) for shape in shapes],
            q16=[int(quality) for quality in q16],
            channels=[int(count) for count in channels],
            names=None if names is None else list(names),
            tiles_per_block=tiles_per_block or self.scheme.tiles_per_block,
            blocks=[],
            tile_overlap=manifest.tile_overlap,
            metadata=metadata,
            exact=list(exact_planes) if any(exact_planes) else [],
            exact_blocks=list(exact_blocks),
            packed=modality.packed and metadata is not None,
        )
        if len(container.channels) != container.items:
            raise MscnError(f"{len(channels)} channel counts do not fit {container.items} items")
        self._check(container)
        coded = (shape for item, shape in enumerate(container.shapes) if container.coded(item))
        container.by_area = self.bundle.scheme.by_area and any_narrow(coded, manifest.tile_edge)
        container.blocks = self.scheme.blocks(container, symbols)
        return container.to_bytes()

    def decode_symbols(self, data: Data, item: int = 0, name: str = "input") -> Any:
        """An item's quantised codes, as `pack` takes them: those of planes that aren't exact.

        Raises:
          MscnError: as `decode`.
        """
        container = self._open(data, name)
        return self.scheme.reader(container).symbols(container.check_item(item))

    def decode(
        self,
        data: Data,
        item: int = 0,
        scale: float | None = None,
        size: Sequence[int] | None = None,
        region: Sequence[int] | None = None,
        name: str = "input",
    ) -> np.ndarray:
        """One signal, or a part of it, at any resolution; reads only the blocks it needs.

        So damage elsewhere in an archive goes unnoticed; `mscn verify` finds all of it.

        Args:
          data: the file's bytes, or an opened `Container`.
          item: which signal, from 0.
          scale: output size as a multiple of the region's; not together with `size`.
          size: samples of the output, innermost axis first: (width, height) of a picture.
          region: first source samples and counts of them, innermost axis first: of a picture
            (x, y, width, height); default all.
          name: what error messages call the file.

        Returns:
          Of a picture uint8 [H, W, C] of the original's channels, grey as BT.601 luma; of another
          signal an array [.., C] of the type that its codec's manifest says.

        Raises:
          MscnError: the file is damaged or of another codec, or an argument is out of range.
        """
        container = self._open(data, name)
        wanted = view(container, item, scale, size, region)
        return self._render(container, [wanted], self.scheme.reader(container).render)[0]

    def graph_inputs(
        self, data: Data, item: int = 0, function: str = "decode", name: str = "input"
    ) -> dict[str, np.ndarray]:
        """What the functions that `mscn export` writes take, to decode an item.

        Args:
          data: the file's bytes, or an opened `Container`.
          item: which signal, from 0.
          function: "decode", whose values `from_graph` makes a signal of; or "decode_grid", which
            gives the signal, all of its planes that aren't exact one after the other, but doesn't
            bring it within the file's error bound.
          name: what error messages call the file.

        Returns:
          Arrays by the names of the function's arguments, see `mscn_tf.export.functions`.

        Raises:
          MscnError: as `decode`; or there is no such function, or nothing that it could decode.
        """
        if function not in ("decode", "decode_grid"):
            raise MscnError(f"no function {function}; there are decode and decode_grid")
        container = self._open(data, name)
        if not container.coded(container.check_item(item)):
            raise MscnError(f"{name}: item {item} is stored without loss; decode it here")
        return self.scheme.graph_inputs(container, item, function == "decode_grid")

    def from_graph(
        self, values: np.ndarray, data: Data, item: int = 0, name: str = "input"
    ) -> np.ndarray:
        """The signal, as `decode` gives it, of what an exported ``decode`` made.

        Tiles are put together, cross-faded where they overlap; values become what the codec decodes
        to; planes that are stored without loss are added, and errors beyond the bound corrected.

        Args:
          values: float ``[tiles, .., C]``, of `graph_inputs`.
          data: the file's bytes, or an opened `Container`.
          item: which signal, from 0.
          name: what error messages call the file.

        Raises:
          MscnError: as `decode`; or the values are not of this item.
        """
        container = self._open(data, name)
        whole = view(container, item)
        scheme = self.scheme
        return self._render(
            container, [whole], lambda views: [scheme.joined(container, v, values) for v in views]
        )[0]

    def _render(self, container: Container, views: Sequence[View], render: Render) -> Signals:
        """What views show: planes of tiles, which ``render`` makes, beside exact ones."""
        coded = [view for view in views if container.coded(view.item)]
        nothing = np.zeros(0)  # of views whose planes are all exact
        decoded = iter(render(coded) if coded else ())
        return [
            self._with_exact(
                container, view, next(decoded) if container.coded(view.item) else nothing
            )
            for view in views
        ]

    def _with_exact(self, container: Container, view: View, decoded: np.ndarray) -> np.ndarray:
        """An array ``[.., C]`` of all planes, of which ``decoded`` has those that have tiles."""
        if not container.exact or not container.exact[view.item]:
            return decoded
        parts, first = [], 0
        for plane, channels in enumerate(container.planes(view.item)):
            if container.is_exact(view.item, plane):
                parts.append(self._exact(container, view, plane, channels))
            else:
                parts.append(decoded[..., first : first + channels])
                first += channels
        return np.concatenate(parts, axis=-1)

    def _exact(self, container: Container, view: View, plane: int, channels: int) -> np.ndarray:
        shape = (*container.shapes[view.item], channels)
        values = exact_planes.decoded(
            container, view.item, plane, shape, self.values.dtype, self.threads
        )
        return sampling.resized(values, view.start, view.extent, view.shape)

    def decode_all(
        self,
        data: Data,
        scale: float | None = None,
        name: str = "input",
        items: Iterable[int] | None = None,
    ) -> Iterator[np.ndarray]:
        """Every signal of an archive, or some, in order, as `decode` gives them; in batches.

        Raises:
          MscnError: as `decode`.
        """
        container = self._open(data, name)
        render = self.scheme.reader(container).render
        batch: list[View] = []
        samples = 0
        for item in range(container.items) if items is None else items:
            batch.append(view(container, item, scale))
            samples += math.prod(batch[-1].shape)
            if samples >= self.scheme.together:
                yield from self._render(container, batch, render)
                batch, samples = [], 0
        yield from self._render(container, batch, render)

    @staticmethod
    def info(data: Data, name: str = "input", limit: int | None = None) -> dict[str, Any]:
        """What a file says about itself, without its codec and without ONNX Runtime.

        Args:
          data: the file's bytes, or an opened `Container`.
          name: what error messages call the file.
          limit: items that are listed at most; all where it is None.

        Returns:
          `version`, `codec` (id, 16 hexadecimal digits), `modality`, `tile_edge`, `tile_overlap`,
          `blocks` (of tiles), `tiles_per_block`, `bytes` (`total`, `header`, `side`, `payload`),
          `bits_per_pixel` (or sample), `metadata` (or None), `error_bound` (or None), `parents`
          (whether items follow from others), `count` (of items), `tiles` (of all) and `items`: a
          list of `name` (or None), `size` (innermost axis first: of a picture width, height),
          `channels`, `quality`, `tiles`, `exact` (planes that are stored without loss: 0, or of
          pictures with alpha, which is plane 1, any of both), `within` (how far values of these
          may be off: 0 but where a bound was asked for).

        Raises:
          MscnError: not a `.mscn` file, or damaged.
        """
        return described(_parse(data, name), limit)


def _parse(data: Data, name: str, lazy: bool = False) -> Container:
    return data if isinstance(data, Container) else Container.from_bytes(data, name, lazy)
