"""What the numbers that a file stores for a field mean, and what a codec gets for them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Optional

import numpy as np

from mscn_tf.runtime.errors import MscnError
from mscn_tf.signals.units import HIGHEST, KELVIN, LOWEST, to_kelvins

_ROOM = HIGHEST - LOWEST  # that temperatures may be beyond them
_SLACK = 2 * float(np.spacing(np.float32(HIGHEST + _ROOM)))  # of what is coded, as float32
_STORED = frozenset("f4 f8 i1 i2 i4 i8 u1 u2 u4 u8".split())  # types of NetCDF
_EXACT = 2**24  # whole numbers below it are exact in float32
_WHOLE = 2.0**53  # whole numbers up to it are exact in float64
_SHORT = 2  # bytes of whole numbers that float32 tells fractions of
_INSIDE = 0.49  # of a whole number: what is nearer than that vanishes
_DIGITS = 3  # of the scale, which headers have
_FUZZ = 1e-9  # of a number of steps, which decimal bounds aren't quite


@dataclass(frozen=True)
class Coding:
    """How a variable's numbers are stored, and the values that a codec gets for them.

    A stored number s stands for the value s * ``factor`` + ``add``, in ``units``; a codec gets
    float32 of value * ``scale`` + ``offset``: kelvins of temperatures, and the range of the
    Earth's of all else. Of ``raw`` ones it gets the stored numbers plus ``offset``, of ``wide``
    ones these as they are, in their own type.

    Attributes:
      name: of the variable.
      count: of its fields.
      units: as the file spells it.
      dtype: of stored numbers.
      factor, add: CF's scale_factor and add_offset.
      scale, offset: of what is coded.
      raw: whether that's the stored numbers themselves, plus the offset.
      wide: whether float32 doesn't do for them: raw ones without offset.
      grid: number of the grid that they lie on.
      within: least and largest stored number, where what lies beyond would count as missing.
      missing: the stored number that says that there is none; None: NaN.
      rounding: largest error of any value without loss by a codec, in ``units``.
    """

    name: str
    count: int = 1
    units: str = ""
    dtype: str = "float32"
    factor: float = 1.0
    add: float = 0.0
    scale: float = 1.0
    offset: float = 0.0
    raw: bool = False
    wide: bool = False
    grid: int = 0
    within: Optional[Sequence[float]] = None
    missing: Optional[float] = None
    rounding: float = 0.0

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Coding:
        """Those that `to_json` told.

        Raises:
          OverflowError, TypeError, ValueError: it is damaged.
        """
        coding = cls(**told)
        numbers = [coding.factor, coding.add, coding.scale, coding.offset, coding.rounding]
        numbers += coding.within or ()
        if (
            not all(map(math.isfinite, numbers))
            or not (coding.factor and coding.scale and coding.rounding >= 0)
            or not isinstance(coding.units, str)
            or len(coding.within or (0, 0)) != 2
            or np.dtype(coding.dtype).str[1:] not in _STORED
            or not (type(coding.count) is int and coding.count >= 1)
            or not (type(coding.grid) is int and coding.grid >= 0)
            or not isinstance(coding.name, str)
            or not (isinstance(coding.raw, bool) and isinstance(coding.wide, bool))
            or coding.wide > (coding.raw and coding.offset == 0)
            or type(coding.missing) not in (int, float, type(None))
        ):
            raise ValueError("no such coding")
        return coding

    def to_json(self) -> dict[str, Any]:
        """What is not as usual."""
        usual = {one.name: one.default for one in fields(self)}
        return {name: v for name, v in asdict(self).items() if v != usual[name]}

    @property
    def fits(self) -> bool:
        """Whether kelvins are coded."""
        return (self.scale, self.offset) == to_kelvins(self.units) and not self.raw

    @property
    def unit(self) -> str:
        """The unit of figures: none of pure numbers, and kelvins where the file says none."""
        return "" if self.units == "1" else self.units or KELVIN

    @property
    def whole(self) -> bool:
        """Whether whole numbers are stored."""
        return np.dtype(self.dtype).kind in "iu"

    def fitted(self, lowest: float, highest: float, exact: bool) -> Coding:
        """The same with a scale and an offset for what a variable holds.

        Args:
          lowest, highest: of its stored numbers; infinite where none is known.
          exact: they shall come back exactly.
        """
        known = math.isfinite(lowest)
        if exact:
            far = self.whole and known and max(abs(lowest), abs(highest)) >= _EXACT
            return replace(self, raw=True, offset=-float(lowest) if far else 0.0)
        ends = self.values(np.array([lowest, highest] if known else [0.0, 0.0]))
        low, high = float(ends.min()), float(ends.max())
        scaling = to_kelvins(self.units)
        if scaling and known:
            limits = (scaling[0] * limit + scaling[1] for limit in (low, high))
            if not all(LOWEST - _ROOM <= limit <= HIGHEST + _ROOM for limit in limits):
                scaling = None
        if scaling is None:
            half = high / 2 - low / 2  # all of it may be beyond float64
            scale = (HIGHEST - LOWEST) / 2 / half if half > 1e-300 else 1.0
            scale = float(f"{scale:.{_DIGITS}g}")
            scaling = (scale, float(round(LOWEST - scale * low)))
        fitted = replace(self, scale=scaling[0], offset=scaling[1])
        if known and low == high and fitted.lost(np.array([lowest])):
            return replace(self, offset=-low)
        return fitted

    def as_wide(self, within: Optional[Sequence[float]] = None) -> Coding:
        """The same where numbers are coded as they are stored, in their own type and limits."""
        if within and self.whole:
            limits = np.iinfo(self.dtype)
            within = [min(max(end, limits.min), limits.max) for end in within]
        return replace(self, raw=True, wide=True, within=within)

    def lost(self, stored: np.ndarray) -> float:
        """Largest error of any of these stored numbers without loss by a codec, in ``units``."""
        if self.wide:
            return 0.0
        errors = self.values(self.stored(self.coded(stored))) - self.values(stored)
        return float(np.abs(errors).max(initial=0.0))

    def values(self, stored: np.ndarray) -> np.ndarray:
        """float64 in ``units``."""
        return stored.astype(np.float64) * self.factor + self.add

    def coded(self, stored: np.ndarray) -> np.ndarray:
        """float32 for a codec, or wide numbers."""
        if self.wide:
            return stored
        if self.raw:
            return (stored + self.offset if self.offset else stored).astype(np.float32)
        return (self.values(stored) * self.scale + self.offset).astype(np.float32)

    def in_units(self, coded: np.ndarray) -> np.ndarray:
        """float64 in ``units``, as fine as they were coded."""
        if self.raw:
            return self.values(coded.astype(np.float64) - self.offset)
        return (coded.astype(np.float64) - self.offset) / self.scale

    def exceeds(self, values: np.ndarray) -> bool:
        """Whether values are of whole numbers that float64 doesn't hold."""
        numbers = (values - self.add) / self.factor
        return self.wide and self.whole and bool((np.abs(numbers) > _WHOLE).any())

    def stored(self, coded: np.ndarray) -> np.ndarray:
        """Numbers as they are stored, none of which says that it is missing."""
        dtype = np.dtype(self.dtype)
        if self.wide and coded.dtype == dtype:
            numbers = coded
        elif self.raw:
            numbers = coded.astype(np.float64) - self.offset
        else:
            numbers = (self.in_units(coded) - self.add) / self.factor
        if self.within:
            numbers = np.clip(numbers, self.within[0], self.within[1])
        if self.whole and numbers.dtype != dtype:
            limits = np.iinfo(dtype)
            numbers = np.clip(np.rint(np.nan_to_num(numbers)), limits.min, limits.max)
        stored = numbers.astype(dtype)
        if self.missing is not None:
            mark = np.array(self.missing).astype(dtype)
            taken = stored == mark
            if taken.any():
                stored = np.where(taken, _beside(mark, np.median(stored) < mark), stored)
        return stored

    def marked(self, coded: np.ndarray, missing: Optional[np.ndarray]) -> np.ndarray:
        """As `stored`, with what marks those that are missing."""
        stored = self.stored(coded)
        if missing is None:
            return stored
        mark = np.nan if self.missing is None else self.missing
        return np.where(missing, np.array(mark).astype(stored.dtype), stored)

    def bound(self, bound: float) -> float:
        """The bound of what is coded that keeps one of the values which come out of the file.

        Raises:
          MscnError: there is none.
        """
        if not math.isfinite(bound):
            raise MscnError(f"{self.name}: its range is beyond all numbers; give --max-error=E")
        if self.wide:
            steps = bound / abs(self.factor)
            return float(math.floor(steps * (1 + _FUZZ) + _FUZZ)) if self.whole else steps
        if self.raw:
            # Whole numbers come back exactly where they are off by less than half.
            return _INSIDE if self.whole and np.dtype(self.dtype).itemsize <= _SHORT else 0.0
        if bound == self.rounding == 0:  # a constant
            return 0.0
        plain = (1.0, 0.0, 1.0, 0.0, "float32")
        if (self.factor, self.add, self.scale, self.offset, self.dtype) == plain:
            return bound
        room, step = bound - self.rounding, abs(self.factor) if self.whole else 0.0
        if self.whole:  # rounding to the nearest whole number takes away less than half a step
            room = step * (math.floor(room / step * (1 + _FUZZ) + _FUZZ) + 0.5)
        else:
            limits = (abs(x - self.offset) / abs(self.scale) for x in (0.0, HIGHEST + _ROOM))
            largest = (max(limits) + abs(self.add)) / abs(self.factor)
            room -= float(np.spacing(np.dtype(self.dtype).type(largest))) * abs(self.factor)
        lacking = 2 * _SLACK - abs(self.scale) * room
        if not lacking < 0:  # nor where a range is larger than any number
            finest = rounded_up(
                bound + lacking / abs(self.scale) + (self.whole and abs(self.factor))
            )
            cure = ", or use --lossless" if np.can_cast(self.dtype, np.float32) else ""
            raise MscnError(
                f"--max-error={bound:g} is finer than what is coded of {self.name}; raise it to "
                f"{finest:g} or more{cure}"
            )
        return abs(self.scale) * room - _SLACK

    def keeps(self, bound: float) -> bool:
        """Whether what is coded is fine enough for a bound, in ``units``."""
        try:
            self.bound(bound)
        except MscnError:
            return False
        return True

    def kept(self, bound: float) -> float:
        """The bound, in ``units``, that one of what is coded keeps."""
        if self.raw:
            return float(abs(self.factor) * (math.floor(bound + 0.5) if self.whole else bound))
        if self.whole:
            steps = math.floor((bound / abs(self.scale) + self.rounding) / abs(self.factor) + 0.5)
            return steps * abs(self.factor)
        return bound / abs(self.scale) + self.rounding


def rounded_up(number: float) -> float:
    """Two digits of a number, 0 or above, and not less than it."""
    short = float(f"{number:.1e}")
    return short if short >= number else float(f"{1.1 * number:.1e}")


def _beside(number: np.ndarray, below: bool) -> np.ndarray:
    """The next number of its type."""
    kind = number.dtype.type
    if number.dtype.kind == "f":
        return np.nextafter(number, kind(-np.inf if below else np.inf))
    return number - kind(1) if below else number + kind(1)
