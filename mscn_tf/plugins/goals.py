"""What Zarr's arrays may be coded for, and what arrays may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache

import numpy as np

from mscn_tf.codec.bounds import checked_bounds
from mscn_tf.codec.checks import checked_goal
from mscn_tf.codec.codec import Codec
from mscn_tf.runtime.errors import MscnError

_TYPES = frozenset("f4 f8 i1 i2 i4 i8 u1 u2 u4 u8".split())


def check_dtype(dtype: np.dtype) -> None:
    """Raises MscnError where arrays of a type can't be coded."""
    if dtype.str[1:] not in _TYPES:
        raise MscnError(f"mscn codes float32, float64 and integers, not {dtype}; convert the array")


@cache
def field_codec() -> Codec:
    """The shipped codec that chunks are coded with."""
    return Codec.load("field")


@dataclass(frozen=True)
class Goal:
    """What chunks are coded for; quality 5 where nothing is said.

    Attributes:
      max_error: no number is off by more; 0: none is off.
      relative_error: the same as a share of the range of a chunk's own numbers.
      quality: 1 to 10: bounds of 3 % to 0.001 % of the range of each field.
      missing: the number that stands for none, where that isn't NaN; it comes back exactly.

    Raises:
      MscnError: there is no such goal, or there are several.
    """

    max_error: float | None = None
    relative_error: float | None = None
    quality: float | None = None
    missing: float | None = None

    def __post_init__(self) -> None:
        for name, value in self.to_json().items():
            real = isinstance(value, (int, float, np.integer, np.floating))
            if isinstance(value, bool) or not real or not np.isfinite(value):
                raise MscnError(f"{name}={value!r}: must be a finite number")
            object.__setattr__(self, name, float(value))
        given = [name for name in self.to_json() if name != "missing"]
        if len(given) > 1:
            raise MscnError(f"give one of {' and '.join(given)}")
        checked_goal(quality=self.quality, relative_error=self.relative_error or None)
        checked_bounds(field_codec(), self.max_error, False, (), count=1)

    @classmethod
    def of(cls, told: Mapping[str, float]) -> Goal:
        """That of keywords, which may come from a stranger.

        Raises:
          MscnError: there is no such goal.
        """
        names = [one.name for one in fields(cls)]
        unknown = sorted(set(told) - set(names))
        if unknown:
            raise MscnError(f"mscn has no option {unknown[0]!r}; there are {', '.join(names)}")
        return cls(**told)

    def to_json(self) -> dict[str, float]:
        """What was said, by the names of the attributes."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def bound(self, known: np.ndarray) -> float | None:
        """That of numbers [n]; None where a quality is wanted."""
        if self.relative_error is None:
            return self.max_error
        extent = float(known.max()) - float(known.min()) if known.size else 0.0
        return self.relative_error * extent
