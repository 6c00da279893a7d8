"""Pictures in fewer colours, where those cost more bits than they are worth.

All colours are one box at first, at its mean, and boxes are split at their mean along the channel
in which they vary most, that one first which saves most error for its bits (after Wan, Wong and
Prusinkiewicz 1988).
"""

from __future__ import annotations

import heapq
from typing import NamedTuple, Optional

import numpy as np

_BITS = 24.0  # about what a colour takes by itself; and each pixel of it one


class _Split(NamedTuple):
    """How a box would be split.

    Attributes:
      worth: the squared error that it saves for a bit, less than 0 so that the largest comes first.
      number: of the box, the first one first.
      lower, upper: numbers of colours.
    """

    worth: float
    number: int
    lower: np.ndarray
    upper: np.ndarray


def in_few_colours(pixels: np.ndarray, price: float) -> np.ndarray:
    """uint8 ``[H, W, C]``: pixels in the mean colours of boxes, as many as pay for their bits.

    Args:
      pixels: uint8 ``[H, W, C]``.
      price: squared error, summed over channels, that a bit is worth.
    """
    samples = pixels.reshape(-1, pixels.shape[-1])
    colours, index, counts = np.unique(samples, axis=0, return_inverse=True, return_counts=True)
    values = colours.astype(np.int64)
    boxes = [np.arange(len(colours))]
    waiting: list[_Split] = []

    def look_at(number: int) -> None:
        split = _split(values, counts, boxes[number], number)
        if split is not None:
            heapq.heappush(waiting, split)

    look_at(0)
    while waiting and -waiting[0].worth >= price:
        _, number, lower, upper = heapq.heappop(waiting)
        boxes[number] = lower
        boxes.append(upper)
        look_at(number)
        look_at(len(boxes) - 1)
    means = np.empty_like(colours)
    for box in boxes:
        total = (values[box] * counts[box, None]).sum(0)
        means[box] = np.floor(total / counts[box].sum() + 0.5)
    return means[index.ravel()].reshape(pixels.shape)


def _split(
    values: np.ndarray, counts: np.ndarray, box: np.ndarray, number: int
) -> Optional[_Split]:
    """How a box is best split; None where it holds one colour."""
    if len(box) < 2:
        return None
    colours, weights = values[box], counts[box]
    errors = _errors(colours, weights)
    channel = int(np.argmax(errors))
    weighted = int((colours[:, channel] * weights).sum())
    above = colours[:, channel] * int(weights.sum()) > weighted
    pixels = [int(weights[part].sum()) for part in (~above, above)]
    left = sum(float(_errors(colours[part], weights[part]).sum()) for part in (~above, above))
    worth = (float(errors.sum()) - left) / (_BITS + min(pixels))
    return _Split(-worth, number, box[~above], box[above])


def _errors(colours: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """float64 ``[C]``: squared error of colours at their mean."""
    total = (colours * weights[:, None]).sum(0).astype(np.float64)
    squares = (colours**2 * weights[:, None]).sum(0).astype(np.float64)
    return np.asarray(squares - total * total / float(weights.sum()))
