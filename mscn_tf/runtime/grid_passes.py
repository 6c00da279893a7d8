"""Passes over a level of a grid, and where each has its neighbours: see `neighbourhoods`."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

SEEN = 12  # neighbours whose numbers of steps networks see
BEYOND = 2  # places of a plane that are looked at beyond its sides


class Pass(NamedTuple):
    """Places of a level whose neighbours are known by then.

    Attributes:
      row: of the first place, in the level's grid; places are two rows and columns apart.
      column: likewise.
      neighbours: rows and columns from a place, the four nearest first.
      weights: float64, of the neighbours in the cubic interpolation, times ``2^bits``.
      bits: see there.
      seen: numbers of the neighbours whose steps networks see.
    """

    row: int
    column: int
    neighbours: list[tuple[int, int]]
    weights: np.ndarray
    bits: int
    seen: list[int]


def _between_four() -> Pass:
    """Cubic in both directions: (-1, 9, 9, -1) / 16 in each."""
    cubic = {-3: -1.0, -1: 9.0, 1: 9.0, 3: -1.0}
    neighbours = sorted(
        ((y, x) for y in cubic for x in cubic), key=lambda at: at[0] ** 2 + at[1] ** 2
    )
    weights = np.array([cubic[y] * cubic[x] for y, x in neighbours])
    return Pass(1, 1, neighbours, weights, 8, list(range(SEEN)))


def _between_two(row: int, column: int) -> Pass:
    """Cubic along rows and along columns, the mean of both; the last pass knows corners, too."""
    nearest = [(-1, 0), (1, 0), (0, -1), (0, 1)]
    further = [(y, x) for y in (-1, 1) for x in (-2, 2)] + [
        (y, x) for y in (-2, 2) for x in (-1, 1)
    ]
    farthest = [(-3, 0), (3, 0), (0, -3), (0, 3)]
    corners = [(y, x) for y in (-1, 1) for x in (-1, 1)] if column else []
    neighbours = nearest + further + farthest + corners
    weights = np.array([9.0] * 4 + [0.0] * 8 + [-1.0] * 4 + [0.0] * len(corners))
    seen = [*range(4), *range(16, 16 + len(corners)), *range(4, SEEN)][:SEEN]
    return Pass(row, column, neighbours, weights, 5, seen)


PASSES = (_between_four(), _between_two(1, 0), _between_two(0, 1))
# First rows and columns of a level's planes, in the order that they are known: those of the level
# before, then of each pass; what the last one gives is no neighbour of any place.
FIRST = ((0, 0), *((part.row, part.column) for part in PASSES[:-1]))
PLANES = len(FIRST)
NEIGHBOURS = max(len(part.neighbours) for part in PASSES)
INPUTS = NEIGHBOURS + SEEN + 2


class Index(NamedTuple):
    """Where a level's planes have the neighbours of the first places of a pass.

    Attributes:
      known: int64 [neighbours, n], of all neighbours.
      seen: int64 [SEEN, n], of those whose steps networks see.
    """

    known: np.ndarray
    seen: np.ndarray


@lru_cache(48)
def index_of(
    number: int,
    single: tuple[bool, bool],
    plane: tuple[int, int],
    grids: int,
    rows: range,
    columns: int,
) -> Index:
    """The index of places in some rows.

    Args:
      number: of the pass.
      single: whether the level has but one row, or column.
      plane: rows and columns of a plane, those beyond its sides among them.
      grids: of a stack; all have the same rows.
      rows: from 0 on.
      columns: places in a row.
    """
    part, at = PASSES[number], []
    for row, column in part.neighbours:
        # A level of one row, or column, has its neighbours along the other axis alone.
        if single[0]:
            row, column = 0, column + row if column % 2 == 0 else column
        elif single[1]:
            row, column = row + column if row % 2 == 0 else row, 0
        row, column = part.row + row, part.column + column
        place = FIRST.index((row & 1, column & 1)), BEYOND + (row >> 1), BEYOND + (column >> 1)
        at.append(np.ravel_multi_index(place, (PLANES, *plane)))
    tops = np.add.outer(np.arange(grids) * (PLANES * plane[0]), rows) * plane[1]
    known = np.add.outer(at, np.add.outer(tops, np.arange(columns)).ravel())
    return Index(known, known[part.seen])
