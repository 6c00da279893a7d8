"""Batches drawn while the step before them is taken."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Callable

import numpy as np

Batch = Sequence[np.ndarray]


class Prefetch:
    """Gives the batch of a step, and has that of the next one drawn meanwhile.

    So a device doesn't wait for its input, unless drawing takes longer than a step.

    Args:
      draw: maps a step's number to its batch, always to the same.
    """

    def __init__(self, draw: Callable[[int], Batch]):
        self._draw = draw
        self._thread = ThreadPoolExecutor(1, "batches")
        self._drawn: dict[int, Future[Batch]] = {}

    def __call__(self, step: int) -> Batch:
        batch = self._drawn.pop(step, None) or self._thread.submit(self._draw, step)
        self._drawn = {step + 1: self._thread.submit(self._draw, step + 1)}
        return batch.result()
