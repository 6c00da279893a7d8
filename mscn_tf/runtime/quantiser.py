"""The quantiser's algebra, written once for NumPy and TensorFlow.

Where a function takes ``xp``, the array namespace, that is the module ``numpy`` or ``tensorflow``:
it uses only what both call by the same names.
"""

from __future__ import annotations

from typing import Any

from mscn_tf.runtime.quality import LEVELS

FRACTION = 14  # fractional bits of a scale index before rounding
DEAD_ZONE = 0.2  # of the rounding that the first scales, and a symbol's own dead zone, rest on
CORRECTION = 0.7  # of the way that a correction of codes goes: all of it swings to and fro
TEMPERATURE = 0.1  # of gates on the elements of a code, in steps squared
_WIDEST = 0.45  # dead zone of a symbol: below a half, so that what is nearer to two is never zero


def round_dead_zone(xp: Any, values: Any, dead_zone: Any) -> Any:
    """``sign(v) floor(|v| + 1/2 - dead_zone)``: rounding with a wider interval around zero.

    Args:
      xp: the array namespace.
      values: any shape, in units of the quantiser's step.
      dead_zone: in [0, 1/2), broadcastable to ``values``; 0 is plain rounding.
    """
    return xp.sign(values) * xp.floor(xp.abs(values) + 0.5 - dead_zone)


def dead_zones(xp: Any, bits: Any, rate_weight: float) -> Any:
    """Dead zones in which a zero is cheaper than a one.

    One against zero: ``v^2 - (v - 1)^2 = 2 v - 1`` must exceed ``rate_weight`` times the bits.

    Args:
      xp: the array namespace.
      bits: what a one takes more than a zero, any shape.
      rate_weight: squared error that a bit is worth, in steps squared.
    """
    return xp.minimum(xp.maximum(0.5 * rate_weight * bits, 0.0), _WIDEST)


def around(xp: Any, q16: Any) -> tuple[Any, Any, Any]:
    """Rows below and above qualities, in tables of a row a whole quality, and sixteenths between.

    Args:
      xp: the array namespace.
      q16: whole numbers, any shape, qualities times 16.
    """
    lower = q16 // 16 - 1
    return lower, xp.minimum(lower + 1, LEVELS - 1), q16 % 16


def between(low: Any, high: Any, sixteenths: Any) -> Any:
    """What lies so many sixteenths of the way from one quality's floats to the next one's."""
    return low + (high - low) * sixteenths / 16


def whole_between(xp: Any, low: Any, high: Any, sixteenths: Any) -> Any:
    """As ``between`` of whole numbers (in a floating-point type), rounded down.

    The difference is rounded alone, so that float32 is exact where all numbers are below 2^24.
    """
    return low + xp.floor((high - low) * sixteenths / 16)


def scale_index(xp: Any, index: Any, tables: int) -> Any:
    """Whole scale indices, below ``tables``, of fixed-point ones, all in a floating-point type."""
    rounded = xp.floor((index + 2.0 ** (FRACTION - 1)) * 2.0**-FRACTION)
    return xp.minimum(xp.maximum(rounded, 0.0), tables - 1.0)
