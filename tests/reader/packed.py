"""docs/format.md, "Packed metadata"."""

from __future__ import annotations

import json
import math
import struct
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[2] / "docs" / "format.md"


def require(condition: bool, what: str) -> None:
    """Refuses a file where a condition doesn't hold."""
    if not condition:
        raise ValueError(what)


@lru_cache
def words() -> bytes:
    """The preset dictionary, as the page has it."""
    _, _, after = PAGE.read_text().partition("<!-- the words of fields -->\n```\n")
    lines, _, _ = after.partition("\n```\n")
    return lines.replace("\n", "").encode("ascii")


def unpacked(text: str) -> Any:
    """What a text says, lists in the places of progressions."""
    left = 2**21

    def whole(pairs: list[tuple[str, Any]]) -> Any:
        nonlocal left
        found = dict(pairs)
        if "~" not in found:
            return {name[1:] if name[:1] == "~" else name: found[name] for name in found}
        told = found["~"]
        require(
            len(found) == 1 and isinstance(told, list) and 3 <= len(told) <= 6, "no progression"
        )
        require(type(told[2]) is int and 0 < told[2] <= left, "too many numbers")
        left -= told[2]
        return progression(*told)

    return json.loads(text, object_pairs_hook=whole)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and -(2**53) <= value <= 2**53


def progression(
    a: Any, b: Any, n: int, d: Any = None, mending: Any = (), size: Any = None
) -> list[Any]:
    """The numbers that it stands for."""
    require(all(_is_number(one) for one in (a, b, 1 if d is None else d)), "no numbers")
    require(d is None or d > 0, "no divisor")
    numbers = [a + i * b for i in range(n)]
    require(all(map(_is_number, numbers)), "too large numbers")
    require(size is None or (size == 4 and isinstance(mending, list)), "another size")
    if isinstance(mending, list) and (mending or size is None):
        require(len(mending) == n - 2, "other differences")
        require(all(type(one) is int and _is_number(one) for one in mending), "no differences")
        for i, added in enumerate(accumulate(accumulate(mending)), 2):
            numbers[i] += added
    else:
        require(isinstance(mending, str) or mending in ((), []), "another end")
    require(all(map(_is_number, numbers)), "too large numbers")
    if d is not None:
        numbers = [one / d for one in numbers]
    if isinstance(mending, str):
        require(len(mending) == n and mending.isascii(), "other letters")
        numbers = [_moved(one, ord(letter) - ord("N")) for one, letter in zip(numbers, mending)]
    if size is not None:
        numbers = [struct.unpack("<f", struct.pack("<f", one))[0] for one in numbers]
    require(all(math.isfinite(one) and _is_number(one) for one in numbers), "too large numbers")
    return numbers


def _moved(number: float, steps: int) -> float:
    """The number whose bits are those of another one and so many more."""
    (bits,) = struct.unpack("<q", struct.pack("<d", number))
    found: float = struct.unpack("<d", struct.pack("<q", bits + steps))[0]
    return found
