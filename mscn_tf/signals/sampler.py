"""Random tiles of signals with any number of axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Union

import numpy as np

from mscn_tf.runtime.errors import MscnError


class SignalSampler:
    """Random tiles of signals; ``draw(n, step)`` always gives the same tiles.

    Args:
      signals: float32 ``[.., C]`` each, nominally in [0, 1].
      shape: of a tile, without channels.
      seed: of the generator, together with each call's step.
      flips: mirror tiles at random along every axis, or along those that it names.

    Raises:
      MscnError: there is no signal, or one is smaller than a tile.
    """

    def __init__(
        self,
        signals: Sequence[np.ndarray],
        shape: Sequence[int],
        seed: int,
        flips: Union[bool, Sequence[int]] = False,
    ):
        if not signals:
            raise MscnError("the training set holds no signal; set config.data.train")
        for signal in signals:
            if signal.ndim != len(shape) + 1 or any(
                side < wanted for side, wanted in zip(signal.shape, shape)
            ):
                raise MscnError(
                    f"a training signal of shape {signal.shape[:-1]} is smaller than a tile of "
                    f"{tuple(shape)}; leave it out"
                )
        self.signals, self.shape, self.seed = signals, tuple(shape), seed
        if isinstance(flips, bool):
            flips = range(len(shape)) if flips else ()
        self.flips = np.array(flips, int)
        sizes = np.array([signal.size for signal in signals], float)
        self._shares = sizes / sizes.sum()

    def draw(self, count: int, step: int) -> np.ndarray:
        """``[count, .., C]`` float32."""
        random = np.random.default_rng([self.seed, step])
        tiles = np.empty((count, *self.shape, self.signals[0].shape[-1]), np.float32)
        for tile, number in zip(tiles, random.choice(len(self.signals), count, p=self._shares)):
            signal = self.signals[number]
            corner = [
                random.integers(side - wanted + 1) for side, wanted in zip(signal.shape, self.shape)
            ]
            part = signal[tuple(slice(c, c + n) for c, n in zip(corner, self.shape))]
            flips = self.flips[random.random(len(self.flips)) < 0.5].tolist()
            tile[:] = np.flip(part, tuple(flips))
        return tiles
