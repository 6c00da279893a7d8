"""The kinds of codecs: what the rest of the program asks of one, and where to find it.

A kind is a subclass of `Scheme`, registered under its name. It holds what decoding takes; what
only encoding, training or exporting takes it names as ``"module:attribute"``, so that the runtime
goes without TensorFlow. Nothing outside of a kind's own modules tells kinds apart.
"""

from __future__ import annotations

import importlib
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, ClassVar, Protocol

import numpy as np

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.quality import PSNR

if TYPE_CHECKING:
    from mscn_tf.runtime.bundle import Bundle
    from mscn_tf.runtime.container import Container
    from mscn_tf.runtime.manifest import Manifest
    from mscn_tf.runtime.occupancy import Occupancy
    from mscn_tf.runtime.view import View

# Each module registers its kind when it is imported.
_BUILT_IN = tuple(
    f"mscn_tf.runtime.{name}"
    for name in ("tiles", "pyramids", "interpolations", "modulated", "surfaces")
)
_registry: dict[str, type[Scheme]] = {}


Kept = Callable[[Callable[..., Any]], Callable[..., Any]]  # as `functools.lru_cache` is one


@dataclass(frozen=True)
class Survivors:
    """Elements of a code that aren't zero.

    Attributes:
      places: counts by place, ``[.., rows, columns]`` or ``[columns]``.
      by: what a place is, in words.
      count: of elements that aren't zero.
      total: of all elements.
    """

    places: np.ndarray
    by: str
    count: int
    total: int


class Reader(Protocol):
    """Decodes the items of one file."""

    def symbols(self, item: int) -> Any:
        """An item's quantised codes, as `Scheme.blocks` takes them."""

    def render(self, views: Sequence[View]) -> list[np.ndarray]:
        """For each view ``[.., C]``, in the codec's type, of those planes that have tiles."""


class Grids(Protocol):
    """Codes whole numbers on a grid, without loss or within a bound."""

    def encode_within(self, numbers: np.ndarray, bound: int) -> tuple[bytes, np.ndarray]:
        """The payload of integers [H, W], of which the first one is 0; what it decodes to."""

    def decode_within(self, payload: bytes, shape: Sequence[int], bound: int) -> np.ndarray:
        """int64 [H, W]: what a payload that was made with this bound decodes to."""

    def step_within(self, bound: float, largest: float) -> np.float32:
        """Steps that keep a bound on errors of float32 numbers; 0 or less: there are none."""

    def encode_series(self, grids: np.ndarray, step: float) -> bytes:
        """The payload of grids float64 [N, H, W] that are alike, in steps of so much."""

    def decode_series(self, data: bytes, shape: Sequence[int], step: float) -> np.ndarray:
        """float64 [N, H, W]: what a payload that was made with this step decodes to."""


class Scheme(ABC):
    """How files of one kind of codec become signals.

    Attributes:
      name: of the kind, in manifests and configurations.
      aliases: what older manifests and configurations call it.
      tiles_per_block: of files whose encoder doesn't choose.
      lowest_effort: that an encoder can be asked for.
      default_effort: of an encoder that is asked for none.
      keeps_bounds: whether files can have an error bound, which a `codec.encoding.BoundedEncoding`
        keeps.
      has_parents: whether items can follow from others, which `needed` tells.
      together: samples of signals that are decoded together, about, where there are many.
      by_area: whether tiles of narrow signals are longer, in new files.
      tunes: for what measures of a picture encoders choose symbols: `PSNR`, and others.
      any_values: whether signals of any unit and range suit it.
      encoder: called with a `Scheme`, gives what `codec.encoding.Encoder` describes.
      trainer: called with a configuration, gives a `training.loop.Trainer`; None: none trains it.
      contents: called with a trainer and what its ``freeze`` gave, gives a bundle's own entries in
        the manifest and its members, by name.
      functions: called with a bundle and a size, gives `export.float_functions.FloatFunctions`;
        None: it has none.
      no_functions: why, in words.
      occupancy: what codes truth values without loss; None where they are numbers, or can't be.
      grids: what codes whole numbers of any origin; None where nothing does.

    Args:
      bundle: of this kind.
      threads: that may share a signal's work, where it has parts.

    Raises:
      MscnError: the bundle lacks something.
    """

    name: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    tiles_per_block: ClassVar[int] = 1
    lowest_effort: ClassVar[int] = 1
    default_effort: ClassVar[int] = 2
    keeps_bounds: ClassVar[bool] = False
    has_parents: ClassVar[bool] = False
    together: ClassVar[int] = 2**16
    by_area: ClassVar[bool] = False
    tunes: ClassVar[tuple[str, ...]] = (PSNR,)
    any_values: ClassVar[bool] = False
    encoder: ClassVar[str]
    trainer: ClassVar[str | None] = None
    contents: ClassVar[str | None] = None
    functions: ClassVar[str | None] = None
    no_functions: ClassVar[str] = "it has no network in floats"
    occupancy: Occupancy | None = None
    grids: Grids | None = None

    def __init__(self, bundle: Bundle, threads: int = 1):
        self.bundle, self.threads = bundle, threads

    def __reduce__(self) -> tuple[type[Scheme], tuple[Bundle]]:
        return type(self), (self.bundle,)  # networks, sessions are made anew, in little time

    @classmethod  # noqa: B027 most say nothing more
    def check_manifest(cls, manifest: Manifest) -> None:
        """Looks at what a manifest of this kind says before anything is made of it.

        Raises:
          MscnError: no codec of this kind can be so.
        """

    @abstractmethod
    def blocks(self, container: Container, symbols: Any) -> list[bytes]:
        """The blocks of a file that lacks them, from its symbols, item after item.

        Raises:
          MscnError: the symbols do not fit the file's items.
        """

    @abstractmethod
    def reader(self, container: Container) -> Reader:
        """What decodes items of a file."""

    @abstractmethod
    def survivors(self, container: Container, item: int) -> Survivors:
        """Where the code of an item isn't zero; a plane of it at least isn't exact.

        Raises:
          MscnError: it can't be decoded.
        """

    def needed(self, container: Container) -> set[int]:
        """Items of a file that others can't be decoded without."""
        return set()

    def warm_up(self) -> None:  # noqa: B027 most have nothing to do
        """Makes what the first decoding would have to wait for."""

    def keep_blocks(self, kept: Kept) -> None:  # noqa: B027 most decode none twice
        """Has blocks that one decoding reads kept for the next, by what gives functions a memory.

        Args:
          kept: called with a function of hashable arguments, gives one with the same results, which
            nobody changes: arrays, in tuples and lists.
        """

    def check(self) -> None:
        """Tries all that decodes.

        Raises:
          MscnError: a part of the bundle is of no use.
        """
        self.warm_up()

    def graph_inputs(self, container: Container, item: int, whole: bool) -> dict[str, np.ndarray]:
        """What the exported float function takes that decodes an item.

        Args:
          container: of the file.
          item: that has a plane at least that isn't exact.
          whole: of ``decode_grid``, not of ``decode``.

        Raises:
          MscnError: there is no such function.
        """
        raise MscnError(f"bundle {self.bundle.name}: codecs of kind {self.name} have no graph")

    def joined(self, container: Container, view: View, values: np.ndarray) -> np.ndarray:
        """A whole signal ``[.., C]`` of what ``decode`` gave, as `Reader.render` would make it.

        Raises:
          MscnError: the values are none of it.
        """
        raise MscnError(f"bundle {self.bundle.name}: codecs of kind {self.name} have no graph")

    def samples(self, container: Container, view: View) -> int:
        """Samples of tiles that are made on the way to a view: what a decoding costs."""
        return math.prod(touched(container, view))


def touched(container: Container, view: View) -> list[int]:
    """Samples along each axis of the tiles that a view looks at."""
    stride = container.tile_side(view.item) - container.tile_overlap
    return [
        min(-(-(start + extent) // stride) * stride, side) - start // stride * stride
        for start, extent, side in zip(view.start, view.extent, container.shapes[view.item])
    ]


def register(scheme: type[Scheme]) -> type[Scheme]:
    """Makes a kind known by its name and aliases; to be used as a decorator."""
    _registry.update(dict.fromkeys((scheme.name, *scheme.aliases), scheme))
    return scheme


def registered() -> dict[str, type[Scheme]]:
    """All kinds by name and by alias."""
    for module in _BUILT_IN:
        importlib.import_module(module)
    return dict(_registry)


def get(name: str) -> type[Scheme]:
    """The kind of that name.

    Raises:
      MscnError: this program knows no such kind.
    """
    known = registered()
    if name not in known:
        raise MscnError(f"a codec of kind {name}, which this program doesn't know; update mscn-tf")
    return known[name]


def imported(place: str) -> Any:
    """What ``"module:attribute"`` names."""
    module, _, attribute = place.partition(":")
    return getattr(importlib.import_module(module), attribute)
