"""The best of the weights that a training passes."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf


class Best:
    """Keeps the values that variables had when they scored highest.

    Args:
      variables: to keep.
    """

    def __init__(self, variables: Sequence[tf.Variable]):
        self._followed = tuple(variables)
        self._score = tf.Variable(-float("inf"), trainable=False)
        self._kept = [tf.Variable(v, trainable=False) for v in self._followed]

    @property
    def variables(self) -> list[tf.Variable]:
        """What a checkpoint holds."""
        return [self._score, *self._kept]

    def forget(self) -> None:
        """What comes is no longer compared with what was."""
        self._score.assign(-float("inf"))

    def offer(self, score: float) -> None:
        """Keeps the present values if no others scored as high."""
        if score > self._score:
            self._score.assign(score)
            for kept, variable in zip(self._kept, self._followed):
                kept.assign(variable)

    def restore(self) -> bool:
        """Sets the variables to what was kept; False if nothing ever was."""
        if not tf.math.is_finite(self._score):
            return False
        for kept, variable in zip(self._kept, self._followed):
            variable.assign(kept)
        return True
