"""Sequences that are larger than memory: their entries are made when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable, TypeVar, Union, overload

T = TypeVar("T")


class Made(Sequence[T]):
    """Entries that a function makes, anew each time.

    Args:
      count: of entries.
      make: of an entry's number, from 0.
    """

    def __init__(self, count: int, make: Callable[[int], T]):
        self._numbers, self._make = range(count), make

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> list[T]: ...

    def __getitem__(self, index: Union[int, slice]) -> Union[T, list[T]]:
        if isinstance(index, slice):
            return [self._make(number) for number in self._numbers[index]]
        return self._make(self._numbers[index])
