"""Parts of pictures that are wavelet pyramids: from the tiles that they touch to their values.

What is done to tiles and parts can be done by several workers: all that goes to them and comes back
is whole numbers, in the narrowest type that holds them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Callable, NamedTuple, Optional

import numpy as np

from mscn_tf.runtime.adaptive_filter import REACH, add_flow, difference_bound
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import naming
from mscn_tf.runtime.layout import Span, Tiling
from mscn_tf.runtime.post_filter import MARGIN, PostFilter
from mscn_tf.runtime.pyramid_prior import Coded, Following
from mscn_tf.runtime.wavelet import Pyramid, sizes, spans_of, synthesise_part
from mscn_tf.runtime.workers import Workers

if TYPE_CHECKING:
    from mscn_tf.runtime.pyramids import Pyramids

Place = tuple[int, int]  # row and column of a tile
Held = dict[Place, Coded]  # tiles
Told = tuple[slice, slice, Optional[np.ndarray]]  # rows, columns and what tiles say there
Block = tuple[bytes, int, int, int, int]  # what `PyramidPrior.decode` takes


class Whole(NamedTuple):
    """A part of a level, of whole numbers.

    Attributes:
      symbols: ``[C, 3, r, c]``, or of the coarse part ``[C, r, c]``.
      indices: of their scales; the coarse part has none.
      following: rows and columns of which other channels follow from the first, with their shares.
    """

    symbols: np.ndarray
    indices: Optional[np.ndarray] = None
    following: Sequence[Following] = ()


class Part(NamedTuple):
    """What a part of a picture is made of.

    Attributes:
      levels: those that aren't skipped, finest first; at last the coarse part.
      q16: quality in sixteenths.
      sizes: of the picture, see `wavelet.sizes`.
      skip: finest levels that are left out.
      span: of the part, in source pixels.
      updates: of the filter: rows and columns, from the mended part's first block of 2x2, and what
        is told there; None tells nothing.
      taps: of the filter after it: rows and columns of the part, and what is told there; nothing
        where no tile has some.
    """

    levels: list[Whole]
    q16: int
    sizes: list[tuple[int, int]]
    skip: int
    span: Span
    updates: Sequence[Told]
    taps: Sequence[Told]

    def values(self, scheme: Pyramids) -> np.ndarray:
        """float64 ``[h, w, C]`` of source pixels, less the skipped levels."""
        mend = None if self.skip else scheme.post_filter
        if mend is None:
            return self._synthesised(scheme, self.span)
        if not self.taps:
            return self._mended(scheme, mend, self.span)
        wide = _widened(self.span, REACH)
        seen = _in_picture(wide, self.sizes[0])
        mended = self._mended(scheme, mend, seen)
        before = np.pad(mended, _beyond(seen, wide), "edge")
        inside = (slice(*np.subtract(own, start)) for own, (start, _) in zip(self.span, seen))
        out, bound = mended[tuple(inside)], difference_bound(mend.error(self.q16))
        for rows, columns, taps in self.taps:
            if taps is not None and taps.any():
                around = (slice(part.start, part.stop + 2 * REACH) for part in (rows, columns))
                add_flow(out[rows, columns], before[tuple(around)], taps, bound)
        return out

    def _synthesised(self, scheme: Pyramids, span: Span) -> np.ndarray:
        """Values of a span in the picture, that the part's levels reach, before they are mended."""

        def coefficients(level: int, *_: slice) -> np.ndarray:
            return scheme.dequantised(self.levels[level - self.skip], self.q16)

        seen = _at_skip(span, self.sizes[0], self.skip)
        channels = synthesise_part(coefficients, self.sizes, seen, self.skip)
        if self.skip:
            channels = channels / 2**self.skip
        return scheme.values(channels)

    def _mended(self, scheme: Pyramids, mend: PostFilter, span: Span) -> np.ndarray:
        """Values of a span in the picture."""
        wide = _with_margin(span)
        values = self._synthesised(scheme, wide)
        beyond = _beyond(_in_picture(wide, self.sizes[0]), wide)
        if np.any(beyond):
            values = np.pad(values, beyond, "edge")
        (top, bottom), (left, right) = span
        mended = np.empty_like(values[MARGIN:-MARGIN, MARGIN:-MARGIN])
        for rows, columns, update in self.updates:
            around = (slice(part.start, part.stop + 2 * MARGIN) for part in (rows, columns))
            mended[rows, columns] = mend(values[tuple(around)], self.q16, update)
        return mended[top % 2 :, left % 2 :][: bottom - top, : right - left]


class PlaneTiles:
    """Tiles of one plane of an item, less the levels that are skipped.

    Attributes:
      count: of them.
    """

    def __init__(self, scheme: Pyramids, container: Container, item: int, plane: int, skip: int):
        self._scheme, self._container, self._skip = scheme, container, skip
        self._q16, self._first = container.q16[item], container.tiles_of(item, plane).start
        self._tiling = Tiling.of(container, item)
        self.count = len(self._tiling.places())
        height, width = self._tiling.shape
        self._sizes = sizes(height, width, scheme.prior.levels)

    def _block(self, place: Place) -> Block:
        row, column = place
        number = self._first + row * self._tiling.grid[1] + column
        height, width = self._tiling.tile_shape(*place)
        return self._container.blocks[number], height, width, self._q16, self._skip

    def all(self) -> Held:
        """Each of them, by its place."""
        places = self._tiling.places()
        decode = partial(_decoded, self._scheme, self._container.source)
        with self._scheme.workers(self.count) as workers:
            return dict(zip(places, workers.in_order(decode, map(self._block, places))))

    def around(self, parts: Sequence[Span], workers: Workers) -> Iterator[Part]:
        """Parts of the source, from above to below; keeps the tiles that the next one shares."""
        needed = [self._places(part) for part in parts]
        places = list(dict.fromkeys(itertools.chain.from_iterable(needed)))
        decode = partial(_narrowed, self._scheme, self._container.source)
        decoded = zip(places, workers.in_order(decode, map(self._block, places)))
        coded: Held = {}
        for part, around in zip(parts, needed):
            while not coded.keys() >= set(around):
                place, tile = next(decoded)
                coded[place] = tile
            coded = {place: coded[place] for place in around}
            yield self._part(part, coded)

    def _seen(self, part: Span) -> Span:
        """What of the picture a part depends on, less the levels that are skipped."""
        mended = self._scheme.post_filter is not None and not self._skip
        return _at_skip(_with_margin(part) if mended else part, self._tiling.shape, self._skip)

    def _mended_for(self, part: Span) -> Span:
        """What of the picture is mended for a part."""
        if self._scheme.prior.taps is None or self._skip:
            return part
        return _in_picture(_widened(part, REACH), self._tiling.shape)

    def _places(self, part: Span) -> list[Place]:
        """Of the tiles whose coefficients reach a part of the source."""
        side, seen = self._tiling.side, self._seen(self._mended_for(part))
        ends: list[list[int]] = [[], []]
        spans = [seen, *spans_of(self._sizes, seen, self._skip)]
        for level, span in enumerate(spans, self._skip):
            for axis, (first, last) in enumerate(span):
                ends[axis] += (first // (side >> level), -(-last // (side >> level)))
        rows, columns = (range(min(end), max(end)) for end in ends)
        return list(itertools.product(rows, columns))

    def _part(self, part: Span, coded: Held) -> Part:
        taps = self._told(part, coded, "taps") if self._scheme.prior.taps and not self._skip else []
        if not any(own is not None and own.any() for *_, own in taps):
            taps = []
        mended = self._mended_for(part) if taps else part
        seen = self._seen(mended)
        spans = [list(span) for span in spans_of(self._sizes, seen, self._skip)]
        spans.append(spans[-1] if spans else list(seen))  # of the coarse part
        levels = [
            self._symbols(coded, level, *(slice(*ends) for ends in span))
            for level, span in enumerate(spans, self._skip)
        ]
        updates = [] if self._skip else self._told(_in_blocks(mended), coded, "filter_update")
        return Part(levels, self._q16, self._sizes, self._skip, part, updates, taps)

    def _told(self, span: Span, coded: Held, what: str) -> list[Told]:
        """As `Part` has what tiles say of filters: one everywhere, or those of the tiles."""
        rows, columns = (slice(first, last) for first, last in span)
        pieces: list[Told] = [
            (down, along, getattr(coded[row, column], what))
            for row, down, _ in _pieces(rows, self._tiling.side)
            for column, along, _ in _pieces(columns, self._tiling.side)
        ]
        if len({told is None or told.tobytes() for *_, told in pieces}) > 1:
            return pieces
        height, width = (span.stop - span.start for span in (rows, columns))
        return [(slice(height), slice(width), pieces[0][-1])]

    def told(self, coded: Held, what: str) -> np.ndarray:
        """float32 ``[ceil(H / 2), ceil(W / 2), K]``: of the tile that each 2x2 pixels lie in.

        `what` is ``filter_update`` or ``taps``.
        """
        rows, columns = (np.arange(0, side, 2) // self._tiling.side for side in self._tiling.shape)
        told = np.array([getattr(coded[place], what) for place in self._tiling.places()])
        return told.reshape(*self._tiling.grid, -1)[np.ix_(rows, columns)].astype(np.float32)

    def coefficients(self, coded: Held, level: int, rows: slice, columns: slice) -> np.ndarray:
        """float64 ``[C, 3, r, c]`` of a level, or ``[C, r, c]`` of the coarse part."""
        return self._scheme.dequantised(self._symbols(coded, level, rows, columns), self._q16)

    def _symbols(self, coded: Held, level: int, rows: slice, columns: slice) -> Whole:
        if level == self._scheme.prior.levels:
            side = self._tiling.side >> level
            return Whole(_joined(lambda at: coded[at].symbols.coarse, rows, columns, side))
        side = self._tiling.side >> (level + 1)
        return Whole(
            _joined(lambda at: coded[at].symbols.details[level], rows, columns, side),
            _joined(lambda at: coded[at].indices[level], rows, columns, side),
            [
                (down, along, shares[level])
                for row, down, _ in _pieces(rows, side)
                for column, along, _ in _pieces(columns, side)
                if (shares := coded[row, column].shares) is not None and shares[level].any()
            ],
        )


def _decoded(scheme: Pyramids, source: str, block: Block) -> Coded:
    """A tile of a file."""
    with naming(source):
        return scheme.decode_block(*block)


def _narrowed(scheme: Pyramids, source: str, block: Block) -> Coded:
    """The same, its symbols in fewer bits where they fit, as they mostly do."""
    coded = _decoded(scheme, source, block)
    coarse, details = coded.symbols

    def narrow(part: np.ndarray) -> np.ndarray:
        if not part.size:
            return part
        largest = max(-int(part.min()), int(part.max()))
        return part.astype(np.min_scalar_type(-1 - largest))  # which can do without a sign, too

    # What is skipped is zero and in no memory.
    details = [part if not any(part.strides) else narrow(part) for part in details]
    return coded._replace(symbols=Pyramid(narrow(coarse), details))


def _with_margin(part: Span) -> Span:
    """A part, and what the filter looks at around it, which may lie outside of the picture."""
    (top, bottom), (left, right) = _in_blocks(part)
    return (top - MARGIN, bottom + MARGIN), (left - MARGIN, right + MARGIN)


def _in_blocks(part: Span) -> Span:
    """A part, and what belongs to the same blocks of 2x2."""
    (top, bottom), (left, right) = ((first // 2 * 2, -(-last // 2) * 2) for first, last in part)
    return (top, bottom), (left, right)


def _widened(part: Span, reach: int) -> Span:
    """A part and so many pixels around, which may lie outside of the picture."""
    (top, bottom), (left, right) = part
    return (top - reach, bottom + reach), (left - reach, right + reach)


def _in_picture(part: Span, shape: Sequence[int]) -> Span:
    """What of a part lies in the picture."""
    return _at_skip(part, shape, 0)


def _beyond(known: Span, wanted: Span) -> list[tuple[int, int]]:
    """How many values ``[h, w, C]`` are wanted before and after those that are known."""
    return [*((a - b, d - c) for (a, c), (b, d) in zip(known, wanted)), (0, 0)]


def _at_skip(part: Span, shape: Sequence[int], skip: int) -> Span:
    """What of a part lies in the picture, less the levels that are skipped."""
    (top, bottom), (left, right) = (
        (max(first, 0) >> skip, -(-min(last, side) >> skip))
        for (first, last), side in zip(part, shape)
    )
    return (top, bottom), (left, right)


def _joined(
    of_tile: Callable[[Place], np.ndarray], rows: slice, columns: slice, side: int
) -> np.ndarray:
    """Rows and columns ``[.., r, c]`` of what lies in tiles ``[.., side, side]``."""
    pieces = [
        (down, along, of_tile((row, column))[..., inside_rows, inside_columns])
        for row, down, inside_rows in _pieces(rows, side)
        for column, along, inside_columns in _pieces(columns, side)
    ]
    *_, first = pieces[0]
    shape = (*first.shape[:-2], rows.stop - rows.start, columns.stop - columns.start)
    out = np.empty(shape, np.result_type(*{piece.dtype for *_, piece in pieces}))
    for down, along, piece in pieces:
        out[..., down, along] = piece
    return out


def _pieces(span: slice, edge: int) -> Iterator[tuple[int, slice, slice]]:
    """Tiles along an axis that a span touches: each with its part of the span and of the tile."""
    for tile in range(span.start // edge, -(-span.stop // edge)):
        first, last = max(span.start, tile * edge), min(span.stop, (tile + 1) * edge)
        yield (
            tile,
            slice(first - span.start, last - span.start),
            slice(first - tile * edge, last - tile * edge),
        )
