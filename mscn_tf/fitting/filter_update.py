"""What a picture says of the filters that mend it, where that mends more than it costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

import numpy as np

from mscn_tf.fitting.adaptive_filter import chosen_taps
from mscn_tf.runtime.adaptive_filter import difference_bound
from mscn_tf.runtime.filter_updates import FilterUpdates
from mscn_tf.runtime.post_filter import DIRECTION_SHIFT, MARGIN, SHIFT, PostFilter
from mscn_tf.runtime.pyramids import Pyramids
from mscn_tf.runtime.wavelet import Pyramid, synthesise

_BLOCKS = 2**12  # of 2x2 pixels that are looked at
_FINE_BITS = 4  # parts of the filter's unit: sums of whole ones are the same in any order
_FARTHEST = 2**11  # of such parts that a step is taken to move a pixel
_WORST = 2**17  # of such parts that a pixel is taken to be off
_COST_BITS = 12  # parts of a bit
_ROUNDS = 16  # over all directions, at most

# What coefficients of a tile of some height and width are off, to steps along the filter's
# directions and taps of the one after it, or None where there is no such. (What they are
# synthesised to without those of the tiles beside is far off at edges.)
Suited = Callable[[Pyramid, int, int], tuple[Optional[np.ndarray], Optional[np.ndarray]]]


def suited_to(scheme: Pyramids, pixels: np.ndarray, q16: int, bit_error: float) -> Optional[Suited]:
    """What chooses a tile's update of the filter, and taps; None where a codec has neither.

    Args:
      scheme: of the codec.
      pixels: uint8 ``[H, W, 1 or 3]``, the tile's.
      q16: quality in sixteenths.
      bit_error: squared error, of values from 0 to 1, that a bit is worth.
    """
    mend, updates, taps = scheme.post_filter, scheme.prior.filter_updates, scheme.prior.taps
    if mend is None or not (updates or taps):
        return None

    def suited(
        errors: Pyramid, height: int, width: int
    ) -> tuple[Optional[np.ndarray], Optional[np.ndarray]]:
        original, decoded = before_and_after(scheme, pixels, errors)
        values = with_margins(decoded)
        del decoded  # as large as the tile, eight bytes a value
        update = None
        if updates:
            update = chosen_filter_update(updates, mend, original, values, q16, bit_error)
        if taps is None:
            return update, None
        mended = mend(values, q16, update)[:height, :width]
        del values
        bound = difference_bound(mend.error(q16))
        return update, chosen_taps(taps, original, mended, bound, bit_error)

    return suited


def before_and_after(
    scheme: Pyramids, pixels: np.ndarray, errors: Pyramid
) -> tuple[np.ndarray, np.ndarray]:
    """Values of a tile, float64 ``[H, W, C]``: the original's, and what they are decoded to.

    Args:
      scheme: of the codec.
      pixels: uint8 ``[H, W, 1 or 3]``, the tile's.
      errors: what its coefficients are off.
    """
    off = scheme.values(synthesise(errors, *pixels.shape[:2])) - 0.5
    original = np.broadcast_to(pixels / 255.0, off.shape)
    return original, original + off


def with_margins(values: np.ndarray) -> np.ndarray:
    """Values of a tile and what a filter looks at around it, to even sides.

    A tile's edges are repeated, where a decoder sees the tile beside it.
    """
    margins = [(MARGIN, MARGIN + side % 2) for side in values.shape[:2]]
    return np.pad(values, [*margins, (0, 0)], "edge")


def chosen_filter_update(
    updates: FilterUpdates,
    mend: PostFilter,
    original: np.ndarray,
    values: np.ndarray,
    q16: int,
    bit_error: float,
) -> np.ndarray:
    """Steps that leave the least squared error of mended pixels, a bit's worth of it for each bit.

    What a step changes is linear but for rounding: the least is sought along one direction after
    the other, from no steps on.

    Args:
      updates: which there are.
      mend: the filter.
      original: float64 ``[H, W, C]``.
      values: what is decoded, as `with_margins` gives it.
      q16: quality in sixteenths.
      bit_error: squared error that a bit is worth.

    Returns:
      int8 [K].

    Raises:
      MscnError: ONNX Runtime fails, or the graph gives no ``hidden``.
    """
    part = mend.unit(q16) / 2**_FINE_BITS
    rows, columns = (side // 2 for side in original.shape[:2])
    every = -(-rows * columns // _BLOCKS) | 1  # odd: hardly in step with what repeats
    y, x = np.divmod(np.arange(0, rows * columns, every), columns)
    if not len(y):
        return updates.none()
    mended, hidden = mend.at_blocks(values, q16, y, x)
    errors = [original[2 * y + i, 2 * x + j].T - mended[i, j] for i, j in np.ndindex(2, 2)]
    error = np.clip(np.rint(np.concatenate(errors) / part), -_WORST, _WORST).ravel()
    moves = _moves(mend, hidden)
    products, pulls = moves @ moves.T, moves @ error  # of whole numbers, below 2^53
    worth = bit_error / (part * part) * (len(y) / (rows * columns)) / 2**_COST_BITS
    costs = np.floor(updates.costs * 2**_COST_BITS + 0.5)
    update = _descended(products, pulls, worth * costs)
    gain = 2 * (pulls @ update) - update @ products @ update
    paid = worth * costs[np.arange(len(update)), update + updates.limit].sum()
    return update.astype(np.int8) if gain > paid else updates.none()


def _moves(mend: PostFilter, hidden: np.ndarray) -> np.ndarray:
    """float64 [K, values], whole: by how many parts a step moves each value of blocks.

    Args:
      mend: the filter.
      hidden: float32 [in, 3, 3, n], see `PostFilter.at_blocks`.
    """
    if mend.directions is None:
        raise ValueError("the filter has no directions")
    kernel, bias = mend.directions
    regressors = hidden.reshape(-1, hidden.shape[-1]).astype(np.float64)
    sums = kernel.reshape(bias.size, -1).astype(np.float64) @ regressors + bias.reshape(-1, 1)
    parts = np.rint(sums / 2 ** (SHIFT + DIRECTION_SHIFT - _FINE_BITS))
    return np.clip(parts, -_FARTHEST, _FARTHEST).reshape(len(bias), -1)


def _descended(products: np.ndarray, pulls: np.ndarray, costs: np.ndarray) -> np.ndarray:
    """int64 [K], where no other step along one direction alone costs less."""
    limit = costs.shape[1] // 2
    steps, update = np.arange(-limit, limit + 1), np.zeros(len(pulls), np.int64)
    for _ in range(_ROUNDS):
        before = update.copy()
        for k, pull in enumerate(pulls):
            others = products[k] @ update - products[k, k] * update[k]
            errors = steps * (steps * products[k, k] - 2 * (pull - others))
            update[k] = steps[np.argmin(errors + costs[k])]
        if np.array_equal(update, before):
            break
    return update
