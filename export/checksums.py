"""CRC-32 in TensorFlow's own operations: linear maps of bits, so that halves join to wholes."""

from __future__ import annotations

import zlib

import numpy as np
import tensorflow as tf

_LEVELS = 26  # pieces of up to 2^26 bytes
# After these bytes a register that began with zeros is what zlib's begins with.
_BEGIN = (0x62, 0xF5, 0x26, 0x92)


def _tables() -> np.ndarray:
    """int64 ``[_LEVELS, 4, 256]``: what byte k of a register becomes behind 2^level zeros."""
    ones = (1 << 32) - 1
    byte = np.array([zlib.crc32(bytes([b]), ones) ^ ones for b in range(256)], np.int64)
    zeros = [byte, *(np.arange(256, dtype=np.int64) << 8 * k for k in range(3))]
    levels = [np.stack(zeros)]
    for _ in range(_LEVELS - 1):
        last = levels[-1]
        parts = [last[k][last >> 8 * k & 255] for k in range(4)]
        levels.append(parts[0] ^ parts[1] ^ parts[2] ^ parts[3])
    return np.stack(levels)


_TABLES = _tables()


def crc32(data: tf.Tensor) -> tf.Tensor:
    """int64 ``[]``: the CRC-32 of bytes, int64 ``[n]``, n below 2^26."""

    def halved(registers: tf.Tensor, level: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        registers = tf.pad(registers, [[tf.size(registers) % 2, 0]])  # zeros in front do nothing
        pairs = tf.reshape(registers, [-1, 2])
        tables = tf.gather(_TABLES, level)
        joined = pairs[:, 1]
        for k in range(4):
            byte = tf.bitwise.bitwise_and(tf.bitwise.right_shift(pairs[:, 0], 8 * k), 255)
            joined = tf.bitwise.bitwise_xor(joined, tf.gather(tables[k], byte))
        return joined, level + 1

    registers = tf.gather(_TABLES[0, 0], tf.concat([tf.constant(_BEGIN, tf.int64), data], 0))
    loop = [registers, tf.constant(0)]
    shapes = [tf.TensorShape([None]), tf.TensorShape([])]
    found = tf.while_loop(lambda r, _: tf.size(r) > 1, halved, loop, shapes)[0][0]
    return tf.bitwise.bitwise_xor(found, (1 << 32) - 1)
