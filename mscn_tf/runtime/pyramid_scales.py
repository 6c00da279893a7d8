"""Scale indices of wavelet coefficients: a small network in whole numbers, where it has to run.

The network of a band and pass sees the magnitudes around a coefficient that are known by then.
Where all of them are zero, which is most of a smooth picture, its answer is one number for the
whole pass; so it runs only where something is not zero. It runs on a few thousand places at a time,
which stay in the processor's cache. A band lies in memory pass after pass, so that each input of
places that follow each other is a piece of memory, too. All sums are of whole numbers below 2^24,
or of such numbers times one power of two, which float32 adds exactly in any order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mscn_tf.runtime.clipping import clip
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.tables import checked_array

PASSES = ((0, 0), (1, 1), (0, 1), (1, 0))  # first row and column of each
OWN = [(y, x) for y in range(-2, 3) for x in range(-2, 3) if (y, x) != (0, 0)]
AROUND = [(y, x) for y in range(-1, 2) for x in range(-1, 2)]
MARGIN = 2  # coefficients that networks see around a place
MIDDLE_QUALITY = 88  # sixteenths; the network is told how far from it the quality is
LARGEST_MAGNITUDE = 255  # larger ones look alike to the network
LARGEST_ACTIVATION = 4095
_EXACT = 2**24  # whole numbers up to here are exact in float32
_TOGETHER = 2**12  # places that are computed at once
_BLOCK = 8  # of which all are computed or none
_ONES = np.ones(_BLOCK, np.float32)
_ABOVE, _BELOW, _BESIDE = 3, 2, 2  # zeros around the planes of `_Planes`


def magnitude_table() -> np.ndarray:
    """int64 [256]: 8 log2(1 + n), rounded: what the network sees of a magnitude n."""
    return np.rint(8 * np.log2(1 + np.arange(LARGEST_MAGNITUDE + 1))).astype(np.int64)


def companion(band: int) -> int:
    """The band whose parent a coefficient's context has besides its own parent.

    Bands are numbered channel * 3 + direction. For a channel but the first: the same direction of
    the first channel. In it: along columns for along rows, and the other way round.
    """
    return band % 3 if band >= 3 else (1, 0, 0)[band]


def input_places(bands: int, band: int) -> list[tuple[str, int, int, int]]:
    """What the network's inputs are for a band: source, band, row and column from the place.

    Source `"own"` is the coefficient's level; `"parent"` the coarser one, where the place is that
    of the coefficient, halved and rounded down. The order is that of the weights.
    """
    places = [("own", band, y, x) for y, x in OWN]
    for earlier in range(bands - 1):  # of those that come later, all weights are zero
        places += [("own", earlier, y, x) for y, x in AROUND]
    for parent in (band, companion(band)):
        places += [("parent", parent, y, x) for y, x in AROUND]
    return places


class Level(NamedTuple):
    """What is known of a level and of the coarser one: signed magnitudes, with zeros around.

    Attributes:
      own: float32 [C, 2 h + 4, 2 w + 4, 3], zero where they aren't known yet.
      parents: float32 [C, h + 4, w + 4, 3].
    """

    own: np.ndarray
    parents: np.ndarray

    @classmethod
    def below(cls, coarser: Level | None, height: int, width: int, channels: int) -> Level:
        """A level of which nothing is known, below a coarser one of [height, width] details."""
        margins = 2 * MARGIN
        parents = np.zeros((channels, height + margins, width + margins, 3), np.float32)
        if coarser is not None:
            inside = slice(MARGIN, -MARGIN)
            parents[:, inside, inside] = coarser.own[:, inside, inside][:, :height, :width]
        own = np.zeros((channels, 2 * height + margins, 2 * width + margins, 3), np.float32)
        return cls(own, parents)

    def of_pass(self, number: int, band: int) -> np.ndarray:
        """View [h, w] of a band's magnitudes at the places of a pass."""
        (row, column), (channel, direction) = PASSES[number], divmod(band, 3)
        return self.own[
            channel, MARGIN + row : -MARGIN : 2, MARGIN + column : -MARGIN : 2, direction
        ]

    def at(
        self, number: int, places: tuple[np.ndarray, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Where places of a pass lie in a channel of `own` and of `parents`, as if in one axis.

        Args:
          number: of the pass.
          places: rows and columns, integers [n], within the pass.
        """
        (first_row, first_column), (rows, columns) = PASSES[number], places
        stride, above = self.own.shape[2], self.parents.shape[2]
        corner = (first_row + MARGIN) * stride + first_column + MARGIN
        return (
            rows * (2 * stride) + 2 * columns + corner,
            rows * above + columns + (MARGIN * above + MARGIN),
        )


class _Window(NamedTuple):
    """Inputs that lie in memory as rows and columns around a place do.

    Attributes:
      planes: numbers of the first one, the one after the last, and from one to the next.
      rows: the first one, from the place, and how many.
      columns: likewise.
    """

    planes: range
    rows: tuple[int, int]
    columns: tuple[int, int]


class _Net(NamedTuple):
    """The network of one band and pass, its sums scaled by the powers of two that follow them."""

    windows: list[_Window]
    first: np.ndarray  # float32 [inputs, H1]
    bias: np.ndarray  # float64 [levels, H1]
    quality: np.ndarray  # float64 [H1]
    second: np.ndarray  # float32 [H1, H2]
    second_bias: np.ndarray  # float32 [H2]
    last: np.ndarray  # float32 [H2]


class Scales:
    """The networks of pictures with B bands a level.

    Args:
      arrays: by name,
        first: integers [B, 4, 24 + 9 (B - 1) + 18, H1], see `input_places`.
        bias: integers [B, 4, levels, H1], finest level first.
        quality: integers [B, 4, H1], for each sixteenth above `MIDDLE_QUALITY`.
        second: integers [B, 4, H1, H2].
        second_bias: integers [B, 4, H2].
        last: integers [B, 4, H2].
        base: integers [levels, B], added to what `last` gives.
        slope: integers [levels, B], likewise for each sixteenth of quality.
        shift: integers [3], fractional bits after each layer.
      count: of tables: indices are less.

    Attributes:
      levels: of the pyramid.
      bands: B.
      units: (H1, H2).
      dtype: of indices.

    Raises:
      MscnError: the arrays do not fit together.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], count: int):
        ranks = {"first": 4, "bias": 4, "quality": 3, "second": 4, "second_bias": 3, "last": 3}
        ranks.update(base=2, slope=2, shift=1)
        given = {name: checked_array(arrays, name, rank) for name, rank in ranks.items()}
        self._base, self._slope = given["base"], given["slope"]
        self._shift = given["shift"].tolist()
        self.levels, self.bands = self._base.shape
        self.units = given["second"].shape[2:]
        self._largest = float(count - 1)
        self.dtype = np.min_scalar_type(count - 1)
        self._check(given)
        self._nets = [
            [self._net(given, band, number) for number in range(4)] for band in range(self.bands)
        ]

    def _check(self, given: dict[str, np.ndarray]) -> None:
        bands, (hidden, last) = self.bands, given["second"].shape[2:]
        shapes = {
            "first": (bands, 4, len(OWN) + 9 * (bands - 1) + 18, hidden),
            "bias": (bands, 4, self.levels, hidden),
            "quality": (bands, 4, hidden),
            "second": (bands, 4, hidden, last),
            "second_bias": (bands, 4, last),
            "last": (bands, 4, last),
            "base": (self.levels, bands),
            "slope": (self.levels, bands),
            "shift": (3,),
        }
        for name, shape in shapes.items():
            if given[name].shape != shape:
                raise MscnError(f"prior: {name} has shape {given[name].shape}, not {shape}")
        if bands % 3:
            raise MscnError("prior: a whole number of channels is needed")
        if min(self._shift) < 1 or max(self._shift) > 20:
            raise MscnError("prior: shift is out of range")
        reach = MIDDLE_QUALITY + 16
        sums = (
            np.abs(given["first"]).sum(2) * magnitude_table()[-1]
            + np.abs(given["bias"]).max(2)
            + np.abs(given["quality"]) * reach,
            np.abs(given["second"]).sum(2) * LARGEST_ACTIVATION + np.abs(given["second_bias"]),
            np.abs(given["last"]).sum(2) * LARGEST_ACTIVATION
            + np.abs(self._base).max()
            + np.abs(self._slope).max() * reach,
        )
        for total, shift in zip(sums, self._shift):
            if total.max() + 2 ** (shift - 1) >= _EXACT:
                raise MscnError("prior: its network's sums are too large to be exact")

    def _net(self, given: dict[str, np.ndarray], band: int, number: int) -> _Net:
        windows, places = [], []
        for phase, other in enumerate(PASSES):
            for bands, reach in ((range(band), 1), (range(band, band + (phase < number)), 2)):
                if bands:
                    (rows, ys), (columns, xs) = (
                        _beside(start, at, reach) for start, at in zip(PASSES[number], other)
                    )
                    planes = range(4 * bands[0] + phase, 4 * bands[-1] + phase + 1, 4)
                    windows.append(_Window(planes, rows, columns))
                    places += [("own", b, y, x) for b in bands for y in ys for x in xs]
        for parent in (band, companion(band)):
            plane = 4 * self.bands + parent
            windows.append(_Window(range(plane, plane + 1), (-1, 3), (-1, 3)))
            places += [("parent", parent, y, x) for y, x in AROUND]
        # From the order of `input_places`, where places of the band are there twice.
        row_of = {place: row for row, place in enumerate(places)}
        weights = given["first"][band, number]
        inputs = [row_of.get(place, -1) for place in input_places(self.bands, band)]
        first = np.zeros((len(places) + 1, weights.shape[1]))
        np.add.at(first, inputs, weights)  # of those that aren't known yet in the last row
        unit = [2.0**-shift for shift in self._shift]
        return _Net(
            windows,
            (first[:-1] * unit[0]).astype(np.float32),
            given["bias"][band, number] * unit[0] + 0.5,
            given["quality"][band, number] * unit[0],
            (given["second"][band, number] * unit[1]).astype(np.float32),
            (given["second_bias"][band, number] * unit[1] + 0.5).astype(np.float32),
            (given["last"][band, number] * unit[2]).astype(np.float32),
        )

    def passes(
        self, known: Level, level: int, q16: int, counts: Sequence[tuple[int, int]]
    ) -> Iterator[tuple[int, int, np.ndarray]]:
        """Band, number and scale indices [h, w] of each pass of a level, in coding order.

        Between one pass and the next, the caller writes what it then knows to
        ``known.of_pass(number, band)``. Passes without a coefficient, most of those of a picture
        of one row, are left out.

        Args:
          known: the level, nothing of it known yet.
          level: 0 the finest.
          q16: quality times 16.
          counts: rows and columns of each direction's coefficients.
        """
        quality = q16 - MIDDLE_QUALITY
        planes = _Planes(self, known)
        for band in range(self.bands):
            constant = self._base[level, band] + self._slope[level, band] * quality
            constant = np.float32(constant * 2.0 ** -self._shift[2] + 0.5)
            for number, net in enumerate(self._nets[band]):
                if any(start >= count for start, count in zip(PASSES[number], counts[band % 3])):
                    continue
                bias = (net.bias[level] + net.quality * quality).astype(np.float32)
                sums = planes.run(net, bias)
                sums += constant
                np.floor(sums, out=sums)
                clip(sums, 0, self._largest)
                yield band, number, planes.places(sums.astype(self.dtype))
                planes.write(4 * band + number, known.of_pass(number, band))


class _Planes:
    """Magnitudes of a level, and networks that run on them.

    There is a plane [h, w] for each band and pass, then one for each band of the level above. They
    lie in memory one after the other with zeros around, so that a place's neighbours are at the
    same distance everywhere, and its inputs in other planes too.
    """

    def __init__(self, scales: Scales, known: Level):
        bands = scales.bands
        height, width = (side - 2 * MARGIN for side in known.parents.shape[1:3])
        self._shape = height, width + _BESIDE
        self._size = (height + _ABOVE + _BELOW) * self._shape[1]
        self._memory = np.zeros(5 * bands * self._size + _BLOCK, np.float32)
        parents = known.parents[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
        for band in range(bands):
            channel, direction = divmod(band, 3)
            self.write(4 * bands + band, parents[channel, ..., direction])
        self._blocks = -(-height * self._shape[1] // _BLOCK)
        together = min(_TOGETHER // _BLOCK, self._blocks) * _BLOCK
        inputs = 1 + len(AROUND) * (bands + 1) + len(OWN)
        self._inputs = np.empty((inputs, together), np.float32)
        shapes = [(together, units) for units in scales.units]
        self._layers = [np.empty(shape, np.float32) for shape in shapes]

    def write(self, plane: int, magnitudes: np.ndarray) -> None:
        """Sets a plane to what signed magnitudes [h, w] are without their signs."""
        height, width = self._shape
        start = plane * self._size + _ABOVE * width
        view = self._memory[start : start + height * width].reshape(height, width)
        np.abs(magnitudes, out=view[:, :-_BESIDE])

    def run(self, net: _Net, bias: np.ndarray) -> np.ndarray:
        """float32 [n]: what the network of a pass adds up to; see `places`.

        Args:
          net: of the band and pass.
          bias: float32 [H1], of its first layer.
        """
        first = np.concatenate((bias[None], net.first))
        inputs = self._inputs[: len(first)]
        inputs[0] = 1
        together = inputs.shape[1]
        copied = self._copied(inputs[1:], net.windows)
        second_bias = np.empty((together, len(net.last)), np.float32)
        second_bias[:] = net.second_bias

        def forward(inputs: np.ndarray) -> np.ndarray:
            count = inputs.shape[1]
            hidden = np.matmul(inputs.T, first, out=self._layers[0][:count])
            _activate(hidden)
            hidden = np.matmul(hidden, net.second, out=self._layers[1][:count])
            hidden += second_bias[:count]
            _activate(hidden)
            return hidden @ net.last

        nothing = np.zeros((len(first), 1), np.float32)
        nothing[0] = 1
        sums = np.full((self._blocks, _BLOCK), forward(nothing)[0])
        for start in range(0, self._blocks, together // _BLOCK):
            part = sums[start : start + together // _BLOCK]
            for window, target in copied:
                seen = window[..., start * _BLOCK : start * _BLOCK + part.size]
                target[..., : part.size] = seen
            some = inputs[:, : part.size]
            largest = np.maximum.reduce(some[1:])
            live = np.flatnonzero(largest.reshape(part.shape) @ _ONES)
            if 8 * len(live) > 7 * len(part):
                part.ravel()[:] = forward(some)
            elif len(live):
                some = some.reshape(len(first), *part.shape).take(live, axis=1)
                part[live] = forward(some.reshape(len(first), -1)).reshape(-1, _BLOCK)
        return sums.ravel()

    def places(self, found: np.ndarray) -> np.ndarray:
        """View [h, w] of what `run` found, less what is beside and after a pass's places."""
        height, width = self._shape
        return found[: height * width].reshape(height, width)[:, :-_BESIDE]

    def _copied(
        self, inputs: np.ndarray, windows: list[_Window]
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """What windows show of all places, row after row, and where in inputs some of it goes."""
        width, filled, copied = self._shape[1], 0, []
        for planes, (top, rows), (left, columns) in windows:
            shape = len(planes), rows, columns
            window: np.ndarray = np.ndarray(
                (*shape, self._blocks * _BLOCK),
                np.float32,
                self._memory,
                4 * (planes[0] * self._size + (_ABOVE + top) * width + left),
                (4 * planes.step * self._size, 4 * width, 4, 4),
            )
            end = filled + len(planes) * rows * columns
            copied.append((window, inputs[filled:end].reshape(*shape, -1)))
            filled = end
        return copied


def _activate(sums: np.ndarray) -> None:
    np.floor(sums, out=sums)
    clip(sums, 0, LARGEST_ACTIVATION)


def _beside(start: int, other: int, reach: int) -> tuple[tuple[int, int], list[int]]:
    """Where a place of a pass has rows (or columns) of another pass within `reach`.

    Args:
      start: the pass's first row.
      other: the other pass's.

    Returns:
      the first one, in rows of the other pass from the number of the place's row in its own, and
      how many; and their distances in rows of the level.
    """
    distances = [y for y in range(-reach, reach + 1) if (start + y - other) % 2 == 0]
    return ((start + distances[0] - other) // 2, len(distances)), distances
