"""What a codec of surfaces learns from distances: its filters, tables and their contexts.

All of it in closed form: filters are least squares, and tables are counted, in contexts whose mean
sizes are alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mscn_tf.entropy.frequencies import whole_frequencies
from mscn_tf.runtime.surface_pyramid import (
    BASE_STEP,
    CELL,
    CLASSES,
    CONTEXTS,
    FILTER_BITS,
    NEIGHBOURS,
    OFFSETS,
    Group,
    SurfacePyramid,
    Walk,
    first_places,
    head_of,
)
from mscn_tf.runtime.tables import FREQUENCY_BITS

_NEAR = 1.5  # times what places are apart: those that filters are fitted at
_RIDGE = 1e-4  # of the mean square
_TABLES, _SUPPORT = 32, 12
_SMALLEST, _LARGEST = 0.004, 8.0  # mean sizes of the first and the last table
_PRIOR = 30.0  # symbols that a context is thought to have had, as all of its class have


def fitted(
    grids: Sequence[np.ndarray], steps: Sequence[int], dead_zone: float
) -> dict[str, np.ndarray]:
    """The arrays of a `SurfacePyramid`.

    Args:
      grids: float ``[X, Y, Z]`` each: distances in cells.
      steps: with which they are coded to count symbols.
      dead_zone: as `SurfacePyramid.encode` takes it.
    """
    arrays = {"filters": _filters(grids), **_flat_tables()}
    counts = np.zeros((CLASSES * 3, CONTEXTS, 2 * _SUPPORT + 2))
    coder = _Counter(arrays, counts, dead_zone)
    for grid in grids:
        for step in steps:
            coder.count(grid, step)
    return {**arrays, **_tables(counts)}


def _filters(grids: Sequence[np.ndarray]) -> np.ndarray:
    """int64 [3, 3, 32]."""
    filters = np.zeros((CLASSES, 3, NEIGHBOURS), np.int64)
    for number in range(CLASSES):
        for axis in range(3):
            known, wanted = [], []
            for grid in grids:
                for part in _near(grid, number, axis):
                    known.append(part[0])
                    wanted.append(part[1])
            x, y = np.concatenate(known, 1), np.concatenate(wanted)
            square = x @ x.T
            square += np.eye(len(square)) * _RIDGE * np.trace(square) / len(square)
            weights = np.linalg.solve(square, x @ y)
            filters[number, axis, : len(weights)] = np.rint(weights * 2**FILTER_BITS)
    return filters


def _near(grid: np.ndarray, number: int, axis: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Neighbours and distances of places near the surface, of the levels of a class."""
    found = []
    walk = Walk(grid.shape)
    walk.values = np.rint(grid * CELL).astype(np.int32)
    for apart, own, places in walk.passes(head_of(grid.shape, 0, 1).coarsest):
        if own != axis or min(apart.bit_length() - 1, CLASSES - 1) != number or apart > 8:
            continue
        wanted = walk.values[tuple(places * apart)] / (CELL * apart)
        near = np.abs(wanted) < _NEAR
        known = walk.around(walk.values, apart, places[:, near], OFFSETS[axis])
        found.append((known / (CELL * apart), wanted[near]))
    return found


class _Counter(SurfacePyramid):
    """Counts the symbols of contexts."""

    def __init__(self, arrays: dict[str, np.ndarray], counts: np.ndarray, dead_zone: float):
        super().__init__(arrays)
        self._counts, self._dead_zone = counts, dead_zone

    def count(self, grid: np.ndarray, step: int) -> None:
        wanted = np.rint(grid.astype(np.float64) * CELL).astype(np.int64)
        head = head_of(grid.shape, 0, step)
        first = np.rint(wanted[first_places(head)] / (BASE_STEP * step))

        def code(group: Group) -> np.ndarray:
            coded = group.wanted_steps(wanted, self._dead_zone)
            letters = np.where(np.abs(coded) > _SUPPORT, _SUPPORT + 1, coded) + _SUPPORT
            np.add.at(self._counts[group.number], (group.contexts, letters), 1)
            return coded

        self.walk(grid.shape, head, first.astype(np.int64), code)


def _flat_tables() -> dict[str, np.ndarray]:
    letters = 2 * _SUPPORT + 2
    frequencies = np.full(letters, 2**FREQUENCY_BITS // letters)
    frequencies[0] += 2**FREQUENCY_BITS - frequencies.sum()
    return {
        "support": np.array([_SUPPORT]),
        "frequencies": frequencies,
        "centroid": np.zeros((1, 2)),
        "contexts": np.zeros((CLASSES * 3, CONTEXTS), np.int64),
    }


def _tables(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Tables of contexts whose symbols have about the same size."""
    sizes = np.abs(np.arange(2 * _SUPPORT + 2) - _SUPPORT)
    of_class = counts.sum(1, keepdims=True) + 1e-3
    smoothed = counts + _PRIOR * of_class / of_class.sum(2, keepdims=True)
    means = (smoothed * sizes).sum(2) / smoothed.sum(2)
    places = np.log(means / _SMALLEST) / np.log(_LARGEST / _SMALLEST) * (_TABLES - 1)
    contexts = np.clip(np.rint(places), 0, _TABLES - 1).astype(np.int64)
    frequencies = []
    for table in range(_TABLES):
        mean = _SMALLEST * (_LARGEST / _SMALLEST) ** (table / (_TABLES - 1))
        decay = mean / (1 + mean)  # of a geometric distribution on either side
        own = 5.0 * decay**sizes + 1e-3
        if (contexts == table).any():
            own += counts[contexts == table].sum(0)
        own[:-1] = (own[:-1] + own[-2::-1]) / 2  # either sign is as likely
        frequencies.append(whole_frequencies(own / own.sum()))
    return {
        "support": np.full(_TABLES, _SUPPORT),
        "frequencies": np.concatenate(frequencies),
        "centroid": np.zeros((_TABLES, 2)),
        "contexts": contexts,
    }
