"""What a file is made of: planes of signals that get tiles, and planes that are exact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mscn_tf.codec.tiling import planes
from mscn_tf.fitting.few_colours import in_few_colours
from mscn_tf.runtime import exact
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.file_decoder import FileDecoder
from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.quality import HIGHEST
from mscn_tf.runtime.sequences import Made
from mscn_tf.signals import images

_ASIDE = 5  # bytes of a block besides its payload, at least
_LOOKED_AT = 8  # planes of a file whose sizes are estimated
_PROMISING = 3.0  # times what tiles take: an estimate above it isn't looked into
_CLOSE = 1.5  # the same of planes that are deflated: estimates were 1.01 to 1.19 times too high
_GLIMPSE = 2**10  # values of rows that show at once that deflating them won't do:
_FAR = 2.25  # times what tiles take; what a few rows say was up to 2.2 times too high
_LITTLE_MORE = 4 / 3  # times what a drawing takes in fewer colours
_LEVELS = 256  # of alpha
Place = tuple[int, int]


class Parts:
    """Signals cut into planes. Alpha is exact, and so are wide numbers and what is constant.

    Planes in the exact form may be within a bound instead, but for alpha.

    Args:
      codec: whose files are wanted.
      signals: ``[.., C]`` each, in the type that the codec decodes to; asked for one at a time,
        more than once.
      names: of the signals, or None.
      metadata: kept in the file, or None.
      exact_items: signals of which all planes are in the exact form: bounds on their errors.
      bounds: of each signal, which wide numbers keep.

    Attributes:
      signals: the same.
      payloads: of exact planes, by item and plane.
    """

    def __init__(
        self,
        codec: FileDecoder,
        signals: Sequence[np.ndarray],
        names: Sequence[str] | None,
        metadata: dict[str, Any] | None,
        exact_items: Mapping[int, float],
        bounds: Sequence[float] = (),
    ):
        self.signals, self._codec = signals, codec
        self._names, self._metadata = names, metadata
        self._shapes: list[tuple[int, ...]] = []
        self._places: list[Place] = []
        self.payloads: dict[Place, bytes] = {}
        self._whole: dict[Place, bytes] = {}  # of drawings
        for item, signal in enumerate(signals):
            self._shapes.append(signal.shape)
            for plane, part in enumerate(self._cut(signal)):
                self._places.append((item, plane))
                wide = exact.is_wide(part)
                if item in exact_items or plane > 0 or wide or _is_constant(part):
                    bound = 0 if plane else exact_items.get(item, bounds[item] if wide else 0)
                    self.payloads[item, plane] = self._stored(
                        (item, plane), part, bound, self.payloads
                    )

    def _cut(self, signal: np.ndarray) -> list[np.ndarray]:
        return (
            planes(signal)
            if Modality.named(self._codec.bundle.manifest.modality).pixels
            else [signal]
        )

    def _stored(
        self, place: Place, part: np.ndarray, bound: float, payloads: Mapping[Place, bytes]
    ) -> bytes:
        """The exact form of a plane, maybe less what is known of the same plane of the item before.

        That one must be exact, and stand for itself.
        """
        earlier, before = (place[0] - 1, place[1]), None
        known = payloads.get(earlier)
        alike = exact.may_share(part) and self._shapes[place[0] - 1] == part.shape
        if known is not None and alike and not exact.needs_before(known):
            before = exact.decode(known, part.shape, part.dtype.name, self._codec.threads)
        return exact.encode(part, self._codec.threads, bound, before)

    def _plane(self, place: Place) -> np.ndarray:
        item, plane = place
        return self._cut(self.signals[item])[plane]

    @property
    def coded_items(self) -> list[int]:
        """Which signal each of the planes that get tiles is of."""
        return [item for item, plane in self._places if (item, plane) not in self.payloads]

    @property
    def coded(self) -> Sequence[np.ndarray]:
        """Planes that get tiles, item after item; each is cut anew when it is asked for."""
        places = [place for place in self._places if place not in self.payloads]
        return Made(len(places), lambda number: self._plane(places[number]))

    @property
    def bits(self) -> int:
        """What exact planes take."""
        return 8 * sum(map(len, self.payloads.values()))

    def coded_of(self, item: int, signal: np.ndarray) -> np.ndarray:
        """The channels of a signal ``[.., C]`` that lie in planes with tiles; maybe none."""
        parts = [
            part if (item, plane) not in self.payloads else part[..., :0]
            for plane, part in enumerate(self._cut(signal))
        ]
        return np.concatenate(parts, axis=-1)

    def pack(
        self,
        symbols: Any,
        q16: int,
        tiles_per_block: int | None = None,
    ) -> bytes:
        """The file of the symbols of all coded planes, at one quality in sixteenths."""
        return self._codec.pack(
            symbols,
            [shape[:-1] for shape in self._shapes],
            [q16] * len(self.signals),
            [shape[-1] for shape in self._shapes],
            self._names,
            tiles_per_block,
            self._metadata,
            *self._exact(self.payloads),
        )

    def _exact(self, payloads: dict[Place, bytes]) -> tuple[list[int], list[bytes]]:
        """Which planes of each item are exact, and their payloads in the order of a file."""
        bits = [0] * len(self.signals)
        for item, plane in payloads:
            bits[item] |= 1 << plane
        return bits, [payloads[place] for place in sorted(payloads)]

    def coded_pairs(self, data: bytes) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Of each item of a file what lies in planes with tiles: as it was, and decoded."""
        for item, pair in enumerate(zip(self.signals, self._codec.decode_all(data))):
            yield self.coded_of(item, pair[0]), self.coded_of(item, pair[1])

    def bounded(self, data: bytes, bound: float, residuals: list[bytes] | None = None) -> bytes:
        """A file with the promise of a bound, and what brings each item within it, if needed."""
        container = Container.from_bytes(data, lazy=True)
        if not residuals or not any(residuals):
            residuals = _none(container)
        return replace(container, error_bound=float(bound), residuals=residuals).to_bytes()

    def cheapest(self, data: bytes, bounds: Sequence[float] | None = None) -> bytes:
        """A file of these signals, its planes exact where that takes fewer bytes than tiles.

        Where tiles of several planes share blocks, all of them are exact or none. What other items
        need stays as it is.

        Args:
          data: the file.
          bounds: on the errors of each signal, which exact planes may have as well.
        """
        container = Container.from_bytes(data, lazy=True)
        places = self._tiled(container)
        if not places:
            return data
        payloads = dict[Place, bytes]()
        corrections = sum(map(len, container.residuals))
        for group in [[place] for place in places] if _apart(container) else [places]:
            cost = _cost(container, group)
            payloads.update(self._cheaper(group, cost + corrections, bounds))
        return min(self._with(container, payloads), data, key=len) if payloads else data

    def in_few_colours(self, data: bytes, price: float, least: float) -> bytes:
        """A file of these signals, its drawings in fewer colours where that takes fewer bytes.

        Those that take little more as they are stay so.

        Args:
          data: the file, of pictures in tiles that stand by themselves.
          price: squared error that a bit is worth.
          least: PSNR of a plane, in dB.
        """
        container = Container.from_bytes(data, lazy=True)
        payloads = dict[Place, bytes]()
        for place in self._tiled(container):
            plane = self._plane(place)
            if exact.is_drawing(plane):
                if place not in self._whole:
                    self._whole[place] = exact.encode(plane, self._codec.threads)
                reduced, payload = in_few_colours(plane, price), self._whole[place]
                fewer = exact.drawing(reduced, plane)
                good = images.psnr(plane, reduced) >= least
                if good and fewer and len(payload) > _LITTLE_MORE * len(fewer):
                    payload = fewer
                if len(payload) + _ASIDE < _cost(container, [place]):
                    payloads[place] = payload
        return self._with(container, payloads) if payloads else data

    def _tiled(self, container: Container) -> list[Place]:
        """Planes of a file that have tiles, and may as well be exact."""
        needed = self._codec.scheme.needed(container)
        places = [place for place in self._places if not container.is_exact(*place)]
        return [place for place in places if place[0] not in needed]

    def _with(self, container: Container, added: Mapping[Place, bytes]) -> bytes:
        """A file whose planes are exact where they are now, and others besides."""
        known = [place for place in self._places if container.is_exact(*place)]
        payloads = {place: container.exact_block(*place) for place in known} | dict(added)
        left_out = set(_blocks(container, list(added)))
        blocks = [block for n, block in enumerate(container.blocks) if n not in left_out]
        bits, exact_blocks = self._exact(payloads)
        corrected = len(container.residuals) and not blocks
        residuals = _none(container) if corrected else container.residuals
        return replace(
            container, blocks=blocks, exact=bits, exact_blocks=exact_blocks, residuals=residuals
        ).to_bytes()

    def _cheaper(
        self, places: Sequence[Place], cost: int, bounds: Sequence[float] | None
    ) -> dict[Place, bytes]:
        """Payloads of these planes if they take less than so many bytes, else none."""

        def bound_of(place: Place) -> float:
            return bounds[place[0]] if bounds is not None else 0

        some = places[:: -(-len(places) // _LOOKED_AT)]
        share = len(some) / len(places)
        if sum(_glimpse(self._plane(place)) for place in some) > _FAR * cost * share:
            return {}
        most = _CLOSE if all(map(_is_deflated, map(self._plane, some))) else _PROMISING
        estimate = sum(exact.estimate(self._plane(place), bound_of(place)) for place in some)
        if estimate > most * cost * share:
            return {}
        known, payloads = dict(self.payloads), {}
        for place in places:
            payloads[place] = self._stored(place, self._plane(place), bound_of(place), known)
            known[place] = payloads[place]
        size = sum(len(payload) + _ASIDE for payload in payloads.values())
        return payloads if size < cost else {}


class StoredEncoding:
    """Parts that are all exact: the same file at every quality."""

    def __init__(self, parts: Parts):
        self._parts = parts

    def file(self, q16: int, bit_price: float = 1.0) -> bytes:
        """The file; its quality, which nothing depends on, is the highest."""
        return self._parts.pack((), HIGHEST)

    def file_within(self, bounds: Sequence[float], q16: int | None = None) -> bytes:
        """The file, in which nothing is off."""
        return self._parts.bounded(self.file(HIGHEST), max(bounds))

    def estimated_bits(self, q16: int) -> float:
        """About what ``file`` takes."""
        return self._parts.bits

    def estimated_psnr(self, q16: int) -> float:
        """Nothing is left to estimate."""
        return np.inf


def _apart(container: Container) -> bool:
    """Whether each plane has blocks of its own."""
    return container.tiles_per_block == 1


def _blocks(container: Container, places: Sequence[Place]) -> Sequence[int]:
    """Numbers of the blocks of planes; where planes share them, of all."""
    if not _apart(container):
        return range(len(container.blocks))
    return [number for place in places for number in container.tiles_of(*place)]


def _cost(container: Container, places: Sequence[Place]) -> int:
    """Bytes of the blocks of planes."""
    return sum(len(container.blocks[number]) + _ASIDE for number in _blocks(container, places))


def _none(container: Container) -> list[bytes]:
    """Residuals of a file where nothing is corrected; older versions have empty ones."""
    return [] if container.packed else [b""] * container.items


def _is_deflated(plane: np.ndarray) -> bool:
    """Whether the exact form of a plane ``[.., C]`` is that of `exact` itself."""
    return plane.dtype == np.float32 and plane.ndim == 3


def _glimpse(plane: np.ndarray) -> float:
    """About how many bytes the exact form of a plane takes, by very few rows; 0: who knows."""
    if not _is_deflated(plane):
        return 0.0
    part = plane[:: -(-plane.size // _GLIMPSE)]
    return exact.estimate(part) * plane.size / part.size


def _is_constant(plane: np.ndarray) -> bool:
    """Whether all samples ``[.., C]`` are the same; the last row mostly tells that they aren't."""
    first = plane.reshape(-1, plane.shape[-1])[0]
    return bool((plane[-1] == first).all()) and bool((plane == first).all())


def with_coarser_alpha(picture: np.ndarray, quality: float) -> np.ndarray:
    """A picture ``[H, W, C]`` whose alpha, if it has it, takes fewer values.

    None and all of it stay as they are. Quality 10 keeps all 256 values, 1 these two.
    """
    if picture.shape[-1] not in (2, 4):
        return picture
    steps = round(2 * (_LEVELS / 2) ** ((quality - 1) / 9)) - 1
    alpha = np.rint(np.rint(picture[..., -1:] * (steps / 255)) * (255 / steps))
    return np.concatenate([picture[..., :-1], alpha.astype(np.uint8)], axis=-1)
