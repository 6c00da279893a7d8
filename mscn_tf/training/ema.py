"""An exponential moving average of weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import tensorflow as tf


class ExponentialMovingAverage:
    """Keeps ``average <- decay * average + (1 - decay) * weight``.

    Args:
      variables: the weights to follow.
      decay: in [0, 1); 0 keeps no average, and the weights themselves serve.
    """

    def __init__(self, variables: Sequence[tf.Variable], decay: float):
        self.decay = decay
        self._followed = tuple(variables) if decay else ()
        self.shadows = [tf.Variable(v, trainable=False) for v in self._followed]

    @property
    def variables(self) -> list[tf.Variable]:
        """What a checkpoint holds."""
        return self.shadows

    def reset(self) -> None:
        """Sets every average to its weight's present value."""
        for shadow, variable in zip(self.shadows, self._followed):
            shadow.assign(variable)

    def update(self) -> None:
        """To be called after each step of the optimizer."""
        for shadow, variable in zip(self.shadows, self._followed):
            shadow.assign_sub((1.0 - self.decay) * (shadow - variable))

    def restore(self) -> None:
        """Sets the weights to their averages."""
        for shadow, variable in zip(self.shadows, self._followed):
            variable.assign(shadow)

    @contextlib.contextmanager
    def swapped_in(self) -> Iterator[None]:
        """Within the context the weights hold their averages."""
        kept = [tf.identity(v) for v in self._followed]
        self.restore()
        try:
            yield
        finally:
            for value, variable in zip(kept, self._followed):
                variable.assign(value)
