"""Grows the tree of questions that ``runtime.occupancy`` codes truth values with."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import numpy as np

from mscn_tf.runtime.occupancy import QUESTIONS, contexts_and_bits
from mscn_tf.runtime.tables import FREQUENCY_BITS

_LEAST_GAIN = 25.0  # bits that a question must save on the training set
_PSEUDO_COUNT = 0.4  # of either answer in every leaf (Krichevsky and Trofimov 1981: 1/2)
_ROWS = 2**16  # contexts counted together

_Counts = tuple[np.ndarray, np.ndarray]  # different contexts, and how often each is there


def _counted(grids: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Different contexts, int64 [n] rising; how often each has a 0 and a 1: float64 [2, n]."""
    counted: tuple[list[_Counts], list[_Counts]] = [], []
    for grid in grids:
        for contexts, bits in contexts_and_bits(grid):
            for parts, chosen in zip(counted, (~bits, bits)):
                parts.append(np.unique(contexts[chosen], return_counts=True))
    seen = [np.concatenate([c for c, _ in parts]) for parts in counted]
    unique, which = np.unique(np.concatenate(seen), return_inverse=True)
    counts = np.zeros((2, len(unique)))
    for row, parts, at in zip(counts, counted, np.split(which, [len(seen[0])])):
        np.add.at(row, at, np.concatenate([n for _, n in parts]))
    return unique, counts


def _entropy(zeros: np.ndarray, ones: np.ndarray) -> np.ndarray:
    """Bits that so many zeros and ones take together."""
    total = zeros + ones
    return sum(n * np.log2(np.maximum(total, 1) / np.maximum(n, 1)) for n in (zeros, ones))


def _counts_of_yes(answers: np.ndarray, counts: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """float64 [2, 64]: how many zeros and ones have a 1 as answer to each question."""
    parts = np.split(rows, range(_ROWS, len(rows), _ROWS))
    # Exact in any order: whole numbers below 2^53.
    return sum(counts[:, part] @ answers[part].astype(np.float64) for part in parts)


def grow_tree(grids: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of ``runtime.occupancy.Occupancy``, learned from grids.

    From the root on, every node asks what tells most about its bits, as long as that saves
    25 bits.

    Args:
      grids: bool ``[.., 1]``, of one to three axes.
    """
    contexts, counts = _counted(grids)
    bytes_of = contexts.astype("<i8").view(np.uint8).reshape(-1, QUESTIONS // 8)
    answers = np.unpackbits(bytes_of, axis=1, bitorder="little")
    bit, following = [-1], [0]
    waiting = deque([(0, np.arange(len(contexts)))])
    while waiting:
        node, rows = waiting.popleft()
        total = counts[:, rows].sum(axis=1, keepdims=True)
        yes = _counts_of_yes(answers, counts, rows)
        gain = _entropy(*total) - _entropy(*(total - yes)) - _entropy(*yes)
        best = int(gain.argmax())
        if gain[best] < _LEAST_GAIN:
            share = (total[1, 0] + _PSEUDO_COUNT) / (total.sum() + 2 * _PSEUDO_COUNT)
            all_bits = 1 << FREQUENCY_BITS
            following[node] = int(np.clip(round(share * all_bits), 1, all_bits - 1))
            continue
        bit[node], following[node] = best, len(bit)
        answer = answers[rows, best].astype(bool)
        for part in (rows[~answer], rows[answer]):
            waiting.append((len(bit), part))
            bit.append(-1)
            following.append(0)
    return {
        "occupancy_bit": np.array(bit, np.int8),
        "occupancy_next": np.array(following, np.uint32),
    }
