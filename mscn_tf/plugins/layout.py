"""How chunks of arrays lie in `.mscn` files, as the metadata tell it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mscn_tf.plugins.goals import check_dtype
from mscn_tf.runtime.container import MAX_PIXELS, Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.header import MAX_ITEMS


def folded(shape: Sequence[int]) -> tuple[int, int, int]:
    """Items, rows and columns of a chunk of any number of axes."""
    rows, columns = (1, 1, *shape)[-2:]
    return math.prod(shape[:-2]), rows, columns


class Layout(NamedTuple):
    """How a chunk lies in its file: fields, then planes that label their numbers.

    Attributes:
      shape: of the chunk.
      dtype: of its numbers.
      order: "C", or "F" where its columns lie one after the other.
      marks: what stands for no number, of that type.
      labels: of each field, which of the planes labels it; -1: none does, it has all numbers. A
        label is 0, or one more than a mark's index.
      offset: what was taken from numbers before they became float32.
      pad: the number, [1] of that type, of rows and columns beyond those of the fields, and of
        items beyond the last one; [0] where there are none.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    order: str
    marks: np.ndarray
    labels: list[int]
    pad: np.ndarray
    offset: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """What is not as usual."""
        told = {"shape": list(self.shape), "dtype": self.dtype.str}
        given = {**self._asdict(), "marks": _hex(self.marks), "pad": _hex(self.pad)}
        usual = _usual(len(self.labels))
        return {**told, **{name: given[name] for name in usual if given[name] != usual[name]}}

    @classmethod
    def of(cls, container: Container) -> Layout:
        """That of a file.

        Raises:
          MscnError: it holds no chunk, or is damaged.
        """
        told = (container.metadata or {}).get("chunk")
        if told is None:
            raise MscnError(f"{container.source}: not a chunk of an array; see `mscn info`")
        try:
            layout = cls._told({**_usual(container.items), **told})
            layout._check(container)
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise MscnError(f"{container.source}: its metadata are damaged") from error
        return layout

    @classmethod
    def _told(cls, told: Mapping[str, Any]) -> Layout:
        shape, dtype = tuple(told["shape"]), np.dtype(told["dtype"])
        check_dtype(dtype)
        marks, pad = (np.frombuffer(bytes.fromhex(told[name]), dtype) for name in ("marks", "pad"))
        return cls(shape, dtype, told["order"], marks, list(told["labels"]), pad, told["offset"])

    def _check(self, container: Container) -> None:
        """Raises ValueError or TypeError where it isn't that of a file."""
        if not all(type(side) is int and side >= 1 for side in self.shape):
            raise ValueError("no shape")
        items, rows, columns = folded(self.shape)
        fields, (height, width) = len(self.labels), container.shapes[0]
        planes = container.items - fields
        whole = (fields, height, width) == (items, rows, columns)
        if not (
            1 <= fields <= items <= MAX_ITEMS
            and height <= rows
            and width <= columns
            and items * rows * columns <= MAX_PIXELS
            and len(set(container.shapes)) == 1
            and all(type(number) is int and -1 <= number < planes for number in self.labels)
            and len(self.pad) == (0 if whole else 1)
            and self.order in ("C", "F")
            and math.isfinite(self.offset)
        ):
            raise ValueError("no such chunk")


def _hex(numbers: np.ndarray) -> str:
    return numbers.tobytes().hex()


def _usual(fields: int) -> dict[str, Any]:
    return {"order": "C", "marks": "", "labels": [-1] * fields, "pad": "", "offset": 0.0}
