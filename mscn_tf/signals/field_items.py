"""What the metadata of a `.mscn` file say of each of its fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

import numpy as np

from mscn_tf.runtime.header import MAX_ITEMS
from mscn_tf.signals import gaps
from mscn_tf.signals.coding import Coding
from mscn_tf.signals.latlon import NAMES


class Items:
    """What metadata say of each field of a file.

    Args:
      told: the metadata, as `field_files.as_now` gives them.

    Attributes:
      codings: of the variables.
      grids: that they lie on.
      count: of fields.

    Raises:
      KeyError, TypeError, ValueError: the metadata are damaged.
    """

    def __init__(self, told: Mapping[str, Any]):
        self.codings = [Coding.of(one) for one in told.get("fields", ())]
        self.grids: Sequence[Mapping[str, Any]] = told.get("grids", [told])
        ends = [0]
        for coding in self.codings:
            ends.append(ends[-1] + coding.count)
        self.count = ends[-1]
        if self.count > MAX_ITEMS:
            raise ValueError("no file has so many fields")
        self._ends, self._mask = np.array(ends), told.get("mask")

    def place(self, item: int) -> tuple[int, int]:
        """Numbers of its variable and of its field among those of the variable."""
        variable = int(np.searchsorted(self._ends, item, "right")) - 1
        return variable, item - int(self._ends[variable])

    def coding(self, item: int) -> Coding:
        """Of its variable."""
        return self.codings[self.place(item)[0]]

    def grid(self, item: int) -> Mapping[str, Any]:
        """That it lies on."""
        return self.grids[self.coding(item).grid]

    def mask(self, item: int, shape: Sequence[int]) -> Optional[np.ndarray]:
        """bool ``[H, W]``, of such a shape: where it has no values; None where it has them all."""
        if self._mask is None or self._mask[item] < 0:
            return None
        number = self.coding(item).grid
        own = [coding.grid == number for coding in self.codings]  # one after the other
        first, last = self._ends[own.index(True)], self._ends[len(own) - own[::-1].index(True)]
        count = max(self._mask[first:last]) + 1
        masks = gaps.unpack(self.grids[number]["masks"], count, (shape[0], shape[1]))
        return np.asarray(masks[self._mask[item]])


def original_shape(grid: Mapping[str, Any], structure: Mapping[str, Any]) -> list[int]:
    """Rows and columns of a grid as they were coded."""
    if "axes" in grid:
        return [len(grid[name]) for name in NAMES]
    sizes = {name: int(size) for name, size, _ in structure["dims"]}
    return [sizes[dim] for dim in grid["dims"]]
