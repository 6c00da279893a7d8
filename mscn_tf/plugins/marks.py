"""Numbers of an array that stand for none: found by their values, and kept exactly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mscn_tf.signals import gaps

_FAR = 0.1  # of the range of all others: so far a repeated extreme lies from them if it is a mark


def find(values: np.ndarray, missing: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Which numbers of an array are marks.

    These are what isn't finite, a number that is known to be one, and the lowest and the highest
    number where they come more than once and lie far from all others, as -9999 and 1e20 do; or
    where there are no others.

    Args:
      values: of any shape, real or whole numbers.
      missing: the number that is known to stand for none; None where none is.

    Returns:
      The different marks, [M] of the values' type; uint8 of the values' shape, 0 for what is no
      mark, else one more than the mark's index.
    """
    labels = np.zeros(values.shape, np.uint8)
    marks: list[np.generic] = []

    def label(where: np.ndarray, mark: Any) -> None:
        if where.any():
            marks.append(mark)
            labels[where] = len(marks)

    if values.dtype.kind == "f":
        kind = values.dtype.type
        label(np.isnan(values), kind(np.nan))
        label(values == np.inf, kind(np.inf))
        label(values == -np.inf, kind(-np.inf))
    if missing is not None:
        with np.errstate(all="ignore"):  # a number that the type doesn't have is none of its
            mark = np.array(missing).astype(values.dtype)[()]
        label((values == mark) & (mark == missing), mark)
    for highest in (True, False):
        extreme = _extreme_mark(values[labels == 0], highest)
        if extreme is not None:
            label(values == extreme, extreme)
    return np.array(marks, values.dtype), labels


def _extreme_mark(known: np.ndarray, highest: bool) -> np.generic | None:
    """The highest or lowest of numbers [n] if it is a mark."""
    if not known.size:
        return None
    extreme = known.max() if highest else known.min()
    others = known[known != extreme]
    if not others.size:
        return extreme
    if len(known) - len(others) < 2:
        return None
    low, high = float(others.min()), float(others.max())
    gap = float(extreme) - high if highest else low - float(extreme)
    return extreme if gap > _FAR * (high - low) else None


def filled(fields: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """Fields whose holes are filled smoothly, with 0 where all is one: float32 or float64.

    Args:
      fields: ``[N, H, W]``.
      holes: bool, of the same shape.
    """
    found = np.where(holes, 0.0, fields)
    for items, alike in _alike(holes):
        found[items] = gaps.fill(found[items], alike)
    return np.rint(found) if fields.dtype.kind in "iu" else found


def filled_alike(fields: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """The same in their own type, with numbers that come among those of each field."""
    found = np.where(holes, fields.dtype.type(0), fields)
    for items, alike in _alike(holes):
        found[items] = gaps.fill_alike(found[items], alike)
    return found


def _alike(holes: np.ndarray) -> Iterator[tuple[list[int], np.ndarray]]:
    """Items whose holes are the same, some but not all of a field, and these."""
    alike: dict[bytes, list[int]] = {}
    for item in np.flatnonzero(holes.any((1, 2)) & ~holes.all((1, 2))).tolist():
        alike.setdefault(np.packbits(holes[item]).tobytes(), []).append(item)
    for items in alike.values():
        yield items, holes[items[0]]
