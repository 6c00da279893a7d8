"""Lists of numbers in equal steps, or nearly so, as coordinates are, told by a few numbers.

`[a, b, n]` stands for the n numbers a + i b, and `[a, b, n, d]` for (a + i b) / d. What follows d
mends it. A list has the second differences of the numerators, which b alone makes 0. A text has a
letter for each number, whose code less that of "N" is added to the number's 64 bits, taken as a
whole number: so comes back what was rounded in other ways. A 4 behind a list, which may be empty
then, says that values are rounded to the 4 bytes of float32 in the end.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Optional, Union

import numpy as np

LONGEST = 2**21  # numbers of all progressions of a file
_LEAST = 4  # numbers of one that is worth it
_LARGEST = 2**53  # whole numbers that all languages have
_DECIMALS = 7
_MIDDLE = ord("N")
_SINGLE = 4  # bytes of float32
_FURTHEST = 40  # that a correction may be


def count(told: Any) -> int:
    """How many numbers a progression stands for.

    Raises:
      LookupError, TypeError, ValueError: it is none.
    """
    number = told[2]
    if type(told) is not list or type(number) is not int or not 0 < number <= LONGEST:
        raise ValueError("no progression")
    return number


def numbers_of(told: Any) -> list[Any]:
    """The numbers, all of them int or float, that a progression stands for.

    Raises:
      ArithmeticError, AttributeError, LookupError, TypeError, ValueError: it is none.
    """
    length, terms, mending, single = count(told), [*told[:2], *told[3:4]], told[4:5], told[5:]
    whole = len(terms) == 2 and type(terms[0]) is type(terms[1]) is int
    first, step, *rest = map(_number, terms)
    (divisor,) = rest or (1.0,)
    if divisor <= 0 or single not in ([], [_SINGLE]) or (single and type(mending[0]) is not list):
        raise ValueError("no such progression")
    numerators = _limited(first + np.arange(length) * step)
    if mending and type(mending[0]) is list:
        numerators[2:] += _added(mending[0], length - 2, bool(single))
    values = np.array(_limited(numerators) / divisor)
    if mending and type(mending[0]) is not list:
        values = (values.view(np.int64) + _codes(mending[0], length) - _MIDDLE).view(np.float64)
    if single:
        values = values.astype(np.float32).astype(np.float64)
    return _limited(values).astype(np.int64).tolist() if whole else _limited(values).tolist()


def _limited(values: np.ndarray) -> np.ndarray:
    if not (np.abs(values) <= _LARGEST).all():
        raise ValueError("too large numbers")
    return values


def _added(differences: list[Any], length: int, may_lack: bool) -> np.ndarray:
    """float64 ``[length]``: what second differences add up to."""
    if may_lack and not differences:
        return np.zeros(length)
    if len(differences) != length or not all(type(one) is int for one in differences):
        raise ValueError("other differences")
    return np.cumsum(np.cumsum([_number(one) for one in differences]))


def _codes(letters: str, length: int) -> np.ndarray:
    """int64 ``[length]``."""
    codes = np.frombuffer(letters.encode("ascii"), np.uint8)
    if len(codes) != length:
        raise ValueError("other letters")
    return codes.astype(np.int64)


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not abs(value) <= _LARGEST:
        raise ValueError("no number")
    return float(value)


def told(numbers: Sequence[Any]) -> Optional[list[Any]]:
    """The shortest of what `numbers_of` makes exactly these of; None where none is shorter."""
    kinds = set(map(type, numbers))
    if len(numbers) < _LEAST or len(kinds) > 1 or not kinds <= {int, float}:
        return None
    if kinds == {int}:
        first, step = numbers[0], numbers[1] - numbers[0]
        small = max(abs(first), abs(numbers[-1])) <= _LARGEST
        equal = all(one == first + number * step for number, one in enumerate(numbers))
        return [first, step, len(numbers)] if small and equal else None
    exact = np.array(numbers)
    if not _is_small(exact):
        return None
    ways = [way for way in (*_in_steps(exact), _by_differences(exact), _single(exact)) if way]
    shortest = min(ways, key=_cost, default=None)
    if shortest is None or _cost(shortest) >= _cost(list(numbers)):
        return None
    same = np.array(numbers_of(list(shortest))).tobytes() == exact.tobytes()  # not so of -0.0
    return shortest if same else None


def _cost(told: list[Any]) -> int:
    """About how many letters a list takes; those that correct nothing are for nothing."""
    text = json.dumps(told)
    return len(text) - text.count(chr(_MIDDLE))


def _in_steps(exact: np.ndarray) -> Iterator[list[Any]]:
    for terms in _candidates(exact):
        values = _values(*terms, length=len(exact))
        off = exact.view(np.int64) - values.view(np.int64)
        way = [*map(_short, terms[:2]), len(exact), *map(_short, terms[2:])]
        if not off.any():
            yield way if len(terms) > 2 else [terms[0], *way[1:]]
        elif off.min() >= -_FURTHEST and off.max() <= _FURTHEST:
            letters = (off + _MIDDLE).astype(np.uint8).tobytes().decode("ascii")
            yield [*way, *([] if len(terms) > 2 else [1]), letters]


def _by_differences(exact: np.ndarray) -> Optional[list[Any]]:
    """By second differences of decimals."""
    for divisor in (10**digits for digits in range(_DECIMALS + 1)):
        numerators = np.rint(exact * divisor)
        if np.array_equal((numerators / divisor).view(np.int64), exact.view(np.int64)):
            if np.abs(numerators).max() * len(exact) > _LARGEST:
                break
            first, second, *_ = wholes = numerators.astype(np.int64)
            differences = np.diff(wholes, 2).tolist()
            return [int(first), int(second - first), len(exact), divisor, differences]
    return None


def _single(exact: np.ndarray) -> Optional[list[Any]]:
    """By the numbers that people mean by float32, if they are all such."""
    single = exact.astype(np.float32)
    if not np.array_equal(single, exact):
        return None
    steps = regular(single)
    if steps is None:
        way = _by_differences(_meant(single))
        return way and [*way, _SINGLE]
    way = next((way for way in _in_steps(steps) if len(way) < 5), None)
    return way and [*way, *([1] if len(way) < 4 else []), [], _SINGLE]


def _meant(single: np.ndarray) -> np.ndarray:
    """float64: the decimals that people write for float32."""
    return single.astype(str).astype(np.float64)


def regular(stored: np.ndarray) -> Optional[np.ndarray]:
    """The same numbers, ``[n]``, where they are in equal steps, but for rounding; else None.

    Of float32 those in float64, so near to them, that are in equal steps.
    """
    if stored.dtype != np.float32:
        way = told(stored.tolist())
        return None if way is None or (way[4:] and type(way[4]) is list and way[4]) else stored
    meant = _meant(stored)
    if len(meant) < _LEAST or not _is_small(meant):
        return None
    for terms in _candidates(meant):
        values = _values(*terms, length=len(meant))
        if values.astype(np.float32).tobytes() == stored.tobytes():
            return values
    return None


def _is_small(exact: np.ndarray) -> bool:
    """Whether all decimals are whole numbers that are exact in float64."""
    return bool(np.abs(exact).max() <= _LARGEST / 10**_DECIMALS)


def _values(first: float, step: float, divisor: float = 1.0, *, length: int) -> np.ndarray:
    return np.array((first + np.arange(length) * step) / divisor)


def _candidates(exact: np.ndarray) -> Iterator[tuple[float, ...]]:
    """First number, step and, but where it is 1, divisor, by which people make such numbers."""
    intervals = len(exact) - 1
    first, second, last = map(float, (exact[0], exact[1], exact[-1]))
    span = last - first
    for step in (float(f"{span / intervals:.{_DECIMALS}g}"), span / intervals, second - first):
        yield first, step
    decimals = [10**digits for digits in range(1, _DECIMALS + 1)]
    for divisor in (*decimals, intervals, intervals + 1, 2 * intervals, 2 * intervals + 2):
        yield float(round(first * divisor)), float(round(span * divisor / intervals)), divisor


def _short(term: float) -> Union[int, float]:
    """The same number, a whole one as JSON has it without a fraction."""
    return int(term) if term == int(term) else term
