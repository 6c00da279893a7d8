"""Truth values without loss: grids of bits, each coded given those around it that are known.

A binary tree of questions leads from the bits around a place, and around its mirror images, to how
often such a bit is 1 (Martins and Forchhammer 1998, "Tree coding of bilevel images"; JBIG's
template is a tree of fixed shape). What is asked are bits alone: nothing depends on how a machine
rounds. Bits are coded in *fronts*, planes that sweep askew through the grid, so that all of one can
be decoded at once. docs/format.md says all that a second decoder needs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import constriction
import numpy as np

from mscn_tf.runtime import tables
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.tables import FREQUENCY_BITS, checked_array

QUESTIONS = 64
_TOTAL = 1 << FREQUENCY_BITS
_SWEEP = np.array([8, 3, 1], np.int32)  # what a step along each axis counts towards a place's front
_MARGIN = 2  # empty cells around a grid, as far as a context reaches
_CHUNK = 2**15  # places whose contexts are looked up together
_LARGEST_TREE = 2**17  # nodes
_MOST_PLACES = 2**24  # of a grid: some 70 bytes of memory each
_MODEL = constriction.stream.model.Categorical(perfect=False)


def _ball(reach: int, squared: int) -> list[tuple[int, ...]]:
    """Offsets (z, y, x) of at most so large a square, in ascending order."""
    steps = itertools.product(range(-reach, reach + 1), repeat=3)
    return [step for step in steps if np.dot(step, step) <= squared]


_BEFORE = np.array([step for step in _ball(2, 6) if step < (0, 0, 0)], np.int32)  # [40, 3]
_AROUND = np.array(_ball(1, 1), np.int32)  # [7, 3]


class _Scan:
    """The places of a grid in the order in which they are coded.

    Cells are numbered row-major in the grid widened by its margins; one cell more is always 1.

    Attributes:
      cells: of the widened grid, and that one.
      at: int32 [n], the cell of each place.
      inner: int32 [n], the same row-major.
      ends: where in `at` each front ends, but for those without places.
    """

    def __init__(self, shape: tuple[int, int, int]):
        wide = [side + 2 * _MARGIN for side in shape]
        strides = np.array([wide[1] * wide[2], wide[2], 1], np.int32)
        place = np.indices(shape, np.int32).reshape(3, -1)
        front = _SWEEP @ place
        order = np.argsort(front, kind="stable")
        place, front = place[:, order], front[order]
        self.cells = math.prod(wide) + 1
        self.at = strides @ (place + np.int32(_MARGIN))
        self.inner = np.sort(self.at)
        self.ends = [*(np.flatnonzero(np.diff(front)) + 1).tolist(), len(front)]
        self._front = np.zeros(self.cells, np.int32)
        self._front[self.at] = front
        self._front[-1] = -1
        self._before, self._around = _BEFORE @ strides, _AROUND @ strides
        # From each place to its mirror images, and whether those come in earlier fronts.
        turned = np.array(shape, np.int32)[:, None] - 1 - 2 * place
        self._turned = turned * strides[:, None]
        self._earlier = turned < 0

    def _asked(self, part: slice) -> np.ndarray:
        """int32 [n, 64]: the cells that questions 0 to 63 are about."""
        at = self.at[part, None]
        asked = [at + self._before]
        asked += [at + turned[part, None] + self._around for turned in self._turned]
        asked.append(np.where(self._earlier[:, part], np.int32(self.cells - 1), np.int32(0)).T)
        return np.concatenate(asked, axis=1)

    def contexts(self, cells: np.ndarray, part: slice, complete: bool) -> np.ndarray:
        """int64 [n]: the answers to all questions, question 0 the lowest bit.

        Args:
          cells: bool [cells], zero where they are not known.
          part: of the places.
          complete: all cells are known: those count as zero that a decoder wouldn't know.
        """
        asked = self._asked(part)
        answers = cells[asked]
        if complete:
            answers &= self._front[asked] < self._front[self.at[part], None]
        return np.packbits(answers, axis=1, bitorder="little").view("<i8")[:, 0]


@lru_cache(maxsize=1)
def _scan(shape: tuple[int, int, int]) -> _Scan:
    return _Scan(shape)


def fits(shape: Sequence[int]) -> bool:
    """Whether truth values ``[.., C]`` of this shape can be coded so."""
    *axes, channels = map(int, shape)
    return len(axes) <= 3 and channels == 1 and math.prod(axes) <= _MOST_PLACES


def _scan_of(shape: Sequence[int]) -> _Scan:
    """The scan of a signal of up to three axes and one channel."""
    if not fits(shape):
        raise MscnError(
            f"a grid of shape {list(shape)} can't be coded without loss: at most {_MOST_PLACES} "
            "values of one channel; cut it up"
        )
    return _scan((*[1] * (4 - len(shape)), *map(int, shape[:-1])))


def contexts_and_bits(grid: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Contexts, int64 [n], and bits, bool [n], of all places in coding order, in chunks.

    Args:
      grid: bool ``[.., 1]``, of one to three axes.
    """
    scan = _scan_of(grid.shape)
    cells = np.zeros(scan.cells, bool)
    cells[scan.inner] = grid.ravel()
    cells[-1] = True
    for start in range(0, len(scan.at), _CHUNK):
        part = slice(start, start + _CHUNK)
        yield scan.contexts(cells, part, complete=True), cells[scan.at[part]]


class Occupancy:
    """Codes grids of truth values with a learned tree.

    Args:
      arrays: by name,
        occupancy_bit: integers [n]; the question that node i asks, or -1 where it is a leaf.
        occupancy_next: integers [n]; of a node that asks the first of its two children, next to
          each other and later than itself, for the answers 0 and 1; of a leaf how many of 65,536
          such bits are 1.

    Raises:
      MscnError: the arrays are no such tree.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        bit = checked_array(arrays, "occupancy_bit", 1)
        following = checked_array(arrays, "occupancy_next", 1)
        node, asks = np.arange(len(bit)), bit >= 0
        lowest, highest = np.where(asks, node + 1, 1), np.where(asks, len(bit) - 2, _TOTAL - 1)
        if (
            len(bit) != len(following)
            or len(bit) > _LARGEST_TREE
            or not ((bit >= -1) & (bit < QUESTIONS)).all()
            or not ((lowest <= following) & (following <= highest)).all()
        ):
            raise MscnError("prior: the tree of occupancy is damaged")
        # Where answers 0 and 1 lead; leaves lead to themselves, so that all walks have one length.
        # Nodes are counted in twos.
        children = [np.where(asks, following, node), np.where(asks, following + 1, node)]
        self._next = 2 * np.stack(children, axis=1).ravel()
        self._bit = np.repeat(np.maximum(bit, 0), 2)
        self._ones = np.repeat(np.where(asks, 0, following), 2)
        depth = np.zeros(len(bit), np.int64)
        for i in np.flatnonzero(asks).tolist():
            first = following[i]
            depth[first : first + 2] = np.maximum(depth[first : first + 2], depth[i] + 1)
        self._depth = int(depth.max())
        if self._depth > QUESTIONS:
            raise MscnError("prior: the tree of occupancy asks a question twice")

    def _weights(self, contexts: np.ndarray) -> np.ndarray:
        """float64 [n, 2]: as `tables.model` gives them to the range coder."""
        node = np.zeros(len(contexts), np.int64)
        for _ in range(self._depth):
            node = self._next[node + ((contexts >> self._bit[node]) & 1)]
        ones = self._ones[node]
        return tables.weights(np.stack([_TOTAL - ones, ones], axis=1))

    def encode(self, grid: np.ndarray) -> bytes:
        """The payload of a grid, bool ``[.., 1]`` of up to three axes."""
        encoder = tables.RangeEncoder()
        for contexts, bits in contexts_and_bits(grid):
            encoder.encode(bits.astype(np.int32), _MODEL, self._weights(contexts))
        return tables.seal(encoder)

    def decode(self, payload: bytes, shape: Sequence[int]) -> np.ndarray:
        """bool of that shape, ``[.., 1]``: what `encode` coded.

        Raises:
          MscnError: the payload cannot be decoded. (One that is damaged may also decode to other
            bits: the container's checksums are what finds damage.)
        """
        scan = _scan_of(shape)
        cells = np.zeros(scan.cells, bool)
        cells[-1] = True
        decoder, start = tables.unseal(payload), 0
        for end in scan.ends:
            part = slice(start, end)
            weights = self._weights(scan.contexts(cells, part, complete=False))
            with tables.damage_in_words():
                cells[scan.at[part]] = decoder.decode(_MODEL, weights)
            start = end
        return cells[scan.inner].reshape(shape)
