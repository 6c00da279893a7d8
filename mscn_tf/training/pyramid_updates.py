"""How often pictures change the model of scales, and how far, and how much of the first channel the
others have: the last thing that is learned.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from mscn_tf.entropy.frequencies import whole_frequencies
from mscn_tf.fitting.pyramid import quantise, to_channels
from mscn_tf.runtime import pyramid_shares, pyramid_updates
from mscn_tf.runtime.pyramid_prior import Fitted, PyramidPrior
from mscn_tf.runtime.quality import HIGHEST, LOWEST
from mscn_tf.runtime.wavelet import analyse

NAMES = (*pyramid_updates.NAMES, pyramid_shares.NAME)
_SHIFTS, _GAINS, _SHARES = 12, 4, 16  # the largest
_QUALITIES = 3  # at which a picture is coded
_ROUNDS = 2  # which updates are chosen depends on what they cost
_PSEUDO_COUNTS = (4.0, 4.0, 4.0, 1.0)  # for how many letters of each kind an even one counts


def evenly(pictures: Sequence[np.ndarray], count: int) -> Sequence[np.ndarray]:
    """About so many of them, as far apart as may be."""
    return pictures[:: max(1, len(pictures) // count)]


def learn_updates(
    arrays: Mapping[str, np.ndarray],
    pictures: Sequence[np.ndarray],
    colour: np.ndarray,
    rate_weight: float,
    seed: int,
) -> dict[str, np.ndarray]:
    """The arrays of ``runtime.pyramid_updates.Updates`` and ``pyramid_shares.Shares``, counted.

    Args:
      arrays: of the runtime's prior, those that are learned here left out of account.
      pictures: uint8 ``[H, W, 3]``, on which they are counted.
      colour: ``[3, 3]``, orthonormal rows.
      rate_weight: squared error that a bit is worth, in steps squared.
      seed: of the qualities.
    """
    random = np.random.default_rng(seed)
    qualities = random.integers(LOWEST, HIGHEST + 1, (len(pictures), _QUALITIES)).tolist()

    def chosen(prior: PyramidPrior) -> Iterator[Fitted]:
        for picture, several in zip(pictures, qualities):
            height, width, _ = picture.shape
            pyramid = analyse(to_channels(picture, colour), prior.levels)
            for q16 in several:
                yield quantise(prior, pyramid, height, width, q16, rate_weight)

    given = {name: array for name, array in arrays.items() if name not in NAMES}
    learned = _counted([])
    for _ in range(_ROUNDS):
        learned = _counted(chosen(PyramidPrior({**given, **learned})))
    return learned


def _counted(pictures: Iterable[Fitted]) -> dict[str, np.ndarray]:
    """Frequencies of what pictures say; about even ones where there are none."""
    sizes = (2, 2 * _SHIFTS + 1, 2 * _GAINS + 1, 2 * _SHARES + 1)
    counts = [np.full(*each) for each in zip(sizes, _PSEUDO_COUNTS)]
    for _, update, shares, *_ in pictures:
        assert update is not None  # as the prior has both
        assert shares is not None
        present = update.any((1, 2))
        np.add.at(counts[0], present.astype(int), 1)
        for number, limit in enumerate((_SHIFTS, _GAINS)):
            np.add.at(counts[1 + number], update[present, :, number].astype(int) + limit, 1)
        if shares.any():
            np.add.at(counts[3], pyramid_shares.changes(shares) + _SHARES, 1)
    return {
        name: whole_frequencies(count / count.sum()).astype(np.int32)
        for name, count in zip(NAMES, counts)
    }
