"""Decisions between two ways, coded at chances that are learned on the way, in whole numbers.

What was decided before in four contexts says how likely each way is; a logistic mixture of the
four, whose weights are learned as well, says how likely it is in all (Mahoney 2005, PAQ). Nothing
is sent besides, and both sides learn the same. docs/format.md says all that a second decoder needs.
"""

from __future__ import annotations

import math
from array import array
from functools import lru_cache
from typing import Callable

import numpy as np

from mscn_tf.runtime.tables import RangeDecoder, RangeEncoder, model

_HASH, _WORD = 0x9E3779B1, 0xFFFFFFFF
_LEVELS = 4096  # of chances, as logarithms of odds from -2048 up
_UNIT = 180  # levels of a factor of e in odds
_WHOLE = 65536
_LEAST = 16  # chance of either way, in 65536ths
_KINDS = 2**11  # of decisions
_LIMIT = 60  # decisions of a context after which new ones count no less
_PACE = 10  # of weights
_FIRST_WEIGHT = 19661  # 0.3
_UNKNOWN = 32768 << 8  # an even chance after no decision
_ADAPTION = [_WHOLE * 5 // (5 * count + 8) for count in range(_LIMIT + 1)]


def mixed(one: int, *others: int) -> int:
    """A number of 32 bits that depends on all bits of several such, and on their order."""
    for other in others:
        product = (one ^ other) * _HASH & _WORD
        one = product ^ product >> 15
    return one


@lru_cache(1)
def chances() -> tuple[list[int], list[int]]:
    """Of each level the chance in 65536ths; and of each chance in 4096ths the level, less 2048.

    No number before rounding lies within 1e-5 of a half, so that every machine rounds alike.
    """
    half = _LEVELS // 2
    odds = [math.exp((half - level) / _UNIT) for level in range(_LEVELS)]
    chance = [min(max(round(_WHOLE / (1 + one)), _LEAST), _WHOLE - _LEAST) for one in odds]
    shares = [(place + 0.5) / _LEVELS for place in range(_LEVELS)]
    level = [round(math.log(share / (1 - share)) * _UNIT) for share in shares]
    return chance, level


@lru_cache(1)
def _models() -> list[object]:
    """What constriction takes for each level."""
    return [model(np.array([_WHOLE - chance, chance])) for chance in chances()[0]]


def writer(encoder: RangeEncoder) -> Callable[[int, int], int]:
    """Codes a decision at the chance of a level."""
    models, encode = _models(), encoder.encode

    def write(level: int, bit: int) -> int:
        encode(bit, models[level])
        return bit

    return write


def reader(decoder: RangeDecoder) -> Callable[[int, int], int]:
    """Decodes a decision at the chance of a level; what it is called with besides doesn't count."""
    models, decode = _models(), decoder.decode

    def read(level: int, bit: int) -> int:
        found: int = decode(models[level])
        return found

    return read


class Decisions:
    """Codes or decodes decisions, one after the other.

    Args:
      code: `writer` or `reader` of a range coder.
      slot_bits: contexts share 2 to the power of that many slots.

    Attributes:
      made: how many decisions were made.
    """

    def __init__(self, code: Callable[[int, int], int], slot_bits: int):
        self._shift, self.made, self._code = 32 - slot_bits, 0, code
        # Chance in 65536ths, and decisions until then; close together for the cache.
        self._slots = array("I", [_UNKNOWN]) * 2**slot_bits
        self._weights = [(_FIRST_WEIGHT,) * 4] * _KINDS
        self._chance, self._level = chances()

    def decide(self, kind: int, contexts: tuple[int, int, int, int], bit: int = 0) -> int:
        """Codes a bit, or decodes one.

        Args:
          kind: of the decision, below 2^11: each has weights of its own.
          contexts: four numbers of 32 bits.
          bit: where it is known.
        """
        return self._path(kind, contexts, 1, bit) & 1

    def number(self, kind: int, contexts: tuple[int, int, int, int], bits: int, value: int) -> int:
        """Codes a whole number, or decodes one, bit by bit from the highest on.

        Args:
          kind: of the last bit's decision; that of the one before is one more, and so on.
          contexts: four numbers of 32 bits; of a bit they are mixed with 1 and the bits before.
          bits: of the number.
          value: where it is known.
        """
        one, two, three, four = contexts
        first = mixed(one, 1), mixed(two, 1), mixed(three, 1), mixed(four, 1)
        return self._path(kind, first, bits, value, contexts) - (1 << bits)

    def _path(
        self,
        kind: int,
        contexts: tuple[int, int, int, int],
        bits: int,
        value: int,
        mixed_with: tuple[int, int, int, int] = (0,) * 4,
    ) -> int:
        """The decisions of a number, after a one. All in one piece: calls would take as long."""
        slots, shift, level_of, adaption = self._slots, self._shift, self._level, _ADAPTION
        one, two, three, four = contexts
        c1, c2, c3, c4 = mixed_with
        number = 1
        self.made += bits
        while True:
            bits -= 1
            one >>= shift
            two >>= shift
            three >>= shift
            four >>= shift
            state1, state2, state3, state4 = slots[one], slots[two], slots[three], slots[four]
            x1, x2 = level_of[state1 >> 12], level_of[state2 >> 12]
            x3, x4 = level_of[state3 >> 12], level_of[state4 >> 12]
            w1, w2, w3, w4 = self._weights[kind + bits]
            level = (w1 * x1 + w2 * x2 + w3 * x3 + w4 * x4 >> 16) + 2048
            level = 0 if level < 0 else 4095 if level > 4095 else level
            bit = self._code(level, value >> bits & 1)
            target = 65535 if bit else 0
            error = (target - self._chance[level]) * _PACE
            self._weights[kind + bits] = (
                w1 + (x1 * error + 32768 >> 16),
                w2 + (x2 * error + 32768 >> 16),
                w3 + (x3 * error + 32768 >> 16),
                w4 + (x4 * error + 32768 >> 16),
            )
            # What a context knows after a decision: its chance moved, and one more until then.
            count = state1 & 255
            moved = (target - (state1 >> 8)) * adaption[count] >> 16 << 8
            slots[one] = state1 + moved + (count < _LIMIT)
            count = state2 & 255
            moved = (target - (state2 >> 8)) * adaption[count] >> 16 << 8
            slots[two] = state2 + moved + (count < _LIMIT)
            count = state3 & 255
            moved = (target - (state3 >> 8)) * adaption[count] >> 16 << 8
            slots[three] = state3 + moved + (count < _LIMIT)
            count = state4 & 255
            moved = (target - (state4 >> 8)) * adaption[count] >> 16 << 8
            slots[four] = state4 + moved + (count < _LIMIT)
            number = number << 1 | bit
            if not bits:
                return number
            one = (c1 ^ number) * _HASH & _WORD
            one ^= one >> 15
            two = (c2 ^ number) * _HASH & _WORD
            two ^= two >> 15
            three = (c3 ^ number) * _HASH & _WORD
            three ^= three >> 15
            four = (c4 ^ number) * _HASH & _WORD
            four ^= four >> 15
