"""Range decoding (docs/format.md) in TensorFlow's own operations, a letter each time of a loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from mscn_tf.runtime.tables import FREQUENCY_BITS

_TOTAL = 1 << FREQUENCY_BITS
_SHIFT = 24 - FREQUENCY_BITS  # to the coder's units of 2^-24
_ESCAPE_BYTES = 5


class Coder(NamedTuple):
    """Where a decoder stands.

    Attributes:
      difference: uint64 ``[]``, `point` less `low`.
      range: uint64 ``[]``.
      at: int32 ``[]``, the next word.
    """

    difference: tf.Tensor
    range: tf.Tensor
    at: tf.Tensor


def words_of(payload: tf.Tensor) -> tf.Tensor:
    """uint64 ``[n]``, 32 bits each, of bytes, int64; the last one stands for all after it."""
    padded = tf.pad(payload, [[0, 12 + -tf.size(payload) % 4]])
    shifted = tf.bitwise.left_shift(
        tf.cast(tf.reshape(padded, [-1, 4]), tf.uint64), tf.constant([24, 16, 8, 0], tf.uint64)
    )
    return tf.reduce_sum(shifted, 1)


def begin(words: tf.Tensor) -> Coder:
    """A decoder before its first letter."""
    return Coder(_shifted(words[0], words[1]), tf.constant(2**64 - 1, tf.uint64), tf.constant(2))


def _shifted(high: tf.Tensor, low: tf.Tensor) -> tf.Tensor:
    high = tf.bitwise.left_shift(high, tf.constant(32, tf.uint64))
    return tf.bitwise.bitwise_or(high, low)


class LetterTables:
    """`runtime.tables.Tables` as far as decoding takes it.

    Args:
      arrays: as there, by name.

    Attributes:
      count: of tables.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        support = arrays["support"].astype(np.int64)
        self.count = len(support)
        # One more table: of bytes, which escaped values are made of.
        frequencies = np.append(arrays["frequencies"].astype(np.int64), np.full(256, 256))
        self._starts = np.append(0, np.cumsum(2 * support + 2))
        before = np.cumsum(frequencies) - frequencies  # each table adds up to _TOTAL
        self._before_all = before
        self._before = (before % _TOTAL << _SHIFT).astype(np.uint64)
        self._frequency = (frequencies << _SHIFT).astype(np.uint64)
        self._support = support

    def _letter(self, words: tf.Tensor, coder: Coder, table: tf.Tensor) -> tuple[Coder, tf.Tensor]:
        """The decoder behind a letter of a table, int64 ``[]``; and that letter, int64 ``[]``."""
        scale = tf.bitwise.right_shift(coder.range, tf.constant(24, tf.uint64))
        slot = coder.difference // tf.bitwise.left_shift(scale, tf.constant(_SHIFT, tf.uint64))
        slot = tf.minimum(slot, tf.constant(_TOTAL - 1, tf.uint64))  # beyond is damage
        value = table * _TOTAL + tf.cast(slot, tf.int64)
        place = tf.searchsorted(self._before_all, value[None], "right", tf.int64)[0] - 1
        difference = coder.difference - scale * tf.gather(self._before, place)
        span = scale * tf.gather(self._frequency, place)
        short = span < tf.constant(2**32, tf.uint64)
        word = tf.gather(words, tf.minimum(coder.at, tf.size(words) - 1))
        coder = Coder(
            tf.where(short, _shifted(difference, word), difference),
            tf.where(short, tf.bitwise.left_shift(span, tf.constant(32, tf.uint64)), span),
            coder.at + tf.cast(short, tf.int32),
        )
        return coder, place - tf.gather(self._starts, table)

    def _letters(
        self, words: tf.Tensor, coder: Coder, table: tf.Tensor, count: tf.Tensor
    ) -> tuple[Coder, tf.Tensor]:
        """So many of one table, int64 ``[count]``."""

        def one(i: tf.Tensor, coder: Coder, run: tf.TensorArray) -> tuple[Any, ...]:
            coder, letter = self._letter(words, coder, table)
            return i + 1, coder, run.write(i, letter)

        run = tf.TensorArray(tf.int64, count, element_shape=[])
        loop = (tf.constant(0), coder, run)
        _, coder, run = tf.while_loop(lambda i, *_: i < count, one, loop)
        return coder, run.stack()

    def _escaped(
        self, words: tf.Tensor, coder: Coder, support: tf.Tensor
    ) -> tuple[Coder, tf.Tensor]:
        """A symbol beyond its table, int64 ``[]``, whose varint follows."""

        def more(place: tf.Tensor, byte: tf.Tensor, *_: Any) -> tf.Tensor:
            return (byte >= 128) & (place < _ESCAPE_BYTES)

        def one(place: tf.Tensor, _: tf.Tensor, number: tf.Tensor, coder: Coder) -> tuple[Any, ...]:
            coder, byte = self._letter(words, coder, tf.constant(self.count, tf.int64))
            return place + 1, byte, number + tf.bitwise.left_shift(byte % 128, 7 * place), coder

        nothing = tf.constant(0, tf.int64)
        loop = (nothing, tf.constant(128, tf.int64), nothing, coder)
        _, _, number, coder = tf.while_loop(more, one, loop)
        size = support + 1 + number // 2
        return coder, tf.where(number % 2 == 1, -size, size)

    def _run(
        self, words: tf.Tensor, coder: Coder, table: tf.Tensor, count: tf.Tensor
    ) -> tuple[Coder, tf.Tensor]:
        """So many symbols of one table, int64 ``[count]``; escaped values follow all letters."""
        support = tf.gather(self._support, table)
        coder, letters = self._letters(words, coder, table, count)
        escaped = tf.where(letters == 2 * support + 1)

        def one(i: tf.Tensor, coder: Coder, values: tf.TensorArray) -> tuple[Any, ...]:
            coder, value = self._escaped(words, coder, support)
            return i + 1, coder, values.write(i, value)

        many = tf.shape(escaped)[0]
        loop = (tf.constant(0), coder, tf.TensorArray(tf.int64, many, element_shape=[]))
        _, coder, values = tf.while_loop(lambda i, *_: i < many, one, loop)
        return coder, tf.tensor_scatter_nd_update(letters - support, escaped, values.stack())

    def decode(self, words: tf.Tensor, coder: Coder, index: tf.Tensor) -> tuple[Coder, tf.Tensor]:
        """The symbols of one group, int32 ``[n]``, whose tables are ``index``, int32 ``[n]``."""
        order = tf.argsort(index, stable=True)
        counts = tf.math.bincount(index, minlength=self.count, maxlength=self.count)
        used = tf.where(counts > 0)[:, 0]
        runs = tf.TensorArray(tf.int64, tf.size(used), infer_shape=False, element_shape=[None])

        def one(i: tf.Tensor, coder: Coder, runs: tf.TensorArray) -> tuple[Any, ...]:
            coder, run = self._run(words, coder, used[i], tf.gather(counts, used[i]))
            return i + 1, coder, runs.write(i, run)

        loop = (tf.constant(0), coder, runs)
        _, coder, runs = tf.while_loop(lambda i, *_: i < tf.size(used), one, loop)
        symbols = tf.scatter_nd(order[:, None], runs.concat(), tf.shape(index))
        return coder, tf.cast(symbols, tf.int32)
