"""Real bytes of sparse values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mscn_tf.experiments.stored import ElementCoder

STEP = 0.1
M = 2000
#: Of each element the deviation, in steps, from nearly always zero to large.
SCALES = np.repeat([0.02, 0.3, 1.0, 4.0, 30.0], M // 5)


def sparse(count, seed, open_share=1.0):
    """Values ``[count, M]``: Laplacian, each kept with a probability."""
    random = np.random.default_rng(seed)
    values = random.laplace(0, STEP * SCALES / np.sqrt(2), [count, M])
    return values * (random.random([count, M]) < open_share)


@pytest.mark.parametrize("open_share", [1.0, 0.1, 0.0])
def test_round_trip(open_share):
    """What comes back is the rounded value, exactly; no more than half a step off."""
    coder = ElementCoder(sparse(100, 0, open_share), STEP)
    for values in sparse(5, 1, open_share):
        decoded = coder.decode(coder.encode(values))
        np.testing.assert_array_equal(decoded, STEP * np.rint(values / STEP))
        assert np.abs(decoded - values).max() <= STEP / 2 * (1 + 1e-9)
        assert coder.encode(decoded) == coder.encode(values)


@given(
    values=st.lists(st.floats(-1e5, 1e5), min_size=3, max_size=3),
    seen=st.lists(st.floats(-3, 3), min_size=3, max_size=3),
)
def test_values_that_training_never_had(values, seen):
    """Through an escape, however large; and where all that was seen were zeros."""
    coder = ElementCoder(np.array([seen, [0.0] * 3]), STEP)
    decoded = coder.decode(coder.encode(np.array(values)))
    np.testing.assert_array_equal(decoded, STEP * np.rint(np.array(values) / STEP))


def test_bytes_are_close_to_the_entropy():
    """Of elements whose distribution is known: within 4 % and the length of a file's end."""
    coder, test = ElementCoder(sparse(400, 0), STEP), sparse(40, 1)
    bits = 0.0
    for scale in np.unique(SCALES):
        edges = np.arange(-2000.5, 2001) / (scale / np.sqrt(2))
        below = np.where(edges < 0, np.exp(-np.abs(edges)) / 2, 1 - np.exp(-np.abs(edges)) / 2)
        share = np.diff(below)
        share = share[share > 1e-300]
        bits -= np.count_nonzero(scale == SCALES) * np.sum(share * np.log2(share))
    size = np.mean([len(coder.encode(values)) for values in test])
    assert bits / 8 - 8 < size < 1.04 * bits / 8 + 8


def test_zeros_cost_next_to_nothing():
    """Elements that are always zero need no list of places."""
    random = np.random.default_rng(2)
    mask = random.random(20_000) < 0.02
    train, test = (random.normal(size=[n, 20_000]) * mask for n in (100, 1))
    whole = len(ElementCoder(train, STEP).encode(test[0]))
    alone = len(ElementCoder(train[:, mask], STEP).encode(test[0, mask]))
    assert whole < alone + 40  # 19,600 zeros in under 40 bytes


def test_a_mask_of_each_signals_own_costs_little_more_than_its_entropy():
    """Masks that no training signal tells of: places and signs cost what they must, and a tenth."""
    random, count, share = np.random.default_rng(3), 6000, 0.1

    def values(signals):
        mask = random.random([signals, count]) < share
        return np.where(random.random([signals, count]) < 0.5, -STEP, STEP) * mask

    coder = ElementCoder(values(128), STEP)
    size = np.mean([len(coder.encode(one)) for one in values(20)])
    places = -(share * np.log2(share) + (1 - share) * np.log2(1 - share)) * count / 8
    assert size < 1.1 * (places + share * count / 8)


def test_a_larger_step_gives_fewer_bytes():
    train, values = sparse(50, 0), sparse(1, 1)[0]
    sizes = [len(ElementCoder(train, step).encode(values)) for step in (0.05, 0.1, 0.3, 1.0)]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 4
