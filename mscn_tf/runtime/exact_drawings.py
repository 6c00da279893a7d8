"""Exact planes of drawings: of what was seen around a pixel before, the same follows again.

Rows that repeat take a decision each, flat parts of rows another. Any other pixel is what followed
in the same surroundings, smaller and smaller, or one of its neighbours, or else a colour that is
told channel by channel. docs/format.md says all that a second decoder needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Callable, Optional

import numpy as np

from mscn_tf.runtime.decisions import Decisions, mixed, reader, writer
from mscn_tf.runtime.exact_grids import sample
from mscn_tf.runtime.input import Input
from mscn_tf.runtime.tables import RangeEncoder, damage_in_words, seal, unseal

_CHANNELS = (1, 3)
_LARGEST = 2**22  # pixels: decoding takes seconds for each 2^20
_MOST_DECISIONS = 5  # for each pixel: more take too long
_SURE = 2**16  # pixels after which that shows
_KEPT = 2  # decoded drawings, of 12 MB at most
_PADDING = 3  # pixels at either end of a row
_SLOT_BITS = (16, 22)  # at least and at most
_LAST_BITS = (12, 20)  # of tables of what followed
_NONE = -1  # no colour
_ROW, _RUN, _LENGTH, _REST, _SAME, _PART, _VALUE = (256 * kind for kind in range(7))


def suit(values: np.ndarray) -> bool:
    """Whether a plane ``[.., C]`` can be coded so, and may well be a drawing.

    In the middle of most half of the pixels are as the one to their left or above, and more.
    """
    if values.dtype != np.uint8 or values.ndim != 3 or values.shape[-1] not in _CHANNELS:
        return False
    if values[..., 0].size > _LARGEST:
        return False
    part = _colours(sample(values))
    alike = np.zeros(part.shape, bool)
    alike[1:] |= part[1:] == part[:-1]
    alike[:, 1:] |= part[:, 1:] == part[:, :-1]
    return bool(2 * alike.sum() >= alike.size)


def encode(values: np.ndarray, bound: int = 0) -> Optional[bytes]:
    """The payload of a plane, behind its form; None where it would take too long to decode.

    Args:
      values: uint8 ``[H, W, 1 or 3]``.
      bound: that no value is farther from what it was, where colours were changed before.
    """
    encoder, pixels = RangeEncoder(), 0
    drawing = _Drawing(values.shape, writer(encoder))
    sure = min(_SURE, values[..., 0].size)
    for row in _colours(values):
        drawing.row(row)
        pixels += len(row)
        if drawing.decisions.made > _MOST_DECISIONS * max(pixels, sure):
            return None
    return bytes((bound,)) + seal(encoder)


def decode(payload: Input, shape: Sequence[int]) -> np.ndarray:
    """uint8 ``[H, W, C]``: what ``encode`` coded.

    Raises:
      MscnError: the payload is damaged.
    """
    if len(shape) != 3 or shape[-1] not in _CHANNELS:
        raise payload.damaged("a drawing of other channels")
    if shape[0] * shape[1] > _LARGEST:
        raise payload.damaged(f"a drawing of more than {_LARGEST} pixels")
    payload.take(1)  # the bound
    return _decoded(payload.take(payload.left), tuple(shape)).copy()


@lru_cache(_KEPT)
def _decoded(string: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """What `decode` gives; of pictures that are asked for part by part it is there already."""
    with damage_in_words():
        drawing = _Drawing(shape, reader(unseal(string)))
        rows = [drawing.row() for _ in range(shape[0])]
    colours = np.array(rows, ">u4")[..., None]
    return np.ascontiguousarray(colours.view(np.uint8)[..., -shape[-1] :])


def bound_of(payload: bytes) -> int:
    """How far values may be from what they were before colours were changed."""
    return payload[0] if payload else 0


def _colours(values: np.ndarray) -> np.ndarray:
    """int64 ``[H, W]``: a number for each pixel, the first channel in its highest byte."""
    numbers = np.zeros(values.shape[:2], np.int64)
    for channel in np.moveaxis(values, -1, 0):
        numbers = numbers << 8 | channel
    return numbers


def _ends(alike: np.ndarray) -> list[int]:
    """For each place the first one from it on that isn't alike."""
    places = np.where(alike, len(alike), np.arange(len(alike)))
    return np.minimum.accumulate(places[::-1])[::-1].tolist()


class _Drawing:
    """Rows of a plane, one after the other, coded or decoded.

    Rows are lists of colours with padding at both ends: on the left the pixel above the first one,
    on the right the last one. Above the first row all is 0.

    Args:
      shape: ``[H, W, C]``.
      code: as of `Decisions`.

    Attributes:
      decisions: that were made.
    """

    def __init__(self, shape: Sequence[int], code: Callable[[int, int], int]):
        height, self._width, self._channels = shape
        size = (height * self._width).bit_length()
        least, most = _SLOT_BITS
        self.decisions = Decisions(code, min(max(size + 5, least), most))
        least, most = _LAST_BITS
        last_bits = min(max(size + 3, least), most)
        self._last_shift = 32 - last_bits
        self._last = [[_NONE] * 2**last_bits for _ in range(3)]  # what followed in surroundings
        self._parts: dict[int, int] = {}  # of a colour's first channels: the next one
        self._above = self._above2 = [0] * (self._width + 2 * _PADDING)
        self._repeats = 1  # bits: which of the rows before were as the one before them

    def row(self, known: Optional[np.ndarray] = None) -> list[int]:
        """The colours of the next row.

        Args:
          known: int64 ``[W]``, where it is coded.
        """
        above, width = self._above, self._width
        row = known.tolist() if known is not None else []
        history = self._repeats & 255
        one, two, four, eight = (mixed(history & mask, _ROW + mask) for mask in (1, 3, 15, 255))
        repeats = row == above[_PADDING : width + _PADDING]
        same = self.decisions.decide(_ROW, (one, two, four, eight), repeats)
        self._repeats = history << 1 | same
        if same:
            self._above2 = above
        else:
            current = [above[_PADDING]] * _PADDING + (row or [0] * width)
            self._pixels(current, known)
            current += current[-1:] * _PADDING
            self._above2, self._above = above, current
        return self._above[_PADDING : width + _PADDING]

    def _pixels(self, current: list[int], known: Optional[np.ndarray]) -> None:
        """All pixels of a row that isn't as the one above."""
        above, above2, end = self._above, self._above2, self._width + _PADDING
        one, two = np.array(above), np.array(above2)
        flat = _ends((one[:-1] == one[1:]) & (one[:-1] == two[:-1]))
        same = None
        if known is not None:
            padded = np.array([*current, _NONE])
            same = _ends(padded[:-1] == padded[1:])
        at, breaks = _PADDING, 0
        while at < end:
            colour, other = above[at], _NONE
            longest = min(flat[at], end) - at
            if longest and current[at - 1] == colour == above[at - 1]:
                count = 0
                if same is not None and current[at] == colour:
                    count = min(same[at] + 1 - at, longest)
                count = self._run(current, at, longest, breaks, count)
                current[at : at + count] = [colour] * count
                at += count
                if count == longest:
                    continue
                breaks, other = min(breaks + 1, 3), colour
            current[at] = self._pixel(current, at, other, current[at])
            at += 1

    def _run(self, current: list[int], at: int, longest: int, breaks: int, count: int) -> int:
        """How many pixels are as all around them."""
        decide, bits, colour = self.decisions.decide, longest.bit_length(), current[at - 1]
        before = mixed(colour, current[at - 2], current[at - 3])
        if at >= 2 * _PADDING:
            before = mixed(before, current[at - 4], current[at - 5], current[at - 6])
        place, before = _RUN + 4 * bits + breaks, mixed(before, _RUN)
        contexts = (mixed(place, 1), mixed(place, before), mixed(place, colour), mixed(bits, 2))
        if decide(_RUN + breaks, contexts, count == longest):
            return longest
        size = (count + 1).bit_length() - 1  # count + 1 is 2^size and a rest
        for found in range(bits):
            place = _LENGTH + 32 * breaks + found
            contexts = (
                mixed(place, 1),
                mixed(place, before),
                mixed(place, colour),
                mixed(_LENGTH + found, bits),
            )
            if found == bits - 1 or not decide(_LENGTH + found, contexts, found < size):
                break
        number = 1
        for bit in range(found - 1, -1, -1):
            place = mixed(_REST + found, number)
            contexts = (place, mixed(place, before), mixed(place, breaks + 1), mixed(place, bits))
            number = 2 * number | decide(_REST + found, contexts, (count + 1) >> bit & 1)
        if number > longest:
            raise ValueError("a run beyond its end")
        return number - 1

    def _pixel(self, current: list[int], at: int, other: int, colour: int) -> int:
        """A pixel by itself, which is not of a colour that is left out."""
        above, above2, shift = self._above, self._above2, self._last_shift
        left, up, corner, next_up = current[at - 1], above[at], above[at - 1], above[at + 1]
        near = mixed(left, _SAME, up)
        around = mixed(near, corner, next_up)
        wide = mixed(around, current[at - 2], above2[at], above[at + 2], above[at - 2])
        wide = mixed(wide, above2[at + 1], above2[at - 1], current[at - 3])
        last_near, last_around, last_wide = self._last
        slot_near, slot_around, slot_wide = near >> shift, around >> shift, wide >> shift
        third, second, first = last_near[slot_near], last_around[slot_around], last_wide[slot_wide]
        agree = (first == second) + 2 * (second == third)
        agree += 4 * (first != _NONE) + 8 * (second != _NONE) + 16 * (other != _NONE)
        tried = [_NONE, other]
        found = _NONE
        for rank, guess in enumerate((first, second, third, left, up, next_up, corner)):
            if guess in tried:
                continue
            tried.append(guess)
            like = (guess == left) + 2 * (guess == up) + 4 * (guess == next_up)
            like += 8 * (guess == corner)
            contexts = (
                mixed(near, guess),
                mixed(around, guess),
                mixed(wide, guess),
                mixed(_SAME + 32 * rank + agree, like),
            )
            kind = _SAME + 32 * min(len(tried) - 3, 3) + agree
            if self.decisions.decide(kind, contexts, guess == colour):
                found = guess
                break
        if found == _NONE:
            found = self._told(left, up, corner, colour)
        last_near[slot_near] = last_around[slot_around] = last_wide[slot_wide] = found
        return found

    def _told(self, left: int, up: int, corner: int, colour: int) -> int:
        """A colour, channel by channel."""
        decide, parts, told = self.decisions.decide, self._parts, 0
        for channel in range(self._channels):
            low = 8 * (self._channels - 1 - channel)
            value, key, place = colour >> low & 255, told << 2 | channel, _PART + channel
            guess, known = parts.get(key, _NONE), 0
            if channel and guess != _NONE:
                context = mixed(key, _PART)
                contexts = (context, mixed(place, 1), mixed(context, left), mixed(context, up))
                known = decide(place, contexts, guess == value)
            if known:
                value = guess
            else:
                value = self._value(channel, low, told, left, up, corner, value)
                parts[key] = value
            told = told << 8 | value
        return told

    def _value(
        self, channel: int, low: int, told: int, left: int, up: int, corner: int, value: int
    ) -> int:
        """One channel of a colour, of which those before are told."""
        place = _VALUE + 8 * channel
        west, north, across = left >> low & 255, up >> low & 255, corner >> low & 255
        slope = min(max(west + north - across, min(west, north)), max(west, north))
        moved = west
        if channel:  # as far from the left one as the channel before is
            moved = min(max(west + (told & 255) - (left >> low + 8 & 255), 0), 255)
        contexts = (
            mixed(place, 256 + moved),
            mixed(place, 512 + slope),
            mixed(place + 768, told),
            mixed(place, 1024 + west, north),
        )
        return self.decisions.number(place, contexts, 8, value)
