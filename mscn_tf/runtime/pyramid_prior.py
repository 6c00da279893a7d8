"""The entropy model of wavelet coefficients, in whole numbers, and range coding with it.

Coefficients are coded from the coarsest level to the finest, band after band (a band is one channel
and direction of a level), and within a band in four passes, each over every second row and column.
A small network predicts the *scale index* of each coefficient, which says what frequency table
codes it, from the magnitudes that are known by then: around it in its own band, in earlier bands of
its level, and in the level above (`pyramid_scales`). The passes keep that parallel (as the
checkerboard of He et al. 2021 does). Signs follow the magnitudes of their pass (`pyramid_signs`).
Both networks are exact: so encoder and decoder agree to the bit on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, Optional

import numpy as np
from numpy.typing import DTypeLike

from mscn_tf.runtime import (
    adaptive_filter,
    filter_updates,
    pyramid_shares,
    pyramid_updates,
    tables,
)
from mscn_tf.runtime.adaptive_filter import Taps
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.filter_updates import FilterUpdates
from mscn_tf.runtime.pyramid_scales import (
    LARGEST_MAGNITUDE,
    PASSES,
    Level,
    Scales,
    magnitude_table,
)
from mscn_tf.runtime.pyramid_shares import Shares, followed
from mscn_tf.runtime.pyramid_signs import SIZES, Signs
from mscn_tf.runtime.pyramid_updates import Updates
from mscn_tf.runtime.quality import LEVELS, check_sixteenths
from mscn_tf.runtime.quantiser import around, between, scale_index, whole_between
from mscn_tf.runtime.tables import LARGEST_SYMBOL, Tables, checked_array
from mscn_tf.runtime.wavelet import Pyramid, detail_sizes, sizes

Place = tuple[slice, slice]  # rows and columns of a pass
Places = tuple[np.ndarray, np.ndarray]  # rows and columns within a pass, integers [k]
# Rows and columns where other channels follow from the first, and their shares.
Following = tuple[slice, slice, np.ndarray]
# Evidence on the signs of those coefficients of a pass whose rows and columns are given.
Evidence = Callable[[Places], np.ndarray]
# Level, band, place, scale indices and evidence of a pass; see `PyramidPrior._walk`.
Visit = Callable[[int, int, Place, np.ndarray, Optional[Evidence]], tuple[Places, np.ndarray]]


class Fitted(NamedTuple):
    """What a block holds.

    Attributes:
      symbols: int32, shaped like `wavelet.analyse`'s coefficients.
      update: int8 [L, B, 2], see `Updates`; None changes nothing.
      shares: int16 [L, C - 1], see `Shares`; None: no channel follows from the first.
      filter_update: int8 [K], see `FilterUpdates`; None changes nothing.
      taps: int8 [n], see `Taps`; None changes nothing.
    """

    symbols: Pyramid
    update: Optional[np.ndarray] = None
    shares: Optional[np.ndarray] = None
    filter_update: Optional[np.ndarray] = None
    taps: Optional[np.ndarray] = None


class Coded(NamedTuple):
    """Symbols of a picture and the tables that code them.

    Attributes:
      symbols: int32, shaped like `wavelet.analyse`'s coefficients.
      indices: for each level, finest first, uint8 or uint16 of the details' shape.
      update, shares, filter_update, taps: as in `Fitted`.
    """

    symbols: Pyramid
    indices: list[np.ndarray]
    update: Optional[np.ndarray] = None
    shares: Optional[np.ndarray] = None
    filter_update: Optional[np.ndarray] = None
    taps: Optional[np.ndarray] = None


def _zeros(shapes: Sequence[tuple[int, ...]], dtype: DTypeLike, skip: int) -> list[np.ndarray]:
    """An array of zeros of each shape; the first ``skip``, which stay as they are, in no memory."""
    return [
        np.broadcast_to(np.zeros((), dtype), shape) if number < skip else np.zeros(shape, dtype)
        for number, shape in enumerate(shapes)
    ]


class PyramidPrior:
    """Entropy model of the coefficients of pictures with C channels, B = 3 C bands a level.

    Args:
      arrays: by name, besides those of `Tables`,
        those of `Scales`.
        coarse: integers [10, C], scale index of the coarse part at qualities 1 to 10, fixed
          point.
        log_step: float [10], natural logarithm of the quantiser's step at qualities 1 to 10.
        sign_*: those of `Signs`, or none of them: then both signs are as likely.
        update_level, update_shift, update_gain: those of `Updates`, or none of them.
        share_change: that of `Shares`, or not.
        update_filter: that of `FilterUpdates`, or not.
        filter_tap: that of `Taps`, or not.

    Attributes:
      levels: of the pyramid.
      channels: C.
      tables: the frequency tables.
      signs: the model of signs, or None.
      updates, shares, filter_updates, taps: the models of what pictures say, or None.

    Raises:
      MscnError: the arrays do not fit together.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        self.tables = Tables(arrays)
        self._scales = Scales(arrays, self.tables.count)
        self.levels, self.channels = self._scales.levels, self._scales.bands // 3
        self._coarse = checked_array(arrays, "coarse", 2).astype(np.float64)
        self._log_step = checked_array(arrays, "log_step", 1, "f")
        if self._coarse.shape != (LEVELS, self.channels) or len(self._log_step) != LEVELS:
            raise MscnError("prior: ten steps, and scales of the coarse part for them, are needed")
        self._magnitude = magnitude_table().astype(np.float32)
        modelled = any(name.startswith("sign_") for name in arrays)
        self.signs = Signs(arrays, self.levels, self.channels) if modelled else None
        self._sizes = self.tables.magnitudes() if modelled else self.tables
        self.updates = None
        if any(name in arrays for name in pyramid_updates.NAMES):
            self.updates = Updates(arrays, self.levels, self._scales.bands, self.tables.count)
        follows, mends = pyramid_shares.NAME in arrays, filter_updates.NAME in arrays
        self.shares = Shares(arrays, self.levels, self.channels) if follows else None
        self.filter_updates = FilterUpdates(arrays) if mends else None
        self.taps = Taps(arrays) if adaptive_filter.NAME in arrays else None
        # As blocks have them.
        self._of_pictures = self.updates, self.shares, self.filter_updates, self.taps

    def step(self, q16: int) -> float:
        """The quantiser's step at a quality given in sixteenths, 16 to 160."""
        return float(np.exp(between(*_rows(self._log_step, q16))))

    def _coarse_index(self, q16: int) -> np.ndarray:
        fixed = whole_between(np, *_rows(self._coarse, q16))
        return scale_index(np, fixed, self.tables.count).astype(np.int64)

    def _walk(
        self,
        height: int,
        width: int,
        q16: int,
        visit: Visit,
        skip: int = 0,
        update: Optional[np.ndarray] = None,
    ) -> None:
        """Goes over all details in coding order.

        Args:
          visit: is given level, band, the rows and columns of a pass, its scale indices [n, m],
            and what gives the evidence on signs, or None; returns where its symbols aren't zero,
            and these, integers [k].
        """
        shapes = sizes(height, width, self.levels + 1)
        maps = self.updates.maps(update) if self.updates and update is not None else None
        known = None
        for level in range(self.levels - 1, skip - 1, -1):
            known = Level.below(known, *shapes[level + 2], self.channels)
            counts = detail_sizes(*shapes[level])
            for band, number, index in self._scales.passes(known, level, q16, counts):
                (row, column), (rows, columns) = PASSES[number], counts[band % 3]
                place = slice(row, rows, 2), slice(column, columns, 2)
                n, m = (rows - row + 1) // 2, (columns - column + 1) // 2
                evidence = None
                if self.signs:
                    evidence = partial(self.signs.evidence, known, level, band, number)
                index = index[:n, :m]
                if maps is not None:
                    index = maps[level, band][index]
                places, some = visit(level, band, place, index, evidence)
                seen = self._magnitude[np.minimum(np.abs(some), LARGEST_MAGNITUDE)]
                known.of_pass(number, band)[places] = np.copysign(seen, some)

    def coded(self, fitted: Fitted, height: int, width: int, q16: int) -> Coded:
        """How symbols that are known are coded."""
        symbols, update, *others = fitted
        flat = [d.reshape(-1, *d.shape[2:]) for d in symbols.details]
        indices = [np.zeros(d.shape, np.uint16) for d in flat]

        def visit(
            level: int, band: int, place: Place, index: np.ndarray, _: object
        ) -> tuple[Places, np.ndarray]:
            indices[level][band][place] = index
            return _nonzero(flat[level][band][place])

        self._walk(height, width, q16, visit, 0, update)
        shaped = [f.reshape(d.shape) for f, d in zip(indices, symbols.details)]
        return Coded(symbols, shaped, update, *others)

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
        indices = [np.zeros(d.shape, np.uint16) for d in flat]
        costs = [np.zeros((*d.shape, SIZES), np.float32) for d in flat]

        def visit(
            level: int, band: int, place: Place, index: np.ndarray, evidence: Evidence | None
        ) -> tuple[Places, np.ndarray]:
            indices[level][band][place] = index
            places, signs = _nonzero(asked[level][band][place])
            if self.signs and evidence and len(signs):
                bits = self.signs.bits(evidence(places), signs[:, None] < 0)
                costs[level][band][place][places] = bits - 1
            return _nonzero(flat[level][band][place])

        self._walk(height, width, q16, visit)
        return (
            [f.reshape(d.shape) for f, d in zip(indices, symbols.details)],
            [c.reshape(*d.shape, SIZES) for c, d in zip(costs, symbols.details)],
        )

    def measure(
        self, symbols: Pyramid, height: int, width: int, q16: int
    ) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
        """How symbols that are known would be coded, for a prior with a model of signs.

        Returns:
          scale indices, as in `Coded`; int64 [n], the signs' tables, and bool [n], whether they
          are as predicted, in any order.

        Raises:
          MscnError: the prior has no model of signs.
        """
        if self.signs is None:
            raise MscnError("prior: it has no model of signs to measure")
        flat = [d.reshape(-1, *d.shape[2:]) for d in symbols.details]
        indices = [np.zeros(d.shape, np.uint16) for d in flat]
        sums, negative = [np.zeros(0, np.float32)], [np.zeros(0, bool)]

        def visit(
            level: int, band: int, place: Place, index: np.ndarray, evidence: Evidence | None
        ) -> tuple[Places, np.ndarray]:
            indices[level][band][place] = index
            places, known = _nonzero(flat[level][band][place])
            if evidence and len(known):
                sums.append(_of_size(evidence(places), np.abs(known)))
                negative.append(known < 0)
            return places, known

        self._walk(height, width, q16, visit)
        total = np.concatenate(sums)
        right = np.concatenate(negative) == (total < 0)
        indices = [f.reshape(d.shape) for f, d in zip(indices, symbols.details)]
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

    def encode(self, fitted: Fitted, height: int, width: int, q16: int) -> bytes:
        """Codes a picture.

        Args:
          fitted: symbols within +-(2^31 - 1), and what the picture says, without effect where the
            prior has no model of it.
          height: of the picture, in pixels.
          width: of the picture.
          q16: quality times 16.
        """
        encoder = tables.RangeEncoder()
        symbols, *of_picture = fitted
        for model, said in zip(self._of_pictures, of_picture):
            if model:
                model.encode(encoder, model.none() if said is None else said)
        for residual, index in zip(_differences(symbols.coarse), self._coarse_index(q16)):
            self.tables.encode(encoder, residual.ravel(), np.full(residual.size, index))
        flat = [d.reshape(-1, *d.shape[2:]) for d in symbols.details]

        def visit(
            level: int, band: int, place: Place, index: np.ndarray, evidence: Evidence | None
        ) -> tuple[Places, np.ndarray]:
            symbols = flat[level][band][place]
            places, known = _nonzero(symbols)
            if not (self.signs and evidence):
                self.tables.encode(encoder, symbols.ravel(), index.ravel())
                return places, known
            self._sizes.encode(encoder, np.abs(symbols).ravel(), index.ravel())
            if len(known):
                chosen = _of_size(evidence(places), np.abs(known))
                self.signs.encode(encoder, chosen, known < 0)
            return places, known

        self._walk(height, width, q16, visit, 0, fitted.update)
        return tables.seal(encoder)

    def decode(self, payload: bytes, height: int, width: int, q16: int, skip: int = 0) -> Coded:
        """The symbols that `encode` coded with the same arguments, and their scale indices.

        Those of the `skip` finest levels, which come last, are left at zero.

        Raises:
          MscnError: the payload cannot be decoded. (One that is damaged may also decode to wrong
            symbols: the container's checksums are what finds damage.)
        """
        decoder = tables.unseal(payload)
        said = [model.decode(decoder) if model else None for model in self._of_pictures]
        shapes = sizes(height, width, self.levels)
        coarse = np.empty((self.channels, *shapes[-1]), np.int64)
        for channel, index in zip(coarse, self._coarse_index(q16)):
            channel.ravel()[:] = self.tables.decode(decoder, np.full(channel.size, index))
        coarse[:, :, 0] = np.cumsum(coarse[:, :, 0], axis=1)
        coarse = np.clip(np.cumsum(coarse, axis=2), -LARGEST_SYMBOL, LARGEST_SYMBOL)
        bands = [(3 * self.channels, -(-h // 2), -(-w // 2)) for h, w in shapes[: self.levels]]
        details = _zeros(bands, np.int32, skip)
        indices = _zeros(bands, self._scales.dtype, skip)

        def visit(
            level: int, band: int, place: Place, index: np.ndarray, evidence: Evidence | None
        ) -> tuple[Places, np.ndarray]:
            symbols = self._sizes.decode(decoder, index.ravel()).reshape(index.shape)
            places, known = _nonzero(symbols)
            if self.signs and evidence and len(known):
                if known.min() < 0:
                    raise MscnError("the coded data is damaged (a size); get a fresh copy")
                negative = self.signs.decode(decoder, _of_size(evidence(places), known))
                np.negative(known, out=known, where=negative)
                symbols[places] = known
            details[level][band][place] = symbols
            indices[level][band][place] = index
            return places, known

        self._walk(height, width, q16, visit, skip, said[0])

        def by_channel(parts: list[np.ndarray]) -> list[np.ndarray]:
            return [p.reshape(self.channels, 3, *p.shape[1:]) for p in parts]

        symbols = Pyramid(coarse.astype(np.int32), by_channel(details))
        return Coded(symbols, by_channel(indices), *said)

    def details(
        self, symbols: np.ndarray, indices: np.ndarray, following: Sequence[Following] = ()
    ) -> np.ndarray:
        """float64 [C, 3, h, w]: coefficients of a level, or of a part of it, in steps."""
        values = self.tables.dequantise(symbols, indices)
        for rows, columns, shares in following:
            inside = (..., rows, columns)
            values[1:][inside] += followed(values[0][inside], shares)
        return values

    def dequantise(self, coded: Coded, q16: int) -> Pyramid:
        """float64 coefficients of symbols."""
        step = self.step(q16)
        everywhere: list[list[Following]] = [[]] * self.levels
        if self.shares and coded.shares is not None:
            everywhere = [[(slice(None), slice(None), shares)] for shares in coded.shares]
        levels = zip(coded.symbols.details, coded.indices, everywhere)
        details = [step * self.details(*level) for level in levels]
        return Pyramid(step * coded.symbols.coarse, details)


def _of_size(evidence: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Evidence [n] at the coefficients' own magnitudes, of `evidence` [n, 3]."""
    return evidence[np.arange(len(size)), np.minimum(size, SIZES) - 1]


def _nonzero(symbols: np.ndarray) -> tuple[Places, np.ndarray]:
    """Where symbols [n, m] aren't zero, mostly few, and these, integers [k]."""
    flat = symbols.ravel()  # NumPy searches one axis several times faster than two
    found = flat.nonzero()[0]
    return np.divmod(found, symbols.shape[1]), flat[found]


def _rows(table: np.ndarray, q16: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Rows of `table` [10, ...] below and above a quality, and the sixteenths between them."""
    check_sixteenths(q16)
    lower, upper, part = around(np, q16)
    return table[lower], table[upper], part


def _differences(coarse: np.ndarray) -> np.ndarray:
    """Differences to the left neighbour, in the first column to the upper one: int64 [C, h, w]."""
    coarse = coarse.astype(np.int64)
    residual = np.diff(coarse, axis=2, prepend=0)
    residual[:, :, 0] = np.diff(coarse[:, :, 0], axis=1, prepend=0)
    return residual
