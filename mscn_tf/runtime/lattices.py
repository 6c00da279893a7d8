"""Steps that numbers were once rounded to: decimals, binary fractions, packed whole numbers.

Numbers of float64 mostly have a history: printed decimals, float32, whole numbers times a scale.
In whole steps they take fewer bytes than in all their bits, and networks can predict them.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Optional

import numpy as np

WHOLE = 2**53  # whole numbers up to here are exact in float64
_MOST_DECIMALS = 15
_SOME = 1024  # numbers that show whether a step is worth a look at all
_LISTED = 2**16  # different numbers among which a step is looked for
_MOST_STEPS = 2**23  # that make up the range of numbers with a step of any kind
_ROUNDED = 2.0**-47  # of the largest number: what rounding moves numbers by
_PARTS = (1, 2, 3)  # steps that the smallest distance may have
_FRACTION = 0.05  # of a step that numbers may be off while the step isn't known well


class Lattice(NamedTuple):
    """Numbers near to the whole ones of some steps.

    Attributes:
      step: between two neighbours.
      offset: where the number 0 lies.
      over: whether whole numbers are divided by the step.
    """

    step: float
    offset: float = 0.0
    over: bool = False

    def nearest(self, values: np.ndarray) -> np.ndarray:
        """float64 whole numbers, as many as there are values."""
        away = values - self.offset
        return np.rint(away * self.step if self.over else away / self.step)

    def values(self, numbers: np.ndarray) -> np.ndarray:
        """float64: what whole numbers stand for, rounded after each operation."""
        numbers = numbers.astype(np.float64)
        return self.offset + (numbers / self.step if self.over else numbers * self.step)

    def holds(self, values: np.ndarray) -> bool:
        """Whether values lie on it, bit for bit."""
        for some in (values[:: max(1, len(values) // _SOME)], values):
            numbers = self.nearest(some)
            if not np.abs(numbers).max() <= WHOLE:
                return False
            if self.values(numbers).tobytes() != some.tobytes():
                return False
        return True


def holding(values: np.ndarray) -> Optional[Lattice]:
    """The coarsest lattice found on which float64 values [n], finite, lie bit for bit."""
    start = float(values[0])
    decimals = (Lattice(10.0**digits, over=True) for digits in range(_MOST_DECIMALS))
    binary = [Lattice(_binary(values)), Lattice(_binary(values - start), start)]
    found = [next((one for one in decimals if one.holds(values)), None)]
    found += [one for one in binary if one.holds(values)]
    steps = [one for one in found if one is not None]
    return max(steps, key=lambda one: 1 / one.step if one.over else one.step, default=None)


def _binary(values: np.ndarray) -> float:
    """The largest power of two of which all values are multiples."""
    mantissas, exponents = np.frexp(values[values != 0])
    if not len(mantissas):
        return 1.0
    whole = np.ldexp(mantissas, 53).astype(np.int64)
    zeros = np.frexp((whole & -whole).astype(np.float64))[1] - 1
    return float(np.ldexp(1.0, int((exponents - 53 + zeros).min())))


def packed(values: np.ndarray) -> Optional[Lattice]:
    """The lattice on which values [n] lie but for what rounding adds; None where none is found."""
    listed = np.unique(values[:: max(1, len(values) // _LISTED)])
    room = _ROUNDED * float(np.abs(listed[[0, -1]]).max())
    apart = np.diff(listed)
    apart = np.where(apart > room, apart, np.inf)
    nearest = int(np.argmin(apart)) if len(apart) else 0
    start, away = float(listed[0]), np.sort(np.abs(listed - listed[nearest]))
    steps = (float(apart[nearest]) / parts for parts in _PARTS) if len(apart) else ()
    found = next((step for step in (_told_by(away, step) for step in steps) if step), None)
    if found is None:
        return None
    tolerance = 2 * room * found / float(away[-1])
    written = [float(f"{found:.{digits}g}") for digits in range(1, 17)]
    written[8:8] = [float(np.float32(short)) for short in written[:8]]  # attributes often are such
    step = next((short for short in written if abs(short - found) <= tolerance), found)
    whole = abs(start / step - np.rint(start / step)) * step <= 2 * room
    return Lattice(step, 0.0 if whole else start)


def _told_by(away: np.ndarray, step: float) -> Optional[float]:
    """The step that distances, rising from 0, are multiples of; it is known but for rounding."""
    reach = 1.0
    if not away[-1] <= _MOST_STEPS * step < np.inf:
        return None
    while reach * step < away[-1]:  # numbers ever farther away tell the step ever better
        reach *= 16
        near = away[away <= reach * step] / step
        numbers = np.rint(near)
        if not numbers.any() or not np.abs(near - numbers).max() <= _FRACTION:
            return None
        step *= math.fsum(near * numbers) / math.fsum(numbers * numbers)  # alike everywhere
    return step


def roughness(values: np.ndarray) -> float:
    """How far a number ``[.., W]`` lies from its left neighbour, or what rows tell it to be."""
    if values.shape[-1] < 2:
        return 0.0
    across = np.diff(values, axis=-1)
    changes = [across] if values.ndim < 2 or len(values) < 2 else [across, np.diff(across, axis=-2)]
    return float(min(np.abs(change).mean() for change in changes if change.size))
