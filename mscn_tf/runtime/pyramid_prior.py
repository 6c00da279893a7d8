"""The entropy model of wavelet coefficients, in whole numbers, and range coding with it.

Coefficients are coded from the coarsest level to the finest, band after band (a band is one channel
and direction of a level), and within a band in four passes, each over every second row and column.
A small network predicts the *scale index* of each coefficient, which says what frequency table
codes it, from the magnitudes that are known by then: around it in its own band, in earlier bands of
its level, and in the level above. The passes keep that parallel (as the checkerboard of He et al.
2021 does). Signs follow the magnitudes of their pass, see `pyramid_signs`. All sums are of whole
numbers below 2^24, which float32 adds exactly in any order: so encoder and decoder agree to the bit
on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np

from mscn_tf.runtime import tables
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.prior import LEVELS as QUALITIES
from mscn_tf.runtime.pyramid_signs import AROUND, MARGIN, OWN, SIZES, Signs
from mscn_tf.runtime.tables import LARGEST_SYMBOL, Tables, checked_array
from mscn_tf.runtime.wavelet import Pyramid, detail_sizes, sizes

FRACTION = 14  # fractional bits of the coarse part's scale index
PASSES = ((0, 0), (1, 1), (0, 1), (1, 0))  # first row and column of each
MIDDLE_QUALITY = 88  # sixteenths; the network is told how far from it the quality is
LARGEST_MAGNITUDE = 255  # larger ones look alike to the network
LARGEST_ACTIVATION = 4095
_EXACT = 2**24  # whole numbers up to here are exact in float32

Place = tuple[slice, slice]  # rows and columns of a pass
# Evidence on the signs of those coefficients of a pass whose rows and columns are given.
Evidence = Callable[[tuple[np.ndarray, np.ndarray]], np.ndarray]
# Level, band, place, scale indices and evidence of a pass; see `PyramidPrior._walk`.
Visit = Callable[[int, int, Place, np.ndarray, Evidence], np.ndarray]


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


class _Net(NamedTuple):
    """The network of one band and pass."""

    places: list[tuple[str, int, int, int]]  # of the inputs that have weights
    first: np.ndarray  # float32 [H1, inputs]
    bias: np.ndarray  # int64 [levels, H1]
    quality: np.ndarray  # int64 [H1]
    second: np.ndarray  # float32 [H2, H1]
    second_bias: np.ndarray  # float32 [H2, 1]
    last: np.ndarray  # float32 [H2]


class Coded(NamedTuple):
    """Symbols of a picture and the tables that code them.

    Attributes:
      symbols: int32, shaped like `wavelet.analyse`'s coefficients.
      indices: for each level, finest first, uint8 or uint16 of the details' shape.
    """

    symbols: Pyramid
    indices: list[np.ndarray]


class PyramidPrior:
    """Entropy model of the coefficients of pictures with C channels, B = 3 C bands a level.

    Args:
      arrays: by name, besides those of `Tables`,
        first: integers [B, 4, 24 + 9 (B - 1) + 18, H1], see `input_places`.
        bias: integers [B, 4, levels, H1], finest level first.
        quality: integers [B, 4, H1], for each sixteenth above `MIDDLE_QUALITY`.
        second: integers [B, 4, H1, H2].
        second_bias: integers [B, 4, H2].
        last: integers [B, 4, H2].
        base: integers [levels, B], added to what `last` gives.
        slope: integers [levels, B], likewise for each sixteenth of quality.
        shift: integers [3], fractional bits after each layer.
        coarse: integers [10, C], scale index of the coarse part at qualities 1 to 10, fixed
          point.
        log_step: float [10], natural logarithm of the quantiser's step at qualities 1 to 10.
        sign_*: those of `Signs`, or none of them: then both signs are as likely.

    Attributes:
      levels: of the pyramid.
      channels: C.
      tables: the frequency tables.
      signs: the model of signs, or None.

    Raises:
      MscnError: the arrays do not fit together.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        self.tables = Tables(arrays)
        ranks = {
            "first": 4,
            "bias": 4,
            "quality": 3,
            "second": 4,
            "second_bias": 3,
            "last": 3,
            "base": 2,
            "slope": 2,
            "shift": 1,
            "coarse": 2,
        }
        given = {name: checked_array(arrays, name, rank) for name, rank in ranks.items()}
        self._log_step = checked_array(arrays, "log_step", 1, "f")
        self._base, self._slope, self._coarse = given["base"], given["slope"], given["coarse"]
        self._shift = given["shift"].tolist()
        self.levels, bands = self._base.shape
        self.channels = bands // 3
        self._check(given, bands)
        self._magnitude = magnitude_table().astype(np.float32)
        modelled = any(name.startswith("sign_") for name in arrays)
        self.signs = Signs(arrays, self.levels, self.channels) if modelled else None
        self._sizes = self.tables.magnitudes() if modelled else None
        self._nets = [
            [self._net(given, bands, band, number) for number in range(4)] for band in range(bands)
        ]

    def _check(self, given: dict[str, np.ndarray], bands: int) -> None:
        hidden, last = given["second"].shape[2:]
        shapes = {
            "first": (bands, 4, 24 + 9 * (bands - 1) + 18, hidden),
            "bias": (bands, 4, self.levels, hidden),
            "quality": (bands, 4, hidden),
            "second": (bands, 4, hidden, last),
            "second_bias": (bands, 4, last),
            "last": (bands, 4, last),
            "base": (self.levels, bands),
            "slope": (self.levels, bands),
            "shift": (3,),
            "coarse": (QUALITIES, bands // 3),
        }
        for name, shape in shapes.items():
            if given[name].shape != shape:
                raise MscnError(f"prior: {name} has shape {given[name].shape}, not {shape}")
        if bands % 3 or self._log_step.shape != (QUALITIES,):
            raise MscnError("prior: a whole number of channels and ten steps are needed")
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

    def _net(self, given: dict[str, np.ndarray], bands: int, band: int, number: int) -> _Net:
        first = given["first"][band, number]
        used = np.flatnonzero(first.any(axis=1))
        places = input_places(bands, band)
        return _Net(
            [places[i] for i in used],
            np.ascontiguousarray(first[used].T, np.float32),
            given["bias"][band, number],
            given["quality"][band, number],
            np.ascontiguousarray(given["second"][band, number].T, np.float32),
            given["second_bias"][band, number].astype(np.float32)[:, None],
            given["last"][band, number].astype(np.float32),
        )

    def step(self, q16: int) -> float:
        """The quantiser's step at a quality given in sixteenths, 16 to 160."""
        return float(np.exp(_interpolated(self._log_step, q16) / 16))

    def _coarse_index(self, q16: int) -> np.ndarray:
        fixed = _interpolated(self._coarse, q16) // 16
        return np.clip((fixed + 2 ** (FRACTION - 1)) >> FRACTION, 0, self.tables.count - 1)

    def _activated(self, x: np.ndarray, layer: int) -> np.ndarray:
        """Shifts sums of a layer in place, rounding, and clips them below at zero."""
        x *= np.float32(2.0 ** -self._shift[layer])
        np.floor(x, out=x)
        return np.clip(x, 0, LARGEST_ACTIVATION, out=x)

    def _indices(
        self,
        net: _Net,
        own: np.ndarray,
        parents: np.ndarray,
        start: tuple[int, int],
        level: int,
        band: int,
        q16: int,
    ) -> np.ndarray:
        """Scale indices [h, w] of one pass.

        Args:
          net: of the band and pass.
          own: float32 [B, 2 h + 4, 2 w + 4], signed magnitudes with two zeros around.
          parents: float32 [B, h + 4, w + 4], of the level above, likewise.
          start: first row and column of the pass.
        """
        h, w = parents.shape[1] - 2 * MARGIN, parents.shape[2] - 2 * MARGIN
        quality = q16 - MIDDLE_QUALITY
        inputs = np.empty((len(net.places), h, w), np.float32)
        for row, (source, which, y, x) in zip(inputs, net.places):
            if source == "parent":
                y, x = MARGIN + y, MARGIN + x
                np.abs(parents[which, y : y + h, x : x + w], out=row)
            else:
                y, x = MARGIN + start[0] + y, MARGIN + start[1] + x
                np.abs(own[which, y : y + 2 * h : 2, x : x + 2 * w : 2], out=row)
        half = [2 ** (shift - 1) for shift in self._shift]
        bias = net.bias[level] + net.quality * quality + half[0]
        hidden = net.first @ inputs.reshape(len(inputs), h * w)
        hidden += bias.astype(np.float32)[:, None]
        hidden = net.second @ self._activated(hidden, 0)
        hidden += net.second_bias + np.float32(half[1])
        total = net.last @ self._activated(hidden, 1)
        total += np.float32(self._base[level, band] + self._slope[level, band] * quality + half[2])
        index = np.floor(total * np.float32(2.0 ** -self._shift[2]))
        return np.clip(index, 0, self.tables.count - 1).astype(np.uint16).reshape(h, w)

    def _walk(self, height: int, width: int, q16: int, visit: Visit, skip: int = 0) -> None:
        """Goes over all details in coding order.

        Args:
          visit: is given level, band, the rows and columns of a pass, its scale indices [n, m],
            and what gives the evidence on signs, or None; returns its symbols, integers [n, m].
        """
        inside = slice(MARGIN, -MARGIN)
        shapes = sizes(height, width, self.levels + 1)
        bands = 3 * self.channels
        own = None
        for level in range(self.levels - 1, skip - 1, -1):
            h, w = shapes[level + 2]  # half as many as details, rounded up
            parents = np.zeros((bands, h + 2 * MARGIN, w + 2 * MARGIN), np.float32)
            if own is not None:
                parents[:, inside, inside] = own[:, inside, inside][:, :h, :w]
            own = np.zeros((bands, 2 * h + 2 * MARGIN, 2 * w + 2 * MARGIN), np.float32)
            counts = detail_sizes(*shapes[level])
            for band in range(bands):
                rows, columns = counts[band % 3]
                for number, (net, start) in enumerate(zip(self._nets[band], PASSES)):
                    place = slice(start[0], rows, 2), slice(start[1], columns, 2)
                    n, m = (len(range(*s.indices(s.stop))) for s in place)
                    if not n or not m:
                        continue
                    index = self._indices(net, own, parents, start, level, band, q16)
                    evidence = self.signs and partial(
                        self.signs.evidence, own, parents, start, level, band, number
                    )
                    symbols = visit(level, band, place, index[:n, :m], evidence)
                    seen = self._magnitude[np.minimum(np.abs(symbols), LARGEST_MAGNITUDE)]
                    np.copysign(seen, symbols, out=seen)
                    own[band, inside, inside][:rows, :columns][start[0] :: 2, start[1] :: 2] = seen

    def indices(self, symbols: Pyramid, height: int, width: int, q16: int) -> list[np.ndarray]:
        """Scale indices of all details, as in `Coded`, of symbols that are known."""
        flat = [d.reshape(-1, *d.shape[2:]) for d in symbols.details]
        found = [np.zeros(d.shape, np.uint16) for d in flat]

        def visit(level: int, band: int, place: Place, index: np.ndarray, _: Evidence):
            found[level][band][place] = index
            return flat[level][band][place]

        self._walk(height, width, q16, visit)
        return [f.reshape(d.shape) for f, d in zip(found, symbols.details)]

    def prospects(
        self, symbols: Pyramid, wanted: Pyramid, height: int, width: int, q16: int
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """What coefficients would cost among symbols that are known.

        Args:
          symbols: int32, of all coefficients.
          wanted: of the same shape, negative, zero or positive: the sign whose cost is asked for.

        Returns:
          scale indices, as in `Coded`; and for each level float32, the details' shape and [3]:
          bits of the sign beyond one at magnitudes 1, 2, and larger; 0 where none is asked for.
        """
        flat, asked = (
            [d.reshape(-1, *d.shape[2:]) for d in pyramid.details] for pyramid in (symbols, wanted)
        )
        found = [np.zeros(d.shape, np.uint16) for d in flat]
        costs = [np.zeros((*d.shape, SIZES), np.float32) for d in flat]

        def visit(level: int, band: int, place: Place, index: np.ndarray, evidence: Evidence):
            found[level][band][place] = index
            signs = asked[level][band][place]
            places = np.nonzero(signs)
            if self.signs and len(places[0]):
                bits = self.signs.bits(evidence(places), signs[places] < 0)
                costs[level][band][place][places] = bits.T - 1
            return flat[level][band][place]

        self._walk(height, width, q16, visit)
        return (
            [f.reshape(d.shape) for f, d in zip(found, symbols.details)],
            [c.reshape(*d.shape, SIZES) for c, d in zip(costs, symbols.details)],
        )

    def measure(
        self, symbols: Pyramid, height: int, width: int, q16: int
    ) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
        """How symbols that are known would be coded, for a prior with a model of signs.

        Returns:
          scale indices, as in `Coded`; int64 [n], the signs' tables, and bool [n], whether they
          are as predicted, in any order.
        """
        flat = [d.reshape(-1, *d.shape[2:]) for d in symbols.details]
        found = [np.zeros(d.shape, np.uint16) for d in flat]
        sums, negative = [np.zeros(0, np.float32)], [np.zeros(0, bool)]

        def visit(level: int, band: int, place: Place, index: np.ndarray, evidence: Evidence):
            found[level][band][place] = index
            known = flat[level][band][place]
            places = np.nonzero(known)
            if len(places[0]):
                sums.append(_of_size(evidence(places), np.abs(known[places])))
                negative.append(known[places] < 0)
            return known

        self._walk(height, width, q16, visit)
        total = np.concatenate(sums)
        right = np.concatenate(negative) == (total < 0)
        indices = [f.reshape(d.shape) for f, d in zip(found, symbols.details)]
        return indices, self.signs.table(total), right

    def bits(self, coded: Coded, height: int, width: int, q16: int) -> float:
        """What `encode` will take, by the tables, in bits; each sign is counted as one."""
        residual = _differences(coded.symbols.coarse)
        index = np.broadcast_to(self._coarse_index(q16)[:, None, None], residual.shape)
        total = self.tables.bits(residual, index).sum()
        shapes = sizes(height, width, self.levels)
        for level, (symbols, indices) in enumerate(zip(coded.symbols.details, coded.indices)):
            for direction, (rows, columns) in enumerate(detail_sizes(*shapes[level])):
                part = (slice(None), direction, slice(rows), slice(columns))
                total += self.tables.bits(symbols[part], indices[part]).sum()
        return float(total)

    def encode(self, symbols: Pyramid, height: int, width: int, q16: int) -> bytes:
        """Codes the symbols of a picture.

        Args:
          symbols: int32, within +-(2^31 - 1).
          height: of the picture, in pixels.
          width: of the picture.
          q16: quality times 16.
        """
        encoder = tables.RangeEncoder()
        for residual, index in zip(_differences(symbols.coarse), self._coarse_index(q16)):
            self.tables.encode(encoder, residual.ravel(), np.full(residual.size, index))
        flat = [d.reshape(-1, *d.shape[2:]) for d in symbols.details]

        def visit(level: int, band: int, place: Place, index: np.ndarray, evidence: Evidence):
            known = flat[level][band][place]
            if self.signs is None:
                self.tables.encode(encoder, known.ravel(), index.ravel())
                return known
            size = np.abs(known)
            self._sizes.encode(encoder, size.ravel(), index.ravel())
            places = np.nonzero(size)
            if len(places[0]):
                chosen = _of_size(evidence(places), size[places])
                self.signs.encode(encoder, chosen, known[places] < 0)
            return known

        self._walk(height, width, q16, visit)
        return tables.seal(encoder)

    def decode(self, payload: bytes, height: int, width: int, q16: int, skip: int = 0) -> Coded:
        """The symbols that `encode` coded with the same arguments, and their scale indices.

        Those of the `skip` finest levels, which come last, are left at zero.

        Raises:
          MscnError: the payload cannot be decoded. (One that is damaged may also decode to wrong
            symbols: the container's checksums are what finds damage.)
        """
        decoder = tables.unseal(payload)
        shapes = sizes(height, width, self.levels)
        coarse = np.empty((self.channels, *shapes[-1]), np.int64)
        for channel, index in zip(coarse, self._coarse_index(q16)):
            channel.ravel()[:] = self.tables.decode(decoder, np.full(channel.size, index))
        coarse[:, :, 0] = np.cumsum(coarse[:, :, 0], axis=1)
        coarse = np.clip(np.cumsum(coarse, axis=2), -LARGEST_SYMBOL, LARGEST_SYMBOL)
        details = [
            np.zeros((3 * self.channels, -(-h // 2), -(-w // 2)), np.int32)
            for h, w in shapes[: self.levels]
        ]
        indices = [np.zeros(detail.shape, np.uint16) for detail in details]

        def visit(level: int, band: int, place: Place, index: np.ndarray, evidence: Evidence):
            coder = self._sizes or self.tables
            symbols = coder.decode(decoder, index.ravel()).reshape(index.shape)
            places = np.nonzero(symbols)
            if self.signs and len(places[0]):
                size = symbols[places]
                if size.min() < 0:
                    raise MscnError("the coded data is damaged (a size); get a fresh copy")
                negative = self.signs.decode(decoder, _of_size(evidence(places), size))
                symbols[places] = np.where(negative, -size, size)
            details[level][band][place] = symbols
            indices[level][band][place] = index
            return symbols

        self._walk(height, width, q16, visit, skip)

        def by_channel(parts: list[np.ndarray]) -> list[np.ndarray]:
            return [p.reshape(self.channels, 3, *p.shape[1:]) for p in parts]

        return Coded(Pyramid(coarse.astype(np.int32), by_channel(details)), by_channel(indices))

    def dequantise(self, coded: Coded, q16: int) -> Pyramid:
        """float64 coefficients of symbols."""
        step = self.step(q16)
        details = [
            step * self.tables.dequantise(symbols, index)
            for symbols, index in zip(coded.symbols.details, coded.indices)
        ]
        return Pyramid(step * coded.symbols.coarse, details)


def _of_size(evidence: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Evidence [n] at the coefficients' own magnitudes, of `evidence` [3, n]."""
    return evidence[np.minimum(size, SIZES) - 1, np.arange(len(size))]


def _interpolated(table: np.ndarray, q16: int) -> np.ndarray:
    """16 times `table` [10, ...] between its quality levels."""
    if not 16 <= q16 <= 16 * QUALITIES:
        raise MscnError(f"quality {q16 / 16:g} is not 1 to {QUALITIES}")
    low, share = q16 // 16 - 1, q16 % 16
    return table[low] * (16 - share) + table[min(low + 1, QUALITIES - 1)] * share


def _differences(coarse: np.ndarray) -> np.ndarray:
    """Differences to the left neighbour, in the first column to the upper one: int64 [C, h, w]."""
    coarse = coarse.astype(np.int64)
    residual = np.diff(coarse, axis=2, prepend=0)
    residual[:, :, 0] = np.diff(coarse[:, :, 0], axis=1, prepend=0)
    return residual
